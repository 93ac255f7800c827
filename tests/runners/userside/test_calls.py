"""The calls beside training: the user's own checks, and the user's own way to load files."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pytest

from tests.children import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_a_check_reads_the_rows_and_tells_its_failures(project: Project, tmp_path: Path) -> None:
    rows = tmp_path / "rows.parquet"
    duckdb.execute(f"copy (select range as i, range * 2 as j from range(9)) to '{rows}' (format parquet)")
    project.write(
        checks="""
        import duckdb
        def more(data):
            odd = duckdb.execute("select i from read_parquet(?) where i % 2 = 1", [data.path]).fetchall()
            yield {"check": "i is even", "count": len(odd), "rows": [{"i": i} for i, in odd][:2]}
            yield "the moon is full"
            yield {"check": "no rows"}
        """
    )
    ended = project.call(call="checks", entry="checks:more", data_file=str(rows))
    assert ended.ok["failures"] == [
        {"check": "i is even", "count": 4, "rows": [{"i": 1}, {"i": 3}]},
        {"check": "the moon is full", "count": 1, "rows": []},
        {"check": "no rows", "count": 1, "rows": []},
    ]


@pytest.mark.parametrize(
    ("body", "failures"),
    [("None", []), ("[]", []), ("'one'", ["one"]), ("{'check': 'two'}", ["two"]), ("['a', 'b']", ["a", "b"])],
)
def test_failures_come_in_any_simple_form(project: Project, body: str, failures: list[str]) -> None:
    project.write(checks=f"def more(data):\n    return {body}\n")
    found = project.call(call="checks", entry="checks:more", data_file="rows.parquet").ok["failures"]
    assert [failure["check"] for failure in found] == failures


@pytest.mark.parametrize("body", ["3", "[3]", "[{'count': 3}]"])
def test_what_is_no_failure_is_refused(project: Project, body: str) -> None:
    project.write(checks=f"def more(data):\n    return {body}\n")
    error = project.call(call="checks", entry="checks:more", data_file="rows.parquet").error
    assert error["type"] == "WrongResult"
    assert "checks:more" in error["message"]


def test_a_check_that_fails_itself_is_told_at_its_line(project: Project) -> None:
    project.write(checks="def more(data):\n    yield 'one'\n    1 / 0\n")
    error = project.call(call="checks", entry="checks:more", data_file="rows.parquet").error
    assert (error["type"], error["file"], error["line"]) == ("ZeroDivisionError", "checks.py", 3)


def files_of(project: Project, **shapes: list[tuple[int, ...]]) -> dict[str, list[tuple[str, int]]]:
    files: dict[str, list[tuple[str, int]]] = {}
    for split, each in shapes.items():
        files[split] = []
        for number, shape in enumerate(each):
            path = project.home / f"{split}{number}.npy"
            np.save(path, np.full(shape, number, "uint8"))
            files[split].append((str(path), number % 2))
    return files


LOAD = """
import numpy as np
def load(path):
    return np.load(path) / 2
"""


def test_files_are_loaded_into_one_array_a_split(project: Project) -> None:
    files = files_of(project, test=[], train=[(2, 3)] * 5, validation=[(2, 3)])
    ended = project.write(pipeline=LOAD).call(call="load", entry="pipeline:load", files=files, task="multiclass")
    assert ended.ok["shape"] == [2, 3]
    x, y = (np.load(project.out / "train" / f"{name}.npy") for name in ("x", "y"))
    assert (x.dtype, x.shape, y.dtype, y.tolist()) == (np.float32, (5, 2, 3), np.int64, [0, 1, 0, 1, 0])
    assert x[:, 0, 0].tolist() == [0, 0.5, 1, 1.5, 2]
    assert np.load(project.out / "test" / "x.npy").shape == (0, 2, 3)
    assert project.events("progress")[-1]["done"] == 6


def test_the_targets_of_a_binary_task_are_floats(project: Project) -> None:
    files = files_of(project, train=[(2,)] * 2)
    assert project.write(pipeline=LOAD).call(call="load", entry="pipeline:load", files=files, task="binary").ok
    assert np.load(project.out / "train" / "y.npy").dtype == np.float32


def test_a_file_of_another_shape_is_named(project: Project) -> None:
    files = files_of(project, train=[(2, 3), (2, 3), (3, 2)])
    error = project.write(pipeline=LOAD).call(call="load", entry="pipeline:load", files=files).error
    assert "train2.npy gives an array of shape [3, 2], the files before it [2, 3]" in error["message"]


def test_a_file_that_cannot_be_loaded_is_named_at_the_users_line(project: Project) -> None:
    files = files_of(project, train=[(2, 3), (2, 3)])
    Path(files["train"][1][0]).write_bytes(b"torn")
    error = project.write(pipeline=LOAD).call(call="load", entry="pipeline:load", files=files).error
    assert "train1.npy cannot be loaded: " in error["message"]
    assert (error["file"], error["line"]) == ("pipeline.py", 4)
