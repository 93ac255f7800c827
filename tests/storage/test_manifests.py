"""A manifest fixes what a version is made of, and its bytes are looked at before they are used."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from storage.errors import DataInvalid, ShedError
from storage.manifests import Column, Entry, Manifest, content_digest, content_of, load, verify
from storage.objects import Objects
from storage.scanning import scan


@pytest.fixture
def objects(tmp_path: Path) -> Objects:
    for name in ("objects", "tmp"):
        (tmp_path / name).mkdir()
    return Objects(tmp_path / "objects", tmp_path / "tmp")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    for name in ("cat/1.png", "cat/2.png", "dog/1.png", "grows.csv"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
        path.chmod(0o644)
    return folder


def kept(objects: Objects, data: Path) -> Manifest:
    files = scan(data, ["**"], data.parent / "stat").files
    stored = objects.keep(files)
    entries = [Entry(f.path, f.size, f.blake3, s.mtime_ns, s.inode) for f, s in zip(files, stored, strict=True)]
    return Manifest("files", {"files": entries})


def referred(data: Path) -> Manifest:
    files = scan(data, ["**"], data.parent / "stat").files
    return Manifest(
        "files", {"files": [Entry(f.path, f.size, f.blake3, f.mtime_ns, f.inode, source=f.source) for f in files]}
    )


def entry(manifest: Manifest, path: str) -> Entry:
    return next(each for each in manifest.entries() if each.path == path)


def test_equal_contents_are_the_same_version_whatever_the_times_order_and_place(objects: Objects, data: Path) -> None:
    one, other = kept(objects, data), referred(data)
    turned = Manifest("files", {"files": list(reversed(other.tables["files"]))})
    later = Manifest("files", {"files": [each._replace(mtime_ns=1, inode=2) for each in other.entries()]})
    assert one.content == other.content == turned.content == later.content
    assert one.content == content_digest({"files": [(each.path, each.blake3) for each in one.entries()]})


def test_another_path_table_or_byte_is_another_version(data: Path) -> None:
    one = referred(data)
    first, *rest = one.tables["files"]
    others = [
        Manifest("files", {"files": [first._replace(path="x"), *rest]}),
        Manifest("files", {"files": [first._replace(blake3="0" * 64), *rest]}),
        Manifest("files", {"files": rest}),
        Manifest("files", {"other": one.tables["files"]}),
        Manifest("files", {"files": one.tables["files"], "more": []}),
    ]
    assert len({one.content, *(other.content for other in others)}) == 6


def test_a_manifest_survives_json_and_the_store(objects: Objects) -> None:
    schema = [Column("id", "integer", "BIGINT"), Column("naïve", "text", "VARCHAR")]
    manifest = Manifest("table", {"t": [Entry("a\u2028b.csv", 3, "ab", 1, 2, 7, "k", "/data/a")]}, {"k": schema})
    assert Manifest.from_json(manifest.to_json()) == manifest
    digest = objects.put_bytes(manifest.to_json().encode())
    assert load(objects, digest) == manifest
    assert (manifest.files, manifest.bytes, manifest.rows) == (1, 3, 7)
    with pytest.raises(ShedError):
        load(objects, "0" * 64)


def test_class_folders_are_counted(data: Path) -> None:
    assert referred(data).classes == {"": 1, "cat": 2, "dog": 1}
    assert referred(data).rows is None


def test_untouched_contents_are_trusted_by_their_stat(objects: Objects, data: Path) -> None:
    for manifest in (kept(objects, data), referred(data)):
        for each in manifest.entries():
            assert content_of(objects, each).read_text() == each.path


def test_a_file_that_is_written_to_in_place_is_named_with_what_to_do(objects: Objects, data: Path) -> None:
    manifest = referred(data)
    (data / "grows.csv").write_text("grown csv")
    with pytest.raises(DataInvalid, match=r"grows\.csv was changed in place") as caught:
        content_of(objects, entry(manifest, "grows.csv"))
    assert caught.value.place == str(data / "grows.csv")
    assert "data add" in caught.value.todo
    (data / "grows.csv").unlink()
    with pytest.raises(DataInvalid, match="No such file"):
        content_of(objects, entry(manifest, "grows.csv"))


def test_a_file_that_was_touched_or_put_back_is_read_again_and_found_whole(objects: Objects, data: Path) -> None:
    manifest = referred(data)
    os.utime(data / "cat/1.png", ns=(1, 1))
    assert content_of(objects, entry(manifest, "cat/1.png")) == data / "cat/1.png"
    (data / "cat/2.png").unlink()
    (data / "cat/2.png").write_text("cat/2.png")
    assert content_of(objects, entry(manifest, "cat/2.png")) == data / "cat/2.png"


def test_what_is_appended_to_in_place_stays_whole_in_the_store(objects: Objects, data: Path) -> None:
    manifest = kept(objects, data)
    with (data / "grows.csv").open("a") as file:
        file.write("more")
    assert content_of(objects, entry(manifest, "grows.csv")).read_text() == "grows.csv"
    assert verify(objects, manifest) == []


def test_a_spoilt_hard_link_is_noticed_on_use_and_told_by_verify(objects: Objects, data: Path) -> None:
    manifest = kept(objects, data)
    spoilt = entry(manifest, "cat/1.png")
    if objects.path(spoilt.blake3).stat().st_ino != (data / "cat/1.png").stat().st_ino:
        pytest.skip("this file system has reflinks: nothing is hard-linked")
    (data / "cat/1.png").write_text("CAT/1.PNG")
    with pytest.raises(DataInvalid, match=r"cat/1\.png was changed in place"):
        content_of(objects, spoilt)
    objects.remove(entry(manifest, "dog/1.png").blake3)
    faults = verify(objects, manifest)
    assert [fault.partition(":")[0] for fault in faults] == ["cat/1.png", "dog/1.png"]


def test_verify_reads_referred_files_too(objects: Objects, data: Path) -> None:
    manifest = referred(data)
    found = (data / "dog/1.png").stat()
    (data / "dog/1.png").write_text("DOG/1.PNG")
    os.utime(data / "dog/1.png", ns=(found.st_atime_ns, found.st_mtime_ns))
    assert content_of(objects, entry(manifest, "dog/1.png"))  # nothing in its stat tells
    assert verify(objects, manifest) == ["dog/1.png: was changed after the version was made"]
