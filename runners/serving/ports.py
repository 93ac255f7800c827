"""A port to listen on, and who holds it when it is taken."""

from __future__ import annotations

import errno
import ipaddress
import pwd
import socket
import ssl
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from runners.supervision.processes import all_pids, look
from storage.errors import UsageError

if TYPE_CHECKING:
    from storage.serve_section import ServeSection

FIRST, LAST = 8123, 8222
BACKLOG = 4096
LISTENING = "0A"


def listen(port: int | None, address: str = "127.0.0.1") -> socket.socket:
    """A listening socket; without a port the first free one from 8123 on.

    Raises:
        UsageError: when the port is taken, with the name of who holds it, or the address is not this machine's.
    """
    for number in [port] if port is not None else range(FIRST, LAST + 1):
        listener = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((address, number))
            listener.listen(BACKLOG)
        except OSError as err:
            listener.close()
            if err.errno == errno.EACCES:
                raise UsageError(f"port {number} needs more rights", todo="choose one from 1024 on") from None
            if err.errno == errno.EADDRNOTAVAIL:
                raise UsageError(f"{address} is no address of this machine", place="[serve] address") from None
            if err.errno != errno.EADDRINUSE:
                raise
            continue
        return listener
    if port is None:
        raise UsageError(f"no port from {FIRST} to {LAST} is free", todo="choose another with --port")
    holder = held_by(port)
    raise UsageError(
        f"port {port} is taken" + (f" by {holder}" if holder else ""), todo="choose another with --port, or stop that"
    )


def listen_anywhere() -> socket.socket:
    """A listening socket on 127.0.0.1, on a port that the kernel chooses."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.bind(("127.0.0.1", 0))
    listener.listen(BACKLOG)
    return listener


def url(rules: ServeSection, port: int) -> str:
    """Where callers ask."""
    host = rules.address
    if ipaddress.ip_address(host).is_unspecified:
        host = rules.hosts[0]
    return f"{scheme(rules)}://{f'[{host}]' if ':' in host else host}:{port}"


def scheme(rules: ServeSection) -> str:
    return "https" if rules.tls_cert is not None else "http"


def check_tls(rules: ServeSection) -> None:
    """Raises UsageError where the certificate or its key cannot be read, or do not belong together."""
    if rules.tls_cert is None:
        return
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(rules.tls_cert, rules.tls_key)
    except OSError as err:  # ssl.SSLError is one
        raise UsageError(
            f"the certificate cannot be used: {err.strerror or err}", place=f"{rules.tls_cert}, {rules.tls_key}"
        ) from None


def held_by(port: int) -> str:
    """Who listens on a port of this machine: `python (pid 123, bob)`; empty where that cannot be seen."""
    sockets = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if fields[3] == LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                sockets.add(f"socket:[{fields[9]}]")
    for pid in all_pids():
        seen = look(pid)
        if seen is not None and sockets & _open_in(pid):
            return f"{seen.name} (pid {pid}, {_owner(pid)})"
    return ""


def _open_in(pid: int) -> set[str]:
    """What a process has open; empty for one that is not ours to see."""
    found = set()
    with suppress(OSError):
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):  # closed meanwhile
                found.add(str(entry.readlink()))
    return found


def _owner(pid: int) -> str:
    try:
        return pwd.getpwuid(Path(f"/proc/{pid}").stat().st_uid).pw_name
    except (OSError, KeyError):
        return "?"
