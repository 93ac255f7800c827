"""`trainshed import` and `trainshed export`: history that comes along, and goes where it is wanted."""

from __future__ import annotations

import json
from pathlib import Path

from storage.read import runs as read_runs
from storage.shed import Shed, open_shed
from tests.app.conftest import Call
from tests.runners.importing.stores import Made, in_files
from tests.scenes import run_of


def test_a_history_of_mlflow_is_listed_and_looked_into_like_our_own(call: Call, shed: Shed, tmp_path: Path) -> None:
    curve = {"val/auroc": [(1_700_000_000_000 + step, str(step / 10), step) for step in range(3)]}
    store = in_files(tmp_path / "mlruns", [Made("a" * 32, params={"lr": "0.1"}, metrics=curve), Made("b" * 32)])
    said = call("import", store, "--dry-run")
    assert said.code == 0 and "2 runs would come" in said.out and read_runs.count(shed) == 0
    said = call("import", store, "--into", "flights")
    assert (said.code, said.out.splitlines()[1:]) == (
        0,
        ["flights\t2", f"2 runs imported from MLflow's file store: {store}"],
    )
    assert "2 runs here already" in call("import", store).err
    assert "sincere-hog-12" in call("runs", "list", "lr=0.1", "--columns", "lr,auroc").out
    shown = call("runs", "show", "1").out
    assert "ana on mlflow" in shown and "code     not here" in shown
    assert call("runs", "metrics", "1", "val/auroc", "--csv").out.count("\n") == 4
    assert "of an imported run nothing else is known" in call("runs", "compare", "1", "2").out
    refused = call("runs", "requeue", "1")
    assert refused.code == 2 and "was imported: the code that it ran is not here" in refused.err


def test_what_cannot_be_read_is_named_and_counted(call: Call, shed: Shed, tmp_path: Path) -> None:
    store = in_files(tmp_path / "mlruns", [Made("a" * 32), Made("b" * 32), Made("c" * 32, stage="deleted")])
    bad = store / "0" / ("a" * 32) / "meta.yaml"
    bad.write_text("")
    said = call("import", store)
    assert said.code == 1 and f"{bad}: is empty, or half written" in said.err and "1 run deleted there" in said.err
    *told, finished = call("import", store, "--json").lines
    assert [line["place"] for line in told if line["event"] == "problem"] == [str(bad)]
    assert (finished["runs"], finished["known"], finished["deleted"], finished["problems"]) == (0, 1, 1, 1)


def test_runs_move_to_another_shed(call: Call, shed: Shed, tmp_path: Path) -> None:
    for name in ("one", "two"):
        run_of(shed, name, metrics={"test/auroc": 0.5})
    said = call("export", "runs", "2", "--to", tmp_path / "out", "--json")
    assert (said.code, said.finished["runs"], said.finished["place"]) == (0, 1, str(tmp_path / "out"))
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["runs"] == 1
    assert call("export", "runs", "--to", tmp_path / "out").code == 2
    assert call("--shed", tmp_path / "other", "import", tmp_path / "out").code == 0
    assert [row.run.name for row in read_runs.page(open_shed(tmp_path / "other"))] == ["two"]


def test_the_exports_are_one_family(call: Call) -> None:
    said = call("export")
    assert said.code == 2
    assert all(verb in said.err for verb in ("  runs ", "  data ", "  models "))
