"""Runs that wait for their turn, and the agent that starts them."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import pytest

from runners.supervision import processes
from runners.supervision.childfile import Child
from runners.supervision.processes import Identity
from storage.read import queue as read_queue
from storage.read import runs as read_runs
from storage.write import queue as write_queue
from storage.write import runs as write_runs
from tests.journeys.conftest import Workstation
from tests.waiting import until

WAIT_FOR = "while [ ! -e '{}' ]; do sleep 0.05; done"


def gate(workstation: Workstation, name: str = "go") -> tuple[str, Path]:
    """A script that ends when a file appears, and that file."""
    path = workstation.folder / name
    return WAIT_FOR.format(path), path


def log_of(workstation: Workstation, run_id: int) -> str:
    return (workstation.shed.run_dir(run_id) / "log").read_text()


def test_a_queued_pipeline_goes_to_production_by_itself(workstation: Workstation, tiny: Path) -> None:
    run_id = workstation.queued("runs", "launch", "-p", tiny, "--set", "epochs=2")
    followed = workstation.type("runs", "follow", str(run_id))
    assert followed.code == 0, followed.told
    assert followed.finished["status"] == "done"
    assert followed.stages["gate"] == "done"
    run = workstation.run(run_id)
    assert (run.status, run.ending, run.devices) == ("done", "done", ["cpu0"])
    assert read_runs.row(workstation.shed, run_id).params["epochs"] == "2"


def test_what_was_queued_is_what_runs_whatever_happens_to_the_project(workstation: Workstation, tiny: Path) -> None:
    script, go = gate(workstation)
    first = workstation.execute(script)
    run_id = workstation.queued("runs", "launch", "-p", tiny)
    (tiny / "pipeline.py").write_text("raise SystemExit('edited after the launch')")
    (tiny / "trainshed.toml").write_text("broken")
    (tiny / "data" / "one.csv").unlink()
    assert workstation.run(run_id).status == "queued"
    go.touch()
    assert workstation.wait(first).status == "done"
    assert workstation.wait(run_id).status == "done", log_of(workstation, run_id)


def test_a_command_runs_where_it_was_queued_with_the_environment_of_then(workstation: Workstation) -> None:
    workstation.environment["FLAVOUR"] = "lemon"
    run_id = workstation.execute('echo "$FLAVOUR $PWD $TRAINSHED_RUN"')
    assert workstation.wait(run_id).status == "done"
    assert log_of(workstation, run_id).split() == ["lemon", str(workstation.folder), str(run_id)]
    requests = list((workstation.folder / "state").glob("trainshed/agents/*/requests/*"))
    until(lambda: not [path for path in requests if path.exists()])


def test_a_failed_command_ends_with_its_exit_code(workstation: Workstation) -> None:
    run_id = workstation.execute("echo no luck; exit 7")
    followed = workstation.type("runs", "follow", str(run_id))
    assert followed.code == 7
    run = workstation.run(run_id)
    assert (run.status, run.ending, run.exit_code) == ("failed", "exit", 7)
    assert "exit code 7" in run.reason
    assert {"event": "line", "text": "no luck"} in followed.lines


def test_a_run_waits_for_those_it_comes_after(workstation: Workstation) -> None:
    workstation.slots(2)
    script, go = gate(workstation)
    first = workstation.execute(script)
    second = workstation.execute("true", "--after", str(first))
    shed = workstation.shed
    until(lambda: (entry := read_queue.entry(shed, second)) and f"run {first} (running)" in entry.queued.held)
    go.touch()
    assert workstation.wait(second).status == "done"
    assert (workstation.run(second).started_at or 0) >= (workstation.run(first).ended_at or 0)


def test_runs_of_one_user_start_in_the_order_they_were_put(workstation: Workstation) -> None:
    script, go = gate(workstation)
    workstation.execute(script)
    order = workstation.folder / "order"
    a, b, c = (workstation.execute(f"echo {name} >> {order}") for name in "abc")
    assert workstation.type("runs", "reorder", str(c)).code == 0
    assert workstation.type("runs", "reorder", str(a), "--last").code == 0
    go.touch()
    for run_id in (a, b, c):
        workstation.wait(run_id)
    assert order.read_text().split() == ["c", "b", "a"]


def test_a_higher_priority_goes_first(workstation: Workstation) -> None:
    script, go = gate(workstation)
    workstation.execute(script)
    order = workstation.folder / "order"
    runs = [workstation.execute(f"echo {p} >> {order}", "--priority", str(p)) for p in (0, 5)]
    go.touch()
    for run_id in runs:
        workstation.wait(run_id)
    assert order.read_text().split() == ["5", "0"]


def test_stopping_ends_a_waiting_run_at_once_and_a_running_one_with_all_its_processes(workstation: Workstation) -> None:
    running = workstation.execute("sleep 1000 & sleep 1000")
    waiting = workstation.execute("true")
    workstation.wait(running, "running")
    shed = workstation.shed
    child = until(lambda: found if (found := Child.read(shed.run_dir(running))) and found.identity else None)
    assert workstation.type("runs", "stop", str(waiting), str(running), "--grace", "0").code == 0
    assert workstation.run(waiting).status == "stopped"
    run = workstation.wait(running)
    assert (run.status, run.ending) == ("stopped", "stopped")
    assert run.reason.startswith("stopped by ")
    assert processes.members(child.find(), mark=child.mark) == []


def test_a_stopped_training_is_resumed_from_its_checkpoint(workstation: Workstation, tiny: Path) -> None:
    go = workstation.folder / "go"
    (tiny / "pipeline.py").write_text(
        "import os, time\n"
        "def train(run):\n"
        "    state = run.restore()\n"
        "    first = state['epoch'] + 1 if state else 0\n"
        "    for epoch in range(first, 4):\n"
        "        run.log({'train/loss': 1.0 - epoch / 10}, step=epoch)\n"
        "        run.checkpoint({'epoch': epoch}, step=epoch)\n"
        f"        while epoch == 1 and not os.path.exists({str(go)!r}):\n"
        "            if run.should_stop:\n"
        "                raise SystemExit(1)\n"
        "            time.sleep(0.02)\n"
        "    return None\n"
    )
    run_id = workstation.queued("runs", "launch", "-p", tiny, "--until", "train")
    shed = workstation.shed
    until(lambda: read_runs.row(shed, run_id).metrics.get("train/loss"), 60)
    workstation.type("runs", "stop", str(run_id))
    assert workstation.wait(run_id).status == "stopped"
    go.touch()
    assert workstation.queued("runs", "resume", str(run_id)) == run_id
    run = workstation.wait(run_id)
    assert (run.status, run.attempt) == ("done", 2)
    assert read_runs.row(shed, run_id).metrics["train/loss"].count == 4


def test_a_failure_is_retried_as_often_as_asked(workstation: Workstation) -> None:
    flag = workstation.folder / "flag"
    run_id = workstation.execute(f"[ -e {flag} ] || {{ touch {flag}; exit 1; }}", "--retries", "2")
    run = workstation.wait(run_id, "done")
    assert run.attempt == 2
    entry = read_queue.entry(workstation.shed, run_id)
    assert entry is not None
    assert entry.queued.retries == 1


def test_a_run_is_queued_anew_from_what_an_earlier_one_froze(workstation: Workstation, tiny: Path) -> None:
    first = workstation.queued("runs", "launch", "-p", tiny, "--set", "lr=0.05")
    workstation.wait(first)
    (tiny / "pipeline.py").write_text("raise SystemExit('edited')")
    second = workstation.queued("runs", "requeue", str(first))
    assert second != first
    run = workstation.wait(second)
    assert run.status == "done"
    assert read_runs.row(workstation.shed, second).params["lr"] == "0.05"


def test_an_agent_runs_nothing_that_its_user_did_not_ask_for(workstation: Workstation) -> None:
    evil = workstation.folder / "evil"
    new = write_runs.NewRun(
        name="x",
        project="commands",
        project_dir=str(workstation.folder),
        identity="i",
        code="",
        spec={"command": ["touch", str(evil)]},
        snapshot={},
        params={},
        kind="command",
    )
    forged = write_queue.enqueue(workstation.shed, new, write_queue.Ask(request="0" * 64))
    workstation.wait(workstation.execute("true"))
    run = workstation.wait(forged.id or 0)
    assert run.status == "failed"
    assert "no such request" in run.reason
    assert not evil.exists()


@pytest.mark.parametrize("frozen", ["spec", "project_dir", "code"])
def test_a_row_that_was_changed_after_it_was_frozen_is_not_run(
    workstation: Workstation, tiny: Path, frozen: str
) -> None:
    script, go = gate(workstation)
    workstation.execute(script)
    run_id = workstation.queued("runs", "launch", "-p", tiny)
    shed = workstation.shed
    with shed.writing("forged", f"run {run_id}") as write:
        run = write.session.get_one(type(workstation.run(run_id)), run_id)
        if frozen == "spec":
            run.spec = {**run.spec, "train": {**run.spec["train"], "seed": 99}}
        elif frozen == "project_dir":
            run.project_dir = "/"
        else:
            run.snapshot = {**run.snapshot, "files": {**run.snapshot["files"], "evil.py": "0" * 64}}
        write.session.add(run)
    go.touch()
    ended = workstation.wait(run_id)
    assert ended.status == "failed"
    assert "changed after it was frozen" in ended.reason


def test_kill_9_of_a_supervisor_costs_nothing(workstation: Workstation) -> None:
    script, go = gate(workstation)
    count = workstation.folder / "count"
    run_id = workstation.execute(f"echo started >> {count}; {script}; echo finished >> {count}")
    workstation.wait(run_id, "running")
    until(count.exists)
    supervisor = Identity.from_json(workstation.run(run_id).supervisor)
    processes.signal(supervisor, signal.SIGKILL)
    shed = workstation.shed
    until(lambda: Identity.from_json(read_runs.run(shed, run_id).supervisor) != supervisor)
    go.touch()
    assert workstation.wait(run_id).status == "done"
    assert count.read_text().split() == ["started", "finished"]


@pytest.mark.parametrize(("end", "ending", "code"), [("exit 0", "done", 0), ("exit 3", "exit", 3)])
def test_what_a_command_came_to_while_nobody_watched_counts(
    workstation: Workstation, end: str, ending: str, code: int
) -> None:
    script, go = gate(workstation)
    gone = workstation.folder / "gone"
    run_id = workstation.execute(f"{script}; echo $$ > {gone}; {end}")
    workstation.wait(run_id, "running")
    assert workstation.type("agent", "stop").code == 0
    processes.signal(Identity.from_json(workstation.run(run_id).supervisor), signal.SIGKILL)
    go.touch()
    until(lambda: gone.exists() and gone.read_text().strip())
    until(lambda: not Path(f"/proc/{gone.read_text().strip()}").exists())
    assert workstation.type("agent", "start").code == 0
    run = workstation.wait(run_id)
    assert (run.ending, run.exit_code) == (ending, code)


def test_a_program_that_is_not_there_is_told_before_it_is_queued(workstation: Workstation) -> None:
    ended = workstation.type("exec", "--json", "--", "no-such-program")
    assert ended.code == 2
    assert "no-such-program: no such program" in ended.told


def test_kill_9_of_the_agent_costs_nothing_and_the_next_one_comes_by_itself(workstation: Workstation) -> None:
    script, go = gate(workstation)
    first = workstation.execute(script)
    waiting = workstation.execute("true")
    workstation.wait(first, "running")
    agent = workstation.agent()
    assert agent is not None
    processes.signal(agent, signal.SIGKILL)
    until(lambda: (found := workstation.agent()) and found != agent and processes.alive(found))
    go.touch()
    assert workstation.wait(first).status == "done"
    assert workstation.wait(waiting).status == "done"
    assert workstation.run(first).attempt == 1


def test_a_stopped_agent_stays_away_until_it_is_wanted(workstation: Workstation) -> None:
    script, go = gate(workstation)
    first = workstation.execute(script)
    workstation.wait(first, "running")
    agent = workstation.agent()
    assert agent is not None
    assert workstation.type("agent", "stop").finished["stopped"] is True
    until(lambda: not processes.alive(agent))
    go.touch()
    assert workstation.wait(first).status == "done"
    assert workstation.type("agent", "status").finished["alive"] is False
    second = workstation.execute("true")
    assert workstation.wait(second).status == "done"
    assert workstation.type("agent", "status").finished["alive"] is True


def test_an_agent_with_nothing_to_do_ends(workstation: Workstation) -> None:
    workstation.slots(1)
    settings = workstation.folder / "shed" / "settings.toml"
    settings.write_text(settings.read_text() + "[agent]\nidle_minutes = 0.01\n")
    workstation.wait(workstation.execute("true"))
    agent = workstation.agent()
    assert agent is not None
    until(lambda: not processes.alive(agent))


def test_an_agent_ends_when_its_shed_is_gone(workstation: Workstation) -> None:
    workstation.wait(workstation.execute("true"))
    agent, shed = workstation.agent(), workstation.folder / "shed"
    assert agent is not None

    def removed() -> bool:
        shutil.rmtree(shed, ignore_errors=True)  # the agent may write in it meanwhile
        return not shed.exists()

    until(removed)
    until(lambda: not processes.alive(agent))


def test_the_agent_is_one_thread_when_it_forks(workstation: Workstation) -> None:
    workstation.wait(workstation.execute("true"))
    agent = workstation.agent()
    assert agent is not None
    assert len(list(Path(f"/proc/{agent.pid}/task").iterdir())) == 1


def test_batch_waits_for_its_turn_to_train_and_says_for_whom(workstation: Workstation, tiny: Path) -> None:
    script, go = gate(workstation)
    first = workstation.execute(script)
    workstation.wait(first, "running")
    batch = workstation.start("--batch", "-p", tiny, "--json")
    waiting = until(lambda: next((e for e in read_queue.waiting(workstation.shed) if not e.queued.request), None), 60)
    assert waiting.run.status == "queued"
    go.touch()
    ended = workstation.ended(batch)
    assert ended.code == 0, ended.told
    assert any("waits for its turn" in event.get("text", "") for event in ended.lines if event["event"] == "note")
    assert workstation.run(waiting.queued.run_id).status == "done"


def test_batch_that_waits_is_stopped_from_elsewhere(workstation: Workstation, tiny: Path) -> None:
    script, go = gate(workstation)
    first = workstation.execute(script)
    workstation.wait(first, "running")
    batch = workstation.start("--batch", "-p", tiny, "--json")
    waiting = until(lambda: next((e for e in read_queue.waiting(workstation.shed) if not e.queued.request), None), 60)
    assert workstation.type("runs", "stop", str(waiting.queued.run_id)).code == 0
    ended = workstation.ended(batch)
    assert (ended.code, ended.finished["status"]) == (130, "stopped")
    go.touch()
    workstation.wait(first)


def test_a_run_out_of_gpu_memory_goes_on_with_smaller_steps(workstation: Workstation, tiny: Path) -> None:
    toml = (tiny / "trainshed.toml").read_text()
    (tiny / "trainshed.toml").write_text(
        toml.replace("[train.params]", "[train.params]\nmicro_batch = 8\naccumulation = 4").replace(
            "gpus = 0", 'gpus = 0\nretry_smaller = { halve = "micro_batch", double = "accumulation" }'
        )
    )
    (tiny / "pipeline.py").write_text(
        "import torch\n"
        "def train(run):\n"
        "    if run.params.micro_batch > 4:\n"
        "        raise torch.cuda.OutOfMemoryError('CUDA out of memory. Tried to allocate 20.00 GiB')\n"
        "    run.log({'micro': run.params.micro_batch, 'accumulation': run.params.accumulation}, step=0)\n"
    )
    run_id = workstation.queued("runs", "launch", "-p", tiny, "--until", "train")
    run = workstation.wait(run_id, "done")
    row = read_runs.row(workstation.shed, run_id)
    assert run.attempt == 2
    assert (row.metrics["micro"].last, row.metrics["accumulation"].last) == (4, 8)
    assert row.params["micro_batch"] == "4"
    notes = [note.text for note in read_runs.notes(workstation.shed, run_id)]
    assert any("out of GPU memory" in note and "micro_batch=4" in note for note in notes)


def test_an_agent_leaves_a_killed_batch_to_the_same_command(workstation: Workstation, tiny: Path) -> None:
    go = workstation.folder / "go"
    code = (tiny / "pipeline.py").read_text()
    wait = f"    import os, time\n    while not os.path.exists({str(go)!r}): time.sleep(0.02)\n"
    (tiny / "pipeline.py").write_text(code.replace("def train(run):\n", "def train(run):\n" + wait))
    batch = workstation.start("--batch", "-p", tiny, "--json")
    shed = workstation.shed
    until(lambda: (found := Child.read(shed.run_dir(1))) and found.identity, 60)
    batch.kill()
    batch.communicate()
    workstation.slots(2)
    workstation.wait(workstation.execute("true"))
    assert workstation.run(1).status == "running"
    go.touch()
    ended = workstation.batch(tiny)
    assert (ended.code, ended.finished["run"]) == (0, 1), ended.told
    assert workstation.run(1).attempt == 2


def test_batch_does_not_take_a_run_out_of_the_queue(workstation: Workstation, tiny: Path) -> None:
    workstation.slots(2)
    script, go = gate(workstation)
    first = workstation.execute(script)
    queued = workstation.queued("runs", "launch", "-p", tiny, "--after", str(first))
    ended = workstation.batch(tiny)
    assert (ended.code, ended.finished["run"]) == (0, queued + 1), ended.told
    assert workstation.run(queued).status == "queued"
    go.touch()
    assert workstation.wait(queued).status == "done"
