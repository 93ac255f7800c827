"""Objects are whole or not there, whoever writes them at once, and damage is noticed."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from blake3 import blake3

from storage.errors import DataInvalid, ShedError
from storage.objects import Objects
from storage.scanning import ScannedFile, remember, scan


@pytest.fixture
def objects(tmp_path: Path) -> Objects:
    for name in ("objects", "tmp"):
        (tmp_path / name).mkdir()
    return Objects(tmp_path / "objects", tmp_path / "tmp")


def scanned(root: Path, *globs: str) -> list[ScannedFile]:
    return scan(root, globs or ["**"], root.parent / "stat").files


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o755)
    return folder


def put(folder: Path, name: str, content: bytes, mode: int = 0o644) -> Path:
    path = folder / name
    path.write_bytes(content)
    path.chmod(mode)
    return path


def test_bytes_come_back_by_their_digest(objects: Objects, tmp_path: Path) -> None:
    digest = objects.put_bytes(b"hello")
    assert digest == blake3(b"hello").hexdigest()
    assert objects.path(digest) == tmp_path / "objects" / digest[:2] / digest[2:]
    assert objects.verify(digest).read_bytes() == b"hello"
    with objects.open(digest) as file:
        assert file.read() == b"hello"
    assert stat.S_IMODE(objects.path(digest).stat().st_mode) == 0o440
    assert list(objects.digests()) == [digest]
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_name_that_is_no_digest_reaches_no_file(objects: Objects) -> None:
    for name in ("../../etc/passwd", "ab", "A" * 64, "a" * 64 + "\n"):
        with pytest.raises(ShedError, match="is not the name of an object"):
            objects.path(name)


def test_a_damaged_object_is_named_and_putting_it_again_mends_it(objects: Objects) -> None:
    digest = objects.put_bytes(b"hello")
    path = objects.path(digest)
    path.chmod(0o640)
    path.write_bytes(b"HELLO")
    with pytest.raises(ShedError, match="damaged") as caught:
        objects.verify(digest)
    assert caught.value.place == str(path)
    objects.put_bytes(b"hello")
    assert objects.verify(digest).read_bytes() == b"hello"


def test_a_missing_object_is_named(objects: Objects) -> None:
    digest = blake3(b"never").hexdigest()
    assert not objects.has(digest)
    with pytest.raises(ShedError, match="No such file"):
        objects.verify(digest)
    with pytest.raises(ShedError, match="No such file"):
        objects.open(digest)


def test_a_file_is_copied_unless_a_link_is_allowed(objects: Objects, data: Path) -> None:
    file = put(data, "model.onnx", b"weights")
    digest = objects.put_file(file)
    assert objects.path(digest).stat().st_ino != file.stat().st_ino
    file.write_bytes(b"other")
    assert objects.verify(digest).read_bytes() == b"weights"


def test_dataset_files_cost_no_second_copy_except_those_that_grow(objects: Objects, data: Path) -> None:
    for name in ("table.parquet", "image.png", "grows.csv", "log.JSONL"):
        put(data, name, name.encode() * 1000)
    files = scanned(data)
    stored = objects.keep(files)
    apart = {"grows.csv", "log.JSONL"}
    for file, kept in zip(files, stored, strict=True):
        found = objects.verify(file.blake3).stat()
        assert (kept.mtime_ns, kept.inode) == (found.st_mtime_ns, found.st_ino)
        if file.path in apart:
            assert (kept.how, stat.S_IMODE(found.st_mode)) == ("copy", 0o440)
            assert found.st_ino != file.inode
        elif kept.how == "link":  # else the file system has reflinks
            assert found.st_ino == file.inode
            assert stat.S_IMODE((data / file.path).stat().st_mode) == 0o644


def test_a_file_that_the_group_could_not_read_is_copied(objects: Objects, data: Path) -> None:
    put(data, "private.parquet", b"secret", mode=0o600)
    [stored] = objects.keep(scanned(data))
    assert stored.how == "copy"
    assert stat.S_IMODE(objects.path(blake3(b"secret").hexdigest()).stat().st_mode) == 0o440


def test_a_symbolic_link_is_kept_as_what_it_leads_to(objects: Objects, data: Path) -> None:
    put(data, "real.bin", b"content")
    (data / "alias.bin").symlink_to("real.bin")
    objects.keep(scanned(data, "alias.bin"))
    path = objects.verify(blake3(b"content").hexdigest())
    assert not path.is_symlink()


def test_kept_files_are_known_by_their_stat_the_next_time(objects: Objects, data: Path, tmp_path: Path) -> None:
    for name in ("a.parquet", "b.csv"):
        os.utime(put(data, name, name.encode()), ns=(10**18, 10**18))
    first = scan(data, ["*"], tmp_path / "stat")
    remember(first, [stored.source_ctime_ns for stored in objects.keep(first.files)])
    assert scan(data, ["*"], tmp_path / "stat").hashed == 0


def test_equal_files_are_one_object_and_keeping_again_changes_nothing(objects: Objects, data: Path) -> None:
    for name in ("a.parquet", "b.parquet", "c.csv", "d.csv"):
        put(data, name, b"same")
    files = scanned(data)
    objects.keep(files)
    inode = objects.path(files[0].blake3).stat().st_ino
    again = objects.keep(scanned(data))
    assert list(objects.digests()) == [files[0].blake3]
    assert {stored.inode for stored in again} == {inode}


def test_a_file_that_changed_since_the_scan_is_refused_and_leaves_no_object(objects: Objects, data: Path) -> None:
    for name in ("a.parquet", "b.csv"):
        path = put(data, name, b"before")
        files = scanned(data, name)
        path.write_bytes(b"after!")
        with pytest.raises(DataInvalid, match="changed while it was read") as caught:
            objects.keep(files)
        assert caught.value.place == str(path)
        path.unlink()
        with pytest.raises(DataInvalid, match="No such file"):
            objects.keep(files)
    assert list(objects.digests()) == []
    assert list(objects.tmp.iterdir()) == []


def test_adding_a_file_again_replaces_an_object_that_a_hard_link_has_spoilt(objects: Objects, data: Path) -> None:
    original = put(data, "a.parquet", b"before")
    objects.keep(scanned(data))
    digest = blake3(b"before").hexdigest()
    if objects.path(digest).stat().st_ino != original.stat().st_ino:
        pytest.skip("this file system has reflinks: nothing is hard-linked")
    original.write_bytes(b"after!")
    with pytest.raises(ShedError, match="damaged"):
        objects.verify(digest)
    put(data, "b.parquet", b"before")
    objects.keep(scanned(data, "b.parquet"))
    assert objects.verify(digest).read_bytes() == b"before"
    assert original.read_bytes() == b"after!"


def test_adding_a_file_again_replaces_a_damaged_copy(objects: Objects, data: Path) -> None:
    put(data, "a.csv", b"before")
    files = scanned(data)
    for through_the_file_system in (True, False):
        objects.keep(files)
        path = objects.path(files[0].blake3)
        found = path.stat()
        path.chmod(0o640)
        path.write_bytes(b"BEFORE")
        path.chmod(0o440)
        if not through_the_file_system:  # the disk forgets a bit: no time moves, and only a reading finds it
            os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))
            with pytest.raises(ShedError, match="damaged"):
                objects.verify(files[0].blake3)
        objects.keep(files)
        assert objects.verify(files[0].blake3).read_bytes() == b"before"


def test_many_small_files_are_all_kept(objects: Objects, data: Path) -> None:
    for i in range(700):
        put(data, f"{i}.png", b"%d" % i)
        put(data, f"{i}.csv", b"c%d" % i)
    files = scanned(data)
    told: list[int] = []
    objects.keep(files, progress=lambda done, _total: told.append(done))
    assert {file.blake3 for file in files} == set(objects.digests())
    assert told[-1] == sum(file.size for file in files)
    for file in files[::97]:
        objects.verify(file.blake3)


def test_removing_an_object_tells_what_it_frees(objects: Objects, data: Path) -> None:
    digest = objects.put_bytes(b"12345")
    assert (objects.remove(digest), objects.remove(digest)) == (5, 0)
    put(data, "a.parquet", b"linked")
    [stored] = objects.keep(scanned(data))
    assert objects.remove(blake3(b"linked").hexdigest()) == (0 if stored.how == "link" else 6)


WRITER = """
import sys
from pathlib import Path
from storage.objects import Objects
from storage.scanning import scan
root = Path(sys.argv[1])
objects = Objects(root / "objects", root / "tmp")
sys.stdin.readline()
files = scan(root / "data", ["*"], root / f"stat{sys.argv[2]}").files
for _ in range(3):
    objects.keep(files)
    for i in range(20):
        objects.put_bytes(b"%d" % i * 1000)
"""


def test_processes_that_write_the_same_objects_at_once_all_succeed(
    objects: Objects, data: Path, tmp_path: Path
) -> None:
    for i in range(40):
        put(data, f"{i}.parquet", b"p%d" % (i % 30))
        put(data, f"{i}.csv", b"c%d" % (i % 30))
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), str(n)],
            stdin=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
            text=True,
        )
        for n in range(8)
    ]
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.close()
    assert [writer.wait(60) for writer in writers] == [0] * 8
    digests = list(objects.digests())
    assert len(digests) == 30 + 30 + 20
    for digest in digests:
        objects.verify(digest)
    assert list(objects.tmp.iterdir()) == []
