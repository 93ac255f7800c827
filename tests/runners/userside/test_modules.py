"""Whatever a project calls its modules, they are imported as its own, and nobody else's import goes to them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.children import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_modules_named_like_ours_and_like_the_standard_librarys_are_the_projects(project: Project) -> None:
    for package in ("storage", "runners", "screens", "json"):
        (project.code / package).mkdir()
        (project.code / package / "__init__.py").write_text(f"NAME = 'my {package}'\n")
    (project.code / "runners" / "child.py").write_text("import queue\nfrom . import NAME\nQUEUE = queue.NAME\n")
    (project.code / "json" / "deep.py").write_text("from json import NAME\nimport queue\nBOTH = NAME, queue.NAME\n")
    project.write(
        app="NAME = 'my app'",
        queue="NAME = 'my queue'",
        userside="NAME = 'my userside'",
        random="import random as me\nNAME = 'my random'",
        pipeline="""
        import queue, app, storage, screens, userside, random, runners.child, json.deep
        from json.deep import BOTH
        from json import deep
        import concurrent.futures, logging.handlers, tempfile  # these want the standard queue and random
        import numpy
        def train(run):
            import queue as again
            print(app.NAME, storage.NAME, screens.NAME, userside.NAME, queue.NAME, random.NAME, sep=", ")
            print(runners.child.QUEUE, json.deep.BOTH == deep.BOTH == BOTH, again is queue, json.NAME)
            with concurrent.futures.ThreadPoolExecutor() as pool:
                print(list(pool.map(abs, [-1])), len(tempfile.gettempprefix()))
            run.log({"loss": 1.0})
        """,
    )
    ended = project.call()
    assert ended.ok
    assert ended.out.splitlines() == [
        "my app, my storage, my screens, my userside, my queue, my random",
        "my queue True True my json",
        "[1] 3",
    ]


def test_torch_trains_beside_a_queue_of_the_projects(project: Project) -> None:
    project.prepare().write(
        queue="def jobs(): return 'mine'",
        pipeline="""
        import queue
        import torch
        from torch.utils.data import DataLoader, TensorDataset
        def train(run):
            x, y = map(torch.from_numpy, run.data.train.tensors())
            model = torch.nn.Linear(4, 1)
            for rows, _ in DataLoader(TensorDataset(x, y), batch_size=20, num_workers=2):
                model(rows)
            print(queue.jobs())
            return model
        """,
    )
    ended = project.call()
    assert ended.ok["model"]["kind"] == "torch"
    assert ended.out == "mine\n"


def test_workers_that_start_anew_have_both_queues_too(project: Project) -> None:
    project.write(
        queue="NAME = 'my queue'",
        json="NAME = 'my json'",
        pipeline="""
        import json, multiprocessing, queue
        def names(_):
            import concurrent.futures.thread
            return queue.NAME, json.NAME
        def train(run):
            for method in ("fork", "spawn", "forkserver"):
                with multiprocessing.get_context(method).Pool(1) as pool:
                    print(method, pool.map(names, [0])[0])
        """,
    )
    ended = project.call()
    assert ended.ok
    assert ended.out.splitlines() == [f"{method} ('my queue', 'my json')" for method in ("fork", "spawn", "forkserver")]


def test_an_entry_may_be_named_like_a_standard_module(project: Project) -> None:
    (project.code / "test").mkdir()
    (project.code / "test" / "__init__.py").write_text("")
    (project.code / "test" / "code.py").write_text("def train(run): print(__name__.split('.')[-1])\n")
    assert project.call(entry="test.code:train").out == "code\n"


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ("pipeline", "is not of the form module:function"),
        ("pipelin:train", "names a module that is not there: no pipelin.py in"),
        ("pipeline:trian", "has no function named 'trian'; did you mean \"train\"?"),
        ("pipeline:LR", "has no function, but something else, named 'LR'"),
    ],
)
def test_an_entry_that_leads_nowhere_says_what_is_near(project: Project, entry: str, says: str) -> None:
    project.write(pipeline="LR = 3\ndef train(run): pass\n")
    error = project.call(entry=entry).error
    assert error["type"] == "WrongEntry"
    assert says in error["message"]


def test_a_missing_import_of_the_users_is_told_at_its_line(project: Project) -> None:
    project.write(pipeline="x = 1\nimport pipelines_of_another\n")
    error = project.call().error
    assert error["type"] == "ModuleNotFoundError"
    assert (error["file"], error["line"]) == ("pipeline.py", 2)
