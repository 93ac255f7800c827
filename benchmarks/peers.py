"""The interpreters that the peers run in: those that `make bench` fills from the requirements here, else this one.

Environments of their own, since some of them ask for other versions of what trainshed is pinned to, and BentoML for
others than the rest.
"""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
OWN = [ROOT / name / "bin" / "python" for name in (".venv-bench", ".venv-bench-bentoml")]
PEERS = (
    "tensorboard", "trackio", "mlflow", "wandb", "dvc", "polars", "pandas", "litserve", "granian", "bentoml", "nvitop",
)  # fmt: skip
FIND = "import importlib.util, sys; print(*(name for name in sys.argv[1:] if importlib.util.find_spec(name)))"


def interpreter(peer: str) -> str | None:
    """The Python that has a peer; None where none has."""
    return next((python for python in [*map(str, OWN), sys.executable] if peer in _there(python)), None)


def absent() -> list[str]:
    """The peers that cannot be measured here."""
    return [peer for peer in PEERS if interpreter(peer) is None]


@cache
def _there(python: str) -> frozenset[str]:
    if not Path(python).exists():
        return frozenset()
    told = subprocess.run([python, "-c", FIND, *PEERS], check=True, capture_output=True, text=True, cwd="/").stdout
    return frozenset(told.split())
