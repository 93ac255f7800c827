"""What the trained model says about rows, in batches."""

from __future__ import annotations

from typing import Any, Callable, Optional

from .failures import Unusable
from .packages import needs

BATCH_BYTES = 32 << 20
MOST_ROWS = 8192

Raw = Callable[[Any], Any]  # float32 [n, …] → the model's raw float32 output, for one batch


class WrongShape(Unusable):
    """The model's output is not what its task asks for."""


def in_batches(raw: Raw, x: Any, progress: Optional[Callable[[int, int], None]] = None) -> Any:
    """Return the raw outputs for every row of `x` as one float32 array [n, …]."""
    numpy = needs("numpy", "predicting")
    x = numpy.asarray(x, dtype=numpy.float32)
    rows = max(1, min(MOST_ROWS, BATCH_BYTES // max(1, x[:1].nbytes)))
    parts: list[Any] = []
    for start in range(0, len(x), rows):
        batch = x[start : start + rows]
        part = numpy.asarray(raw(batch), dtype=numpy.float32)
        parts.append(rowwise(part, len(batch), parts[0].shape[1:] if parts else part.shape[1:]))
        if progress is not None:
            progress(min(start + rows, len(x)), len(x))
    return numpy.concatenate(parts) if parts else numpy.zeros((0,), dtype=numpy.float32)


def rowwise(y: Any, rows: int, tail: tuple[int, ...]) -> Any:
    """Return `y` as [rows, *tail], which a `squeeze()` in the model loses for a single row.

    Raises:
        WrongShape: it does not have one output for each row.
    """
    if y.ndim == 0 or y.shape[0] != rows:
        if rows != 1:
            raise WrongShape(
                f"the model gave an output of shape {list(y.shape)} for {rows} rows; it must give one for each row"
            )
        return y.reshape(1, *tail) if y.ndim == 0 or len(tail) == y.ndim else y.reshape(1, *y.shape)
    return y


def predictor(raw: Raw, task: Optional[str], activation: Optional[str]) -> Callable[[Any], Any]:
    """Return predict(x) → the task's prediction for each row: binary the probability of the positive class [n],
    multiclass the probabilities [n, classes], regression (and no task) the value [n].

    `activation` is what the model ends in already ("Sigmoid", "Softmax" or None: logits).
    """
    numpy = needs("numpy", "predicting")

    def predict(x: Any) -> Any:
        if hasattr(x, "detach"):
            x = x.detach().cpu().numpy()
        y = in_batches(raw, x)
        if task == "multiclass":
            if y.ndim != 2:
                raise WrongShape(
                    f"a multiclass model gives one number for each class, [n, classes]; this one gave {list(y.shape)}"
                )
            return y if activation == "Softmax" else _softmax(numpy, y)
        if y.ndim > 1:
            if y[0:1].size > 1:
                raise WrongShape(f"a {task} model gives one number a row, [n] or [n, 1]; this one gave {list(y.shape)}")
            y = y.reshape(len(y))
        return _sigmoid(numpy, y) if task == "binary" and activation != "Sigmoid" else y

    return predict


def _sigmoid(numpy: Any, y: Any) -> Any:
    return numpy.exp(-numpy.logaddexp(0.0, -y.astype(numpy.float64))).astype(numpy.float32)  # no overflow at either end


def _softmax(numpy: Any, y: Any) -> Any:
    grown = numpy.exp(y.astype(numpy.float64) - y.max(axis=1, keepdims=True))
    return (grown / grown.sum(axis=1, keepdims=True)).astype(numpy.float32)
