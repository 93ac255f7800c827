"""Packages that the user's environment must have for what the user's code asked."""

from __future__ import annotations

import importlib
import sys
from typing import Any

from .failures import Unusable


class MissingPackage(Unusable):
    """The user's interpreter lacks a package that is needed for what was asked."""


def needs(name: str, why: str) -> Any:
    """Import and return a package of the user's environment.

    Raises:
        MissingPackage: naming the package, the interpreter, and what to type.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name.partition(".")[0]:
            raise  # it is there, and lacks something itself: its own message says what
        raise MissingPackage(
            f"{why} needs the package {error.name}, and {sys.executable} does not have it; "
            f"type: {sys.executable} -m pip install {error.name}"
        ) from None


def has(name: str) -> bool:
    """Whether the user's environment has a package that works."""
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True
