"""`POST /explain`: how much each column of a record contributes to its prediction."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from runners.evaluation import shapley
from runners.packaging.signature import Signature
from runners.serving import records
from runners.serving.door import Receive, Scope, Send, answer, answer_refused, body_of
from runners.serving.form import Feeds, Form
from runners.serving.predicting import count_refusal
from runners.serving.refusals import Refused
from runners.serving.session import Version
from runners.serving.state import Serving

BACKGROUND_ROWS = 64


async def explain(serving: Serving, scope: Scope, receive: Receive, send: Send) -> None:
    """Explain the prediction of one record. Its rows go through the queue a batch at a time, between the others'."""
    try:
        if scope["method"] != "POST":
            raise Refused(405, "POST one record", allow="POST")
        body = await body_of(receive, serving.max_body)
        current = serving.current
        loaded = current.loaded
        decoded = loaded.form.record(body)
        if decoded is None:
            raise Refused(422, "one record is explained at a time")
        background = await asyncio.to_thread(background_of, loaded.version, loaded.form, BACKGROUND_ROWS)
        walks = await asyncio.to_thread(shapley.Walks, loaded.form.feeds([decoded]), background)
        parts, size = [], serving.rules.batch.max_size
        for start in range(0, walks.n, size):
            feeds = {name: values[start : start + size] for name, values in walks.feeds.items()}
            rows = min(size, walks.n - start)
            outputs = await serving.outputs(current.batcher.submit(None, feeds, rows))
            parts.append(outputs[0])
        record = loaded.form.plain(decoded)
        signature = loaded.signature
        found = walks.explained(np.concatenate(parts), record, signature.prediction, signature.classes)
        told = msgspec.json.encode(asdict(found))
        await answer(send, b"{%s,%s" % (current.told, told[1:]))
    except Refused as err:
        count_refusal(serving, err)
        await answer_refused(send, err)


def background_of(version: Version, form: Form, wanted: int, seed: int = 0) -> Feeds:
    """Rows of the version's own dataset, with one seed the same each time. Raises Refused where none are left."""
    signature = Signature.from_json(version.signature)
    if not version.rows or not Path(version.rows).exists():
        raise Refused(409, "no rows of its dataset are left to compare with: `trainshed --batch` makes them again")
    count = shapley.rows_for(len(signature.inputs), wanted)
    found: list[dict[str, Any]] = records.sampled(Path(version.rows), signature, count, seed=seed)
    if len(found) < shapley.LEAST_ROWS:
        raise Refused(409, "its dataset has too few rows to compare with")
    return form.several(msgspec.json.encode(found), len(found))[0]
