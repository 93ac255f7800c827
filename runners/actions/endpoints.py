"""The verbs of endpoints: start, stop, look, and their tokens and logs."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runners.agency import session
from runners.agency.home import Home
from runners.serving import figures, ports, standing, tokens
from runners.serving.standing import Standing, lock_name
from runners.serving.tokens import Token, Tokens
from runners.supervision import logs, processes
from runners.supervision.processes import Identity
from storage.errors import RunFailed, TrainshedError, UsageError
from storage.read import endpoints as read_endpoints
from storage.read import models as read_models
from storage.read import rollouts as read_rollouts
from storage.shed import Shed, current_user
from storage.tables import Endpoint
from storage.write import endpoints as write_endpoints

if TYPE_CHECKING:
    from runners.serving.process import Tell

START_S = 90.0
STOP_S = 20.0
LOG_KEPT_BYTES = 4 << 20
FIRST_TOKEN = "default"
UNIT = """\
[Unit]
Description=trainshed endpoint {name}

[Service]
ExecStart={python} -m runners.serving.process --shed {shed} --name {word}
WorkingDirectory=/
Restart=on-failure
KillMode=mixed

[Install]
WantedBy=default.target
"""


@dataclass(frozen=True)
class Started:
    """An endpoint that serves. `token` is told once, when the endpoint is new; `already`: it was there before."""

    name: str
    url: str
    model: str
    version: int
    token: str = ""
    already: bool = False


@dataclass(frozen=True)
class EndpointStatus:
    """An endpoint as it is at this moment.

    Attributes:
        state: stopped, starting, serving, failing, or `dead` where it should run and does not.
        version, digest: what answers requests; None where nothing does.
        beside: the second version that answers too, and as what; see runners.actions.canaries.
        trouble: why a newer version is not taken, or nothing serves.
        latency_ms: p50 and p99 over all answered requests, as bounds of their bucket.
    """

    name: str
    model: str
    alias: str
    user: str
    host: str
    url: str
    state: str
    version: int | None = None
    digest: str = ""
    since: float | None = None
    beside: str = ""
    trouble: str = ""
    swaps: int = 0
    workers: list[dict[str, Any]] = field(default_factory=list)
    counters: dict[str, int] = field(default_factory=dict)
    latency_ms: tuple[float | None, float | None] = (None, None)


def start(
    shed: Shed,
    model: str,
    *,
    name: str | None = None,
    alias: str | None = None,
    port: int | None = None,
    project_dir: Path | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Started:
    """Serve the version that an alias names, in a process that outlives this one. Starting what serves changes nothing.

    Args:
        alias: by default the one that this endpoint followed before, else `production`.
        settings: keys of `[serve]` that replace the project's.

    Raises:
        UsageError: it would be reached from elsewhere in the clear, there is no such model or alias, the name is
            somebody else's, the port is taken (by whom), or it serves already and otherwise than asked.
        RunFailed: nothing comes to serve, with the reason.
    """
    name = name or model
    found = standing.read(shed.endpoint_dir(name))
    if _supervised(shed, name) and found is not None and found.serving is not None:
        endpoint = read_endpoints.named(shed, name)
        _require_as_asked(endpoint, model, alias, port, settings or {})
        return _as_started(endpoint, found, already=True)
    endpoint, token, listener = _asked_for(shed, model, name, alias, port, project_dir, settings or {})
    folder = shed.endpoint_dir(name)
    with listener, _log(folder) as log:
        process = subprocess.Popen(
            [
                sys.executable, "-m", "runners.serving.process",
                "--shed", str(shed.root), "--name", name, "--listen", str(listener.fileno()),
            ],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=[listener.fileno()],
            start_new_session=True, cwd="/",
        )  # fmt: skip
    try:
        found = _came_up(folder, process)
    except TrainshedError:
        stop(shed, name)
        raise
    return _as_started(endpoint, found, token=token)


def serve(
    shed: Shed,
    model: str,
    tell: Tell,
    *,
    name: str | None = None,
    alias: str | None = None,
    port: int | None = None,
    project_dir: Path | None = None,
    settings: Mapping[str, Any] | None = None,
    ready: Callable[[str, str], None],
) -> None:
    """Serve in this process until Ctrl-C; raises as `start`. `ready` is told a new token, if any, and the URL."""
    from runners.serving.process import Supervisor  # all that answers requests: who only looks at endpoints has none

    name = name or model
    endpoint, token, listener = _asked_for(shed, model, name, alias, port, project_dir, settings or {})
    ready(token, _url(endpoint))
    with shed.lock(lock_name(name), wait=False) as mine, _log(shed.endpoint_dir(name)) as log:
        if not mine:
            raise UsageError(f'endpoint "{name}" runs already', todo=f"trainshed endpoints stop {name}")
        try:
            Supervisor(shed, endpoint, listener, tell, log=log, stays=False).run()
        finally:
            write_endpoints.call_off(shed, name)


def stop(shed: Shed, name: str) -> bool:
    """End an endpoint; what it has taken it answers. False when it did not run.

    Raises:
        UsageError: there is none, or it is another user's.
        RunFailed: it does not end.
    """
    endpoint = read_endpoints.named(shed, name)
    if endpoint.user != current_user() and endpoint.wanted == "running":
        raise UsageError(f'endpoint "{name}" is {endpoint.user}\'s, on {endpoint.host}')
    if endpoint.wanted == "running":
        write_endpoints.call_off(shed, name)
    found = standing.read(shed.endpoint_dir(name))
    ours = [found.supervisor, *(worker.process for worker in found.workers)] if found else []
    alive = [Identity.from_json(process) for process in ours if standing.is_alive(process)]
    if not alive:
        return False
    processes.signal(alive[0], signal.SIGTERM)  # the supervisor, which ends its workers; without one, a worker
    if found is not None and not found.alive:
        for worker in alive[1:]:
            processes.signal(worker, signal.SIGTERM)
    if not processes.wait_gone(alive, STOP_S):
        raise RunFailed(f'endpoint "{name}" does not end', todo=f"its log: {shed.endpoint_dir(name) / 'log.txt'}")
    return True


def status(shed: Shed, name: str) -> EndpointStatus:
    """One endpoint. Raises UsageError when there is none."""
    return _status(shed, read_endpoints.named(shed, name))


def every(shed: Shed) -> list[EndpointStatus]:
    return [_status(shed, endpoint) for endpoint in read_endpoints.every(shed)]


def install(shed: Shed, name: str) -> Path:
    """Have systemd start an endpoint when the machine does; returns the unit's path.

    Raises:
        UsageError: there is no such endpoint, it is another user's, or it is not meant to run.
        RunFailed: there is no systemd for users.
    """
    if _own(shed, name).wanted != "running":
        raise UsageError(f'endpoint "{name}" is stopped', todo=f"trainshed endpoints start {name}")
    text = UNIT.format(
        name=name, python=session.quoted(sys.executable), shed=session.quoted(str(shed.root)), word=session.quoted(name)
    )
    unit = f"trainshed-endpoint-{Home(shed).root.name}-{name}.service"
    return session.enabled(
        unit, text, todo=f"the unit is written; after a reboot `trainshed endpoints start {name}`", now=False
    )


def create_token(shed: Shed, name: str, token: str, scope: str) -> str:
    """Make a token for an endpoint; it is told this once. Raises UsageError."""
    endpoint = _own(shed, name)
    secret = tokens.create(shed, shed.endpoint_dir(endpoint.name), token, scope)
    write_endpoints.note(shed, name, "token created", token=token, scope=scope)
    return secret


def revoke_token(shed: Shed, name: str, token: str) -> None:
    """Let a token open nothing any more, within a second. Raises UsageError."""
    endpoint = _own(shed, name)
    tokens.revoke(shed, shed.endpoint_dir(endpoint.name), token)
    write_endpoints.note(shed, name, "token revoked", token=token)


def list_tokens(shed: Shed, name: str) -> list[Token]:
    return Tokens(shed.endpoint_dir(_own(shed, name).name)).every()


def _require_as_asked(
    endpoint: Endpoint, model: str, alias: str | None, port: int | None, settings: Mapping[str, Any]
) -> None:
    """Raises UsageError where an endpoint that serves already does so otherwise than it is asked to."""
    its: dict[str, Any] = {**endpoint.settings, "model": endpoint.model, "alias": endpoint.alias, "port": endpoint.port}
    asked = {**settings, "model": model, "alias": alias or endpoint.alias, "port": port or endpoint.port}
    for name, value in asked.items():
        if value != its.get(name):
            raise UsageError(
                f'endpoint "{endpoint.name}" serves already, with {name} {its.get(name) or "not set"}',
                expected=f"{name} {value}, as asked",
                todo=f"`trainshed endpoints stop {endpoint.name}`, then this again; or another --name",
            )


def _asked_for(
    shed: Shed,
    model: str,
    name: str,
    alias: str | None,
    port: int | None,
    project_dir: Path | None,
    settings: Mapping[str, Any],
) -> tuple[Endpoint, str, socket.socket]:
    """The endpoint's row, a token where it has none yet, and its socket."""
    from runners.actions import serve_rules  # all of trainshed.toml: who only looks at endpoints needs none of it

    before = read_endpoints.find(shed, name)
    alias = alias or (before.alias if before is not None else "production")
    version = read_models.version(shed, model, alias)
    shed.objects.verify(version.digest)
    rules = serve_rules.of(shed, model, version.run_id, project_dir, settings)
    ports.check_tls(rules)
    serve_rules.check_columns(rules, version.signature)
    if _supervised(shed, name):
        raise UsageError(f'endpoint "{name}" runs already', todo=f"trainshed endpoints stop {name}")
    wanted = port or rules.port
    if wanted is None and before is not None:
        with suppress(UsageError):
            listener = ports.listen(before.port, rules.address)
            wanted = before.port
            listener.close()
    listener = _listening(shed, name, wanted, rules.address)
    chosen = listener.getsockname()[1]
    folder = shed.make_dir(shed.endpoint_dir(name))
    shed.make_dir(folder / "log")
    endpoint = write_endpoints.want(shed, name, model, alias, chosen, rules.model_dump(mode="json"))
    token = "" if Tokens(folder).every() else create_token(shed, name, FIRST_TOKEN, "admin")
    return endpoint, token, listener


def _listening(shed: Shed, name: str, port: int | None, address: str) -> socket.socket:
    try:
        return ports.listen(port, address)
    except UsageError as err:
        for other in read_endpoints.every(shed):
            if other.port == port and other.name != name and _supervised(shed, other.name):
                raise UsageError(
                    f'port {port} is taken by endpoint "{other.name}" ({other.user})',
                    todo=f"choose another with --port, or `trainshed endpoints stop {other.name}`",
                ) from None
        raise err


def _came_up(folder: Path, process: subprocess.Popen[bytes]) -> Standing:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        found = standing.read(folder)
        if found is not None and found.supervisor.get("pid") == process.pid:
            if found.state == "serving":
                return found
            if found.trouble:
                raise RunFailed(f"nothing serves: {found.trouble}", todo=f"its log: {folder / 'log.txt'}")
        if process.poll() is not None:
            raise RunFailed(
                "the endpoint ended at once: " + " | ".join(logs.last_lines(folder / "log.txt", 3)),
                todo=f"its log: {folder / 'log.txt'}",
            )
        time.sleep(0.03)
    raise RunFailed(f"nothing serves after {START_S:g} s", todo=f"its log: {folder / 'log.txt'}")


def _as_started(endpoint: Endpoint, found: Standing, *, token: str = "", already: bool = False) -> Started:
    serving = found.serving or {}
    model, number = str(serving.get("model")), int(serving.get("number", 0))
    return Started(endpoint.name, _url(endpoint), model, number, token, already)


def _status(shed: Shed, endpoint: Endpoint) -> EndpointStatus:
    folder = shed.endpoint_dir(endpoint.name)
    found = standing.read(folder)
    here = endpoint.host == socket.gethostname()
    alive = found is not None and (found.alive or any(standing.is_alive(worker.process) for worker in found.workers))
    state = "stopped" if endpoint.wanted != "running" and not alive else "dead"
    if found is not None and (alive or not here):
        state = found.state
    serving = found.serving if found is not None and alive else None
    sums = figures.totals(folder)
    return EndpointStatus(
        name=endpoint.name,
        model=endpoint.model,
        alias=endpoint.alias,
        user=endpoint.user,
        host=endpoint.host,
        url=_url(endpoint),
        state=state,
        version=serving["number"] if serving else None,
        digest=serving["digest"] if serving else "",
        since=found.serving_since if found is not None and serving else None,
        beside=_beside(shed, endpoint.name),
        trouble=found.trouble if found is not None else "",
        swaps=found.swaps if found is not None else 0,
        workers=[vars(worker) for worker in found.workers] if found is not None and alive else [],
        counters=sums.counters,
        latency_ms=(sums.latency_ms.quantile(0.5), sums.latency_ms.quantile(0.99)),
    )


def _beside(shed: Shed, name: str) -> str:
    going = read_rollouts.going(shed, name)
    if going is None:
        return ""
    return f"v{read_models.version_by_id(shed, going.version_id)[1].number}, {going.kind}"


def _own(shed: Shed, name: str) -> Endpoint:
    endpoint = read_endpoints.named(shed, name)
    if endpoint.user != current_user():
        raise UsageError(f'endpoint "{name}" is {endpoint.user}\'s: only they may')
    return endpoint


def _supervised(shed: Shed, name: str) -> bool:
    if not (shed.locks / lock_name(name)).exists():
        return False
    with shed.lock(lock_name(name), wait=False, shared=True) as free:
        return not free


def _url(endpoint: Endpoint) -> str:
    from storage.serve_section import of_endpoint

    try:
        return ports.url(of_endpoint(endpoint.name, endpoint.settings), endpoint.port)
    except UsageError:  # a newer trainshed wrote them: the others are told, and of this one what is known
        return ""


@contextmanager
def _log(folder: Path) -> Iterator[Any]:
    """What the endpoint says of itself goes here; of an old one that has grown long the beginning is put aside."""
    path = folder / "log.txt"
    if path.exists() and path.stat().st_size > LOG_KEPT_BYTES:
        path.replace(path.with_suffix(".old.txt"))
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o660), "ab") as file:
        yield file
