"""The verb that explains a prediction: how much each column contributes to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np

from runners.actions.models import resolve
from runners.evaluation import shapley
from runners.evaluation.shapley import Contribution, Explanation
from runners.packaging.scoring import batches
from runners.packaging.signature import Signature
from runners.serving import following, records
from runners.serving.explaining import BACKGROUND_ROWS, background_of
from runners.serving.refusals import Refused
from runners.serving.session import Loaded
from storage.errors import DataInvalid, UsageError
from storage.shed import Shed

__all__ = ["Contribution", "Explanation", "explain"]


def explain(
    shed: Shed, reference: str, record: Mapping[str, Any], *, rows: int = BACKGROUND_ROWS, seed: int = 0
) -> Explanation:
    """Explain what a version predicts for a record, against `rows` of the test rows it was judged on.

    Raises:
        UsageError: there is no such version, or no rows of its dataset are left.
        DataInvalid: the record does not fit the model, with the column.
        ShedError: the packaged model is damaged.
    """
    name, version = resolve(shed, reference)
    shed.objects.verify(version.digest)
    described, _ = following.described(shed, name, version)
    loaded = Loaded(replace(described, example=records.plain_record(Signature.from_json(version.signature))))
    try:
        row, _ = loaded.form.several(msgspec.json.encode([record]), 1)
        background = background_of(described, loaded.form, rows, seed)
    except Refused as err:
        if err.status == 409:
            raise UsageError(err.message) from None
        place = f'column "{err.field}"' if err.field is not None else "the record"
        raise DataInvalid(err.message, place=place) from None
    walks = shapley.Walks(row, background, seed=seed)
    parts = [loaded.run(batch)[0] for batch in batches(walks.feeds)]
    return walks.explained(np.concatenate(parts), record, loaded.signature.prediction, loaded.signature.classes)
