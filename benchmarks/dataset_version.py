"""A dataset version of 1 GB in 200 files and of 20,000 files of 4 KB, and the same again, unchanged.

The floor of the first is hashing alone (blake3, nothing kept), of the second a walk that takes each file's stat. Ours
is the whole verb, recorded and synced. The peer is DVC: `dvc add`, and `dvc status` of what is
unchanged. In turn, A B A B, files in the page cache, on the file system of the temporary folder.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from blake3 import blake3

from benchmarks import Row
from benchmarks.peers import interpreter
from runners.actions import datasets
from storage.shed import open_shed

ROUNDS = 5
DVC_ROUNDS = 2  # it takes seconds
CASES = {"1 GB in 200 files": (200, 5_000_000, 1), "20,000 files of 4 KB": (20_000, 4096, 100)}


def measure() -> list[Row]:
    first: list[Row] = []
    again: list[Row] = []
    for case, (files, size, folders) in CASES.items():
        with tempfile.TemporaryDirectory(prefix="dataset-version-") as scratch:
            tree = Path(scratch) / "data"
            _make(tree, files, size, folders)
            times = _times(Path(scratch), tree, size > 1_000_000)
        peers = {name: times[name] for name in ("dvc add", "dvc status") if name in times}
        first.append(
            Row(
                what=f"dataset version of {case}",
                ours=times["add"],
                floor=times["hash"],
                peers={"dvc add": peers["dvc add"]} if peers else {},
                goal="≤ 1.5× hashing alone, ≤ ⅕ of DVC",
                unit="ms",
            )
        )
        again.append(
            Row(
                what=f"the same again, unchanged: {case}",
                ours=times["add again"],
                floor=times["walk"],
                peers={"dvc status": peers["dvc status"]} if peers else {},
                goal="≤ 2× the stat walk",
                unit="ms",
            )
        )
    return first + again


def _make(tree: Path, files: int, size: int, folders: int) -> None:
    for number in range(files):
        path = tree / f"{number % folders:03}" / f"{number:05}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(size))


def _times(scratch: Path, tree: Path, big: bool) -> dict[str, float]:
    """Median milliseconds by what was done."""
    paths = sorted(str(path) for path in tree.rglob("*") if path.is_file())
    times: dict[str, list[float]] = {}

    def timed(name: str, do: Callable[[], object]) -> None:
        os.sync()  # what others left to be written is not ours
        start = time.perf_counter()
        do()
        times.setdefault(name, []).append((time.perf_counter() - start) * 1000)

    for round_ in range(ROUNDS):
        shed = open_shed(scratch / f"shed{round_}")

        add = partial(datasets.add, shed, "bench", {"data": ["data/**"]}, scratch, kind="files")
        timed("hash", lambda: _hash(paths, big))
        timed("add", add)
        timed("walk", lambda: _walk(tree))
        timed("add again", add)
        shed.close()
        shutil.rmtree(shed.root)
        python = interpreter("dvc")
        if python and round_ < DVC_ROUNDS:
            _time_dvc(python, scratch / "dvc", tree, timed)
    return {name: statistics.median(figures) for name, figures in times.items()}


def _hash(paths: list[str], big: bool) -> None:
    for path in paths:
        digest = blake3(max_threads=blake3.AUTO if big else 1)
        if big:
            digest.update_mmap(path)
        else:
            with open(path, "rb", buffering=0) as file:  # noqa: PTH123
                digest.update(file.read())
        digest.hexdigest()


def _walk(tree: Path) -> int:
    seen = 0
    for folder, _, _ in os.walk(tree):
        for entry in os.scandir(folder):
            seen += entry.stat(follow_symlinks=False).st_mtime_ns & 1
    return seen


def _time_dvc(python: str, folder: Path, tree: Path, timed: Callable[[str, Callable[[], object]], None]) -> None:
    environment = {**os.environ, "DVC_NO_ANALYTICS": "1", "DVC_SITE_CACHE_DIR": str(folder / "site")}

    def dvc(*words: str) -> None:
        command = [python, "-m", "dvc", *words]
        subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)

    folder.mkdir()
    dvc("init", "--no-scm", "-q")
    shutil.copytree(tree, folder / "data")
    timed("dvc add", lambda: dvc("add", "-q", "data"))
    timed("dvc status", lambda: dvc("status", "-q"))
    shutil.rmtree(folder)


if __name__ == "__main__":
    from benchmarks.__main__ import main

    main(["dataset_version"])
