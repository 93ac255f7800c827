"""A command in place of a function: any program, its metrics followed, its end passed on."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from runners.userside.command import WrongCommand, arguments
from storage import metrics
from tests.children import Project
from tests.waiting import until


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_placeholders_are_filled_within_their_argument() -> None:
    params = {"lr": 0.001, "name": "two words; rm -rf /", "amp": True, "layers": [1, 2]}
    assert arguments("train.py --lr {lr} --name={name} --amp {amp} '{layers}' '{\"a\": 1}'", params) == [
        "train.py",
        "--lr",
        "0.001",
        "--name=two words; rm -rf /",
        "--amp",
        "true",
        "[1, 2]",
        '{"a": 1}',
    ]


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("train.py --lr {lrr}", 'no such param; did you mean "{lr}"'),
        ("train.py --lr {momentum}", r"\[train.params\] has: lr"),
        ("train.py 'open", "cannot be split into arguments"),
        ("  ", "the command is empty"),
    ],
)
def test_a_command_that_cannot_be_read_is_refused(command: str, says: str) -> None:
    with pytest.raises(WrongCommand, match=says):
        arguments(command, {"lr": 1})


def test_a_command_is_told_where_things_are_and_its_metrics_are_kept(project: Project) -> None:
    (project.home / "train.py").write_text(
        """
import json, os, sys, pathlib
assert sys.argv[1:] == ["--lr", "0.5"]
assert json.loads(os.environ["TRAINSHED_PARAMS"]) == {"lr": 0.5}
assert os.path.dirname(sys.executable) == os.environ["PATH"].split(os.pathsep)[0]
print(os.environ["TRAINSHED_SEED"], pathlib.Path(os.environ["TRAINSHED_OUT"]).is_dir(), os.environ["TRAINSHED_DATA"])
with open(os.environ["TRAINSHED_METRICS"], "a") as file:
    for step in range(3):
        print(json.dumps({"step": step, "train/loss": 0.5 * step}), file=file, flush=True)
    print('{"loss": "high"}', file=file)
    print("not json", file=file)
    print('[1]', file=file)
    print('{"val/loss": NaN}', file=file)
    file.write('{"step": 9, "train/loss": 7}')
"""
    )
    ended = project.call(
        call="command", entry=None, command="python train.py --lr {lr}", params={"lr": 0.5}, seed=3, data_dir="/d"
    )
    assert ended.ok["exit_code"] == 0 and ended.ok["model"] is None
    assert ended.out == "3 True /d\n"
    loss = metrics.read(project.run / "metrics", "train/loss")
    assert loss.step.tolist() == [0, 1, 2, 9]
    assert loss.value.tolist() == [0, 0.5, 1, 7]
    assert metrics.read(project.run / "metrics", "val/loss").step.tolist() == [1]
    warnings = [event["text"] for event in project.events("warning")]
    assert len(warnings) == 3
    assert "a line of metrics.jsonl is no metrics: 'not json'" in warnings[1]
    assert [event["metric"] for event in project.events("nonfinite")] == ["val/loss"]


def test_lines_are_taken_while_the_command_runs(project: Project) -> None:
    (project.home / "train.py").write_text(
        """
import os
with open(os.environ["TRAINSHED_METRICS"], "a") as file:
    file.write('{"step": 0, "loss": 1}\\n{"step": 1, "lo')
    file.flush()
    while not os.path.exists("go"):
        pass
    file.write('ss": 2}\\n')
"""
    )
    child = project.start(call="command", entry=None, command="python train.py")
    until(lambda: len(metrics.read(project.run / "metrics", "loss")) == 1)
    (project.home / "go").touch()
    assert child.ended().ok
    assert metrics.read(project.run / "metrics", "loss").value.tolist() == [1.0, 2.0]


def test_a_command_that_goes_on_leaves_no_gap_and_no_double(project: Project) -> None:
    (project.home / "train.py").write_text(
        """
import json, os, sys
with open(os.environ["TRAINSHED_METRICS"], "a") as file:
    for step in range(*map(int, sys.argv[1:])):
        print(json.dumps({"step": step, "loss": step}), file=file)
"""
    )
    for attempt, (start, end) in enumerate([(0, 10), (6, 12), (0, 2)], 1):
        command = f"python train.py {start} {end}"
        assert project.call(call="command", entry=None, command=command, attempt=attempt).ok
        assert metrics.read(project.run / "metrics", "loss").step.tolist() == list(range(end))


def test_the_exit_code_is_passed_on(project: Project) -> None:
    ended = project.call(call="command", entry=None, command="python -c 'raise SystemExit(7)'")
    assert ended.code == 7
    assert ended.result is not None and ended.result["exit_code"] == 7
    assert ended.error["message"] == "the command ended with exit code 7"
    assert ended.error["type"] == "CommandFailed"


def test_a_signal_is_passed_on(project: Project) -> None:
    ended = project.call(
        call="command", entry=None, command="python -c 'import os, signal; os.kill(os.getpid(), signal.SIGKILL)'"
    )
    assert ended.code == 128 + signal.SIGKILL
    assert ended.error["message"] == "the command was ended by SIGKILL"


def test_a_command_that_is_not_there_is_named(project: Project) -> None:
    assert "no-such-program" in project.call(call="command", entry=None, command="no-such-program -x").error["message"]


@pytest.mark.parametrize("by", ["signal", "file"])
def test_a_command_is_asked_to_stop_by_sigterm(project: Project, by: str) -> None:
    (project.home / "train.py").write_text(
        """
import os, signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))
open("ready", "w").close()
while True:
    signal.pause()
"""
    )
    child = project.start(call="command", entry=None, command="python train.py")
    until((project.home / "ready").exists)
    if by == "signal":
        child.process.send_signal(signal.SIGTERM)
    else:
        (project.run / "stop").touch()
    assert child.ended().code == 5


def test_the_model_that_a_command_leaves_is_taken(project: Project) -> None:
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])],
        "g",
        [value("x", TensorProto.FLOAT, ["n", 1])],
        [value("y", TensorProto.FLOAT, ["n", 1])],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)]), project.home / "made.onnx")
    ended = project.call(call="command", entry=None, command="""sh -c 'cp made.onnx "$TRAINSHED_OUT/model.onnx"'""")
    assert ended.ok["model"]["kind"] == "onnx"
    assert json.loads((project.out / "result.json").read_text())["model"]["file"] == "trained.onnx"
    onnx.checker.check_model(str(project.out / "trained.onnx"))
