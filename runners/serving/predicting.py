"""`POST /predict` and `POST /feedback`."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
import numpy as np

from runners.evaluation.truths import truths as known_truths
from runners.packaging.signature import Signature
from runners.serving.door import Receive, Scope, Send, answer, answer_refused, body_of
from runners.serving.form import UNREADABLE, Feeds, Form, malformed, records
from runners.serving.predictionlog import Answered
from runners.serving.refusals import Refused
from runners.serving.state import LONG_BODY, Current, Serving
from runners.serving.wholes import decoded
from runners.serving.wording import refused

TOLD_CLASSES = 20
REQUEST_ID = re.compile(r"[0-9a-f]{24,40}")

_encode = msgspec.json.encode


class Truth(msgspec.Struct, forbid_unknown_fields=True):
    """What turned out to be true of one row of an answered request."""

    id: str
    truth: str | float | int | bool
    row: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)] = 0


_truths = msgspec.json.Decoder(Truth | list[Truth])


async def predict(serving: Serving, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one request. A failure of the model is a 500, everything else that goes wrong the client's."""
    began = time.perf_counter()
    figures = serving.figures
    figures.add("in_flight")
    try:
        if scope["method"] != "POST":
            raise Refused(405, "POST a record, a list of records, or columns", allow="POST")
        body = await body_of(receive, serving.max_body)
        current = serving.current
        if serving.beside is not None:
            current = serving.beside.chosen(current, scope["headers"], body)
        form = current.loaded.form
        if len(body) > LONG_BODY:
            row, feeds, n = await asyncio.to_thread(_decoded, form, body, serving.rules.max_rows)
        else:
            row, feeds, n = _decoded(form, body, serving.rules.max_rows)
        outputs = await serving.ask(current, row, feeds, n)
        entries = current.loaded.entries(outputs)
        request_id = scope["visit"].id = serving.request_id()
        rows = body if row is not None else lambda: records(feeds or {}, current.loaded.signature.inputs)
        told = b'"prediction":' + _encode(entries[0]) if row is not None else b'"predictions":' + _encode(entries)
        await answer(send, b'{"id":"%s",%s,%s}' % (request_id.encode(), current.told, told))
        account(serving, current, request_id, began, rows, entries, len(body))
    except Refused as err:
        count_refusal(serving, err)
        await answer_refused(send, err)
    except Exception:
        figures.add("failed")
        raise
    finally:
        figures.add("in_flight", -1)


async def feedback(serving: Serving, scope: Scope, receive: Receive, send: Send) -> None:
    """Take in the truth for answered requests: one `{"id": …, "truth": …}` or a list of them."""
    try:
        if scope["method"] != "POST":
            raise Refused(405, 'POST {"id": …, "truth": …} or a list of them', allow="POST")
        body = await body_of(receive, serving.max_body)
        try:
            found = decoded(_truths, body)
        except msgspec.ValidationError as err:
            raise refused(err, Truth.__struct_fields__) from None
        except UNREADABLE as err:
            raise malformed(err) from None
        truths = found if isinstance(found, list) else [found]
        for place, truth in enumerate(truths):
            if not REQUEST_ID.fullmatch(truth.id):
                raise Refused(422, "no request id of this endpoint", "id", place)
        note = _uncounted(truths, serving.current.loaded.signature)
        lines = [{"id": truth.id, "row": truth.row, "truth": truth.truth, "at": time.time()} for truth in truths]
        if not serving.log.truths(lines):
            raise Refused(503, "the disk does not keep up: nothing of this was taken", retry_s=1)
        serving.figures.add("feedback", len(truths))
        await answer(send, _encode({"taken": len(truths), **({"note": note} if note else {})}))
    except Refused as err:
        count_refusal(serving, err)
        await answer_refused(send, err)


def _uncounted(truths: Sequence[Truth], signature: Signature) -> str:
    """What is said of truths that name no class of the model, which nobody can count; empty where all do.

    Raises:
        Refused: for a regression's truth that is no number.
    """
    known = known_truths([_told(truth.truth) for truth in truths], signature)
    missing = np.flatnonzero(np.isnan(known)).tolist()
    if not missing:
        return ""
    if signature.task == "regression":
        raise Refused(422, "expected a number, with a decimal point", "truth", missing[0])
    classes = ", ".join(signature.classes[:TOLD_CLASSES]) + (" …" if len(signature.classes) > TOLD_CLASSES else "")
    return f"{len(missing)} kept, but not counted: no class of the model, which are {classes}"


def _told(truth: str | float | bool) -> str:
    return truth if isinstance(truth, str) else json.dumps(truth)


def account(
    serving: Serving,
    current: Current,
    request_id: str,
    began: float,
    rows: Any,
    entries: list[dict[str, Any]],
    size: int,
) -> None:
    """Count and log an answered request."""
    milliseconds = (time.perf_counter() - began) * 1000
    figures, version = serving.figures, current.loaded.version
    figures.add("answered")
    figures.add("rows", len(entries))
    figures.took(milliseconds)
    found = Answered(
        request_id, time.time(), milliseconds, version.number, version.digest, current.route, rows, entries
    )
    logged = serving.log.add(found, size)
    if serving.beside is not None:
        serving.beside.answered(current, found, size, logged=logged)


def count_refusal(serving: Serving, err: Refused) -> None:
    serving.figures.add("shed" if err.status in (429, 503) else "refused")


def _decoded(form: Form, body: bytes, most: int) -> tuple[Any, Feeds | None, int]:
    row = form.record(body)
    if row is not None and not form.needs_arrays:
        return row, None, 1
    if row is not None:
        return row, form.feeds([row]), 1  # the shape of its tensors is checked before it meets others
    feeds, n = form.several(body, most)
    return None, feeds, n
