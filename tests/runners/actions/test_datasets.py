from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pytest

from runners.actions import datasets
from runners.actions.datasets import Added
from storage.errors import DataInvalid, UsageError
from storage.manifests import content_of
from storage.project import check_project
from storage.read import datasets as read_datasets
from storage.shed import Shed

LONG_AGO = 1_600_000_000_000_000_000  # a fresh file's stat proves nothing yet


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "project" / "data"
    folder.mkdir(parents=True)
    return folder


def settle(folder: Path) -> None:
    for path in folder.rglob("*"):
        os.utime(path, ns=(LONG_AGO, LONG_AGO))


def write_csv(path: Path, rows: int = 3) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("a,b\n" + "".join(f"{i},x{i}\n" for i in range(rows)))


def write_parquet(path: Path, select: str = "select i as a, i / 2 as half from range(10) r(i)") -> None:
    duckdb.connect().execute(f"copy ({select}) to '{path}' (format parquet)")


@pytest.fixture
def add(shed: Shed, data: Path) -> Callable[..., Added]:
    """Add what lies in data/, by default all of it as the dataset `points`."""

    def add_it(*globs: str, name: str = "points", **options: object) -> Added:
        return datasets.add(shed, name, {"data": globs or ("data/**",)}, data.parent, **options)  # type: ignore[arg-type]

    return add_it


def test_a_first_version_tells_files_rows_and_columns(add: Callable[..., Added], data: Path) -> None:
    write_csv(data / "one.csv", 3)
    write_csv(data / "two.csv", 5)
    added = add(note="first")
    assert (added.is_new, added.version.number, added.hashed) == (True, 1, 2)
    assert (added.version.files, added.version.rows, added.version.note) == (2, 8, "first")
    assert [entry.path for entry in added.manifest.entries()] == ["data/one.csv", "data/two.csv"]
    (columns,) = added.manifest.schemas.values()
    assert [(column.name, column.type) for column in columns] == [("a", "integer"), ("b", "text")]


def test_the_same_content_is_the_same_version_and_not_read_again(add: Callable[..., Added], data: Path) -> None:
    write_csv(data / "one.csv")
    settle(data)
    add()
    again = add(note="ignored")
    assert (again.is_new, again.version.number, again.hashed) == (False, 1, 0)
    os.utime(data / "one.csv")
    touched = add()
    assert (touched.is_new, touched.hashed) == (False, 1)


def test_one_more_pattern_does_not_have_everything_read_again(add: Callable[..., Added], data: Path) -> None:
    write_csv(data / "one.csv")
    write_csv(data / "two.csv")
    settle(data)
    add("data/one.csv")
    assert add("data/one.csv", "data/two.csv").hashed == 1


def test_content_of_an_older_version_is_that_version(add: Callable[..., Added], data: Path) -> None:
    write_csv(data / "one.csv", 3)
    add()
    write_csv(data / "two.csv", 3)
    assert add().version.number == 2
    (data / "two.csv").unlink()
    back = add()
    assert (back.is_new, back.version.number) == (False, 1)


def test_a_renamed_file_makes_a_version_without_being_looked_into(add: Callable[..., Added], data: Path) -> None:
    write_csv(data / "one.csv", 3)
    add()
    (data / "one.csv").rename(data / "uno.csv")
    told: list[str] = []
    renamed = add(progress=lambda what, done, total: told.append(what))
    assert (renamed.is_new, renamed.version.rows) == (True, 3)
    assert [entry.path for entry in renamed.manifest.entries()] == ["data/uno.csv"]
    assert "looking into files" in told


def test_progress_is_told_to_its_end(add: Callable[..., Added], data: Path) -> None:
    write_csv(data / "one.csv", 3)
    write_csv(data / "two.csv", 3)
    told: dict[str, tuple[int, int]] = {}
    added = add(progress=lambda what, done, total: told.update({what: (done, total)}))
    size = added.version.bytes
    assert told == {"reading": (size, size), "keeping": (size, size), "looking into files": (2, 2)}


def test_several_tables_are_kept_apart(shed: Shed, data: Path) -> None:
    write_csv(data / "points.csv", 3)
    write_parquet(data / "weather.parquet")
    globs = {"points": ["data/*.csv"], "weather": ["data/*.parquet"]}
    added = datasets.add(shed, "both", globs, data.parent)
    assert {name: sum(e.rows or 0 for e in entries) for name, entries in added.manifest.tables.items()} == {
        "points": 3,
        "weather": 10,
    }
    for wrong in ({"a b": ["data/*.csv"]}, {"T": ["data/*.csv"], "t": ["data/*.csv"]}, {"1st": ["data/*.csv"]}):
        with pytest.raises(UsageError):
            datasets.add(shed, "wrong", wrong, data.parent)


def test_a_new_dataset_is_of_the_kind_that_its_files_are(add: Callable[..., Added], data: Path) -> None:
    write_csv(data / "one.csv")
    assert add(name="rows").dataset.kind == "table"
    (data / "cat").mkdir()
    (data / "cat" / "1.png").write_bytes(b"png")
    images = add(name="images")
    assert (images.dataset.kind, images.version.rows) == ("files", None)
    assert images.manifest.classes == {"cat": 1, "data": 1}
    with pytest.raises(UsageError, match="of kind files, not table"):
        add("data/*.csv", name="images", kind="table")
    assert add("data/*.csv", name="images").dataset.kind == "files"


def test_a_name_with_wild_characters_means_the_file_that_has_it(add: Callable[..., Added], data: Path) -> None:
    write_csv(data / "a[1].csv", 2)
    write_csv(data / "a1.csv", 3)
    write_csv(data / "*.csv", 4)
    assert [e.path for e in add("data/a[1].csv").manifest.entries()] == ["data/a[1].csv"]
    assert add("data/*.csv", name="star").version.rows == 4


@pytest.mark.parametrize("name", ["../up", "a/b", "", ".hidden", "a\x1b[31m", "x" * 101])
def test_a_dataset_cannot_have_a_name_that_leaves_its_place(
    add: Callable[..., Added], data: Path, shed: Shed, name: str
) -> None:
    write_csv(data / "one.csv")
    with pytest.raises(UsageError, match="cannot be the name"):
        add(name=name)
    assert read_datasets.every(shed) == []
    assert list((shed.root / "datasets").iterdir()) == []


def test_files_that_are_no_tables_are_named_and_nothing_is_recorded(
    add: Callable[..., Added], data: Path, shed: Shed
) -> None:
    write_parquet(data / "whole.parquet")
    cases = {"torn.parquet": (data / "whole.parquet").read_bytes()[:-100], "empty.csv": b"", "uneven.csv": b"a,b\n1\n"}
    for name, content in cases.items():
        (data / name).write_bytes(content)
        with pytest.raises(DataInvalid) as refused:
            add(f"data/{name}")
        assert name in refused.value.place
    with pytest.raises(UsageError, match="several formats"):
        add("data/uneven.csv", "data/whole.parquet")
    assert read_datasets.every(shed) == []


def test_a_file_changed_in_place_is_told_and_the_older_version_says_so(
    add: Callable[..., Added], data: Path, shed: Shed
) -> None:
    write_parquet(data / "one.parquet")
    first = add()
    assert datasets.verify(shed, "points").faults == []
    content = (data / "one.parquet").read_bytes()
    write_parquet(data / "other.parquet", "select i as a, i / 3 as half from range(20) r(i)")
    with (data / "one.parquet").open("r+b") as file:  # as few programs do: most write a new file
        file.write((data / "other.parquet").read_bytes())
    (data / "other.parquet").unlink()
    second = add()
    assert second.is_new
    if second.overwritten:  # the file system could hard-link and not clone
        assert second.overwritten == ["data/one.parquet"]
        (entry,) = first.manifest.entries()
        with pytest.raises(DataInvalid, match="was changed in place"):
            content_of(shed.objects, entry)
        (fault,) = datasets.verify(shed, "points@v1").faults
        assert fault.startswith("data/one.parquet")
    assert datasets.verify(shed, "points@v2").faults == []

    (data / "one.parquet").unlink()
    (data / "one.parquet").write_bytes(content)
    back = add()
    assert (back.is_new, back.version.number) == (False, 1)
    assert datasets.verify(shed, "points@v1").faults == []  # what was put back mended it


def test_a_file_renamed_over_another_leaves_the_older_version_whole(
    add: Callable[..., Added], data: Path, shed: Shed
) -> None:
    write_parquet(data / "one.parquet")
    add()
    write_parquet(data / "new", "select 1 as a")
    (data / "new").replace(data / "one.parquet")
    assert add().overwritten == []
    assert datasets.verify(shed, "points@v1").faults == datasets.verify(shed, "points@v2").faults == []


def test_contents_kept_by_reference_stay_where_they_are(add: Callable[..., Added], data: Path, shed: Shed) -> None:
    write_csv(data / "one.csv", 3)
    added = add(by_reference=True)
    assert added.version.by_reference
    (entry,) = added.manifest.entries()
    assert entry.source == str(data / "one.csv")
    assert not shed.objects.has(entry.blake3)
    assert datasets.verify(shed, "points").faults == []
    write_csv(data / "one.csv", 4)
    assert datasets.verify(shed, "points").faults == ["data/one.csv: was changed after the version was made"]


def test_an_export_has_every_file_under_its_own_name_or_none(
    add: Callable[..., Added], data: Path, shed: Shed, tmp_path: Path
) -> None:
    write_csv(data / "deep" / "one.csv", 3)
    write_csv(data / "two.csv", 4)
    added = add()
    done = datasets.export(shed, "points@v1", tmp_path / "out" / "here")
    assert (done.files, done.bytes) == (2, sum(p.stat().st_size for p in data.rglob("*.csv")))
    for path in ("data/deep/one.csv", "data/two.csv"):
        assert (tmp_path / "out" / "here" / path).read_bytes() == (data.parent / path).read_bytes()
    with pytest.raises(UsageError, match="is not empty"):
        datasets.export(shed, "points", tmp_path / "out" / "here")
    shed.objects.path(next(added.manifest.entries()).blake3).unlink()
    with pytest.raises(DataInvalid):
        datasets.export(shed, "points", tmp_path / "second")
    assert not (tmp_path / "second").exists()


def test_the_projects_dataset_is_added_as_its_toml_says(shed: Shed, data: Path) -> None:
    write_csv(data / "one.csv", 3)
    toml = {
        "project": {"name": "p"},
        "dataset": {"name": "points", "files": "data/*.csv", "reference": True},
        "train": {"command": "true"},
    }
    added = datasets.add_for_project(shed, data.parent, check_project(toml), note="n")
    assert (added.dataset.name, added.version.by_reference, added.version.note) == ("points", True, "n")


def test_many_at_once_make_one_version(shed: Shed, data: Path) -> None:
    for number in range(10):
        write_csv(data / f"{number}.csv", number)
    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(datasets.add, shed, "points", {"data": ["data/*.csv"]}, data.parent) for _ in range(4)]
    added = [future.result() for future in futures]
    assert {each.version.number for each in added} == {1}
    assert sum(each.is_new for each in added) == 1
    assert datasets.verify(shed, "points").faults == []


def test_references_are_a_name_and_perhaps_a_version() -> None:
    assert datasets.parsed_reference("flights") == ("flights", None)
    assert datasets.parsed_reference("flights@v12") == datasets.parsed_reference("flights@12") == ("flights", 12)
    for wrong in ("flights@", "flights@x", "flights@v-1", "flights@1@2", "flights@" + "9" * 5000):
        with pytest.raises(UsageError, match="no such version"):
            datasets.parsed_reference(wrong)
