"""`make story`: its client, its files, its settings; and, among the long forms, the story itself."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from runners.triggers.inspecting import Inspector
from sample_project.story import arriving, months
from storage import predictions
from storage.project import load_project
from storage.shed import open_shed
from tests.served import RECORD, endpoint, version_of
from tests.waiting import until

ROOT = Path(__file__).parents[2]


@contextmanager
def client(url: str, token: str, rows: Path) -> Iterator[Any]:
    """The story's client; what it has to tell is asked for by a call."""
    process = subprocess.Popen(
        [sys.executable, "-m", "sample_project.story.client", url, str(rows), "200"],
        cwd=ROOT,
        env={**os.environ, "STORY_TOKEN": token},
    )
    path = rows / "client.json"
    try:
        yield lambda: json.loads(path.read_text()) if path.exists() else {"answered": 0}
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def test_the_client_counts_what_fails_and_says_what_became_of_a_month_that_is_over(tmp_path: Path) -> None:
    shed, rows = open_shed(tmp_path / "shed"), tmp_path / "rows"
    version_of(shed)
    rows.mkdir()
    for month in (9, 10):
        lines = [{"inputs": {**RECORD, "day": day}, "truth": day > 1} for day in (1, 2, 3)]
        (rows / f"{month}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (rows / "month").write_text("9")
    with endpoint(shed) as (started, _), client(started.url, started.token, rows) as told:
        first = until(lambda: (found := told())["answered"] > 20 and found)
        assert first["failed"] == 0 and first["versions"] == {"1": first["answered"]} and first["truths"] == 0
        (rows / "month").write_text("10")
        found = until(lambda: (found := told())["truths"] and found)
        assert found["failed"] == 0 and found["truths"] >= first["answered"]
        log = shed.endpoint_dir("delays") / "log"
        until(lambda: {row["truth"] for row in predictions.newest(log, 10_000)} >= {"true", "false", None})
        from runners.actions import endpoints

        endpoints.stop(shed, started.name)
        assert until(lambda: (found := told())["failed"] and found)["failures"]


def test_the_damaged_copy_is_as_long_as_the_good_one_and_found_out(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    arriving.damaged(tmp_path, 10)
    _, flights = months.files(10)
    copy = tmp_path / "data" / flights.name
    assert copy.stat().st_size == flights.stat().st_size
    with Inspector() as inspector:
        (found,) = inspector.look_into([(copy, copy.name)])
    assert found.fault


def test_the_months_settings_are_those_of_the_sample_project_but_quicker(tmp_path: Path) -> None:
    text = (months.SAMPLE / "trainshed.toml").read_text()
    (tmp_path / "trainshed.toml").write_text(arriving.hurried(text, ["epochs=1"]))
    spec = load_project(tmp_path)
    assert (spec.train.params["epochs"], spec.split.validation, spec.gate.beat_production_by) == (1, 0.05, -0.002)
    new_data, drift = spec.trigger
    assert (new_data.on, new_data.quiet_seconds, drift.on) == ("new-data", 1, "drift")


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("options", [["--month", "10", "--set", "epochs=1"], []], ids=["one month", "all of it"])
def test_the_story_is_played_without_a_failed_request(tmp_path: Path, options: list[str]) -> None:
    environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")}
    command = [sys.executable, "-m", "sample_project.story", "--folder", str(tmp_path / "story"), *options]
    told = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert told.returncode == 0, told.stdout + told.stderr
    assert "quarantined: data/flights-2013-10.parquet is left out" in told.stdout
    assert ", 0 failed, " in told.stdout and "trainshed lineage " in told.stdout
