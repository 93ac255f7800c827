"""What a place is: an export of ours, or one of MLflow's stores."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

from runners.importing import exported, mlflow_db, mlflow_files
from runners.importing.sources import Store
from storage.errors import UsageError

DATABASE, FILES = "mlflow.db", "mlruns"  # what MLflow calls them where nobody says otherwise
EXPECTED = "a folder of `trainshed export runs`, MLflow's mlruns/ or its mlflow.db"


@contextmanager
def opened(place: str, spool: Path) -> Iterator[Store]:
    """The store at a path, or at one of MLflow's addresses, `file:…` or `sqlite:///…`.

    Raises:
        UsageError: there is none, or there are two.
        DataInvalid: it cannot be read.
    """
    path = _path(place).expanduser().absolute()
    if not path.exists():
        raise UsageError("no such file or folder", place=str(path), expected=EXPECTED)
    if path.is_dir() and exported.is_store(path):
        with exported.opened(path, spool) as store:
            yield store
        return
    here = [path] if _is_mlflow(path) else [each for each in (path / FILES, path / DATABASE) if _is_mlflow(each)]
    if len(here) != 1:
        raise UsageError(
            "there are two stores here" if here else "nothing here that can be imported",
            place=str(path),
            expected=" or ".join(map(str, here)) if here else EXPECTED,
            todo="" if here else _hint(path),
        )
    yield mlflow_files.store(here[0]) if here[0].is_dir() else mlflow_db.store(here[0])


def _is_mlflow(path: Path) -> bool:
    return mlflow_files.is_store(path) if path.is_dir() else mlflow_db.is_store(path)


def _path(place: str) -> Path:
    address = urlsplit(place)
    if address.scheme in ("http", "https", "postgresql", "mysql", "mssql", "databricks", "s3"):
        raise UsageError(
            "only files are read, no server",
            place=place.partition("?")[0] if "@" not in place else address.scheme,
            expected=EXPECTED,
            todo="give what stands behind the server: the folder or file of its --backend-store-uri",
        )
    if address.scheme == "sqlite":
        return Path(unquote(address.path).removeprefix("/"))
    return Path(unquote(address.path)) if address.scheme == "file" else Path(place)


def _hint(path: Path) -> str:
    if any(any(path.glob(f"{below}events.out.tfevents.*")) for below in ("", "*/", "*/*/")):
        return "TensorBoard's event files are not read; an MLflow store or an export of trainshed is"
    return ""
