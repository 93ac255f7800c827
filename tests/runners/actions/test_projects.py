from __future__ import annotations

import ast
from pathlib import Path

import pytest

from runners.actions.guessing import guess
from runners.actions.projects import KINDS, create, standing
from storage import frames
from storage.errors import DataInvalid, UsageError
from storage.project import load_project
from storage.reading import Source
from storage.shed import open_shed
from tests.scenes import run_of


def csv(path: Path, header: str, rows: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([header, *rows]) + "\n")


def people(folder: Path, count: int = 200, name: str = "people.csv") -> None:
    rows = [
        f"{i},p{i},{'AB'[i % 2]},{i % 50 if i % 7 else ''},2024-01-{i % 28 + 1:02d},{i % 3},x,{i % 4 > 0}"
        for i in range(count)
    ]
    csv(folder / name, "id,name,group,age,day,visits,constant,left", rows)


@pytest.mark.parametrize("template", KINDS)
def test_every_template_is_a_project_that_can_be_read(template: str, tmp_path: Path) -> None:
    made = create(tmp_path / "new" / "shop", template)
    spec = load_project(made.folder)
    assert (spec.project.name, made.name) == ("shop", "shop")
    for path in made.folder.glob("*.py"):
        ast.parse(path.read_text())
    globs = [glob for patterns in spec.dataset.globs.values() for glob in patterns]
    assert any(list(made.folder.glob(glob)) for glob in globs)
    assert "trainshed" not in [n for p in made.folder.glob("*.py") for n in imports(p)]


def imports(path: Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name.partition(".")[0] for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append((node.module or "").partition(".")[0])
    return found


def test_nothing_is_overwritten_and_nothing_written_then(tmp_path: Path) -> None:
    (tmp_path / "pipeline.py").write_text("mine")
    with pytest.raises(UsageError, match=r"would overwrite pipeline\.py"):
        create(tmp_path, "table")
    assert [path.name for path in tmp_path.iterdir()] == ["pipeline.py"]
    assert (tmp_path / "pipeline.py").read_text() == "mine"


def test_a_wrong_template_name_or_place_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such template") as told:
        create(tmp_path / "a", "tabel")
    assert told.value.todo == 'did you mean "table"?'
    with pytest.raises(UsageError, match="cannot be the name"):
        create(tmp_path / "a", "table", name="../x")
    with pytest.raises(UsageError, match="--target needs data files"):
        create(tmp_path / "a", "table", target="y")
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError):
        create(tmp_path / "file", "table")
    assert not (tmp_path / "a").exists()


def test_odd_directory_names_become_names_that_fit(tmp_path: Path) -> None:
    assert create(tmp_path / "Ein schönes Projekt!", "table").name == "Ein-sch-nes-Projekt"
    assert create(tmp_path / "…", "table").name == "project"


def test_data_that_is_there_fills_the_project_file(tmp_path: Path) -> None:
    people(tmp_path / "data")
    made = create(tmp_path, "table", target="left")
    spec = load_project(tmp_path)
    assert spec.features is not None
    assert (spec.features.target, spec.features.task) == ("left", "binary")
    assert spec.features.numeric == ["age", "visits"]
    assert spec.features.categorical == ["group"]
    assert (spec.split.by, spec.split.column) == ("time", "day")
    assert spec.dataset.files == "data/*.csv"
    assert spec.checks.columns["age"].type == "integer"
    assert 0.1 < (spec.checks.columns["age"].nulls or 0) < 0.5
    assert made.files == ["pipeline.py", "trainshed.toml"]
    text = (tmp_path / "trainshed.toml").read_text()
    assert '# not "name": about' in text and '# not "constant": always the same' in text and '# not "id"' in text


def test_several_files_of_one_table_become_one_pattern_and_others_are_told(tmp_path: Path) -> None:
    for month in ("01", "02"):
        people(tmp_path / "data", name=f"people-{month}.csv")
    found = guess(tmp_path, "left")
    assert (found.globs, found.rows) == (["data/*.csv"], 400)
    csv(tmp_path / "data" / "small.csv", "a,b", ["1,2"])
    found = guess(tmp_path, "left")
    assert found.globs == ["data/people-01.csv", "data/people-02.csv"]
    assert found.other_files == ["data/small.csv"]


@pytest.mark.parametrize(
    ("values", "task"),
    [
        (["true", "false"], "binary"),
        (["0", "1"], "binary"),
        (["cat", "dog"], "binary"),
        (["1", "2"], "multiclass"),
        (["a", "b", "c"], "multiclass"),
        (["1", "2", "3"], "multiclass"),
        (["1.5", "2.5", "3.25"], "regression"),
        ([str(i) for i in range(60)], "regression"),
    ],
)
def test_the_task_follows_from_the_target(values: list[str], task: str, tmp_path: Path) -> None:
    csv(tmp_path / "d.csv", "x,y", [f"{i},{values[i % len(values)]}" for i in range(120)])
    assert guess(tmp_path, "y").task == task


def test_texts_with_a_decimal_comma_are_made_numbers_by_the_query_the_target_too(tmp_path: Path) -> None:
    csv(tmp_path / "flats.csv", "m² all;rooms;price", [f"{i},5;{i % 4};{3 * i},25" for i in range(50)])
    created = create(tmp_path, "table")
    assert created.guess is not None and (created.guess.task, created.guess.target) == ("regression", "price")
    assert created.guess.numeric == ["m² all", "rooms"]
    dataset = load_project(tmp_path).dataset
    with frames.connect({"data": [Source(tmp_path / "flats.csv", "flats.csv")]}, dataset.query) as con:
        found = frames.query(con, 'select "m² all", rooms, price from data order by 1 limit 2')[1]
    assert found == [(0.5, 0, 0.25), (1.5, 1, 3.25)]


def test_a_guessed_target_is_said_to_be_a_guess(tmp_path: Path) -> None:
    people(tmp_path)
    found = guess(tmp_path, None)
    assert (found.target, found.guessed) == ("left", True)
    csv(tmp_path / "big.csv", "label,x", [f"{i % 2},{i}" for i in range(2000)])
    assert guess(tmp_path, None).target == "label"
    create(tmp_path, "table")
    assert "a guess" in (tmp_path / "trainshed.toml").read_text()


def test_what_no_project_can_be_made_of_is_told(tmp_path: Path) -> None:
    csv(tmp_path / "d.csv", "x,y", [f"{i},same" for i in range(10)])
    with pytest.raises(UsageError, match='"y" has 1 value'):
        guess(tmp_path, "y")
    with pytest.raises(UsageError, match="no such column") as told:
        guess(tmp_path, "X ")
    assert told.value.expected == "one of x, y"
    csv(tmp_path / "d.csv", "x,y", [])
    with pytest.raises(DataInvalid, match="no rows"):
        guess(tmp_path, "y")
    (tmp_path / "d.csv").unlink()
    (tmp_path / "d.parquet").write_bytes(b"PAR1 and then nothing")
    with pytest.raises(DataInvalid, match="cannot be read"):
        guess(tmp_path, "y")


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_a_file_in_another_encoding_is_told_with_how_to_mend_it(encoding: str, tmp_path: Path) -> None:
    rows = "".join(f"{number},été,{number % 2}\n" for number in range(200))
    (tmp_path / "words.csv").write_bytes(f"id,word,label\n{rows}".encode(encoding))
    with pytest.raises(DataInvalid, match="it is not UTF-8 text") as caught:
        guess(tmp_path, "label")
    assert caught.value.place == str(tmp_path / "words.csv") and "iconv" in (caught.value.todo or "")


def test_column_names_from_outside_are_only_text(tmp_path: Path) -> None:
    evil = 'a"] \\ # = {x}'
    with (tmp_path / "o'dd.csv").open("w") as file:
        file.write('"' + evil.replace('"', '""') + '",y\n' + "".join(f"{i},{i % 2}\n" for i in range(50)))
    create(tmp_path, "table", target="y")
    spec = load_project(tmp_path)
    assert spec.features is not None and spec.features.numeric == [evil]
    assert spec.dataset.files == "o'dd.csv"


def test_a_command_takes_the_data_and_the_program_that_are_there(tmp_path: Path) -> None:
    csv(tmp_path / "data" / "trips.csv", "km,rain,minutes", [f"{i / 3},{i % 2 > 0},{i * 1.5}" for i in range(60)])
    (tmp_path / "train.py").write_text("print('mine')\n")
    made = create(tmp_path, "command")
    spec = load_project(tmp_path)
    assert made.files == ["trainshed.toml"] and (tmp_path / "train.py").read_text() == "print('mine')\n"
    assert spec.features is not None and (spec.features.target, spec.features.task) == ("minutes", "regression")
    assert spec.dataset.files == "data/*.csv" and spec.train.command == "python train.py --lr {lr} --epochs {epochs}"
    people(tmp_path / "other")
    assert create(tmp_path / "other", "command").files == ["train.py", "trainshed.toml"]


def test_images_that_are_there_are_used(tmp_path: Path) -> None:
    for name in ("cat/1.png", "dog/2.png", "dog/notes.txt"):
        (tmp_path / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "images" / name).write_bytes(b"")
    made = create(tmp_path, "images")
    assert made.files == ["pipeline.py", "trainshed.toml"]
    assert load_project(tmp_path).dataset.files == "images/**/*.png"


def test_where_things_stand_leads_on(tmp_path: Path) -> None:
    shed = open_shed(tmp_path / "shed")
    assert [command for command, _ in standing(shed, None).todo] == ["trainshed init DIR", "trainshed doctor"]
    project = create(tmp_path / "shop", "command").folder
    assert standing(shed, project).todo[0][0] == "trainshed --batch"
    run_of(shed, "shop")
    found = standing(shed, project)
    assert (found.project, found.runs) == ("shop", 1)
    (project / "trainshed.toml").write_text("[project")
    assert standing(shed, project).project == "shop"
