"""What a checkpoint holds, as bytes: tensors, arrays, numbers, text and containers of them. Never a pickle of anything
else.

A state with torch tensors is written by `torch.save` and read with `weights_only=True`; one without is a zip of JSON
and .npy files, so that a project without torch needs none.
"""

from __future__ import annotations

import base64
import contextlib
import json
import zipfile
from collections import OrderedDict
from typing import Any, BinaryIO

from .packages import has, needs

PLAIN = (bool, int, float, str, bytes, type(None))
WHAT = "a checkpoint holds tensors, arrays, numbers, text, and lists, tuples, sets and dicts of them"


def form_of(state: Any) -> str:
    """Return "pt" when torch must write the state, else "zip".

    Raises:
        TypeError: naming the part that cannot be kept.
    """
    packages = _packages_of(state, "state")
    if "torch" not in packages:
        return "zip"
    if "numpy" in packages and not hasattr(needs("torch", "this checkpoint").serialization, "safe_globals"):
        raise TypeError(
            "a checkpoint with tensors and numpy arrays needs torch 2.5 or newer; make tensors of the arrays"
        )
    return "pt"


def write(state: Any, form: str, file: BinaryIO) -> None:
    """Write a state, of the form that `form_of` found."""
    if form == "pt":
        needs("torch", "this checkpoint").save(state, file)
        return
    arrays: list[Any] = []
    tree = _encoded(state, arrays)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("state.json", json.dumps(tree))
        for number, array in enumerate(arrays):
            with archive.open(f"{number}.npy", "w", force_zip64=True) as member:
                needs("numpy", "this checkpoint").lib.format.write_array(member, array, allow_pickle=False)


def read(form: str, file: BinaryIO) -> Any:
    """Read a state back; tensors are on the CPU."""
    if form == "pt":
        torch = needs("torch", "restoring this checkpoint")
        with _numpy_allowed(torch):
            return torch.load(file, map_location="cpu", weights_only=True)
    with zipfile.ZipFile(file) as archive:
        return _decoded(json.loads(archive.read("state.json")), archive)


def _packages_of(value: Any, path: str) -> set[str]:
    """Which of torch and numpy must write it; raises for what can be written but not safely read."""
    kind = type(value)
    if kind in PLAIN:
        return set()
    if kind in (dict, OrderedDict):
        parts = [(key, f"a key of {path}") for key in value]
        parts += [(item, f"{path}[{key!r}]") for key, item in value.items()]
        return set().union(*(_packages_of(part, where) for part, where in parts))
    if kind in (list, tuple, set):
        return set().union(*(_packages_of(item, f"{path}[{place}]") for place, item in enumerate(value)))
    module = kind.__module__.partition(".")[0]
    if module == "numpy" and getattr(getattr(value, "dtype", None), "hasobject", True) is False:
        return {"numpy"}
    if module == "torch" and (hasattr(value, "untyped_storage") or kind.__name__ in ("Size", "dtype", "device")):
        return {"torch"}
    raise TypeError(f"{path} is a {kind.__module__}.{kind.__qualname__}, which a checkpoint cannot keep; {WHAT}")


def _encoded(value: Any, arrays: list[Any]) -> Any:
    """The state as JSON; what JSON lacks is {"": kind, "of": …}."""
    if type(value) is bytes:
        return {"": "bytes", "of": base64.b64encode(value).decode()}
    if type(value) in PLAIN:
        return value
    if isinstance(value, dict):
        if all(type(key) is str and key for key in value):
            return {key: _encoded(item, arrays) for key, item in value.items()}
        return {"": "dict", "of": [[_encoded(key, arrays), _encoded(item, arrays)] for key, item in value.items()]}
    if isinstance(value, list):
        return [_encoded(item, arrays) for item in value]
    if isinstance(value, (tuple, set)):
        return {"": type(value).__name__, "of": [_encoded(item, arrays) for item in value]}
    arrays.append(value)
    return {"": "array" if value.ndim else "scalar", "of": len(arrays) - 1}


def _decoded(value: Any, archive: zipfile.ZipFile) -> Any:
    if isinstance(value, list):
        return [_decoded(item, archive) for item in value]
    if not isinstance(value, dict):
        return value
    if "" not in value:
        return {key: _decoded(item, archive) for key, item in value.items()}
    kind, inside = value[""], value["of"]
    if kind == "bytes":
        return base64.b64decode(inside)
    if kind in ("array", "scalar"):
        with archive.open(f"{inside}.npy") as member:
            array = needs("numpy", "restoring this checkpoint").lib.format.read_array(member, allow_pickle=False)
        return array if kind == "array" else array[()]
    items = [_decoded(item, archive) for item in inside]
    if kind == "dict":
        return dict(items)
    return tuple(items) if kind == "tuple" else set(items)


@contextlib.contextmanager
def _numpy_allowed(torch: Any) -> Any:
    """Let `weights_only` read numpy arrays and numbers, which data alone cannot make dangerous."""
    allow = getattr(torch.serialization, "safe_globals", None)
    if allow is None or not has("numpy"):
        yield
        return
    numpy = needs("numpy", "restoring this checkpoint")
    core = getattr(numpy, "_core", None) or numpy.core
    kinds = [
        type(numpy.dtype(code)) for code in numpy.typecodes["AllInteger"] + numpy.typecodes["AllFloat"] + "?SUFDMm"
    ]
    parts = [core.multiarray._reconstruct, core.multiarray.scalar, numpy.ndarray, numpy.dtype, *kinds]
    with allow(parts):
        yield
