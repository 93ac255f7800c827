"""Bearer tokens of an endpoint, in a file that only its user can read. The tokens themselves are kept nowhere."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from storage.durable import write_whole
from storage.errors import ShedError, UsageError, nearest
from storage.names import checked_name

if TYPE_CHECKING:  # a worker reads tokens, and needs no database for it
    from storage.shed import Shed

SCOPES = ("predict", "admin")


@dataclass(frozen=True)
class Token:
    """What is known of a token: never the token, only its SHA-256. `scope` admin may all that predict may."""

    name: str
    scope: str
    sha256: str
    created_at: float
    created_by: str


class Tokens:
    """The tokens of one endpoint; `known` is asked for every request."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "tokens.json"
        self._seen: tuple[int, int] | None = None
        self._known: list[tuple[bytes, Token]] = []

    def refresh(self) -> None:
        """Take in what was created or revoked. A file that cannot be read lets nobody in."""
        try:
            found = self.path.stat()
            seen = (found.st_mtime_ns, found.st_ino)
            if seen != self._seen:
                self._known = [(bytes.fromhex(token.sha256), token) for token in self.every()]
                self._seen = seen
        except (OSError, ShedError):
            self._known, self._seen = [], None

    def known(self, secret: bytes) -> Token | None:
        """Which token this is; None for one that is unknown or revoked. One that was created a moment ago is known.

        How long it takes tells nothing of the tokens that there are.
        """
        digest = hashlib.sha256(secret).digest()
        found = self._of(digest)
        if found is None:
            self.refresh()
            found = self._of(digest)
        return found

    def _of(self, digest: bytes) -> Token | None:
        found = None
        for known, token in self._known:
            if hmac.compare_digest(known, digest):
                found = token
        return found

    def every(self) -> list[Token]:
        """Raises ShedError when the file is there and damaged."""
        try:
            raw = json.loads(self.path.read_bytes())
            return [Token(**token) for token in raw["tokens"]]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, KeyError, TypeError) as err:
            raise ShedError(
                "the endpoint's tokens cannot be read", place=str(self.path), todo="remove it, and create new ones"
            ) from err

    def write(self, tokens: list[Token]) -> None:
        """Raises ShedError when they cannot be written."""
        data = json.dumps({"tokens": [asdict(token) for token in tokens]}, indent=1).encode()
        try:
            write_whole(self.path, data, mode=0o600)
        except OSError as err:
            raise ShedError(f"cannot write the tokens: {err.strerror}", place=str(self.path)) from err


def create(shed: Shed, folder: Path, name: str, scope: str) -> str:
    """Make a token and return it: this is the only time that it is told.

    Raises:
        UsageError: for a name that is taken, or an unknown scope.
    """
    from storage.shed import current_user

    checked_name(name, "token")
    if scope not in SCOPES:
        raise UsageError(f'no scope "{scope}"', expected=" or ".join(SCOPES), todo=nearest(scope, SCOPES))
    tokens = Tokens(folder)
    with shed.lock(f"tokens-{folder.name}"):
        known = tokens.every()
        if any(token.name == name for token in known):
            raise UsageError(f'there is a token "{name}" already', todo="revoke it first, or choose another name")
        secret = "ts_" + secrets.token_urlsafe(32)
        digest = hashlib.sha256(secret.encode()).hexdigest()
        tokens.write([*known, Token(name, scope, digest, time.time(), current_user())])
    return secret


def revoke(shed: Shed, folder: Path, name: str) -> None:
    """Let a token open nothing any more; the endpoint knows within a second. Raises UsageError for an unknown one."""
    tokens = Tokens(folder)
    with shed.lock(f"tokens-{folder.name}"):
        known = tokens.every()
        if all(token.name != name for token in known):
            raise UsageError(f'no token "{name}"', todo=nearest(name, [token.name for token in known]))
        tokens.write([token for token in known if token.name != name])
