"""One project round the whole loop: gate, production, cache, new data, worse models, people's decisions."""

from __future__ import annotations

from pathlib import Path

from storage.read import datasets as read_datasets
from storage.read import models as read_models
from storage.read import runs as read_runs
from tests.journeys.conftest import Workstation
from tests.points import write_points


def test_the_first_run_ends_in_production(workstation: Workstation, tiny: Path) -> None:
    ended = workstation.batch(tiny)
    assert ended.code == 0, ended.told
    assert ended.finished["status"] == "done"
    assert ended.finished["run"] == 1
    assert ended.finished["model"] == "tiny v1"
    assert set(ended.stages.values()) == {"done"}
    shed = workstation.shed
    version = read_models.aliased(shed, "tiny", "production")
    assert version is not None
    assert shed.objects.verify(version.digest)
    card = shed.objects.path(version.card or "").read_text()
    for word in ("points", "auroc", "kind", "lr"):
        assert word in card
    run = read_runs.row(shed, 1)
    assert run.params["lr"] == "0.1"
    assert run.metrics["train/loss"].count == 3
    assert "test/auroc" in run.metrics
    assert (shed.run_dir(1) / "environment.json").exists()
    assert all(stage.started_at and stage.ended_at and stage.user for stage in read_runs.stages(shed, 1))


def test_the_team_can_read_and_remove_what_a_cautious_member_made(workstation: Workstation, tiny: Path) -> None:
    workstation.umask = 0o077
    assert workstation.batch(tiny).code == 0
    made = [path for path in workstation.shed.root.rglob("*") if not path.is_symlink()]
    assert not [path for path in made if not path.stat().st_mode & 0o040]
    assert not [path for path in made if path.is_dir() and path.stat().st_mode & 0o070 != 0o070]


def test_the_same_command_again_finds_every_stage_cached(workstation: Workstation, trained: Path) -> None:
    again = workstation.batch(trained)
    assert again.code == 0, again.told
    assert set(again.stages.values()) == {"cached"}
    assert again.finished["model"] == "tiny v1"
    assert read_datasets.version(workstation.shed, "points").number == 1


def test_a_changed_param_runs_only_training_and_what_follows(workstation: Workstation, trained: Path) -> None:
    ended = workstation.batch(trained, "--set", "lr=0.01")
    stages = ended.stages
    assert (stages["validate"], stages["prepare"]) == ("cached", "cached")
    assert {stages[name] for name in ("train", "evaluate", "package", "gate")} <= {"done", "cached"}
    assert stages["train"] == "done"


def test_readme_edits_change_nothing_and_code_edits_retrain(workstation: Workstation, trained: Path) -> None:
    (trained / "README.md").write_text("new words")
    assert set(workstation.batch(trained).stages.values()) == {"cached"}
    (trained / "pipeline.py").write_text((trained / "pipeline.py").read_text() + "\n# changed\n")
    stages = workstation.batch(trained).stages
    assert stages["prepare"] == "cached"
    assert stages["train"] == "done"


def test_a_new_file_makes_a_new_version_and_diff_tells(workstation: Workstation, trained: Path) -> None:
    write_points(trained / "data" / "two.csv", rows=200, seed=2)
    ended = workstation.batch(trained)
    assert ended.code in (0, 4), ended.told
    assert read_datasets.version(workstation.shed, "points").number == 2
    diff = workstation.type("data", "diff", "points", "1", "2")
    assert diff.code == 0, diff.told
    assert "two.csv" in str(diff.lines)


def test_a_model_worse_than_production_is_refused(workstation: Workstation, trained: Path) -> None:
    ended = workstation.batch(trained, "--set", "sign=-1.0")
    assert ended.code == 4, ended.told
    assert ended.finished["status"] == "refused"
    assert ended.finished["model"] == "tiny v2"
    row = read_models.row(workstation.shed, "tiny")
    assert row.aliases == {"candidate": 2, "production": 1}
    assert read_models.history(workstation.shed, "tiny")[-1].evidence["verdicts"]
    refused = workstation.type("models", "promote", "tiny", "v2")
    assert refused.code == 4
    assert workstation.type("models", "promote", "tiny", "v2", "--override", "we want it", "--yes").code == 0
    assert read_models.row(workstation.shed, "tiny").aliases["production"] == 2
    assert workstation.type("models", "rollback", "tiny", "--reason", "it is worse", "--yes").code == 0
    assert read_models.row(workstation.shed, "tiny").aliases["production"] == 1


def test_what_a_person_rolled_back_stays_back(workstation: Workstation, trained: Path) -> None:
    workstation.batch(trained, "--set", "lr=0.2")
    second = read_models.row(workstation.shed, "tiny").aliases["production"]
    assert second == 2
    workstation.type("models", "rollback", "tiny", "--reason", "no", "--yes")
    ended = workstation.batch(trained, "--set", "lr=0.2")
    assert ended.finished["status"] == "waiting"
    assert read_models.row(workstation.shed, "tiny").aliases["production"] == 1


def test_manual_approval_waits_for_a_person(workstation: Workstation, tiny: Path) -> None:
    toml = (tiny / "trainshed.toml").read_text()
    (tiny / "trainshed.toml").write_text(toml + 'approve = "manual"\n')
    ended = workstation.batch(tiny)
    assert (ended.code, ended.finished["status"]) == (0, "waiting")
    assert read_models.aliased(workstation.shed, "tiny", "production") is None
    approved = workstation.type("models", "approve", "tiny", "v1", "--yes")
    assert approved.code == 0, approved.told
    assert read_models.row(workstation.shed, "tiny").aliases["production"] == 1


def test_until_stops_after_the_named_stage(workstation: Workstation, tiny: Path) -> None:
    ended = workstation.batch(tiny, "--until", "prepare")
    assert ended.code == 0, ended.told
    assert set(ended.stages) == {"validate", "prepare"}


def test_two_identical_commands_at_once_train_once(workstation: Workstation, tiny: Path) -> None:
    both = [workstation.start("--batch", "-p", tiny, "--json") for _ in range(2)]
    ended = [workstation.ended(process) for process in both]
    assert [e.code for e in ended] == [0, 0], [e.told for e in ended]
    trained = sorted(e.stages["train"] for e in ended)
    assert trained in (["cached", "done"], ["cached", "cached"])
    assert len(read_models.row(workstation.shed, "tiny").versions) == 1
