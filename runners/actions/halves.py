"""What an A/B split has shown: both versions' predictions, and how right they were where the truth is known."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from runners.evaluation.truths import truths
from runners.packaging.signature import Signature
from runners.serving.samples import value_of
from storage import predictions
from storage.errors import UsageError
from storage.read import endpoints as read_endpoints
from storage.read import models as read_models
from storage.read import rollouts as read_rollouts
from storage.shed import Shed

FEWEST = 30  # requests with a truth, of either version: below it the normal distribution is no help
MOST = 200_000
SURE = 0.95


@dataclass(frozen=True)
class Half:
    """One version: rows that it answered, their mean prediction, and the mean score of the requests with a truth."""

    version: int
    rows: int
    mean: float | None
    judged: int
    score: float | None


@dataclass(frozen=True)
class Halves:
    """Both versions of a split.

    Attributes:
        measure: what a score is: `share right`, or `absolute error` for a regression.
        difference: the second version's score less production's, with its 95 % interval over requests (Welch); None
            where either has fewer than 30 requests with a truth.
        better: `production`, `second`, or nothing while the interval holds 0.
    """

    endpoint: str
    model: str
    production: Half
    second: Half
    measure: str
    difference: tuple[float, float, float] | None
    better: str


def halves(shed: Shed, endpoint: str) -> Halves:
    """The split that goes on at an endpoint, or was the last there. Looked at again and again, the interval misleads.

    Raises:
        UsageError: there is no such endpoint, or it had no split.
    """
    found = read_endpoints.named(shed, endpoint)
    row = next((each for each in read_rollouts.history(shed, endpoint) if each.kind == "ab"), None)
    if row is None:
        raise UsageError(f'endpoint "{endpoint}" had no split', todo=f"trainshed endpoints ab start {endpoint}")
    versions = [read_models.version_by_id(shed, each)[1] for each in (row.against_id, row.version_id)]
    signature = Signature.from_json(versions[0].signature)
    query = (
        'select id, output, truth->>\'$\' from predictions where digest = ? and "at" >= ? and "at" <= ? '
        'order by "at" desc limit ?'
    )
    told, scores = [], []
    with predictions.connect(shed.endpoint_dir(found.name) / "log") as con:
        for version in versions:
            since = [version.digest, row.routed_at or row.started_at, row.ended_at or math.inf, MOST]
            rows = con.execute(query, since).fetchall()
            values: list[float] = []
            of_request: dict[str, list[float]] = {}
            for (request, output, _), known in zip(rows, truths([row[2] for row in rows], signature), strict=True):
                values.append(value_of(json.loads(output)))
                if not math.isnan(known):
                    of_request.setdefault(request, []).append(_score(signature, values[-1], known))
            each = np.array([np.mean(of_rows) for of_rows in of_request.values()])
            scores.append(each)
            mean = float(np.mean(values)) if values and signature.task != "multiclass" else None
            told.append(Half(version.number, len(rows), mean, len(each), float(each.mean()) if len(each) else None))
    apart = _apart(*scores)
    sign = -1 if signature.task == "regression" else 1
    better = "" if apart is None or apart[1] <= 0 <= apart[2] else "second" if apart[0] * sign > 0 else "production"
    measure = "absolute error" if signature.task == "regression" else "share right"
    return Halves(endpoint, row.model, told[0], told[1], measure, apart, better)


def _score(signature: Signature, value: float, truth: float) -> float:
    if signature.task == "regression":
        return abs(value - truth)
    decided = float(value >= 0.5) if signature.task == "binary" else value
    return float(decided == truth)


def _apart(production: np.ndarray, second: np.ndarray) -> tuple[float, float, float] | None:
    if min(len(production), len(second)) < FEWEST:
        return None
    difference = float(second.mean() - production.mean())
    error = math.sqrt(sum(float(each.var(ddof=1)) / len(each) for each in (production, second)))
    reach = NormalDist().inv_cdf((1 + SURE) / 2) * error
    return difference, difference - reach, difference + reach
