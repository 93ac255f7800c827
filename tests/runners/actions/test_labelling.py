"""Labels from the queue to a dataset version that a project learns from, and what the batch was worth."""

from __future__ import annotations

import json
import random
import struct
from pathlib import Path
from typing import Any

import duckdb
import pytest

from runners.actions import datasets, labelling
from runners.actions.labelling import Batch, Queue
from storage.errors import UsageError
from storage.project import load_project
from storage.read import datasets as read_datasets
from storage.shed import Shed
from storage.write import endpoints as write_endpoints
from storage.write import models as write_models
from tests.scenes import run_of
from tests.served import SIGNATURE, model_bytes, probability, version_of

TOML = """\
[project]
name = "delays"
[dataset]
name = "flights"
tables = { flights = "data/*.csv", labels = "labels/*.parquet" }
query = "select * from flights union all by name select distance, carrier, day, late from labels"
[features]
target = "late"
task = "binary"
numeric = ["distance"]
categorical = ["carrier", "day"]
[train]
entry = "pipeline:train"
[gate]
metric = "auroc"
"""


@pytest.fixture
def project(tmp_path: Path, shed: Shed) -> Path:
    """An endpoint `delays` that answered 200 requests, of a project that takes labels in."""
    folder = tmp_path / "project"
    (folder / "data").mkdir(parents=True)
    (folder / "trainshed.toml").write_text(TOML)
    (folder / "data" / "one.csv").write_text("distance,carrier,day,late\n500,UA,1,true\n")
    version = version_of(shed, -2.0)
    write_endpoints.want(shed, "delays", "delays", "production", 8123, {})
    log = shed.make_dir(shed.make_dir(shed.endpoint_dir("delays")) / "log")
    rng = random.Random(0)
    with (log / "p-1-1.jsonl").open("w") as file:
        for number in range(200):
            row: dict[str, Any] = {"distance": float(rng.randrange(2500)), "carrier": "AA", "day": 1}
            line = {
                "id": f"{number:024x}", "at": float(number), "ms": 1.0, "version": version.number,
                "digest": version.digest, "route": "predict", "rows": [row],
                "out": [{"probability": probability(row, -2.0)}],
            }  # fmt: skip
            file.write(json.dumps(line) + "\n")
    return folder


def label_all(shed: Shed, asked: Queue, by: str, *, wrong: int = 0) -> None:
    """The truth is that short flights are late, which the model has the wrong way round; the first `wrong` miss it."""
    for place, candidate in enumerate(asked.candidates):
        late = (candidate.values["distance"] < 900) != (place < wrong)
        labelling.answer(shed, asked, candidate, str(late).lower(), by=by)


def saved(shed: Shed, project: Path) -> Batch:
    label_all(shed, labelling.queue(shed, project, count=100, by="ana"), "ana")
    return labelling.finish(shed, project)


def test_the_least_sure_are_asked_first_with_a_key_a_label(shed: Shed, project: Path) -> None:
    asked = labelling.queue(shed, project, count=10, by="ana")
    assert (asked.endpoint, asked.target, asked.keys) == ("delays", "late", {"1": "false", "2": "true"})
    assert [abs(c.share - 0.5) < 0.05 for c in asked.candidates if c.share is not None] == [True] * 10
    assert asked.candidates[0].why.startswith("unsure: ")
    label_all(shed, asked, "ana")
    again = labelling.queue(shed, project, count=10, by="ana")
    assert not {c.id for c in again.candidates} & {c.id for c in asked.candidates}


def test_an_answer_is_replaced_taken_back_or_refused(shed: Shed, project: Path) -> None:
    asked = labelling.queue(shed, project, count=1)
    labelling.answer(shed, asked, asked.candidates[0], "true")
    assert labelling.answer(shed, asked, asked.candidates[0], "false").label == "false"
    assert labelling.take_back(shed, asked, asked.candidates[0])
    assert not labelling.take_back(shed, asked, asked.candidates[0])
    with pytest.raises(UsageError, match="never 'ture'"):
        labelling.answer(shed, asked, asked.candidates[0], "ture")
    with pytest.raises(UsageError, match="no labels to save"):
        labelling.finish(shed, project)


def test_people_are_compared_on_second_opinions_and_ties_wait(shed: Shed, project: Path) -> None:
    first = labelling.queue(shed, project, count=20, by="ana")
    label_all(shed, first, "ana")
    second = labelling.queue(shed, project, count=20, by="bo")
    common = {c.id for c in second.candidates} & {c.id for c in first.candidates}
    assert len(common) == 4 and second.candidates[0].why.startswith("a second opinion: unsure")
    label_all(shed, second, "bo", wrong=1)
    (agreed,) = labelling.state(shed, project).agreement
    assert (agreed.one, agreed.other, agreed.rows, agreed.agreed) == ("ana", "bo", 4, 3)
    batch = labelling.finish(shed, project)
    assert (batch.disputed, batch.learnt + batch.held_out) == (1, 35)
    assert labelling.state(shed, project).unsaved == 2


def test_an_opinion_on_a_row_that_was_saved_before_makes_no_second_row(shed: Shed, project: Path) -> None:
    label_all(shed, labelling.queue(shed, project, count=10, by="ana"), "ana")
    labelling.finish(shed, project)
    label_all(shed, labelling.queue(shed, project, count=10, by="bo"), "bo")
    batch = labelling.finish(shed, project)
    assert (batch.version, batch.learnt + batch.held_out) == (2, 8)
    state = labelling.state(shed, project)
    assert (state.unsaved, state.agreement[0].rows, state.agreement[0].agreed) == (0, 2, 2)


def test_a_batch_is_a_dataset_version_that_says_who_labelled(shed: Shed, project: Path) -> None:
    batch = saved(shed, project)
    assert (batch.dataset, batch.version, batch.read) == ("delays-labels", 1, True)
    assert read_datasets.version(shed, "delays-labels", 1).note == "100 labels by ana"
    assert batch.path is not None and batch.learnt + batch.held_out == 100 and batch.held_out > 10
    names = [row[:2] for row in duckdb.sql(f"describe from read_parquet('{batch.path}')").fetchall()]
    assert names[:4] == [("distance", "DOUBLE"), ("carrier", "VARCHAR"), ("day", "BIGINT"), ("late", "BOOLEAN")]
    who = duckdb.sql(f"select distinct labelled_by, asked_because like 'unsure%' from read_parquet('{batch.path}')")
    assert who.fetchall() == [("ana", True)]


def test_the_gain_of_a_batch_is_measured_on_labels_that_were_held_out(shed: Shed, project: Path) -> None:
    batch = saved(shed, project)
    gain = labelling.state(shed, project).gain
    assert gain is not None and gain.why == "no model has learnt from it yet"
    assert gain.rows == batch.held_out and gain.before is not None and gain.before < 0.1
    data = datasets.add_for_project(shed, project, load_project(project)).version
    turned = model_bytes().replace(struct.pack("<f", 0.001), struct.pack("<f", -0.001))  # short flights are late
    digest = shed.objects.put_bytes(turned)
    new = write_models.NewModelVersion(digest, run_of(shed, "delays").id or 0, data.id, "binary", SIGNATURE)
    version, _ = write_models.register(shed, "delays", new)
    gain = labelling.state(shed, project).gain
    assert gain is not None and (gain.before_version, gain.after_version) == (1, version.number)
    assert gain.difference is not None and gain.difference.low > 0.5 and gain.after is not None and gain.after > 0.9
