"""Importing the user's functions, from a project whose modules may have any name.

A project's `queue.py` stands before the standard library's on `sys.path`, so `import torch`, which wants the standard
one, would break. Here the importer decides: a file of the project gets the project's module, everyone else the standard
library's.
"""

from __future__ import annotations

import builtins
import difflib
import importlib
import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any, Callable, Optional

from .failures import Unusable

OWN = "_project"  # the package under which modules named like standard ones are kept


class WrongEntry(Unusable):
    """The entry `module:function` of the project leads nowhere."""


def import_path(code_dir: str) -> None:
    """Put the project's code first on `sys.path`, standard modules unharmed."""
    code_dir = os.path.realpath(code_dir)
    sys.path.insert(0, code_dir)
    shadows = _shadows(code_dir)
    if shadows:
        _let_the_importer_decide(code_dir, shadows)


def entry(text: str) -> tuple[Callable[..., Any], ModuleType]:
    """Return the function of `module:function`, and its module.

    Raises:
        WrongEntry: the text, the module or the function is wrong; with what was near.
        Exception: whatever importing the module raises.
    """
    name, _, function = text.partition(":")
    if not function or not name:
        raise WrongEntry(f"the entry {text!r} is not of the form module:function, such as pipeline:train")
    try:
        module = _imported(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(error.name.rpartition(f"{OWN}.")[2] + "."):
            raise  # the module is there; something it imports is not
        raise WrongEntry(
            f"the entry {text!r} names a module that is not there: no {name}.py in {sys.path[0]}"
        ) from None
    found = getattr(module, function, None)
    if not callable(found):
        near = difflib.get_close_matches(function, [key for key, value in vars(module).items() if callable(value)], n=1)
        hint = f'; did you mean "{near[0]}"?' if near else ""
        what = "has no function" if found is None else "has no function, but something else,"
        raise WrongEntry(f"the entry {text!r}: {module.__file__} {what} named {function!r}{hint}")
    return found, module


def _imported(name: str) -> ModuleType:
    if OWN in sys.modules and name.partition(".")[0] in _shadows(sys.path[0]):
        return importlib.import_module(f"{OWN}.{name}")
    return importlib.import_module(name)


def _shadows(code_dir: str) -> frozenset[str]:
    """The top-level modules of the project that are named like one of the standard library."""
    names = set()
    for item in os.scandir(code_dir):
        name, suffix = os.path.splitext(item.name)
        if suffix == ".py" or (item.is_dir() and os.path.exists(os.path.join(item.path, "__init__.py"))):
            names.add(name)
    return frozenset(names & _standard_names())


def _standard_names() -> frozenset[str]:
    if sys.version_info >= (3, 10):
        return sys.stdlib_module_names
    files = os.listdir(os.path.dirname(os.__file__))
    return frozenset(sys.builtin_module_names) | {name.partition(".")[0] for name in files}


class _StandardFirst:
    """Finds the standard library's module for the names that the project has too."""

    def __init__(self, code_dir: str, names: frozenset[str]) -> None:
        self._code_dir = code_dir
        self._names = names

    def find_spec(
        self, name: str, path: Optional[Sequence[str]] = None, target: Optional[ModuleType] = None
    ) -> Optional[importlib.machinery.ModuleSpec]:
        if path is not None or name not in self._names:
            return None
        elsewhere = [entry for entry in sys.path if os.path.realpath(entry) != self._code_dir]
        return importlib.machinery.PathFinder.find_spec(name, elsewhere)


def _let_the_importer_decide(code_dir: str, names: frozenset[str]) -> None:
    package = ModuleType(OWN)
    package.__path__ = [code_dir]
    sys.modules[OWN] = package
    sys.meta_path.insert(0, _StandardFirst(code_dir, names))
    import_standard = builtins.__import__
    inside = code_dir + os.sep

    def import_(
        name: str,
        globals: Any = None,  # noqa: A002 (the names that __import__ gives them)
        locals: Any = None,  # noqa: A002
        fromlist: Optional[Sequence[str]] = (),
        level: int = 0,
    ) -> ModuleType:
        top = name.partition(".")[0]
        if level or top not in names or not _is_of_project(globals, inside):
            return import_standard(name, globals, locals, fromlist, level)
        module = import_standard(f"{OWN}.{name}", globals, locals, fromlist, 0)
        return module if fromlist else sys.modules[f"{OWN}.{top}"]

    builtins.__import__ = import_


def _is_of_project(variables: Any, inside: str) -> bool:
    file = (variables or {}).get("__file__") or ""
    return os.path.realpath(file).startswith(inside) and "site-packages" not in file
