from __future__ import annotations

import stat
from pathlib import Path

import pytest

from runners.actions import dataset_rows, dataset_views, datasets
from storage import profiles
from storage.errors import DataInvalid, ShedError, UsageError
from storage.shed import Shed
from storage.write import runs as write_runs
from tests.scenes import run_of

HOSTILE = 'a\x1b[31m,[red]b[/red],"c\nd"\n1,[bold]x,y\n'


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Two tables: points of two kinds, and colours."""
    folder = tmp_path / "project"
    write_points(folder / "data" / "one.csv", range(100))
    (folder / "data" / "colours.jsonl").write_text('{"kind": "x", "colour": "red"}\n{"kind": "y", "colour": null}\n')
    return folder


def write_points(path: Path, numbers: range, *, header: str = "a,kind") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(header + "\n" + "".join(f"{i},{'xy'[i % 2]}\n" for i in numbers))


def add_points(shed: Shed, project: Path) -> datasets.Added:
    return datasets.add(shed, "points", {"data": ["data/*.csv"]}, project)


def add_both(shed: Shed, project: Path) -> datasets.Added:
    return datasets.add(shed, "both", {"points": ["data/*.csv"], "colours": ["data/*.jsonl"]}, project)


def test_details_tell_tables_columns_files_and_how_they_are_kept(shed: Shed, project: Path) -> None:
    write_points(project / "data" / "two.csv", range(5), header="a,sort")
    write_points(project / "data" / "three.csv", range(5))
    add_both(shed, project)
    found = dataset_views.details(shed, "both")
    points, colours = found.tables
    assert (points.name, points.files, points.rows, points.odd) == ("points", 3, 110, ["data/two.csv"])
    assert [column.name for column in points.columns] == ["a", "kind"]
    assert [(column.name, column.type) for column in colours.columns] == [("kind", "text"), ("colour", "text")]
    assert (len(found.files), sum(found.kept.values()), found.damaged) == (4, 4, [])


def test_details_of_files_count_classes(shed: Shed, tmp_path: Path) -> None:
    for name in ("cat/1.png", "cat/2.png", "dog/1.png"):
        (tmp_path / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "images" / name).write_bytes(name.encode())
    datasets.add(shed, "pets", {"data": ["images/**"]}, tmp_path)
    found = dataset_views.details(shed, "pets@v1")
    assert (found.classes, found.tables) == ({"cat": 2, "dog": 1}, [])
    (files,) = dataset_rows.head(shed, "pets", 2)
    assert (files.columns, files.rows[0], files.more) == (
        ["file", "class", "bytes"],
        ("images/cat/1.png", "cat", 9),
        True,
    )
    for ask in (dataset_views.profile, lambda s, r: dataset_rows.query(s, r, "select 1")):
        with pytest.raises(UsageError, match="it has no rows"):
            ask(shed, "pets")


def test_contents_that_went_missing_are_told(shed: Shed, project: Path) -> None:
    added = add_points(shed, project)
    shed.objects.path(next(added.manifest.entries()).blake3).unlink()
    found = dataset_views.details(shed, "points")
    assert found.kept == {"missing": 1}
    assert len(found.damaged) == 1 and "data/one.csv" in found.damaged[0]


def test_a_head_has_the_first_rows_of_each_table(shed: Shed, project: Path) -> None:
    add_both(shed, project)
    points, colours = dataset_rows.head(shed, "both", 2)
    assert (points.source, points.rows, points.more) == ("points", [(0, "x"), (1, "y")], True)
    assert (colours.source, colours.rows, colours.more) == ("colours", [("x", "red"), ("y", None)], False)
    assert [each.source for each in dataset_rows.head(shed, "both", 1, table="colours")] == ["colours"]
    with pytest.raises(UsageError) as wrong:
        dataset_rows.head(shed, "both", 1, table="colors")
    assert 'did you mean "colours"?' in str(wrong.value)


def test_sql_sees_the_tables_and_what_the_projects_query_makes_of_them(shed: Shed, project: Path) -> None:
    add_both(shed, project)
    found = dataset_rows.query(shed, "both", "select count(*) n from points", limit=5)
    assert (found.columns, found.rows, found.more, found.note) == (["n"], [(100,)], False, "")
    joined = "select a, colour from points join colours using (kind) order by a"
    found = dataset_rows.query(shed, "both", "from data", limit=2, project_query=joined)
    assert (found.rows, found.more) == ([(0, "red"), (1, None)], True)


def test_sql_runs_where_the_projects_query_does_not(shed: Shed, project: Path) -> None:
    add_both(shed, project)
    newer = "select a, brightness from points join colours using (kind)"
    found = dataset_rows.query(shed, "both", "select max(a) from data", project_query=newer)
    assert found.rows == [(99,)]
    assert "brightness" in found.note
    with pytest.raises(UsageError, match=r"brightness.*the project's query does not run on this version"):
        dataset_rows.query(shed, "both", "select brightness from data", project_query=newer)


@pytest.mark.parametrize(
    "sql",
    [
        "copy data to 'out.csv'",
        "select * from read_csv('/etc/passwd')",
        "select * from '/etc/passwd'",
        "attach 'shed.db'",
        "with x as (copy data to 'out.csv') select 1",
        "select 1; drop view data",
        "set memory_limit = '1GB'",
        "selec 1",
        "",
    ],
)
def test_sql_that_does_more_than_read_the_dataset_is_refused(
    shed: Shed, project: Path, sql: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    add_points(shed, project)
    with pytest.raises(UsageError):
        dataset_rows.query(shed, "points", sql)
    assert not (project / "out.csv").exists()


def test_a_profile_is_made_once_for_the_same_contents(
    shed: Shed, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_both(shed, project)
    points, colours = dataset_views.profile(shed, "both")
    assert (points.table, points.profile.rows, colours.profile.rows) == ("points", 100, 2)
    number = points.profile.column("a")
    assert number is not None and (number.min, number.max, number.distinct) == (0, 99, 100)

    kept = list(shed.dataset_dir("both").glob("profile-*.json"))
    assert len(kept) == 2 and all(stat.S_IMODE(path.stat().st_mode) == 0o660 for path in kept)
    monkeypatch.setattr(profiles, "profile", None)  # nothing would profile now
    write_points(project / "data" / "two.csv", range(5))
    add_both(shed, project)
    assert dataset_views.profile(shed, "both", table="colours") == [
        dataset_views.Profiled("both", 2, "colours", False, colours.profile)
    ]
    monkeypatch.undo()
    for path in kept:
        path.write_text('{"rows": ')
    assert dataset_views.profile(shed, "both@v1")[0].profile == points.profile


def test_the_view_of_the_projects_query_has_a_profile_of_its_own(shed: Shed, project: Path) -> None:
    add_points(shed, project)
    (found,) = dataset_views.profile(shed, "points", project_query=None)
    assert (found.is_query, len(found.profile.columns)) == (False, 2)
    datasets.add(shed, "both", {"points": ["data/*.csv"], "colours": ["data/*.jsonl"]}, project)
    doubled = "select 2 * a as twice from points"
    (found,) = dataset_views.profile(shed, "both", project_query=doubled)
    assert (found.is_query, [column.name for column in found.profile.columns]) == (True, ["twice"])
    with pytest.raises(DataInvalid):
        dataset_views.profile(shed, "both", project_query="select nothing from points")
    with pytest.raises(DataInvalid, match="onver"):
        dataset_views.profile(shed, "both", project_query="select kind::int as k from points")


def test_a_column_is_profiled_wherever_it_is_or_the_nearest_is_named(shed: Shed, project: Path) -> None:
    add_both(shed, project)
    assert [each.table for each in dataset_views.profile(shed, "both", column="kind")] == ["points", "colours"]
    assert [each.table for each in dataset_views.profile(shed, "both", column="colour")] == ["colours"]
    with pytest.raises(UsageError) as wrong:
        dataset_views.profile(shed, "both", column="color")
    assert 'did you mean "colour"?' in str(wrong.value)


def test_a_diff_tells_files_rows_columns_and_values(shed: Shed, project: Path) -> None:
    add_both(shed, project)
    (project / "data" / "one.csv").rename(project / "data" / "uno.csv")
    write_points(project / "data" / "two.csv", range(1000, 1100), header="a,sort")
    add_both(shed, project)
    found = dataset_views.diff(shed, "both")
    assert (found.old.number, found.new.number) == (1, 2)
    changes = {(file.change, file.before, file.after) for file in found.compared.diff.files}
    assert changes == {("renamed", "data/one.csv", "data/uno.csv"), ("added", None, "data/two.csv")}
    assert found.compared.diff.rows == {"points": (100, 200), "colours": (2, 2)}
    assert [(column.change, column.name) for column in found.compared.diff.columns] == [("added", "sort")]
    assert list(found.compared.shifts) == ["points"]  # the other table has the same contents
    assert {shift.size for shift in found.compared.shifts["points"]} == {"large"}
    told = " ".join(found.compared.sentences)
    assert "1 file added: data/two.csv" in told and "points.a: a large shift" in told
    back = dataset_views.diff(shed, "both", 2, 1)
    assert {file.change for file in back.compared.diff.files} == {"renamed", "removed"}


def test_a_diff_of_the_query_view_compares_what_the_model_sees(shed: Shed, project: Path) -> None:
    add_both(shed, project)
    write_points(project / "data" / "two.csv", range(100, 200))
    add_both(shed, project)
    found = dataset_views.diff(shed, "both", project_query="select -a as minus from points")
    assert [shift.column for shift in found.compared.shifts["data"]] == ["minus"]


def test_one_version_has_nothing_to_be_compared_with(shed: Shed, project: Path) -> None:
    add_points(shed, project)
    with pytest.raises(UsageError, match="only one version"):
        dataset_views.diff(shed, "points")
    assert dataset_views.diff(shed, "points", 1, 1).compared.diff.is_empty


def test_files_are_compared_also_where_contents_are_lost(shed: Shed, project: Path) -> None:
    first = add_points(shed, project)
    write_points(project / "data" / "two.csv", range(5))
    add_points(shed, project)
    shed.objects.path(next(first.manifest.entries()).blake3).unlink()
    found = dataset_views.diff(shed, "points").compared
    assert [file.after for file in found.diff.files] == ["data/two.csv"]
    assert "data/one.csv" in found.unread and found.shifts == {}


def test_a_card_tells_columns_changes_and_the_newest_checks(shed: Shed, project: Path) -> None:
    version = add_points(shed, project).version
    name, card = dataset_views.card(shed, "points")
    assert name == "points v1" and "| a " in card and "## Checks" not in card
    assert (shed.dataset_dir("points") / "card-v1.md").read_text() == card
    run = run_of(shed, dataset_version_id=version.id)
    checks = [{"name": "a ≤ 50", "on_fail": "warn", "passed": False, "count": 49, "text": "49 rows", "rows": []}]
    write_runs.set_stage(shed, run.id or 0, "validate", status="done", facts={"checks": checks})
    assert "a ≤ 50" in dataset_views.card(shed, "points")[1]
    write_points(project / "data" / "two.csv", range(5))
    add_points(shed, project)
    newer = dataset_views.card(shed, "points")[1]
    assert "## Changes since v1" in newer and "1 file added" in newer


def test_a_card_that_was_written_outlives_its_data(shed: Shed, project: Path) -> None:
    added = add_points(shed, project)
    card = dataset_views.card(shed, "points")
    shed.objects.path(next(added.manifest.entries()).blake3).unlink()
    for cached in shed.dataset_dir("points").glob("profile-*"):
        cached.unlink()
    assert dataset_views.card(shed, "points") == card
    (shed.dataset_dir("points") / "card-v1.md").unlink()
    with pytest.raises(DataInvalid):
        dataset_views.card(shed, "points")


def test_hostile_columns_go_through_every_verb(shed: Shed, tmp_path: Path) -> None:
    (tmp_path / "h.csv").write_text(HOSTILE)
    datasets.add(shed, "h", {"data": ["h.csv"]}, tmp_path)
    names = ["a\x1b[31m", "[red]b[/red]", "c\nd"]
    assert [column.name for column in dataset_views.details(shed, "h").tables[0].columns] == names
    assert dataset_rows.head(shed, "h", 1)[0].columns == names
    assert [column.name for column in dataset_views.profile(shed, "h")[0].profile.columns] == names
    card = dataset_views.card(shed, "h")[1]
    assert "\x1b" not in card and "\\[red\\]" in card


def test_a_profile_that_cannot_be_kept_is_told_all_the_same(shed: Shed, project: Path) -> None:
    add_points(shed, project)
    folder = shed.dataset_dir("points")
    folder.rename(folder.with_name("elsewhere"))
    folder.write_text("no directory")
    assert dataset_views.profile(shed, "points")[0].profile.rows == 100
    with pytest.raises(ShedError, match="cannot write here"):
        dataset_views.card(shed, "points")
