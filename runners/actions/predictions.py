"""What endpoints answered lately, prediction by prediction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from storage import predictions
from storage.read import endpoints as read_endpoints
from storage.shed import Shed


@dataclass(frozen=True)
class Prediction:
    """One row of the prediction log.

    Attributes:
        id, row: the request and the place in it.
        value: the prediction as a person reads it: a probability, a number, the likeliest class.
        share: the probability that belongs to it, 0 to 1; None for a number.
        output: all that was answered; `truth` what turned out to be true, None before that is known.
        version: what answered; `digest` is that of its bytes.
    """

    id: str
    row: int
    at: float
    ms: float
    model: str
    version: int
    digest: str
    route: str
    inputs: dict[str, Any]
    output: Any
    value: Any
    share: float | None
    truth: Any = None


def latest(shed: Shed, endpoint: str, limit: int = 100) -> list[Prediction]:
    """The newest predictions of an endpoint, newest first. Raises UsageError when there is no such endpoint."""
    model = read_endpoints.named(shed, endpoint).model
    found = []
    for row in predictions.latest(shed.endpoint_dir(endpoint) / "log", limit):
        value, share = read_out(row["output"])
        found.append(Prediction(model=model, value=value, share=share, **row))
    return found


def size(shed: Shed, endpoint: str) -> tuple[int, int]:
    """Differs whenever something was logged since."""
    lines = list((shed.endpoint_dir(endpoint) / "log").glob("*.open.jsonl"))
    return len(lines), sum(path.stat().st_size for path in lines if path.exists())


def read_out(output: Any) -> tuple[Any, float | None]:
    """An output as `Prediction` tells it: its value, and the probability that goes with it."""
    first = next(iter(output.values()), None) if isinstance(output, dict) else output
    if isinstance(first, (int, float)) and isinstance(output, dict) and "probability" in output:
        return first, float(first)
    if isinstance(first, dict):  # class → its probability, null where the model gave no finite number
        shares = {name: float(share) for name, share in first.items() if isinstance(share, (int, float))}
        likeliest = max(shares, key=lambda name: shares[name], default=None)
        return likeliest, shares.get(likeliest) if likeliest is not None else None
    return first, None
