"""From the trained torch module to one ONNX file that gives the same numbers.

TorchScript's exporter comes first: it takes a tenth of a second. What it made is run on real rows right away; where it
fails or disagrees (a trace follows one path only), the exporter of torch.export, which takes seconds, has its turn.
"""

from __future__ import annotations

import contextlib
import copy
import inspect
import io
import logging
import os
import re
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Optional

from .failures import Unusable
from .packages import MissingPackage, has, needs
from .predictions import rowwise

OPSET = 18
CHECKED_ROWS = 64
ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
RELATIVE, ABSOLUTE = 1e-3, 1e-4


class ExportFailed(Unusable):
    """The trained module cannot be made into an ONNX file."""


@dataclass
class Exported:
    """How the file was made: "torchscript" or "dynamo"; checked under "onnxruntime", "onnx" or None; the largest
    difference."""

    exporter: str
    checked_with: Optional[str]
    max_difference: Optional[float]


def is_module(value: Any) -> bool:
    """Whether `value` is a torch module, without importing torch."""
    return any(
        kind.__module__ == "torch.nn.modules.module" and kind.__name__ == "Module" for kind in type(value).__mro__
    )


def settled(module: Any) -> Any:
    """Return a copy of a trained module in eval mode, on the CPU, in float32; torch.compile's and DDP's wrappers are
    taken off."""
    while True:
        if hasattr(module, "_orig_mod"):
            module = module._orig_mod
        elif type(module).__name__ in ("DistributedDataParallel", "DataParallel"):
            module = module.module
        else:
            break
    with contextlib.suppress(Exception):  # a module that cannot be copied is used itself: its training is over
        module = copy.deepcopy(module)
    try:
        return module.to("cpu").float().eval().requires_grad_(False)
    except Exception as error:
        raise ExportFailed(f"the trained module cannot be moved to the CPU in float32: {_first_line(error)}") from error


def raw_of(module: Any) -> Any:
    """Return raw(x) → the module's output for a float32 numpy batch, as numpy."""
    torch = needs("torch", "running the model")
    numpy = needs("numpy", "running the model")

    def raw(x: Any) -> Any:
        with torch.inference_mode():
            y = module(torch.from_numpy(numpy.ascontiguousarray(x, dtype=numpy.float32)))
        if not isinstance(y, torch.Tensor):
            raise ExportFailed(f"the trained module returned a {type(y).__name__}; it must return one tensor")
        return y.float().numpy()

    return raw


def export(module: Any, x: Any, target: str) -> Exported:
    """Write a settled module as the ONNX file `target`: input `x` [n, …] float32, output `y`.

    Args:
        x: real rows, float32 [n, …], n ≥ 1; the module and the file are compared on them, all at once and one alone.

    Raises:
        ExportFailed: neither exporter gave a file that agrees with the module; with both reasons.
    """
    numpy = needs("numpy", "exporting the model")
    rows = numpy.array(x[:CHECKED_ROWS], dtype=numpy.float32)
    while len(rows) < 3:  # a batch of one or two would be traced as if it were always so many
        rows = numpy.concatenate([rows, rows])
    try:
        expected = {count: raw_of(module)(rows[:count]) for count in (1, len(rows))}
    except ExportFailed:
        raise
    except Exception as error:
        raise ExportFailed(f"the trained module does not run on the CPU in float32: {_first_line(error)}") from error
    many = rowwise(expected[len(rows)], len(rows), ())
    _refuse_chance(numpy, raw_of(module)(rows), many)
    if expected[1].ndim != many.ndim:
        module = _with_every_row(module, many.shape[1:])
        expected[1] = rowwise(expected[1], 1, many.shape[1:])
    reasons = []
    for exporter, write in (("torchscript", _by_torchscript), ("dynamo", _by_dynamo)):
        try:
            with _quiet():
                write(module, rows, target)
            with_what, difference = _compare(numpy, target, rows, expected)
        except Exception as error:  # exporters raise whatever they meet
            reasons.append(f"{exporter}: {_first_line(error)}")
            continue
        return Exported(exporter, with_what, difference)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(target)
    raise ExportFailed(
        "the trained module cannot be exported to ONNX; export it yourself and return the path of the file. "
        + "The exporters said: "
        + "; ".join(reasons)
    )


def _by_torchscript(module: Any, rows: Any, target: str) -> None:
    torch = needs("torch", "exporting the model")
    options: dict[str, Any] = {"dynamic_axes": {"x": {0: "n"}, "y": {0: "n"}}, "opset_version": OPSET}
    if "dynamo" in inspect.signature(torch.onnx.export).parameters:
        options["dynamo"] = False
    torch.onnx.export(module, (torch.from_numpy(rows),), target, input_names=["x"], output_names=["y"], **options)


def _by_dynamo(module: Any, rows: Any, target: str) -> None:
    torch = needs("torch", "exporting the model")
    needs("onnxscript", "exporting this model")
    torch.onnx.export(
        module,
        (torch.from_numpy(rows),),
        target,
        input_names=["x"],
        output_names=["y"],
        dynamo=True,
        dynamic_shapes=({0: torch.export.Dim("n")},),
        opset_version=OPSET,
        external_data=False,
        verbose=False,
    )


def _with_every_row(module: Any, tail: tuple[int, ...]) -> Any:
    """The module, its output [n, *tail] for one row too: `squeeze()` without a dimension loses n where n is 1."""
    torch = needs("torch", "exporting the model")

    class EveryRow(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.trained = module

        def forward(self, x: Any) -> Any:
            return self.trained(x).reshape(x.shape[0], *tail)

    return EveryRow().eval()


def _compare(numpy: Any, target: str, rows: Any, expected: dict[int, Any]) -> tuple[Optional[str], Optional[float]]:
    """Run the file on all rows and on one; returns what ran it and the largest difference, or raises ValueError."""
    if has("onnxruntime"):
        with_what, run = "onnxruntime", _under_onnxruntime(target)
    elif has("onnx"):
        with_what, run = "onnx", _under_onnx(target)
    else:
        return None, None  # packaging compares again, with our own onnxruntime
    largest = 0.0
    for count, wanted in expected.items():
        got = run(rows[:count])
        if got.shape != wanted.shape:
            raise ValueError(
                f"for {count} rows the file gives shape {list(got.shape)}, the module {list(wanted.shape)}"
            )
        if not numpy.allclose(got, wanted, rtol=RELATIVE, atol=ABSOLUTE, equal_nan=True):
            raise ValueError(
                f"for {count} rows the file's numbers are off by up to {numpy.nanmax(numpy.abs(got - wanted)):.3g}"
            )
        with numpy.errstate(invalid="ignore"):
            difference = numpy.abs(got - wanted)
        largest = max(largest, float(numpy.nanmax(difference, initial=0.0)))
    return with_what, largest


def _under_onnxruntime(target: str) -> Any:
    onnxruntime = needs("onnxruntime", "checking the model")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(target, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda x: session.run(None, {name: x})[0]


def _under_onnx(target: str) -> Any:
    onnx = needs("onnx", "checking the model")
    reference = needs("onnx.reference", "checking the model")
    session = reference.ReferenceEvaluator(onnx.load(target))
    return lambda x: session.run(None, {"x": x})[0]


def _refuse_chance(numpy: Any, again: Any, before: Any) -> None:
    if not numpy.allclose(again, before, rtol=RELATIVE, atol=ABSOLUTE, equal_nan=True):
        raise ExportFailed(
            "the trained module gives other numbers for the same rows each time, in eval mode: is there chance in it?"
        )


def _first_line(error: Exception) -> str:
    if isinstance(error, MissingPackage):
        return str(error)
    cause: BaseException = error
    while cause.__cause__ is not None:  # exporters wrap what went wrong in pages of advice
        cause = cause.__cause__
    line = next((line for line in ESCAPES.sub("", str(cause)).splitlines() if line.strip()), "")
    return f"{type(cause).__name__}: {line[:300]}"


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Exporters tell pages about themselves; what matters comes back as an exception."""
    level = logging.root.manager.disable
    silence = io.StringIO()
    with contextlib.ExitStack() as after:
        after.callback(logging.disable, level)
        logging.disable(logging.CRITICAL)
        for number in (1, 2):  # torch's C++ prints past Python
            sys.stdout.flush()
            sys.stderr.flush()
            before = os.dup(number)
            after.callback(os.close, before)
            after.callback(os.dup2, before, number)
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, number)
            os.close(nowhere)
        after.enter_context(warnings.catch_warnings())
        after.enter_context(contextlib.redirect_stdout(silence))
        after.enter_context(contextlib.redirect_stderr(silence))
        warnings.simplefilter("ignore")
        yield
