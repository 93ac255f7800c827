"""The child as a whole: a real process in the user's interpreter, whatever the user's code does in it."""

from __future__ import annotations

import ast
import json
import os
import signal
import subprocess
import sys
import venv
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from storage import metrics
from tests.children import CHILD, Project
from tests.waiting import until

USERSIDE = CHILD.parent / "userside"

TORCH = """
import torch
from torch import nn

def train(run):
    x, y = map(torch.from_numpy, run.data.train.tensors())
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, OUTPUTS)).to(run.device)
    optimizer = torch.optim.SGD(model.parameters(), lr=run.params.lr)
    for epoch in range(3):
        optimizer.zero_grad()
        loss = LOSS
        loss.backward()
        optimizer.step()
        run.log({"train/loss": loss, "lr": run.params.lr}, step=epoch)
        run.progress(epoch + 1, 3)
        run.checkpoint({"model": model.state_dict()}, step=epoch)
    return model

def evaluate(predict, data):
    x, y = data.validation.tensors()
    return {"own/shape": predict(x).ndim, "own/largest": predict(torch.from_numpy(x)).max(), "rows": len(y)}
"""
LOSSES = {
    "binary": ("1", "nn.functional.binary_cross_entropy_with_logits(model(x).squeeze(1), y)"),
    "multiclass": ("3", "nn.functional.cross_entropy(model(x), y)"),
}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_a_torch_model_is_trained_exported_and_leaves_its_own_predictions(project: Project, task: str) -> None:
    outputs, loss = LOSSES[task]
    source = TORCH.replace("OUTPUTS", outputs).replace("LOSS", loss)
    ended = project.prepare(task, rows=70).write(pipeline=source).call(params={"lr": 0.1}, seed=3)
    model = ended.ok["model"]
    assert (model["kind"], model["exporter"], model["checked_with"]) == ("torch", "torchscript", "onnxruntime")
    assert ended.err == "" and ended.code == 0
    session = onnxruntime.InferenceSession(project.out / "trained.onnx", providers=["CPUExecutionProvider"])
    for split in ("validation", "test"):
        x = np.load(project.data / split / "x.npy")
        reference = np.load(project.out / "reference" / f"{split}.npy")
        assert reference.dtype == np.float32 and len(reference) == 70
        np.testing.assert_allclose(session.run(None, {"x": x})[0], reference, rtol=1e-4, atol=1e-5)
    assert ended.ok["user_metrics"]["own/shape"] == (2 if task == "multiclass" else 1)
    assert ended.ok["user_metrics"]["rows"] == 70
    assert 0 < ended.ok["user_metrics"]["own/largest"] < 1
    assert metrics.read(project.run / "metrics", "train/loss").step.tolist() == [0, 1, 2]
    assert [event["step"] for event in project.events("checkpoint")] == [0, 1, 2]


def test_a_scikit_learn_model_comes_as_the_path_of_its_onnx(project: Project) -> None:
    project.prepare().write(
        pipeline="""
        from sklearn.linear_model import LogisticRegression
        from skl2onnx import to_onnx
        def train(run):
            x, y = run.data.train.tensors()
            model = LogisticRegression().fit(x, y.astype(int))
            onnx = to_onnx(model, x[:1], options={"zipmap": False})
            with open("mine.onnx", "wb") as file:
                file.write(onnx.SerializeToString())
            return "mine.onnx"
        def evaluate(predict, data):
            x, y = data.validation.tensors()
            return {"accuracy": ((predict(x) > 0.5) == y).mean()}
        """
    )
    ended = project.call()
    assert ended.ok["model"]["kind"] == "onnx"
    assert ended.ok["user_metrics"]["accuracy"] > 0.8
    assert np.load(project.out / "reference" / "test.npy").shape == (60,)
    assert "torch" not in ended.out + ended.err


def test_a_run_may_train_nothing(project: Project) -> None:
    ended = project.write(pipeline="def train(run): run.log({'loss': 1.0})\n").call()
    assert ended.ok["model"] is None and ended.ok["user_metrics"] is None
    assert ended.code == 0


@pytest.mark.parametrize(
    ("returned", "says"),
    [
        (
            "3",
            "pipeline:train returned a value of type int; it returns a torch module, the path of an ONNX file, or None",
        ),
        ("'nowhere.onnx'", "the path 'nowhere.onnx', and there is no such file"),
        ("__file__", "cannot be read as ONNX"),
    ],
)
def test_what_is_no_model_is_refused(project: Project, returned: str, says: str) -> None:
    ended = project.write(pipeline=f"def train(run):\n    return {returned}\n").call()
    assert says in ended.error["message"]
    assert ended.code == 1


@pytest.mark.parametrize(
    ("source", "kind", "message", "line"),
    [
        ("def train(run):\n    inner()\ndef inner():\n    {}['k']\n", "KeyError", "'k'", 4),
        ("def train(run):\n    import numpy\n    numpy.zeros(-1)\n", "ValueError", "negative dimensions", 3),
        ("def train(run):\n    import sys\n    sys.exit(3)\n", "SystemExit", "sys.exit(3)", 3),
        ("def train(run):\n    raise KeyboardInterrupt\n", "KeyboardInterrupt", "KeyboardInterrupt", 2),
        ("def train(run):\n    raise BaseException('odd')\n", "BaseException", "odd", 2),
        ("1 / 0\n", "ZeroDivisionError", "division by zero", 1),
        ("def train(run)\n    pass\n", "SyntaxError", "expected ':'", 1),
        ("def train(): pass\n", "TypeError", "takes 0 positional arguments", None),
        ("def train(run):\n    run.log({'loss': 'x'})\n", "TypeError", "'loss' is one number", 2),
    ],
)
def test_an_error_of_the_users_is_told_with_their_file_and_line(
    project: Project, source: str, kind: str, message: str, line: int | None
) -> None:
    (project.code / "pipeline.py").write_text(source)
    ended = project.call()
    assert ended.code == 1
    error = ended.error
    assert error["type"] == kind and message in error["message"]
    assert (error["file"], error["line"]) == (("pipeline.py", line) if line else (None, None))
    assert error["traceback"].strip() == ended.err.strip()
    assert "execution.py" not in error["traceback"] and "training.py" not in error["traceback"]


def test_a_missing_package_is_named_with_the_interpreter_and_what_to_type(project: Project, tmp_path: Path) -> None:
    venv.create(tmp_path / "bare", symlinks=True, with_pip=False)
    python = tmp_path / "bare" / "bin" / "python"
    project.prepare().write(pipeline="def train(run):\n    run.data.train.tensors()\n")
    error = project.call(launcher=[str(python)]).error
    assert error["type"] == "MissingPackage"
    assert f"needs the package numpy, and {python} does not have it" in error["message"]
    assert f"type: {python} -m pip install numpy" in error["message"]
    assert (error["file"], error["line"]) == ("pipeline.py", 2)


def test_an_interpreter_with_nothing_but_the_standard_library_trains(project: Project, tmp_path: Path) -> None:
    venv.create(tmp_path / "bare", symlinks=True, with_pip=False)
    project.write(
        pipeline="""
        def train(run):
            state = run.restore() or {"weight": 0.0}
            for step in range(3):
                state["weight"] += 0.5
                run.log({"loss": 1 - state["weight"]}, step)
                run.checkpoint(state, step)
            run.save(b"weights", name="w.bin")
            print(run.device)
        """
    )
    ended = project.call(launcher=[str(tmp_path / "bare" / "bin" / "python")])
    assert ended.ok and ended.out == "cpu\n"
    assert metrics.read(project.run / "metrics", "loss").value.tolist() == [0.5, 0.0, -0.5]


RESUMING = """
import os, time
def train(run):
    state = run.restore() or {"next": 0, "total": 0}
    print("from", state["next"], run.restored_step, flush=True)
    for step in range(state["next"], 400):
        state["total"] += step
        run.log({"loss": step * 0.5, "total": state["total"]}, step)
        if step % 3 == 0:
            run.log({"eval": step}, step)
        if step % 50 == 0:
            run.checkpoint({"next": step + 1, "total": state["total"]}, step)
        if run.params.slow:
            time.sleep(0.005)
    assert state["total"] == sum(range(400))
"""


def test_after_kill_9_the_run_goes_on_without_gap_or_double(project: Project) -> None:
    project.write(pipeline=RESUMING)
    child = project.start(params={"slow": True})
    until(lambda: len(metrics.read(project.run / "metrics", "loss")) > 120)
    child.process.kill()
    assert child.ended().result is None
    before = len(metrics.read(project.run / "metrics", "loss"))
    assert before < 400
    second = project.call(params={"slow": False}, attempt=2)
    restored = second.ok["restored_step"]
    assert restored % 50 == 0 and 100 <= restored <= before
    assert second.out == f"from {restored + 1} {restored}\n"
    loss = metrics.read(project.run / "metrics", "loss")
    assert loss.step.tolist() == list(range(400))
    assert loss.value.tolist() == [step * 0.5 for step in range(400)]
    assert metrics.read(project.run / "metrics", "total").value[-1] == sum(range(400))
    assert metrics.read(project.run / "metrics", "eval").step.tolist() == list(range(0, 400, 3))
    assert np.all(np.diff(loss.time) >= 0)


def test_a_run_that_ignores_its_checkpoints_starts_its_series_over(project: Project) -> None:
    source = "def train(run):\n    for step in range(run.params.n): run.log({'loss': 1.0}, step)\n"
    project.write(pipeline=source)
    assert project.call(params={"n": 9}).ok
    assert project.call(params={"n": 4}, attempt=2).ok
    assert metrics.read(project.run / "metrics", "loss").step.tolist() == [0, 1, 2, 3]


WAITING = """
import time
def train(run):
    for step in range(100_000):
        run.log({"loss": 1.0}, step)
        ASK
        time.sleep(0.001)
"""


def test_sigterm_ends_code_that_never_asks_and_keeps_its_metrics(project: Project) -> None:
    child = project.write(pipeline=WAITING.replace("ASK", "pass")).start()
    until(lambda: len(metrics.read(project.run / "metrics", "loss")) > 0)
    child.process.send_signal(signal.SIGTERM)
    ended = child.ended()
    assert ended.code == 1 and ended.error["type"] == "Stopped"
    assert "asked to stop" in ended.error["message"]
    steps = metrics.read(project.run / "metrics", "loss").step.tolist()
    assert steps == list(range(len(steps)))


def test_sigterm_lets_code_that_asks_end_in_its_own_time(project: Project) -> None:
    child = project.write(pipeline=WAITING.replace("ASK", "if run.should_stop: return None")).start()
    until(lambda: len(metrics.read(project.run / "metrics", "loss")) > 0)
    child.process.send_signal(signal.SIGTERM)
    assert child.ended().ok["stopped"] is True


def test_a_second_sigterm_ends_it_in_any_case(project: Project) -> None:
    source = WAITING.replace("ASK", "if run.should_stop: run.note('I go on')")
    child = project.write(pipeline=source).start()
    until(lambda: len(metrics.read(project.run / "metrics", "loss")) > 0)
    child.process.send_signal(signal.SIGTERM)
    until(lambda: project.events("note"))
    child.process.send_signal(signal.SIGTERM)
    assert child.ended().error["type"] == "Stopped"


def test_a_full_disk_fails_the_checkpoint_in_words_and_leaves_the_one_before(project: Project) -> None:
    project.write(
        pipeline="""
        import resource
        def train(run):
            run.log({"loss": 1.0}, 0)
            run.checkpoint({"weights": [1.0] * 10}, 0)
            resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
            run.log({"loss": 0.5}, 1)
            try:
                run.checkpoint({"weights": [1.0] * 10_000}, 1)
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        """
    )
    error = project.call().error
    assert error["type"] == "CheckpointFailed"
    assert error["message"] == (
        "the checkpoint at step 1 was not written: File too large; the one before, at step 0, is whole"
    )
    project.write(pipeline="def train(run): print(run.restore()['weights'] == [1.0] * 10, run.restored_step)\n")
    assert project.call(attempt=2).out == "True 0\n"


def torchrun(processes: int) -> list[str]:
    return [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]


def test_two_processes_train_one_model_and_one_of_them_keeps_the_record(project: Project) -> None:
    source = TORCH.replace("OUTPUTS", "1").replace("LOSS", LOSSES["binary"][1])
    source = source.replace(
        "    optimizer =",
        "    torch.distributed.init_process_group('gloo')\n"
        "    model = nn.parallel.DistributedDataParallel(model)\n"
        "    together = torch.tensor([float(run.rank + 1)])\n"
        "    torch.distributed.all_reduce(together)\n"
        "    assert (run.world_size, together.item()) == (2, 3.0)\n"
        "    run.save(b'x', name=f'rank{run.rank}.bin')\n"
        "    optimizer =",
    )
    ended = project.prepare().write(pipeline=source).call(params={"lr": 0.1}, launcher=torchrun(2))
    assert ended.ok["model"]["kind"] == "torch", ended.err
    assert metrics.read(project.run / "metrics", "train/loss").step.tolist() == [0, 1, 2]
    assert [event["step"] for event in project.events("checkpoint")] == [0, 1, 2]
    assert sorted(path.name for path in (project.run / "artifacts").iterdir()) == ["rank0.bin", "rank1.bin"]
    assert sorted(path.name for path in project.out.iterdir()) == ["reference", "result.json", "trained.onnx"]


def test_the_rank_that_failed_is_the_one_whose_error_is_told(project: Project) -> None:
    project.write(
        pipeline="""
        import threading
        def train(run):
            if run.rank == 1:
                raise ValueError("only here")
            threading.Event().wait(100)
        """
    )
    ended = project.call(launcher=torchrun(2))
    assert ended.code != 0
    assert (ended.error["type"], ended.error["message"], ended.error["line"]) == ("ValueError", "only here", 5)


def test_every_end_of_the_process_leaves_a_whole_result_or_none(project: Project) -> None:
    project.write(pipeline="import os\ndef train(run): os._exit(3)\n")
    ended = project.call()
    assert (ended.code, ended.result) == (3, None)
    project.write(pipeline="import ctypes\ndef train(run): ctypes.string_at(0)\n")
    ended = project.call()
    assert (ended.code, ended.result) == (-signal.SIGSEGV, None)
    assert "Segmentation fault" in ended.err and "pipeline.py" in ended.err


def test_an_earlier_attempts_result_is_gone_when_the_child_starts(project: Project) -> None:
    project.write(pipeline="def train(run): pass\n")
    assert project.call().ok
    project.write(pipeline="import os\ndef train(run): os._exit(3)\n")
    assert project.call().result is None


def test_a_disk_without_room_for_the_result_is_told_in_the_log(project: Project) -> None:
    project.write(
        pipeline="""
        import resource
        def train(run):
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        """
    )
    ended = project.call()
    assert (ended.code, ended.result) == (1, None)
    assert ended.err == "trainshed: the result cannot be written: [Errno 27] File too large\n"
    assert [path.name for path in project.out.iterdir()] == []


def test_the_child_starts_with_the_standard_library_alone() -> None:
    modules = [path.stem for path in USERSIDE.glob("*.py")]
    source = f"""
import sys, runpy
before = set(sys.modules)
runpy.run_path({str(CHILD)!r})
import importlib
for name in {modules!r}:
    importlib.import_module("_trainshed." + name)
foreign = {{name.partition(".")[0] for name in set(sys.modules) - before}} - sys.stdlib_module_names
print(sorted(foreign), any("trainshed" in path or path.endswith("runners") for path in sys.path))
"""
    out = subprocess.run(
        [sys.executable, "-S", "-c", source], capture_output=True, text=True, check=True, cwd="/"
    ).stdout
    assert out == "['_trainshed'] False\n"


@pytest.mark.parametrize("file", [CHILD, *sorted(USERSIDE.glob("*.py"))], ids=lambda path: path.name)
def test_the_childs_side_reads_as_python_3_9(file: Path) -> None:
    ast.parse(file.read_text(encoding="utf-8"), feature_version=(3, 9))


def test_what_the_user_prints_is_in_the_log_at_once_whatever_it_is(project: Project) -> None:
    project.write(
        pipeline=r"""
        import os
        def train(run):
            print("caf\u00e9 \udcff")
            os.kill(os.getpid(), 9)
        """
    )
    child = project.start(env={"PYTHONIOENCODING": "ascii"})
    assert child.ended().out == "caf\\xe9 \\udcff\n"


def test_code_runs_in_the_project_and_imports_from_its_frozen_copy(project: Project) -> None:
    (project.home / "data.txt").write_text("here")
    (project.home / "pipeline.py").write_text("raise RuntimeError('not the frozen one')")
    project.write(pipeline="import sys\ndef train(run): print(open('data.txt').read(), sys.argv, __file__)\n")
    assert project.call().out == f"here ['pipeline:train'] {project.code / 'pipeline.py'}\n"


def test_a_job_that_cannot_begin_still_leaves_its_reason(project: Project) -> None:
    ended = project.write(pipeline="").call(project_dir=str(project.home / "gone"))
    assert ended.code == 1
    assert "gone" in ended.error["message"]


def test_the_result_is_json_that_any_program_reads(project: Project) -> None:
    project.write(
        checks="import datetime\ndef more(data): yield {'check': 'x', 'rows': [{'at': datetime.date(2013, 1, 2)}]}\n"
    )
    assert project.call(call="checks", entry="checks:more", data_file="x").ok
    rows = json.loads((project.out / "result.json").read_text())["failures"][0]["rows"]
    assert rows == [{"at": "2013-01-02"}]
    assert (project.out / "result.json").stat().st_mode & 0o777 == 0o660 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
