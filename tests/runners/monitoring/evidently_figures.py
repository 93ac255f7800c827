"""Evidently's figures for the columns below, which ours are compared with; kept in evidently.json.

python -m venv /tmp/evidently && /tmp/evidently/bin/pip install "evidently==0.7.23" "pandas<3"
/tmp/evidently/bin/python tests/runners/monitoring/evidently_figures.py > tests/runners/monitoring/evidently.json
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

Side = NDArray[Any]


def columns() -> dict[str, tuple[Side, Side]]:
    """Name → values before and after: each moves in its own way, one does not."""
    random = np.random.default_rng(0)
    kinds = np.array(["a", "b", "c", "d"])
    return {
        "same": (random.normal(size=3000), random.normal(size=2000)),
        "a little": (random.normal(size=3000), random.normal(0.15, 1, 2000)),
        "mean": (random.normal(size=3000), random.normal(0.5, 1, 2000)),
        "spread": (random.normal(size=3000), random.normal(0, 2, 2000)),
        "skewed": (random.lognormal(size=3000), random.lognormal(0.4, 1, 2000)),
        "kinds": (random.choice(kinds, 3000), random.choice(kinds, 2000, p=[0.4, 0.3, 0.2, 0.1])),
    }


def main() -> None:
    import evidently
    import pandas as pd
    from evidently.legacy.calculations import stattests
    from evidently.legacy.calculations.stattests.utils import get_binned_data
    from evidently.legacy.core import ColumnType

    found: dict[str, Any] = {}
    for name, sides in columns().items():
        before, after = map(pd.Series, sides)
        kind = ColumnType.Numerical if before.dtype.kind == "f" else ColumnType.Categorical
        test = stattests.ks_stat_test if kind == ColumnType.Numerical else stattests.chi_stat_test
        found[name] = {
            "bins": [side.tolist() for side in get_binned_data(before, after, kind, 30)],
            "psi": float(stattests.psi_stat_test(before, after, kind, None).drift_score),
            "js": float(stattests.jensenshannon_stat_test(before, after, kind, None).drift_score),
            "p": float(test(before, after, kind, None).drift_score),
        }
    print(json.dumps({"evidently": evidently.__version__, "columns": found}, indent=1))


if __name__ == "__main__":
    main()
