"""The terminal UI in a real terminal while its own process, its disk or its rights give out: it says what happened."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runners.actions import agents, queueing
from runners.supervision import processes
from storage.read import models as read_models
from storage.read import queue as read_queue
from storage.read import runs as read_runs
from storage.shed import Shed, open_shed
from tests.scenes import model_version_of, run_of
from tests.terminal import TRAINSHED, Terminal, terminal
from tests.waiting import until

ROOT = os.geteuid() == 0
MAY_MOUNT = pytest.mark.skipif(shutil.which("mount") is None or not ROOT, reason="only root can mount a disk")
SIZE = (100, 30)
VIEWS_SAY = (
    "needs you", "No datasets yet", "by id", "Nothing to compare", "flight-delay", "Nothing is served",
    "Nothing happens by itself", "device-hours",
)  # fmt: skip


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("STATE", "CONFIG"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name.lower()))
    return tmp_path / "state"


def mounted(*arguments: str | Path) -> None:
    done = subprocess.run(["mount", *map(str, arguments)], check=False, capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"needs the right to mount: {done.stderr.strip()}")


@pytest.fixture
def small_disk(state: Path, tmp_path: Path) -> Iterator[Shed]:
    """A shed with a version that waits to be promoted, on a disk of 16 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted("-t", "tmpfs", "-o", "size=16m", "none", folder)
    shed = open_shed(folder / "shed")
    model_version_of(shed, run_of(shed, "first"))
    yield shed
    agents.stop(shed)
    shed.close()
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def looked_at(state: Path, tmp_path: Path) -> Iterator[Shed]:
    """The same shed, which the terminal UI may only read: on a mount of its own for root, by its modes for others."""
    shed = open_shed(tmp_path / "shed")
    model_version_of(shed, run_of(shed, "first"))
    shed.close()
    if ROOT:
        mounted("--bind", shed.root, shed.root)
        mounted("-o", "remount,ro,bind", shed.root)
        yield shed
        subprocess.run(["umount", "-l", str(shed.root)], check=True)
        return
    paths = [shed.root, *shed.root.rglob("*")]
    modes = {path: path.stat().st_mode for path in paths}
    for path in reversed(paths):
        path.chmod(0o500 if path.is_dir() else 0o400)
    yield shed
    for path in paths:
        path.chmod(modes[path])


def leaves(opened: Terminal) -> None:
    opened.type("q")
    assert opened.ended() == 0


def asks_for_a_command(opened: Terminal) -> None:
    """From Runs: the question is answered, and what comes of it is up to the disk."""
    opened.type("3")
    opened.until("by id")
    opened.type("!")
    opened.until("It runs in")
    opened.type("true\r")


def promotes(opened: Terminal) -> None:
    opened.type("5")
    opened.until("flight-delay", "waiting")
    opened.type("p")
    opened.until("becomes the first version")
    opened.type("\x19")  # ctrl+y


def test_a_killed_app_takes_no_run_with_it_and_the_next_one_opens(state: Path, tmp_path: Path) -> None:
    shed, gate = open_shed(tmp_path / "shed"), tmp_path / "gate"
    started = " ".join(f"'{word}'" for word in (*TRAINSHED, "--shed", str(shed.root)))
    shell = ["sh", "-c", f"{started}; echo killed with $?; {started}"]  # the same terminal, as the kill left it
    try:
        with terminal(shell, size=SIZE, cwd=tmp_path) as opened:
            opened.until("Welcome")
            run = queueing.execute(shed, ["sh", "-c", f"while [ ! -e {gate} ]; do sleep 0.05; done"], cwd=tmp_path).run
            opened.until("● 1 running")
            (app,) = (
                pid for pid in processes.all_pids() if (seen := processes.look(pid)) and seen.parent == opened.pid
            )
            sent = len(opened.sent)
            os.kill(app, signal.SIGKILL)
            opened.until_true(lambda: b"killed with 137" in opened.sent[sent:])
            opened.until("running (1)")
            gate.touch()
            until(lambda: read_runs.run(shed, run.id or 0).status == "done")
            opened.until("✓", "done")
            leaves(opened)
    finally:
        gate.touch()
        agents.stop(shed)


@MAY_MOUNT
@pytest.mark.parametrize("acts", [promotes, asks_for_a_command], ids=["promotion", "launch"])
def test_a_full_disk_is_told_and_the_app_goes_on(
    small_disk: Shed, tmp_path: Path, acts: Callable[[Terminal], None]
) -> None:
    filler = small_disk.root.parent / "filler"
    with terminal([*TRAINSHED, "--shed", str(small_disk.root)], size=SIZE, cwd=tmp_path) as opened:
        opened.until("first", "waits for your approval")
        with filler.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
            while True:
                file.write(b"x" * 4096)
        acts(opened)
        opened.until("disk is full", "free some space")
        assert "production" not in read_models.row(small_disk, "flight-delay").aliases
        assert read_queue.waiting(small_disk) == []
        filler.unlink()
        promotes(opened)
        opened.until("production of flight-delay is v1 now")
        leaves(opened)


@pytest.mark.parametrize("acts", [promotes, asks_for_a_command], ids=["promotion", "launch"])
def test_a_shed_that_may_only_be_read_is_shown_and_says_so(
    looked_at: Shed, tmp_path: Path, acts: Callable[[Terminal], None]
) -> None:
    with terminal([*TRAINSHED, "--shed", str(looked_at.root)], size=SIZE, cwd=tmp_path) as opened:
        opened.until("first", "waits for your approval")
        opened.until_true(lambda: "read-only" in opened.lines[0])
        acts(opened)
        opened.until("ask for write permission")
        for view, seen in zip("12345678", VIEWS_SAY, strict=True):
            opened.type(view)
            opened.until(seen)
        leaves(opened)
