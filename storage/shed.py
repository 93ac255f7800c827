"""The shed: one directory that holds everything, found, opened and migrated here. Every path in it is made here."""

from __future__ import annotations

import fcntl
import os
import socket
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from platformdirs import user_data_path
from sqlalchemy import create_engine, event
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DatabaseError
from sqlmodel import Session

from storage.errors import ShedError
from storage.journal import journal_mode
from storage.names import checked_name
from storage.objects import Objects
from storage.tables import Audit
from storage.users import current_user as current_user

HEAD = "0006"  # the newest migration; a test holds it against storage/migrations
APPLICATION_ID = 0x74736864  # "tshd", in the header of shed.db
BUSY_SECONDS = 60
FOLDERS = ("objects", "runs", "stages", "datasets", "sweeps", "endpoints", "locks", "tmp")


def default_root() -> Path:
    """`$TRAINSHED_HOME`, else the user's data directory (`~/.local/share/trainshed` on Linux)."""
    home = os.environ.get("TRAINSHED_HOME")
    return Path(home) if home else user_data_path("trainshed")


@dataclass
class Write:
    """One short transaction: its session, and what its audit row will say."""

    session: Session
    action: str
    subject: str
    detail: dict[str, Any] = field(default_factory=dict)


class Shed:
    """An open shed. Reading and writing go through `reading` and `writing`; paths through the methods here."""

    def __init__(self, root: Path, engine: Engine) -> None:
        self.root = root
        self._engine = engine
        self._immediate = engine.execution_options(immediate=True)
        self._file: tuple[int, int] | None = None  # the database that the connections are to

    @property
    def db(self) -> Path:
        return self.root / "shed.db"

    @property
    def objects(self) -> Objects:
        return Objects(self.root / "objects", self.tmp)

    @property
    def stages(self) -> Path:
        return self.root / "stages"

    @property
    def tmp(self) -> Path:
        """For files that will be renamed into place: the same file system as everything else here."""
        return self.root / "tmp"

    @property
    def locks(self) -> Path:
        return self.root / "locks"

    @property
    def writable(self) -> bool:
        """Whether this process may write in it: by its mount, and by the modes of its files."""
        return os.access(self.db, os.W_OK) and os.access(self.locks, os.W_OK)

    def run_dir(self, run_id: int) -> Path:
        return self.root / "runs" / str(int(run_id))

    def stage_dir(self, key: str) -> Path:
        return self.stages / checked_name(key, "stage key")

    def sweep_dir(self, sweep_id: int) -> Path:
        return self.root / "sweeps" / str(int(sweep_id))

    def dataset_dir(self, name: str) -> Path:
        return self.root / "datasets" / checked_name(name, "dataset")

    def endpoint_dir(self, name: str) -> Path:
        return self.root / "endpoints" / checked_name(name, "endpoint")

    def make_dir(self, path: Path) -> Path:
        """Make a directory below the root that the whole group may use."""
        missing = [p for p in (path, *path.parents) if p.is_relative_to(self.root) and not p.exists()]
        for folder in reversed(missing):
            with suppress(FileExistsError):
                folder.mkdir()
                folder.chmod(0o2770)
        return path

    def _find(self) -> None:
        """Raise ShedError where the shed was removed or renamed: else connections go on with its file, wherever it is.

        Another database in its place, such as a backup, is connected to anew.
        """
        try:
            found = self.db.stat()
        except (FileNotFoundError, NotADirectoryError):
            raise ShedError("the shed is gone", place=str(self.root), todo=_GONE) from None
        file = (found.st_dev, found.st_ino)
        if self._file not in (None, file):
            self._engine.dispose()
        self._file = file

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session on one consistent state of the shed. Rows stay readable after it is closed.

        Raises:
            ShedError: when the shed is gone or damaged.
        """
        self._find()
        with _plain_errors(self.db), Session(self._engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def writing(self, action: str, subject: str) -> Iterator[Write]:
        """One short write transaction with its audit row. Writers of all processes take turns.

        Raises:
            ShedError: when the disk is full, the shed gone, read-only or damaged; nothing is written then.
        """
        self._find()
        with _plain_errors(self.db), self.lock("write"), Session(self._immediate, expire_on_commit=False) as session:
            write = Write(session, action, subject)
            yield write
            session.add(
                Audit(
                    at=time.time(),
                    user=current_user(),
                    host=socket.gethostname(),
                    pid=os.getpid(),
                    action=write.action,
                    subject=write.subject,
                    detail=write.detail,
                )
            )
            session.commit()

    @contextmanager
    def lock(self, name: str, *, wait: bool = True, shared: bool = False) -> Iterator[bool]:
        """Hold the flock `locks/NAME`; the kernel frees it when the process ends. Yields whether it is held.

        With `wait=False` it yields False at once when somebody else holds it. Any number may hold it `shared` at once.
        """
        fd = self._opened_lock(self.locks / checked_name(name, "lock"))
        try:
            try:
                kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
                fcntl.flock(fd, kind | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                yield False
                return
            with suppress(OSError):
                os.fchmod(fd, 0o660)
            yield True
        finally:
            os.close(fd)

    def _opened_lock(self, path: Path) -> int:
        """Its descriptor; in a read-only shed one to see whether somebody holds it."""
        try:
            return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o660)
        except OSError as err:
            if self.writable:
                raise ShedError(f"cannot open a lock file: {err.strerror}", place=str(path)) from err
        try:
            return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as err:
            message, todo = _SAYINGS["readonly"]
            raise ShedError(message, place=str(self.root), todo=todo) from err

    def close(self) -> None:
        self._engine.dispose()


def open_shed(root: Path | None = None, *, create: bool = True) -> Shed:
    """Open the shed at `root` (default: `default_root()`); create it on first use, migrate it where it is older.

    What works for a shed that exists says `create=False`: one that was removed meanwhile does not come back empty.

    From then on the umask of this process, and of those it starts, takes nothing from the group: what one member of the
    team writes here the others can read, and remove.

    Raises:
        ShedError: when it is damaged, made by a newer trainshed, something else, or cannot be written; or gone.
    """
    root = (root or default_root()).expanduser().absolute()
    if not create and not (root / "shed.db").exists():
        raise ShedError("the shed is gone", place=str(root), todo=_GONE)
    os.umask(os.umask(0o007) & ~0o070)
    try:
        _make_folders(root)
    except OSError as err:
        raise ShedError(
            f"cannot make the shed here: {err.strerror}", place=str(root), todo="choose another with --shed DIR"
        ) from err
    shed = Shed(root, _engine(root / "shed.db", journal_mode(root)))
    with _plain_errors(shed.db):
        if _revision(shed) != HEAD:
            with shed.lock("write"):
                _migrate(shed)
    return shed


def _make_folders(root: Path) -> None:
    new = not root.exists()
    root.mkdir(parents=True, exist_ok=True)
    if new:
        root.chmod(0o2770)
    for name in FOLDERS:
        folder = root / name
        if not folder.exists():
            with suppress(FileExistsError):
                folder.mkdir()
                folder.chmod(0o2770)


def _engine(db: Path, journal: str) -> Engine:
    engine = create_engine(f"sqlite:///{db}", connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _configure(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # SQLAlchemy's own BEGIN below; pysqlite's would come too late for DDL
        cursor = connection.cursor()
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute("PRAGMA synchronous = FULL")
        if os.access(db, os.W_OK) and cursor.execute("PRAGMA journal_mode").fetchone()[0] != journal:
            cursor.execute(f"PRAGMA journal_mode = {journal}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # A deferred transaction that turns into a write can fail at once as "locked": writers say so from the start.
        immediate = connection.get_execution_options().get("immediate")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    return engine


def _revision(shed: Shed) -> str | None:
    """The migration the database stands at; None where it is still empty."""
    db = shed.db
    if not db.exists() or db.stat().st_size == 0:
        if any((shed.root / "objects").iterdir()):
            raise ShedError(
                "shed.db is missing or empty, but the shed holds objects",
                place=str(db),
                expected="the database that belongs to them",
                todo="put it back from a backup, or choose another shed with --shed DIR",
            )
        return None
    with shed._engine.connect() as connection:
        application = connection.exec_driver_sql("PRAGMA application_id").scalar()
        tables = set(connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'").scalars())
        if not tables and application == 0:
            return None
        if application != APPLICATION_ID or "alembic_version" not in tables:
            raise ShedError(
                "this database is not a shed", place=str(db), todo="choose another directory with --shed DIR"
            )
        found: str | None = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
        return found


def _migrate(shed: Shed) -> None:
    revision = _revision(shed)  # again: another process may have been faster
    if revision == HEAD:
        return
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if revision is not None and revision not in known:
        raise ShedError(
            f"made by a newer trainshed (its tables stand at {revision}, this one knows up to {HEAD})",
            place=str(shed.db),
            todo="upgrade trainshed, or choose another shed with --shed DIR",
        )
    with shed._immediate.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")
    shed.db.chmod(0o660)


@contextmanager
def _plain_errors(db: Path) -> Iterator[None]:
    """Say in words what SQLite says in codes."""
    try:
        yield
    except DatabaseError as err:
        text = str(err.orig)
        for sign, (message, todo) in _SAYINGS.items():
            if sign in text:
                raise ShedError(message, place=str(db), todo=todo) from err
        raise


_GONE = "bring it back to this place, or choose another with --shed DIR"
_RESTORE = "put it back from a backup; nothing was written over it"
_SAYINGS = {
    "malformed": ("the shed's database is damaged", _RESTORE),
    "not a database": ("this file is not a SQLite database, or its header is damaged", _RESTORE),
    "disk I/O error": ("the disk reported an error", "check the disk (dmesg, df), then try again"),
    "disk is full": ("the disk is full", "free some space (`trainshed gc` helps), then try again"),
    "readonly": ("the shed is read-only", "ask for write permission, or choose another shed with --shed DIR"),
    "unable to open": ("the shed's database cannot be opened", "check its permissions"),
    "locked": (
        f"another process has held the database for {BUSY_SECONDS} s",
        "see who: `fuser shed.db`; then try again",
    ),
}
