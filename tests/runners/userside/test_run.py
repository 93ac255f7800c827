"""The `run` object, as a user's function meets it in the real child."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from storage import metrics
from tests.children import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def says(project: Project, source: str, **how: object) -> list[str]:
    """The lines that `train(run)` with this body prints."""
    body = "\n".join(f"    {line}" for line in source.strip().splitlines())
    project.write(pipeline=f"def train(run):\n{body}\n")
    ended = project.call(**how)
    assert ended.ok["model"] is None
    return ended.out.splitlines()


def test_params_are_attributes_and_a_mapping(project: Project) -> None:
    lines = says(
        project,
        """
print(run.params.lr, run.params["lr"], run.params.get("missing", 5), sorted(run.params), run.params.net.layers)
print(dict(**run.params) == {"lr": 0.1, "net": run.params.net})
try: run.params.epoch
except AttributeError as error: print(error)
try: run.params["lrr"]
except KeyError as error: print(error.args[0])
""",
        params={"lr": 0.1, "net": {"layers": 3}},
    )
    assert lines == [
        "0.1 0.1 5 ['lr', 'net'] 3",
        "True",
        "no param 'epoch'; [train.params] has: lr, net",
        "no param 'lrr'; did you mean \"lr\"?",
    ]


def test_data_is_mapped_and_writing_to_it_changes_no_file(project: Project) -> None:
    project.prepare(rows=7)
    before = (project.data / "train" / "x.npy").read_bytes()
    lines = says(
        project,
        """
import numpy as np, torch, warnings
warnings.simplefilter("error")
x, y = run.data.train.tensors()
x2 = torch.from_numpy(x)
x2[0] = 99
print(type(x).__name__, x.shape, x.dtype, y.dtype, x[0, 0], len(run.data.validation))
data = run.data
print(data.task, data.features, data.numeric, data.categories, data.classes)
print(data.test.files == str(data.dir / "test.parquet"))
""",
    )
    assert lines[0] == "memmap (7, 4) float32 float32 99.0 7"
    assert lines[1:] == ["binary ['f0', 'f1', 'f2', 'f3'] 3 {'f3': 3} []", "True"]
    assert (project.data / "train" / "x.npy").read_bytes() == before


def test_files_are_paths_with_their_labels(project: Project) -> None:
    project.prepare()
    (project.data / "files.json").write_text(
        json.dumps({"train": [["files/a/1.png", 0]], "validation": [], "test": []})
    )
    for name in ("x", "y"):
        (project.data / "train" / f"{name}.npy").unlink()
    lines = says(
        project,
        """
print(run.data.train.files == [(str(run.data.dir / "files/a/1.png"), 0)], len(run.data.train), run.data.test.files)
try: run.data.train.tensors()
except Exception as error: print(error)
""",
    )
    assert lines[0] == "True 1 []"
    assert "[features] load" in lines[1]


def test_a_split_without_rows_is_empty(project: Project) -> None:
    project.prepare()
    np.save(project.data / "test" / "x.npy", np.zeros((0, 4), "float32"))
    np.save(project.data / "test" / "y.npy", np.zeros((0,), "float32"))
    assert says(project, "print([len(part) for part in run.data.test.tensors()])") == ["[0, 0]"]


def test_a_run_without_data_says_so_at_the_users_line(project: Project) -> None:
    project.write(pipeline="def train(run):\n    run.data\n")
    error = project.call().error
    assert "this run has no data" in error["message"]
    assert (error["file"], error["line"]) == ("pipeline.py", 2)


def test_without_a_gpu_the_device_is_the_cpu(project: Project) -> None:
    env = {"CUDA_VISIBLE_DEVICES": ""}
    lines = says(project, "print(run.device, run.devices, run.rank, run.world_size, run.restored_step)", env=env)
    assert lines == ["cpu ['cpu'] 0 1 None"]


def test_chance_is_seeded_wherever_it_comes_from(project: Project) -> None:
    body = """
import importlib.util
importlib.util.find_spec("torch")
import random, numpy, torch
print(run.seed, random.random(), numpy.random.rand(), torch.rand(1).item())
"""
    first, second = says(project, body, seed=4), says(project, body, seed=4)
    assert first == second
    assert first[0].startswith("4 0.236048")


def test_steps_count_themselves_where_none_is_given(project: Project) -> None:
    says(project, "for _ in range(3): run.log({'loss': 1.0})\nrun.log({'loss': 2.0}, step=10)\nrun.log({'loss': 1.0})")
    assert metrics.read(project.run / "metrics", "loss").step.tolist() == [0, 1, 2, 10, 3]


def test_a_loss_is_logged_as_it_is_without_a_warning(project: Project) -> None:
    project.write(
        pipeline="""
        import torch
        def train(run):
            loss = (torch.ones(1, requires_grad=True) * 3).sum()
            for step in range(2):
                run.log({"loss": loss}, step)
        """
    )
    ended = project.call()
    assert ended.ok and ended.err == ""
    assert metrics.read(project.run / "metrics", "loss").value.tolist() == [3.0, 3.0]


def test_not_a_number_is_told_at_its_step(project: Project) -> None:
    says(project, "for step in range(5): run.log({'loss': float('nan') if step > 2 else 1.0}, step)")
    (event,) = project.events("nonfinite")
    assert (event["metric"], event["step"], event["value"]) == ("loss", 3, "nan")


def test_progress_is_told_seldom_and_its_end_always(project: Project) -> None:
    says(project, "for done in range(5001): run.progress(done, 5000, 'rows')")
    events = project.events("progress")
    assert len(events) < 50
    assert (events[-1]["done"], events[-1]["total"], events[-1]["share"]) == (5000, 5000, 1.0)


def test_progress_that_was_held_back_is_told_at_the_end(project: Project) -> None:
    says(project, "run.progress(1, 9)\nrun.progress(2, 9)\nrun.progress(3, 9)")
    assert [event["done"] for event in project.events("progress")] == [1, 3]


def test_notes_and_artifacts_are_kept(project: Project) -> None:
    (project.home / "roc.png").write_bytes(b"picture")
    says(
        project,
        """
run.note("chose the second best")
run.save("roc.png")
run.save(run.dir.parent / "home" / "roc.png", "plots/roc.png")
run.save(b"bytes", name="plots/x.bin")
run.save(b"again", name="plots/x.bin")
""",
    )
    assert project.events("note")[0]["text"] == "chose the second best"
    kept = project.run / "artifacts"
    assert (kept / "plots" / "roc.png").read_bytes() == (kept / "roc.png").read_bytes() == b"picture"
    assert (kept / "plots" / "x.bin").read_bytes() == b"again"
    events = project.events("artifact")
    assert [event["name"] for event in events] == ["roc.png", "plots/roc.png", "plots/x.bin", "plots/x.bin"]
    assert Path(events[1]["path"]) == kept / "plots" / "roc.png"


def test_an_artifact_never_leaves_its_folder(project: Project) -> None:
    lines = says(
        project,
        r"""
for name in ("../x", "/etc/x", "a/../../x", "a\x00b", "a\x1b[1m", "", None):
    try: run.save(b"bytes", name=name)
    except ValueError as error: print(error)
""",
    )
    assert len(lines) == 7
    assert "cannot be the path of a run's artifact; expected: a relative path without '..'" in lines[0]
    assert not (project.run / "artifacts").exists()


def test_the_stop_file_asks_the_run_to_stop(project: Project) -> None:
    project.write(
        pipeline="""
        def train(run):
            assert not run.should_stop
            (run.dir / "stop").write_text("")
            for step in range(10_000_000):
                run.log({"loss": 1.0}, step)
                if run.should_stop:
                    break
            print("left early", step < 9_999_999)
        """
    )
    ended = project.call()
    assert ended.ok["stopped"] is True
    assert ended.out == "left early True\n"


def test_the_run_itself_is_sent_to_no_worker(project: Project) -> None:
    lines = says(
        project,
        """
import pickle
try: pickle.dumps(run)
except TypeError as error: print(error)
""",
    )
    assert lines[0].startswith("run cannot be sent to another process")


def test_workers_of_any_start_method_get_data_and_leave_the_series_alone(project: Project) -> None:
    project.prepare(rows=8).write(
        pipeline="""
        import multiprocessing
        def rows(split):
            return len(split.tensors()[0])
        def train(run):
            run.log({"loss": 1.0}, 0)
            for method in ("fork", "spawn", "forkserver"):
                with multiprocessing.get_context(method).Pool(2) as pool:
                    print(method, pool.map(rows, [run.data.train, run.data.test]))
            run.log({"loss": 1.0}, 1)
        """
    )
    ended = project.call()
    assert ended.ok and ended.out.splitlines() == ["fork [8, 8]", "spawn [8, 8]", "forkserver [8, 8]"]
    assert metrics.read(project.run / "metrics", "loss").step.tolist() == [0, 1]


def test_what_was_logged_before_a_restore_that_finds_nothing_stays(project: Project) -> None:
    body = "run.log({'train/loss': float('nan')}, 0)\nassert run.restore() is None\nrun.log({'train/loss': 1.0}, 1)"
    says(project, body)
    series = metrics.read(project.run / "metrics", "train/loss")
    assert series.step.tolist() == [0, 1]
    says(project, "assert run.restore() is None\nrun.log({'train/loss': 2.0}, 0)", attempt=2)
    assert metrics.read(project.run / "metrics", "train/loss").value.tolist() == [2.0]
