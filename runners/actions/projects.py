"""The verbs of projects: start one, and say where one stands."""

from __future__ import annotations

import json
import re
import tomllib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from storage.errors import UsageError, nearest
from storage.names import checked_name
from storage.project import FILE_NAME, check_project

if TYPE_CHECKING:
    from runners.actions.guessing import Guess
    from storage.shed import Shed

TEMPLATES = Path(__file__).parent / "templates"
KINDS = {
    "table": "rows of CSV, Parquet or JSON lines, and a column to predict",
    "images": "files in folders, one folder a class",
    "command": "any training program in place of a Python function",
}


@dataclass(frozen=True)
class Created:
    """A new project. `guess` is set where trainshed.toml was filled from data that was there."""

    folder: Path
    name: str
    template: str
    files: list[str]
    guess: Guess | None = None


@dataclass(frozen=True)
class Standing:
    """Where things stand: `todo` holds commands to try now, each with what it does."""

    project: str | None
    runs: int
    models: int
    todo: list[tuple[str, str]] = field(default_factory=list)


def create(folder: Path, template: str, *, name: str | None = None, target: str | None = None) -> Created:
    """Write a small project that works into `folder`, which is made where it is not there. No file is overwritten.

    With the template `table` or `command` and data files in `folder`, trainshed.toml is filled from them; a train.py
    that is there already is the command's, and left alone.

    Raises:
        UsageError: for an unknown template, a wrong name, a target that is no column, or files in the way.
        DataInvalid: for data files that cannot be read.
    """
    from runners.actions import guessing

    if template not in KINDS:
        raise UsageError(
            f"--template {template}: no such template", expected=" or ".join(KINDS), todo=nearest(template, KINDS)
        )
    folder = folder.expanduser().absolute()
    name = checked_name(name, "project") if name else _name_from(folder)
    own_data = template != "images" and folder.is_dir() and bool(guessing.data_files(folder))
    if target is not None and not own_data:
        raise UsageError("--target needs data files here", expected="csv, parquet or jsonl files in DIR or DIR/data")
    guess = guessing.guess(folder, target) if own_data else None
    suffix = _own_images(folder) if template == "images" else ""
    contents = _contents(template, with_data=not own_data and not suffix)
    if guess and template == "command" and (guess.task != "binary" or (folder / "train.py").exists()):
        del contents["train.py"]  # ours is for two classes
    contents[FILE_NAME] = (
        _filled(guess, name, template).encode() if guess else _adapted(contents[FILE_NAME], name, suffix)
    )
    check_project(tomllib.loads(contents[FILE_NAME].decode()), text=contents[FILE_NAME].decode())
    _write(folder, contents)
    return Created(folder, name, template, sorted(contents), guess)


def _contents(template: str, *, with_data: bool) -> dict[str, bytes]:
    """Relative path → bytes of every file of a template."""
    root = TEMPLATES / template
    contents = {path.name: path.read_bytes() for path in sorted(root.iterdir()) if path.is_file()}
    if not with_data:
        return contents
    if template == "images":
        from runners.actions.drawings import drawings

        return contents | {f"images/{path}": data for path, data in drawings()}
    return contents | {f"data/{path.name}": path.read_bytes() for path in sorted((TEMPLATES / "data").iterdir())}


def _own_images(folder: Path) -> str:
    """The commonest suffix below `images/`, where that holds files already."""
    suffixes = Counter(path.suffix for path in (folder / "images").rglob("*") if path.is_file() and path.suffix)
    return suffixes.most_common(1)[0][0] if suffixes else ""


def _write(folder: Path, contents: dict[str, bytes]) -> None:
    """All files or none."""
    if folder.exists() and not folder.is_dir():
        raise UsageError("not a directory", place=str(folder))
    there = [path for path in contents if (folder / path).exists() or (folder / path).is_symlink()]
    if there:
        more = f" and {len(there) - 5} more" if len(there) > 5 else ""
        raise UsageError(
            f"would overwrite {', '.join(there[:5])}{more}", place=str(folder), todo="choose another directory"
        )
    made: list[Path] = []
    try:
        for path, data in contents.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            with (folder / path).open("xb") as file:
                made.append(folder / path)
                file.write(data)
    except OSError as err:
        for written in made:
            written.unlink(missing_ok=True)
        raise UsageError(f"cannot write here: {err.strerror}", place=str(err.filename or folder)) from err


def _name_from(folder: Path) -> str:
    name = re.sub(r"[^A-Za-z0-9_.\-]+", "-", folder.name).strip("-.")[:100]
    return name or "project"


def _adapted(toml: bytes, name: str, suffix: str) -> bytes:
    """A template's trainshed.toml with the project's own name, also for its dataset, which the whole shed shares, and
    the suffix of the images that were there."""
    toml = re.sub(rb'(\[(?:project|dataset)\]\nname = )"[^"]*"', rb'\1"' + name.encode() + b'"', toml)
    return toml.replace(b'"images/**/*.pgm"', _toml(f"images/**/*{suffix}").encode()) if suffix else toml


def _filled(guess: Guess, name: str, template: str) -> str:
    """trainshed.toml around data that was there."""
    files = _toml(guess.globs[0] if len(guess.globs) == 1 else guess.globs)
    lines = [
        "# A project of trainshed: `trainshed --batch` takes it from its files through the gate to production.",
        "",
        "[project]",
        f"name = {_toml(name)}",
        '# python = ".venv/bin/python"      # the interpreter that runs your code, when it is not trainshed\'s own',
        "",
        "[dataset]",
        f"name = {_toml(name)}",
        f"files = {files}",
        *_query(guess),
        "",
        "[checks]                           # what must hold before anything is trained; `warn` only tells",
        f"min_rows = {max(1, guess.rows // 2)}",
        "[checks.columns]",
        *_checks(guess),
        "",
        "[features]                         # raw columns → tensors, the same way in training and in serving",
        f"target = {_toml(guess.target)}"
        + ("      # a guess: is it what you want to predict?" if guess.guessed else ""),
        f"task = {_toml(guess.task)}",
        f"numeric = {_toml(guess.numeric)}",
        f"categorical = {_toml(guess.categorical)}",
        *(f"# not {_toml(column)}: {why}" for column, why in guess.left_out.items()),
        "",
        "[split]",
        *_split(guess),
        "validation = 0.1",
        "test = 0.2",
        "",
        *_train(guess, template),
        "",
        "[gate]                             # every rule must hold before `production` moves",
        *_gate(guess),
        "beat_production_by = 0.0",
        "",
    ]
    return "\n".join(lines)


def _train(guess: Guess, template: str) -> list[str]:
    if template == "command":
        given = (TEMPLATES / template / FILE_NAME).read_text(encoding="utf-8")
        return given[given.index("[train]\n") : given.index("\n[gate]")].splitlines()
    return [
        "[train]",
        'entry = "pipeline:train"',
        "gpus = 0                           # how many it wants; it gets the CPU where there is none",
        "",
        "[train.params]                     # run.params in pipeline.py; `--set lr=1e-2` changes one",
        "lr = 3e-3",
        "epochs = 20",
        f"batch_size = {64 if guess.rows < 20_000 else 1024}",
        "width = 64",
    ]


def _query(guess: Guess) -> list[str]:
    if guess.query is None:
        return ['# query = "select … from data where …"      # DuckDB SQL: the model\'s raw input and its target']
    return [
        "# DuckDB SQL: the model's raw input and its target. Here it makes numbers of texts with a decimal comma.",
        f"query = {_long(guess.query)}",
    ]


def _long(text: str) -> str:
    """A TOML string of several lines, as it is read; escaped where it could not stand so."""
    plain = "'''" not in text and text.replace("\n", "").isprintable()
    return f"'''\n{text}'''" if plain else _toml(text)


def _checks(guess: Guess) -> list[str]:
    """Types must hold; more nulls than now are told."""
    used = {guess.target, *guess.numeric, *guess.categorical}
    allowed = {column.name: round(min(1.0, 2 * column.nulls + 0.01), 3) for column in guess.columns}
    return [
        f"{_key(column.name)} = {{ type = {_toml(column.kind)}, nulls = {allowed[column.name]} }}"
        for column in guess.columns
        if column.name in used
    ]


def _split(guess: Guess) -> list[str]:
    if guess.time_column is not None:
        return [
            'by = "time"                        # the newest rows are the test',
            f"column = {_toml(guess.time_column)}",
        ]
    by = "random" if guess.task == "regression" else "stratified"
    return [f"by = {_toml(by)}" + "        # or time (column = …), group (column = …), random, stratified"]


def _gate(guess: Guess) -> list[str]:
    usual = {"binary": ("auroc", 0.6), "multiclass": ("macro_f1", 0.3), "regression": ("r2", 0.0)}
    metric, least = usual[guess.task]
    return [f"metric = {_toml(metric)}", f"min = {least}                          # raise it to what you need"]


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _toml(name)


def _toml(value: str | list[str]) -> str:
    """A TOML string or array: JSON's escapes are TOML's, all but those of lone surrogates and DEL."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def standing(shed: Shed, folder: Path | None) -> Standing:
    """Where things stand with the project in `folder`, or in the shed where that is None."""
    from storage.read import models, runs

    project = None
    if folder is not None:
        try:
            table = tomllib.loads((folder / FILE_NAME).read_text(encoding="utf-8")).get("project", {})
            project = str(table.get("name") or folder.name)
        except (OSError, ValueError, AttributeError):
            project = folder.name
    ran, known = runs.count(shed, project=project), len(models.every(shed))
    todo: list[tuple[str, str]] = []
    if project is None:
        todo.append(("trainshed init DIR", "starts a project from a template, or around your data"))
    else:
        todo.append(("trainshed --batch", "takes this project from its files to production"))
    if ran:
        todo.append(("trainshed runs list", "shows what ran"))
    if known:
        todo.append(("trainshed models list", "shows the models and what is in production"))
    todo.append(("trainshed doctor", "checks this machine"))
    return Standing(project, ran, known, todo)
