"""A dataset's files are found as a shell would find them, and read only when they may have changed."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from blake3 import blake3

from storage.errors import DataInvalid, UsageError
from storage.hashing import SMALL, hash_files
from storage.scanning import Scan, remember, scan

LONG_AGO = 1_600_000_000_123_456_789


def write(path: Path, text: str, *, mtime_ns: int | None = LONG_AGO) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    if mtime_ns is not None:
        os.utime(path, ns=(mtime_ns, mtime_ns))
    return path


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    for name in ("data/a.csv", "data/b.csv", "data/b.txt", "data/deep/c.csv", "data/deep/er/d.csv", "data/.part.csv"):
        write(root / name, name)
    return root


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "stat"


def paths(found: Scan) -> list[str]:
    return [file.path for file in found.files]


@pytest.mark.parametrize(
    ("globs", "expected"),
    [
        (["data/*.csv"], ["data/a.csv", "data/b.csv"]),
        (["data/**/*.csv"], ["data/a.csv", "data/b.csv", "data/deep/c.csv", "data/deep/er/d.csv"]),
        (["data/**"], ["data/a.csv", "data/b.csv", "data/b.txt", "data/deep/c.csv", "data/deep/er/d.csv"]),
        (["data/**/er/*"], ["data/deep/er/d.csv"]),
        (["data/?.[tc]*"], ["data/a.csv", "data/b.csv", "data/b.txt"]),
        (["./data//a.csv"], ["data/a.csv"]),
        (["data/b.*", "data/*.csv"], ["data/a.csv", "data/b.csv", "data/b.txt"]),
        (["data/.*.csv"], ["data/.part.csv"]),
        (["data/.part.csv"], ["data/.part.csv"]),
        (["**/**/c.csv"], ["data/deep/c.csv"]),
    ],
)
def test_globs_match_what_a_shell_would_match(tree: Path, cache: Path, globs: list[str], expected: list[str]) -> None:
    assert paths(scan(tree, globs, cache)) == expected


def test_a_plain_name_is_looked_up_and_its_folder_not_listed(
    tree: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tree / "data/[1]?.csv", "odd")

    def no_listing(folder: str) -> None:
        raise AssertionError(f"{folder} is listed")

    monkeypatch.setattr(os, "scandir", no_listing)
    names = ["data/b.csv", str(tree / "data/a.csv"), "data/[[]1][?].csv", "data/../data/deep/c.csv"]
    assert paths(scan(tree, names, cache)) == ["data/[1]?.csv", "data/a.csv", "data/b.csv", "data/deep/c.csv"]
    for none in ("data/x.csv", "data/deep", "data/a.csv/b"):
        with pytest.raises(UsageError, match="no file matches"):
            scan(tree, [none], cache)


def test_the_hash_is_blake3_whatever_the_size(tree: Path, cache: Path) -> None:
    contents = {"none": b"", "small": b"x" * 100, "edge": b"y" * SMALL, "big": os.urandom(3 * SMALL + 1)}
    for name, data in contents.items():
        (tree / "data" / f"{name}.bin").write_bytes(data)
    found = scan(tree, ["data/*.bin"], cache)
    assert {f.path: f.blake3 for f in found.files} == {
        f"data/{name}.bin": blake3(data).hexdigest() for name, data in contents.items()
    }


def test_unchanged_files_are_not_read_again(tree: Path, cache: Path) -> None:
    first = scan(tree, ["data/**"], cache)
    remember(first)
    again = scan(tree, ["data/**"], cache)
    assert (first.hashed, again.hashed) == (5, 0)
    assert again.files == first.files


def test_only_the_changed_the_new_and_the_replaced_file_are_read(tree: Path, cache: Path) -> None:
    remember(scan(tree, ["data/**"], cache))
    write(tree / "data/a.csv", "data/A.csv", mtime_ns=LONG_AGO)  # same size, same mtime: the ctime tells
    write(tree / "data/new.csv", "new")
    write(tree / "data/other", "data/b.txt").rename(tree / "data/b.txt")  # same size, same mtime: the inode tells
    found = scan(tree, ["data/**"], cache)
    assert found.hashed == 3
    assert {f.blake3 for f in found.files} >= {blake3(b"data/A.csv").hexdigest(), blake3(b"new").hexdigest()}


def test_a_file_written_in_the_same_instant_as_the_scan_is_not_trusted_later(tree: Path, cache: Path) -> None:
    write(tree / "data/a.csv", "just now", mtime_ns=None)
    now = time.time_ns()
    os.utime(tree / "data/a.csv", ns=(now, now))
    remember(scan(tree, ["data/*.csv"], cache))
    assert scan(tree, ["data/*.csv"], cache).hashed == 1


def test_a_hard_link_made_since_does_not_cost_a_second_reading(tree: Path, cache: Path) -> None:
    found = scan(tree, ["data/a.csv"], cache)
    (tree / "link").hardlink_to(tree / "data/a.csv")
    remember(found, [(tree / "data/a.csv").stat().st_ctime_ns])
    assert scan(tree, ["data/a.csv"], cache).hashed == 0


@pytest.mark.parametrize("damage", [b"", b"garbage", None])
def test_a_damaged_stat_cache_is_made_again(tree: Path, cache: Path, damage: bytes | None) -> None:
    first = scan(tree, ["data/**"], cache)
    remember(first)
    data = bytearray(cache.read_bytes())
    data[len(data) // 2] ^= 1
    cache.write_bytes(data if damage is None else damage)
    again = scan(tree, ["data/**"], cache)
    assert again.hashed == 5
    assert again.files == first.files


def test_files_outside_the_project_are_named_by_their_whole_path(tree: Path, tmp_path: Path, cache: Path) -> None:
    outside = write(tmp_path / "shared/x.csv", "x")
    named = str(outside).lstrip("/")
    assert paths(scan(tree, [str(outside)], cache)) == [named]
    assert paths(scan(tree, ["../shared/*.csv", "data/a.csv"], cache)) == sorted([named, "data/a.csv"])
    assert paths(scan(tree / "data", ["../data/a.csv"], cache)) == ["a.csv"]


def test_links_are_followed_but_not_round_in_circles(tree: Path, tmp_path: Path, cache: Path) -> None:
    write(tmp_path / "elsewhere/e.csv", "e")
    (tree / "data/out").symlink_to(tmp_path / "elsewhere")
    (tree / "data/deep/up").symlink_to(tree / "data")
    (tmp_path / "elsewhere/back").symlink_to(tree / "data")
    (tree / "data/file.csv").symlink_to(tree / "data/a.csv")
    assert paths(scan(tree, ["data/**/*.csv"], cache)) == [
        "data/a.csv",
        "data/b.csv",
        "data/deep/c.csv",
        "data/deep/er/d.csv",
        "data/file.csv",
        "data/out/e.csv",
    ]


@pytest.mark.parametrize("glob", ["", "  ", "a\0b", "data/**.csv", "data/*/../x"])
def test_a_malformed_pattern_is_refused(tree: Path, cache: Path, glob: str) -> None:
    with pytest.raises(UsageError):
        scan(tree, [glob], cache)


def test_a_pattern_without_a_match_is_named(tree: Path, cache: Path) -> None:
    with pytest.raises(UsageError, match=r'no file matches "data/\*\.parquet"'):
        scan(tree, ["data/*.csv", "data/*.parquet"], cache)
    with pytest.raises(UsageError, match=r'no file matches "gone/x\.csv"'):
        scan(tree, ["gone/x.csv"], cache)
    with pytest.raises(UsageError, match=r'"data/deep/\*\*"'):
        scan(tree, ["data/deep"], cache)


def test_a_broken_link_a_pipe_and_a_strange_name_are_errors_and_not_skipped(tree: Path, cache: Path) -> None:
    (tree / "x").mkdir()
    (tree / "x/link.csv").symlink_to(tree / "gone.csv")
    for link in ("x/*", "x/link.csv"):
        with pytest.raises(DataInvalid, match="leads nowhere") as caught:
            scan(tree, [link], cache)
        assert caught.value.place == str(tree / "x/link.csv")
    (tree / "x/link.csv").unlink()
    os.mkfifo(tree / "x/pipe.csv")
    for pipe in ("x/*", "x/pipe.csv"):
        with pytest.raises(DataInvalid, match="no regular file"):
            scan(tree, [pipe], cache)
    (tree / "x/pipe.csv").unlink()
    for name in ("esc\x1b[2Jape.csv", os.fsdecode(b"latin-\xe9.csv")):
        write(tree / "x" / name, "x")
        with pytest.raises(DataInvalid, match="control character or is not UTF-8") as caught:
            scan(tree, ["x/*"], cache)
        assert caught.value.place.isprintable()
        (tree / "x" / name).unlink()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_or_folder_is_named(tree: Path, cache: Path) -> None:
    (tree / "data/b.csv").chmod(0)
    with pytest.raises(DataInvalid, match="cannot be read") as caught:
        scan(tree, ["data/*.csv"], cache)
    assert caught.value.place == str(tree / "data/b.csv")
    (tree / "data/deep").chmod(0)
    with pytest.raises(DataInvalid, match="cannot be read") as caught:
        scan(tree, ["data/**/c.csv"], cache)
    (tree / "data/deep").chmod(0o700)
    assert caught.value.place == str(tree / "data/deep")


def test_a_file_that_vanishes_or_grows_while_it_is_hashed_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataInvalid, match="No such file") as caught:
        hash_files([(str(tmp_path / "gone"), 3)])
    assert caught.value.place == str(tmp_path / "gone")
    for size in (10, 2 * SMALL):
        grown = tmp_path / "grown"
        grown.write_bytes(b"x" * (size + 1))
        with pytest.raises(DataInvalid, match="changed while it was read"):
            hash_files([(str(grown), size)])


def test_progress_reaches_the_end(tree: Path, cache: Path) -> None:
    (tree / "data/big.csv").write_bytes(bytes(10_000_000))
    told: list[tuple[int, int]] = []
    found = scan(tree, ["data/**"], cache, progress=lambda done, total: told.append((done, total)))
    assert max(told) == (found.bytes, found.bytes)
    assert len(told) > 1


def test_with_only_no_file_that_came_meanwhile_is_taken(tree: Path, cache: Path) -> None:
    found = scan(tree, ["data/*.csv"], cache, only={"data/b.csv", "data/gone.csv"})
    assert paths(found) == ["data/b.csv"]
