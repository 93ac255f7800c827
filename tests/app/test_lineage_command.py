from __future__ import annotations

import json
from typing import Any

import pytest

from storage.shed import Shed
from storage.tables import Firing
from storage.write import endpoints as write_endpoints
from storage.write import models as write_models
from storage.write import runs as write_runs
from storage.write import triggers as write_triggers
from tests.app.conftest import Call
from tests.scenes import dataset_version_of, model_version_of, run_of


@pytest.fixture
def story(shed: Shed) -> Shed:
    """Twelve files, two runs, of which the second took over a stage, and a model in production."""
    data = dataset_version_of(shed, "flights", {f"data/{i:02d}.csv": b"%d" % i for i in range(12)})
    run = run_of(
        shed,
        dataset_version_id=data.id,
        commit="abcdef" * 6,
        dirty=True,
        params={"lr": 0.1},
        snapshot={"files": {"pipeline.py": "f00d" * 16}},
    )
    write_runs.set_stage(shed, run.id or 0, "train", status="done", key="t", started_at=1.0, ended_at=31.0)
    version = model_version_of(shed, run, auroc=0.7)
    write_models.promote(shed, version.id or 0)
    second = run_of(shed, dataset_version_id=data.id)
    write_runs.set_stage(shed, second.id or 0, "prepare", status="cached", key="p", cached_from=run.id)
    write_runs.add_artifact(shed, run.id or 0, "plot.png", "beef" * 16, 10)
    return shed


def kinds(node: dict[str, Any]) -> list[str]:
    return [node["kind"], *(kind for child in node["children"] for kind in kinds(child))]


def test_a_model_walks_back_to_its_files(call: Call, story: Shed) -> None:
    told = call("lineage", "flight-delay@production").out
    for part in (
        "flight-delay v1", "production", "gate passed", "held    min:", "run 1", "abcdefabcdef with changes", "lr 0.1",
        "train  done · 30.0 s", "flights v1", "12 files", "data/00.csv", "and 2 more files", "promote to production",
    ):  # fmt: skip
        assert part in told, part
    assert "data/11.csv" not in told
    assert told.index("gate passed") < told.index("run 1") < told.index("flights v1") < told.index("data/00.csv")


@pytest.mark.parametrize("reference", ["1", "r1", "run 1", "#1", "run/1"])
def test_a_run_is_named_in_any_usual_way(call: Call, story: Shed, reference: str) -> None:
    line = call("lineage", reference, "--json").lines[0]
    assert line["back"]["id"] == "1"
    assert [node["title"] for node in line["onward"]] == [
        "flight-delay v1", "plot.png", "run 2 took over its prepare",
    ]  # fmt: skip


@pytest.mark.parametrize("reference", ["flight-delay", "flight-delay@1", "flight-delay v1", "model:flight-delay@v1"])
def test_a_model_is_named_in_any_usual_way(call: Call, story: Shed, reference: str) -> None:
    assert call("lineage", *reference.split(" "), "--json").lines[0]["back"]["id"] == "flight-delay@v1"


def test_a_dataset_leads_on_to_runs_and_models(call: Call, story: Shed) -> None:
    line = call("lineage", "flights@v1", "--json").lines[0]
    assert [node["id"] for node in line["onward"]] == ["flight-delay@v1", "2", "1"]
    assert kinds(line["back"]) == ["dataset version", *["file"] * 10, "more"]


def test_a_name_that_two_things_have_is_the_model_unless_it_is_said(call: Call, story: Shed) -> None:
    dataset_version_of(story, "flight-delay", {"x.csv": b"x"})
    both = call("lineage", "flight-delay")
    assert "flight-delay v1  production" in both.out and "dataset:flight-delay" in both.err
    assert call("lineage", "dataset:flight-delay@v1", "--json").lines[0]["back"]["kind"] == "dataset version"


def test_the_start_of_any_digest_leads_to_what_it_belongs_to(call: Call, story: Shed) -> None:
    shown = call("models", "show", "flight-delay", "--json").lines
    digest = next(line["digest"] for line in shown if "digest" in line)
    model = call("lineage", digest[:10], "--json").lines[0]
    assert model["back"]["facts"]["is"] == ["a packaged model"] or digest[:10].isdigit()
    for prefix, what, owner in (
        ("beefbeef", "an artifact", "run"),
        ("f00df00d", "the code file pipeline.py", "run"),
        ("cccccccc", "a run's code", "run"),
    ):
        found = call("lineage", prefix, "--json").lines[0]["back"]
        assert found["facts"]["is"] == [what]
        assert found["children"][0]["kind"] == owner
    file = call("lineage", "flights@v1", "--json").lines[0]["back"]["children"][0]
    walked = call("lineage", file["id"], "--json").lines[0]["back"]
    assert "the file data/00.csv" in walked["facts"]["is"]


@pytest.mark.parametrize(
    "reference", ["nothing", "flights@latest", "flights@v9", "99", "abcdef0123", "x@y", "\x1b[31m"]
)
def test_what_is_not_there_is_told(call: Call, story: Shed, reference: str) -> None:
    told = call("lineage", reference)
    assert told.code == 2 and told.err.startswith("error: ") and "\x1b" not in told.err


def test_a_lost_manifest_is_told_in_its_place(call: Call, story: Shed) -> None:
    from storage.read import datasets

    story.objects.remove(datasets.version(story, "flights").manifest)
    told = call("lineage", "1")
    assert told.code == 0 and "cannot be read" in told.out


REQUEST = "23bf2d387faa44b000000712"


@pytest.fixture
def served(shed: Shed, story: Shed) -> Shed:
    """A second version, of a run that a new file set off, answered a request."""
    trigger, _ = write_triggers.register(
        shed, name="new-data", project="flight-delay", project_dir="/p", kind="new-data", spec={}, request="r"
    )
    files = [{"path": "data/11.csv", "change": "added", "rows": 40, "blake3": "abcd" * 16}]
    firing = write_triggers.notice(
        shed, trigger.id or 0, "key", decision="retrain", why="data/11.csv added", evidence={"files": files}
    )
    run = run_of(shed, parent_version_id=1, snapshot={"files": {"pipeline.py": "0dd" * 16, "new.py": "e"}})
    with shed.writing("a test", "firing") as write:
        assert firing is not None
        write.session.get_one(Firing, firing.id).run_id = run.id
    version = model_version_of(shed, run, bias=2.0, auroc=0.8)
    write_endpoints.want(shed, "delays", "flight-delay", "production", 8123, {})
    folder = shed.make_dir(shed.make_dir(shed.endpoint_dir("delays")) / "log")
    line = {
        "id": REQUEST, "at": 1.0, "ms": 2.0, "version": version.number, "digest": version.digest, "route": "predict",
        "out": [{"probability": 0.2}], "rows": [{"distance": 500}],
    }  # fmt: skip
    (folder / "p-1-1.jsonl").write_text(json.dumps(line) + "\n")
    return shed


def test_a_prediction_walks_back_to_the_file_that_led_to_its_model(call: Call, served: Shed) -> None:
    told = call("lineage", REQUEST).out
    places = [
        told.index(part)
        for part in (
            f"prediction {REQUEST} by delays", "probability 0.2", "flight-delay v2", "gate passed", "held    min:",
            "run 3 flight-delay", "code against run 1's", "new.py, pipeline.py", "set off by trigger new-data",
            "data/11.csv  added",
        )
    ]  # fmt: skip
    assert places == sorted(places), told


def test_the_walk_of_a_prediction_is_one_object_for_programs(call: Call, served: Shed) -> None:
    back = call("lineage", REQUEST, "--json").lines[0]["back"]
    assert back["facts"]["inputs"] == {"distance": 500} and back["facts"]["truth"] is None
    walk = kinds(back)
    assert [kind for kind in walk if kind in ("prediction", "model version", "gate", "run", "code", "firing")] == [
        "prediction", "model version", "gate", "run", "code", "firing",
    ]  # fmt: skip


def test_of_a_tensor_that_was_asked_the_walk_tells_the_shape(call: Call, served: Shed) -> None:
    line = {
        "id": "5" * 24, "at": 1.0, "ms": 2.0, "version": 2, "digest": "d", "route": "predict",
        "out": [{"label": "cat"}], "rows": [{"x": [[[0.5] * 64] * 64], "three": [1, 2, 3]}],
    }  # fmt: skip
    (served.endpoint_dir("delays") / "log" / "p-2-1.jsonl").write_text(json.dumps(line) + "\n")
    told = call("lineage", "5" * 24, "--json").lines[0]["back"]
    assert told["facts"]["inputs"] == {"x": "1 × 64 × 64 values", "three": [1, 2, 3]}
