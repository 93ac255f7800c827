"""The run's seed, planted in every source of chance: at once where it is loaded, else the moment it is imported.

Importing torch takes a second, so a project that never asks for it does not pay for a seed in it.
"""

from __future__ import annotations

import importlib.util
import random
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, Optional


def plant(seed: int) -> None:
    """Seed `random` now, numpy and torch (all devices) as soon as they are there."""
    random.seed(seed)
    for name in ("numpy", "torch"):
        if name in sys.modules:
            _seed(sys.modules[name], seed)
        else:
            sys.meta_path.insert(0, _SeedOnImport(name, seed))


def _seed(module: Any, seed: int) -> None:
    if module.__name__ == "numpy":
        module.random.seed(seed % 2**32)
    else:
        module.manual_seed(seed)


class _SeedOnImport:
    """Finds one module as the others would, and seeds it after it was executed."""

    def __init__(self, name: str, seed: int) -> None:
        self._name = name
        self._seed = seed
        self._asking_others = False

    def find_spec(
        self, name: str, path: Optional[Sequence[str]] = None, target: Optional[ModuleType] = None
    ) -> Optional[ModuleSpec]:
        if name != self._name or self._asking_others:
            return None
        self._asking_others = True
        try:
            spec = importlib.util.find_spec(name)
        finally:
            self._asking_others = False
        if spec is None or spec.loader is None:
            return spec
        loader: Any = spec.loader
        execute = loader.exec_module

        def execute_and_seed(module: ModuleType) -> None:
            execute(module)
            _seed(module, self._seed)

        loader.exec_module = execute_and_seed
        return spec
