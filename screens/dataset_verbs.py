"""What is done with datasets: a new version, read again, exported."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from screens.dialogs import Asking
from screens.ink import Line, Span, line

if TYPE_CHECKING:
    from runners.actions.datasets import Added
    from screens.shell import Shell
    from storage.shed import Shed


def add(shell: Shell, done: Callable[[str], None]) -> None:
    """Ask which files, and make a version of them; `done` is given its name and number, such as `flights@v2`."""
    folder = shell.project_dir
    about: list[Line] = [line(Span("A name and its files, such as ", "dim"), "images 'images/**/*.png'")]
    if folder is not None:
        about.append([Span("Nothing: the project's dataset, as trainshed.toml names its files.", "dim")])

    async def begin(text: str | None) -> None:
        if text is not None:
            shell.say("reading what is new …")
            await shell.carry_out(lambda shed: _added(shed, folder, text), told)

    def told(added: Added) -> str:
        done(f"{added.dataset.name}@v{added.version.number}")
        word = "new" if added.is_new else "unchanged"
        return f"{added.dataset.name} v{added.version.number} is {word}: {added.version.files:,} files"

    placeholder = "NAME FILES …" if folder is None else "the project's files"
    shell.push_screen(
        Asking("a new dataset version", lines=about, placeholder=placeholder, needed=folder is None), begin
    )


async def verify(shell: Shell, reference: str) -> None:
    """Read every file of a version again."""
    shell.say(f"reading {reference} again …")
    await shell.carry_out(lambda shed: _verified(shed, reference), lambda told: told)


def export(shell: Shell, reference: str) -> None:
    """Ask where to, and copy a version's files there."""

    async def begin(text: str | None) -> None:
        if text:
            await shell.carry_out(lambda shed: _exported(shed, reference, text), lambda told: told)

    about: list[Line] = [[Span("Its files under their own names; the directory is made if need be.", "dim")]]
    shell.push_screen(Asking(f"export {reference} into", lines=about, placeholder="data/", needed=True), begin)


def _added(shed: Shed, folder: Path | None, text: str) -> Added:
    from runners.actions import datasets, prospects
    from storage.errors import UsageError

    try:
        name, *patterns = shlex.split(text) or [""]
    except ValueError as err:
        raise UsageError(f"{text}: {err}") from None
    if name and not patterns:
        raise UsageError(f"no files given for {name}", expected="patterns, such as 'data/*.csv'")
    if name:
        return datasets.add(shed, name, {"data": patterns}, folder or Path.cwd())
    assert folder is not None  # the dialog has seen to it
    return datasets.add_for_project(shed, folder, prospects.project(folder))


def _verified(shed: Shed, reference: str) -> str:
    from runners.actions import datasets
    from storage.errors import ShedError

    found = datasets.verify(shed, reference)
    if found.faults:
        raise ShedError(f"{len(found.faults)} of its files are damaged", place=reference, todo=found.faults[0])
    return f"{reference} is whole: {found.files:,} files read again"


def _exported(shed: Shed, reference: str, folder: str) -> str:
    from runners.actions import datasets

    done = datasets.export(shed, reference, Path(folder))
    return f"{reference}: {done.files:,} files in {done.folder}"
