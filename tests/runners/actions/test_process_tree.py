"""The processes of a device stand as they come from each other, with what each is to its run."""

from __future__ import annotations

from pathlib import Path

import pytest

from runners.actions import agents, queueing
from runners.actions.gpus import overview
from runners.actions.process_tree import Owned, Process, tree
from runners.supervision.processes import Seen
from storage.shed import Shed, open_shed
from tests.waiting import until


@pytest.fixture
def shed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shed:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return open_shed(tmp_path / "shed")


def test_agent_supervisor_and_child_of_a_run_at_work_stand_below_each_other(shed: Shed, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    try:
        command = ["sh", "-c", f"while [ ! -e {gate} ]; do sleep 0.05; done"]
        run = queueing.execute(shed, command, cwd=tmp_path).run.id

        def family() -> list[Process]:
            found = overview(shed, []).devices[0].processes
            return found[:3] if [each.role for each in found[:3]] == ["agent", "supervisor", "child"] else []

        agent, supervisor, child = until(family)
        assert (agent.run, supervisor.run, child.run) == (None, run, run)
        assert (agent.parent, supervisor.parent, child.parent) == (None, agent.pid, supervisor.pid)
        assert [agent.depth, supervisor.depth, child.depth] == [0, 1, 2]
        assert not agent.stranger
    finally:
        gate.touch()
        agents.stop(shed)


def test_what_computes_on_a_gpu_is_shown_with_what_it_comes_from_and_beside_strangers() -> None:
    seen = {pid: Seen(pid, "p", "S", parent, 1, 0, 100, 0) for pid, parent in ((2, 1), (3, 2), (4, 3), (5, 4), (6, 4))}
    seen[9] = Seen(9, "p", "S", 1, 1, 0, 100, 0)
    ours = Owned({3: 7, 4: 7, 5: 7, 6: 7}, {2: "agent", 3: "supervisor", 4: "child"})
    found = tree(ours, seen, {6: 60, 9: 90})
    assert [(each.pid, each.depth, each.memory_bytes) for each in found] == [
        (2, 0, None), (3, 1, None), (4, 2, None), (6, 3, 60), (9, 0, 90),
    ]  # fmt: skip
    assert [each.pid for each in found if each.stranger] == [9]
    assert tree(ours, seen, {}) == []
