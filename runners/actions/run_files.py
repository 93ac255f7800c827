"""What lies in a run's directory, for those who look into it."""

from __future__ import annotations

from storage.shed import Shed


def diff(shed: Shed, run_id: int) -> list[str]:
    """The lines by which the run's code differed from its commit; none where it did not, or no diff was kept."""
    try:
        return (shed.run_dir(run_id) / "diff.patch").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


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
