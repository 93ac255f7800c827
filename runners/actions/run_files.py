"""What lies in a run's directory, for those who look into it."""

from __future__ import annotations

from storage.errors import UsageError
from storage.read import runs as read_runs
from storage.shed import Shed

MOST_BYTES = 1 << 20  # of a file that is looked at


def diff(shed: Shed, run_id: int) -> list[str]:
    """The lines by which the run's code differed from its commit; none where it did not, or no diff was kept."""
    try:
        return (shed.run_dir(run_id) / "diff.patch").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def text(shed: Shed, run_id: int, kind: str, name: str) -> list[str]:
    """The first lines of a file in the run's directory, or (`kind` artifact) of one that it saved.

    Raises:
        UsageError: when it is not there, or is no text, saying where it lies.
    """
    path = shed.run_dir(run_id) / name
    if kind == "artifact":
        found = next((each for each in read_runs.artifacts(shed, run_id) if each.name == name), None)
        path = shed.objects.path(found.digest) if found is not None else path
    try:
        with path.open("rb") as file:
            head = file.read(MOST_BYTES)
    except OSError as err:
        raise UsageError(f"{name} cannot be read: {err.strerror}", place=str(path)) from err
    if b"\0" in head:
        raise UsageError(f"{name} is no text", todo=f"it lies in {path}")
    return head.decode("utf-8", errors="replace").splitlines()


def kept(shed: Shed, run_id: int) -> list[tuple[str, int]]:
    """Its files and checkpoints: name below the run's directory, bytes."""
    root = shed.run_dir(run_id)
    found = []
    for folder in (root, root / "checkpoints"):
        try:
            paths = sorted(path for path in folder.iterdir() if path.is_file())
            found += [(str(path.relative_to(root)), path.stat().st_size) for path in paths]
        except OSError:
            continue  # not there yet, or removed meanwhile
    return found
