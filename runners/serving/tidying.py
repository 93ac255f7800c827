"""Looks after an endpoint's prediction log, and notes what its counters stand at, for those who look at it later.

In a process of its own at the lowest priority, started once a minute.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from runners.serving import figures
from storage import predictions, traffic
from storage.errors import TrainshedError
from storage.serve_section import LogSection


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--rules", required=True)
    given = parser.parse_args()
    os.nice(19)
    rules = LogSection.model_validate_json(given.rules)
    try:
        traffic.note(given.folder.parent, time.time(), figures.totals(given.folder.parent).counters)
        predictions.tidy(given.folder, keep_days=rules.keep_days, keep_bytes=int(rules.keep_gb * 2**30))
    except (TrainshedError, OSError) as err:
        print(f"the prediction log was not looked after: {err}", flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
