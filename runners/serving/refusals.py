"""What a client did wrong, or asked for too much of, as an answer."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(eq=False)
class Refused(Exception):
    """A request that gets no prediction.

    Attributes:
        status: of HTTP: 4xx where the client must change something, 429 and 503 where it may ask again.
        message: one sentence.
        field: the column or tensor it is about.
        row: its place in the request, from 0.
        retry_s: when asking again makes sense.
        allow: the methods that would do.
        password: a browser shall ask its user for one.
    """

    status: int
    message: str
    field: str | None = None
    row: int | None = None
    retry_s: int | None = None
    allow: str = ""
    password: bool = False

    def facts(self) -> dict[str, object]:
        """The answer's body."""
        told: dict[str, object] = {"error": self.message}
        if self.field is not None:
            told["field"] = self.field
        if self.row is not None:
            told["row"] = self.row
        return told

    def headers(self) -> list[tuple[bytes, bytes]]:
        found = []
        if self.retry_s is not None:
            found.append((b"retry-after", str(self.retry_s).encode()))
        if self.allow:
            found.append((b"allow", self.allow.encode()))
        if self.status == 401:
            found.append((b"www-authenticate", b"Bearer"))
        if self.password:
            found.append((b"www-authenticate", b'Basic realm="any name, and the token as the password"'))
        return found
