"""A supervisor starts a child, stops it, survives it, and is survived by it."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runners.supervision.childfile import Child
from runners.supervision.interrupts import Interrupts
from runners.supervision.logs import BoundedLog, read_log
from runners.supervision.processes import Identity, alive, identify, members
from runners.supervision.processes import signal as send
from runners.supervisor import Limits, Outcome, adopt, stop, supervise, torchrun_command
from storage.errors import RunFailed
from tests.waiting import until

QUICK = Limits(grace_s=0.3, interrupt_grace_s=0.3, kill_after_s=0.3, linger_s=0.3)
CHILD = """
import json, os, signal, subprocess, sys, threading
from pathlib import Path
run_dir, out_dir = Path(sys.argv[1]), Path(sys.argv[2])

def result(**facts):
    fresh = out_dir / "fresh"
    fresh.write_text(json.dumps(facts))
    fresh.replace(out_dir / "result.json")

def event(**fields):
    with (run_dir / "events.jsonl").open("a") as file:
        file.write(json.dumps(fields) + "\\n")

def ready():
    (out_dir / "ready").touch()

def wait_for(path):
    pause = threading.Event()
    while not path.exists():
        pause.wait(0.005)

"""
SUPERVISING = """
import json, sys
from dataclasses import asdict
from pathlib import Path
from runners.supervisor import Limits, supervise
run_dir, out_dir, told = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
outcome = supervise(
    json.loads(sys.argv[4]), run_dir=run_dir, out_dir=out_dir, env={}, cwd=out_dir, sample=False,
    limits=Limits(interrupt_grace_s=float(sys.argv[5]), kill_after_s=0.3),
)
told.write_text(json.dumps(asdict(outcome)))
"""


class Place:
    """A run directory with a child made of a few lines."""

    def __init__(self, root: Path) -> None:
        self.run_dir, self.out_dir, self.told = root / "run", root / "out", root / "told.json"
        self.run_dir.mkdir()
        self.out_dir.mkdir()
        self.ready = self.out_dir / "ready"
        self.events: list[dict[str, Any]] = []

    def command(self, code: str) -> list[str]:
        script = self.out_dir / "child.py"
        script.write_text(CHILD + textwrap.dedent(code))
        return [sys.executable, str(script), str(self.run_dir), str(self.out_dir)]

    def supervise(self, code: str, **options: Any) -> Outcome:
        options = {"limits": QUICK, "sample": False, "on_event": self.events.append, **options}
        return supervise(
            self.command(code), run_dir=self.run_dir, out_dir=self.out_dir, env={}, cwd=self.out_dir, **options
        )

    def adopt(self, **options: Any) -> Outcome | None:
        options = {"limits": QUICK, "sample": False, "on_event": self.events.append, **options}
        return adopt(self.run_dir, self.out_dir, **options)

    def start_supervisor(self, code: str, interrupt_grace_s: float = 0.3) -> subprocess.Popen[bytes]:
        """Supervise in a process of its own, and come back once the child is ready."""
        paths = [str(self.run_dir), str(self.out_dir), str(self.told)]
        process = subprocess.Popen(
            [sys.executable, "-c", SUPERVISING, *paths, json.dumps(self.command(code)), str(interrupt_grace_s)]
        )
        until(lambda: self.ready.exists() and self.child.identity is not None)
        return process

    @property
    def child(self) -> Child:
        found = Child.read(self.run_dir)
        assert found is not None
        return found

    @property
    def identity(self) -> Identity:
        assert self.child.identity is not None
        return self.child.identity

    def left(self) -> list[Identity]:
        """Processes of the run that still live."""
        return members(self.identity, mark=self.child.mark)

    def once_ready(self, then: Callable[[], object]) -> threading.Thread:
        """Do `then` in a thread when the child says that it is ready."""

        def _wait() -> None:
            until(lambda: self.ready.exists() and self.child.identity is not None)
            then()

        thread = threading.Thread(target=_wait)
        thread.start()
        return thread


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_a_child_that_leaves_its_result_is_done(place: Place) -> None:
    outcome = place.supervise("print('hello'); print('trouble', file=sys.stderr); result(ok=True, rows=3)")
    assert (outcome.status, outcome.exit_code, outcome.signal, outcome.reason) == ("done", 0, None, "")
    assert outcome.result == {"ok": True, "rows": 3}
    assert outcome.last_log_lines == ["hello", "trouble"]


def test_the_memory_of_a_child_is_its_own_not_what_it_was_forked_from(place: Place) -> None:
    ours = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    much = place.supervise(f"held = b'x' * {2 * ours}; result(ok=True)")
    assert much.peak_rss_bytes is not None
    assert much.peak_rss_bytes > 2 * ours
    little = place.supervise("result(ok=True)")
    assert little.peak_rss_bytes is None or little.peak_rss_bytes < ours


def test_the_users_error_is_told_with_its_file_and_line(place: Place) -> None:
    error = {"type": "ValueError", "message": "no rows", "traceback": "…", "file": "pipeline.py", "line": 7}
    outcome = place.supervise(f"result(ok=False, error={error!r}); sys.exit(1)")
    assert (outcome.status, outcome.exit_code, outcome.error) == ("failed", 1, error)
    assert outcome.reason == "ValueError: no rows (pipeline.py:7)"


def test_a_child_without_a_result_has_failed_even_with_exit_code_0(place: Place) -> None:
    outcome = place.supervise("pass")
    assert (outcome.status, outcome.reason) == ("failed", "ended with exit code 0 without a result")


def test_the_result_of_an_earlier_attempt_does_not_count(place: Place) -> None:
    assert place.supervise("result(ok=True)").status == "done"
    assert place.supervise("print('again'); sys.exit(3)", attempt=2).reason == "ended with exit code 3 without a result"


def test_the_log_of_every_attempt_is_kept_and_the_last_lines_are_those_of_the_last(place: Place) -> None:
    place.supervise("print('first'); sys.exit(1)")
    assert place.supervise("print('second'); sys.exit(1)", attempt=2).last_log_lines == ["second"]
    assert (place.run_dir / "log").read_text() == "first\nsecond\n"


def test_last_log_lines_cannot_reach_a_terminal(place: Place) -> None:
    outcome = place.supervise(r"print('\x1b[31mred\x1b[0m \x1b]0;title\x07\x9b2J\ttab'); print('10 %\r90 %\r100 %')")
    assert outcome.last_log_lines == ["red 2J    tab", "100 %"]


def test_a_child_killed_from_outside_has_failed_with_the_signal(place: Place) -> None:
    thread = place.once_ready(lambda: send(place.identity, signal.SIGKILL))
    outcome = place.supervise("ready(); signal.pause()")
    thread.join()
    assert (outcome.status, outcome.exit_code, outcome.signal) == ("failed", None, 9)
    assert outcome.reason.startswith("killed by signal 9 (SIGKILL), maybe by the kernel's out-of-memory killer: see")


@pytest.mark.parametrize(
    ("kind", "message", "ran_out"),
    [
        ("MemoryError", "MemoryError", "memory"),
        ("_ArrayMemoryError", "Unable to allocate 7 TiB", "memory"),
        ("RuntimeError", "[enforce] DefaultCPUAllocator: can't allocate memory: you tried", "memory"),
        ("OutOfMemoryError", "CUDA out of memory. Tried to allocate 2 GiB", "gpu memory"),
        ("RuntimeError", "CUDA error: out of memory", "gpu memory"),
        ("ValueError", "a memory of mine", ""),
    ],
)
def test_memory_that_ran_out_is_recognised(place: Place, kind: str, message: str, ran_out: str) -> None:
    outcome = place.supervise(f"result(ok=False, error=dict(type={kind!r}, message={message!r})); sys.exit(1)")
    assert outcome.out_of_memory == ran_out
    assert outcome.reason.startswith(f"out of {ran_out}: " if ran_out else kind)


def test_memory_that_ran_out_in_a_command_is_recognised_from_its_log(place: Place) -> None:
    outcome = place.supervise("print('torch.OutOfMemoryError: CUDA out of memory.'); sys.exit(1)")
    assert (outcome.out_of_memory, outcome.reason) == (
        "gpu memory",
        "out of gpu memory: ended with exit code 1 without a result",
    )


def test_a_result_counts_when_the_child_breaks_after_it(place: Place) -> None:
    outcome = place.supervise("result(ok=True); os.kill(os.getpid(), signal.SIGSEGV)")
    assert (outcome.status, outcome.signal) == ("done", signal.SIGSEGV)
    assert outcome.reason == "killed by signal 11 (SIGSEGV) after its result was complete"


def test_a_child_that_does_not_end_after_its_result_is_ended(place: Place) -> None:
    outcome = place.supervise("result(ok=True); signal.pause()")
    assert outcome.status == "done"
    assert outcome.reason == "ended, because it still ran 0.3 s after its result was complete"


def test_events_arrive_in_order_and_half_lines_are_waited_for(place: Place) -> None:
    def _listen(event: dict[str, Any]) -> None:
        place.events.append(event)
        (place.out_dir / "heard").touch()

    place.supervise(
        """
        with (run_dir / "events.jsonl").open("a") as file:
            file.write('{"event": "note", "text": "one"}\\n{"event": "no')
            file.flush()
            wait_for(out_dir / "heard")
            file.write('te", "text": "two"}\\nnot json\\n')
        event(event="note", text="three")
        result(ok=True)
        """,
        on_event=_listen,
    )
    assert [event["text"] for event in place.events if event["event"] == "note"] == ["one", "two", "three"]


def test_a_new_attempt_tells_only_its_own_events(place: Place) -> None:
    place.supervise("event(event='note', text='old'); (run_dir / 'events.jsonl').open('a').write('{\"torn\": ')")
    place.events.clear()
    place.supervise("event(event='note', text='new'); result(ok=True)", attempt=2)
    assert [event["text"] for event in place.events if event["event"] == "note"] == ["new"]


def test_an_event_that_could_not_be_taken_comes_again_and_the_run_goes_on(place: Place) -> None:
    heard = []

    def _listen(event: dict[str, Any]) -> None:
        if event["event"] == "note":
            heard.append(event["text"])
            if len(heard) == 1:
                raise RuntimeError("the disk is full")
            if event["text"] == "two":
                (place.out_dir / "heard").touch()

    outcome = place.supervise(
        """
        event(event='note', text='one')
        event(event='note', text='two')
        wait_for(out_dir / 'heard')
        result(ok=True)
        """,
        on_event=_listen,
    )
    assert outcome.status == "done"
    assert heard == ["one", "one", "two"]


def test_a_listener_that_never_works_is_told_after_the_run_has_ended(place: Place) -> None:
    def _listen(event: dict[str, Any]) -> None:
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        place.supervise("event(event='note', text='one'); result(ok=True)", on_event=_listen)
    assert (place.out_dir / "result.json").exists()
    assert not place.left()


def test_a_child_that_is_asked_to_stop_may_end_by_itself(place: Place) -> None:
    thread = place.once_ready(lambda: stop(place.run_dir, "stopped by ana", grace_s=20))
    outcome = place.supervise("ready(); wait_for(run_dir / 'stop'); print('saved'); sys.exit(1)")
    thread.join()
    assert (outcome.status, outcome.reason, outcome.exit_code) == ("stopped", "stopped by ana", 1)
    assert outcome.last_log_lines == ["saved"]
    assert not outcome.interrupted
    assert "stopping" in [event["event"] for event in place.events]


def test_a_child_that_ignores_sigterm_is_killed_after_the_grace(place: Place) -> None:
    thread = place.once_ready(lambda: stop(place.run_dir, "stopped by ana", grace_s=0))
    outcome = place.supervise("signal.signal(signal.SIGTERM, signal.SIG_IGN); ready(); signal.pause(); signal.pause()")
    thread.join()
    assert (outcome.status, outcome.signal) == ("stopped", signal.SIGKILL)
    assert not place.left()


def test_a_second_stop_shortens_the_first(place: Place) -> None:
    def _stop_twice() -> None:
        stop(place.run_dir, "in an hour", grace_s=3600)
        until(lambda: any(event["event"] == "stopping" for event in place.events))
        stop(place.run_dir, "now", grace_s=0)

    thread = place.once_ready(_stop_twice)
    outcome = place.supervise("ready(); signal.pause()")
    thread.join()
    assert (outcome.status, outcome.reason, outcome.signal) == ("stopped", "in an hour", signal.SIGTERM)


def test_an_empty_stop_file_made_by_hand_will_do(place: Place) -> None:
    thread = place.once_ready((place.run_dir / "stop").touch)
    outcome = place.supervise("ready(); signal.pause()")
    thread.join()
    assert (outcome.status, outcome.reason) == ("stopped", "stopped on request")


def test_grandchildren_are_ended_with_the_child(place: Place) -> None:
    thread = place.once_ready(lambda: stop(place.run_dir, "stop", grace_s=0))
    outcome = place.supervise("""
        sleep = [sys.executable, "-c", "import signal; signal.pause()"]
        subprocess.Popen(sleep)
        subprocess.Popen(sleep, start_new_session=True)
        ready()
        signal.pause()
    """)
    thread.join()
    assert outcome.status == "stopped"
    assert not place.left()


def test_what_a_finished_child_left_running_is_ended_and_named(place: Place) -> None:
    outcome = place.supervise("""
        sleep = [sys.executable, "-c", "import signal; signal.pause()"]
        subprocess.Popen(sleep, start_new_session=True)
        result(ok=True)
    """)
    assert outcome.status == "done"
    assert outcome.left_behind == [Path(sys.executable).name]
    assert not place.left()


def test_a_child_that_takes_too_long_times_out(place: Place) -> None:
    outcome = place.supervise("signal.pause()", timeout_s=0.3)
    assert (outcome.status, outcome.reason) == ("timed out", "ran longer than 0.3 s")
    assert not place.left()


def test_a_log_without_end_stays_bounded_and_keeps_head_and_tail(place: Place) -> None:
    limit = 1 << 20
    outcome = place.supervise(
        """
        print("the beginning")
        for _ in range(100):
            sys.stdout.write("x" * 99 + "\\n")
            sys.stdout.write(("y" * 99 + "\\n") * 10_000)
            sys.stdout.flush()
        print("the end")
        result(ok=True)
        """,
        limits=replace(QUICK, log_bytes=limit),
    )
    log = place.run_dir / "log"
    assert log.stat().st_size > 100_000_000
    assert log.stat().st_blocks * 512 <= limit
    assert outcome.last_log_lines[-1] == "the end"
    with log.open("rb") as file:
        assert file.readline() == b"the beginning\n"
    kept = b"".join(read_log(log))
    assert len(kept) < limit
    assert kept.startswith(b"the beginning\n")
    assert b"MB of output are left out here]\n" in kept
    assert kept.endswith(b"y\nthe end\n")


def test_a_log_is_bounded_also_where_the_file_system_cannot_punch_holes(tmp_path: Path) -> None:
    log = BoundedLog(tmp_path / "log", 1 << 20)
    log._can_punch = False
    fd = log.open()
    os.write(fd, b"the beginning\n")
    for _ in range(30):
        os.write(fd, b"y" * 100_000)
        log.trim()
    os.write(fd, b"\nthe end\n")
    os.close(fd)
    kept = (tmp_path / "log").read_bytes()
    assert len(kept) < 1 << 20
    assert kept.startswith(b"the beginning\n")
    assert kept.count(b"are left out here") == 1
    assert kept.endswith(b"y\nthe end\n")


def test_a_command_that_cannot_be_started_is_told_in_words(place: Place) -> None:
    with pytest.raises(RunFailed, match="No such file"):
        supervise(["/no/such/python"], run_dir=place.run_dir, out_dir=place.out_dir, env={}, cwd=place.out_dir)


def test_a_run_has_one_supervisor(place: Place) -> None:
    failures: list[str] = []

    def _try() -> None:
        for second in (place.adopt, lambda: place.supervise("result(ok=True)")):
            try:
                second()
            except RunFailed as err:
                failures.append(err.message)
        stop(place.run_dir, "enough", grace_s=0)

    thread = place.once_ready(_try)
    place.supervise("ready(); signal.pause()")
    thread.join()
    assert failures == ["this run has a living supervisor already"] * 2


def test_ctrl_c_lets_the_child_end_and_leaves_no_process(place: Place) -> None:
    supervisor = place.start_supervisor(
        """
        subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
        ready()
        wait_for(run_dir / "stop")
        print("asked")
    """,
        interrupt_grace_s=20,
    )
    supervisor.send_signal(signal.SIGINT)
    assert supervisor.wait() == 0
    outcome = json.loads(place.told.read_text())
    assert (outcome["status"], outcome["reason"], outcome["interrupted"]) == ("stopped", "stopped by Ctrl-C", True)
    assert outcome["last_log_lines"] == ["asked"]
    assert not place.left()


def test_a_ctrl_c_that_nobody_took_is_not_lost() -> None:
    with pytest.raises(KeyboardInterrupt), Interrupts():
        signal.raise_signal(signal.SIGINT)


def test_a_second_ctrl_c_kills_at_once(place: Place) -> None:
    supervisor = place.start_supervisor(
        """
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        ready()
        while True:
            signal.pause()
    """,
        interrupt_grace_s=3600,
    )
    supervisor.send_signal(signal.SIGINT)
    until((place.run_dir / "stop").exists)
    supervisor.send_signal(signal.SIGINT)
    assert supervisor.wait() == 0
    assert json.loads(place.told.read_text())["signal"] == signal.SIGKILL
    assert not place.left()


def test_sigterm_to_the_supervisor_stops_the_child(place: Place) -> None:
    supervisor = place.start_supervisor("ready(); signal.pause()")
    supervisor.terminate()
    assert supervisor.wait() == 0
    assert json.loads(place.told.read_text())["reason"] == "stopped by SIGTERM"
    assert not place.left()


def test_a_child_outlives_its_killed_supervisor_and_its_result_counts(place: Place) -> None:
    supervisor = place.start_supervisor("""
        event(event="note", text="before")
        ready()
        wait_for(out_dir / "go")
        print("still here")
        event(event="note", text="after")
        result(ok=True, rows=5)
    """)
    supervisor.kill()
    supervisor.wait()
    assert alive(place.identity)
    (place.out_dir / "go").touch()
    outcome = place.adopt()
    assert outcome is not None
    assert (outcome.status, outcome.exit_code, outcome.result) == ("done", None, {"ok": True, "rows": 5})
    assert outcome.last_log_lines == ["still here"]
    assert [event["text"] for event in place.events if event["event"] == "note"][-1] == "after"


def test_a_result_left_while_nobody_watched_counts(place: Place) -> None:
    supervisor = place.start_supervisor("ready(); wait_for(out_dir / 'go'); result(ok=True)")
    supervisor.kill()
    supervisor.wait()
    identity = place.identity
    (place.out_dir / "go").touch()
    until(lambda: not alive(identity))
    for _ in range(2):
        outcome = place.adopt()
        assert outcome is not None
        assert outcome.status == "done"


def test_an_adopted_child_can_be_stopped(place: Place) -> None:
    supervisor = place.start_supervisor("ready(); signal.pause()")
    supervisor.kill()
    supervisor.wait()
    stop(place.run_dir, "stopped by ana", grace_s=0)
    outcome = place.adopt()
    assert outcome is not None
    assert (outcome.status, outcome.reason) == ("stopped", "stopped by ana")
    assert not place.left()


def test_a_time_limit_counts_from_the_childs_start_also_when_it_is_adopted(place: Place) -> None:
    supervisor = place.start_supervisor("ready(); signal.pause()")
    supervisor.kill()
    supervisor.wait()
    replace(place.child, at=place.child.at - 3600).write(place.run_dir)
    outcome = place.adopt(timeout_s=1800)
    assert outcome is not None
    assert outcome.status == "timed out"


def test_a_child_killed_while_nobody_watched_leaves_nothing_to_adopt(place: Place) -> None:
    supervisor = place.start_supervisor("""
        subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"], start_new_session=True)
        ready()
        signal.pause()
    """)
    supervisor.kill()
    supervisor.wait()
    identity = place.identity
    send(identity, signal.SIGKILL)
    until(lambda: not alive(identity))
    assert place.left()
    assert place.adopt() is None
    assert not place.left()


def test_a_run_that_was_seen_to_fail_or_stop_is_not_adopted(place: Place) -> None:
    assert place.adopt() is None
    place.supervise("result(ok=False, error={'type': 'ValueError', 'message': 'no'})")
    assert place.adopt() is None
    thread = place.once_ready(lambda: stop(place.run_dir, "enough"))
    place.supervise("ready(); wait_for(run_dir / 'stop'); result(ok=True)")
    thread.join()
    assert place.adopt() is None


def test_a_child_is_found_when_its_supervisor_died_before_it_wrote_the_identity(place: Place) -> None:
    supervisor = place.start_supervisor("ready(); wait_for(out_dir / 'go'); result(ok=True)")
    supervisor.kill()
    supervisor.wait()
    identity = place.identity
    replace(place.child, identity=None).write(place.run_dir)
    assert place.child.find() == identity
    (place.out_dir / "go").touch()
    until(lambda: not alive(identity))
    outcome = place.adopt()
    assert outcome is not None
    assert outcome.status == "done"


def test_a_child_whose_identity_nobody_wrote_down_is_adopted_alive(place: Place) -> None:
    supervisor = place.start_supervisor("ready(); signal.pause()")
    supervisor.kill()
    supervisor.wait()
    replace(place.child, identity=None).write(place.run_dir)
    stop(place.run_dir, "enough", grace_s=0)
    outcome = place.adopt()
    assert outcome is not None
    assert (outcome.status, outcome.reason) == ("stopped", "enough")


def test_a_stranger_with_the_childs_pid_is_left_alone(place: Place) -> None:
    place.supervise("result(ok=True)")
    me = identify(os.getpid())
    stranger = replace(me, started=me.started - 1)
    replace(place.child, identity=stranger, ended=None).write(place.run_dir)
    (place.out_dir / "result.json").unlink()
    assert place.adopt() is None


def test_torchrun_starts_the_child_once_a_gpu() -> None:
    command = torchrun_command(Path("/venv/bin/python"), 2, Path("child.py"), Path("job.json"))
    assert command[:3] == ["/venv/bin/python", "-m", "torch.distributed.run"]
    assert command[3:] == ["--standalone", "--nproc-per-node=2", "child.py", "job.json"]
