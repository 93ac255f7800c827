"""One message to one address, by apprise."""

from __future__ import annotations

import logging
from collections.abc import Sequence

KINDS = {"info": "info", "warning": "warning", "critical": "failure"}


def send(address: str, *, title: str, body: str, severity: str) -> str:
    """Send a message; returns why it could not be sent, empty where it was. The address is never part of that."""
    import apprise

    told = _Told()
    logger = logging.getLogger("apprise")
    logger.addHandler(told)
    try:
        sender = apprise.Apprise()
        if not sender.add(address):
            return "apprise does not know this kind of address, or something in it is missing"
        kind = apprise.NotifyType(KINDS[severity])
        done = bool(
            sender.notify(body=body or title, title=title, notify_type=kind, body_format=apprise.NotifyFormat.TEXT)
        )
    except Exception as err:  # a sender of apprise's may raise anything
        done, told.lines = False, [*told.lines, f"{type(err).__name__}: {err}"]
    finally:
        logger.removeHandler(told)
    return "" if done else _without(address, told.lines) or "it was not taken"


class _Told(logging.Handler):
    """Keeps what apprise says went wrong; in threads other than this one, too."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def _without(address: str, lines: Sequence[str]) -> str:
    """The lines as one, without any part of the address that may be a secret."""
    text = "; ".join(lines)[:500]
    rest = address.partition("://")[2]
    for part in sorted({rest, *rest.replace("@", "/").replace(":", "/").replace("?", "/").split("/")}, key=len)[::-1]:
        if len(part) >= 4:
            text = text.replace(part, "…")
    return text
