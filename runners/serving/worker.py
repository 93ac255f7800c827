"""A worker of an endpoint: the process that answers. `python -m runners.serving.worker`, started by its supervisor.

Served by uvicorn: its event loop runs in this process and its protocol can be extended, so that one socket is shared
by all workers and outlives each, a slow client can be told from an idle one, and requests that come in the same turn
of the loop make one batch. Granian keeps its connections to itself. Around a bare handler it takes as much of the
processor for a request where one comes at a time, and less where many do (of 16 a tenth, of 64 a quarter), while 99 of
100 are answered now sooner, now later (benchmarks/README.md): less than sharing batches brings.

It listens on a socket that it inherits, and is told by lines of JSON on another which version to serve.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import logging
import os
import resource
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from runners.serving import adminsocket
from runners.serving.app import make_app
from runners.serving.connections import Patient
from runners.serving.plan import Plan
from runners.serving.routing import Beside
from runners.serving.session import Loaded, Version
from runners.serving.state import Serving
from storage.errors import TrainshedError
from storage.serve_section import ServeSection

SWEEP_S = 0.5
DRAIN_S = 10
KEEP_ALIVE_S = 75
SWITCH_S = 0.0005  # the thread that writes the log gives way to requests after this, not after 5 ms

log = logging.getLogger("trainshed")


class Worker:
    """The server, its state, and the line to the supervisor."""

    def __init__(self, given: argparse.Namespace, rules: ServeSection) -> None:
        self.given = given
        self.rules = rules
        self.listener = socket.socket(fileno=given.listen)
        self.control = socket.socket(fileno=given.control)
        self.serving: Serving | None = None
        self.server: uvicorn.Server | None = None

    async def run(self) -> None:
        """Serve until asked to stop."""
        serving = Serving(
            self.given.name, Path(self.given.folder), self.rules, self.listener.getsockname()[1], self.given.index
        )
        self.serving = serving
        serving.tokens.refresh()
        Patient.most = self.rules.max_connections
        self.server = uvicorn.Server(
            _config(make_app(serving), ssl_certfile=self.rules.tls_cert, ssl_keyfile=self.rules.tls_key)
        )
        reader, self.writer = await asyncio.open_connection(sock=self.control)
        first = await self._told(reader)
        if first is None or not await self._use(first["version"]):
            return
        gc.collect()
        gc.freeze()  # what is there by now stays: a collection that looked through it all would hold every request up
        if self.given.index == 0:
            await _serve_admin(serving)
        tasks = [asyncio.create_task(work) for work in (self._follow(reader), self._sweep(serving))]
        try:
            await self.server.serve(sockets=[self.listener])
        finally:
            serving.draining = True
            for task in tasks:
                task.cancel()
            serving.log.close()
            serving.access.close()

    async def _follow(self, reader: asyncio.StreamReader) -> None:
        """Do what the supervisor says, until it is gone: then bring up another, or end with it."""
        while (told := await self._told(reader)) is not None:
            if "version" in told:
                await self._use(told["version"])
            else:
                await self._stand_beside(told["beside"])
        if self.given.shed:
            log.warning("the supervisor is gone, starting another")
            _start_supervisor(self.given, self.listener)
        elif self.server is not None:
            self.server.should_exit = True

    async def _told(self, reader: asyncio.StreamReader) -> dict[str, Any] | None:
        with suppress(OSError, ValueError):
            line = await reader.readline()
            if line:
                found: dict[str, Any] = json.loads(line)
                return found
        return None

    async def _use(self, raw: dict[str, Any]) -> bool:
        """Load a version beside the one that serves, then change over."""
        version = Version(**raw)
        try:
            loaded = await asyncio.to_thread(Loaded, version, threads=self.rules.threads, device=self.rules.device)
        except (TrainshedError, OSError, MemoryError) as err:
            self._say({"said": "refused", "digest": version.digest, "reason": str(err)})
            return False
        assert self.serving is not None
        self.serving.use(loaded)
        self._say({"said": "serving", "digest": version.digest, "providers": loaded.session.get_providers()})
        return True

    async def _stand_beside(self, raw: dict[str, Any] | None) -> None:
        """Load a second version, or let go of the one there is."""
        assert self.serving is not None
        if raw is None:
            self.serving.stand_beside(None)
            return
        plan = Plan(**raw)
        digest = plan.version["digest"]
        try:
            loaded = await asyncio.to_thread(
                Loaded, Version(**plan.version), threads=self.rules.threads, device=self.rules.device
            )
            self.serving.stand_beside(Beside(self.serving, plan, loaded))
        except (TrainshedError, OSError, MemoryError) as err:
            self._say({"said": "not beside", "digest": digest, "reason": str(err)})
            return
        self._say({"said": "beside", "digest": digest})

    def _say(self, facts: dict[str, Any]) -> None:
        with suppress(OSError):
            self.writer.write(json.dumps(facts).encode() + b"\n")

    async def _sweep(self, serving: Serving) -> None:
        """Twice a second: clients that are too slow, requests that took too long, tokens that changed."""
        while True:
            await asyncio.sleep(SWEEP_S)
            serving.expire()
            serving.tokens.refresh()
            connections = list(self.server.server_state.connections) if self.server is not None else []
            serving.figures.put("connections", len(connections))
            for connection in connections:
                if isinstance(connection, Patient) and connection.overdue(self.rules.timeout_s):
                    connection.transport.abort()


def _config(app: Any, **tls: str | None) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=Patient,
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=DRAIN_S,
        **tls,  # type: ignore[arg-type]
    )


async def _serve_admin(serving: Serving) -> None:
    """Answer at the Unix socket too; an endpoint that cannot have one serves without."""
    config = _config(make_app(serving, own=True))
    config.load()
    try:
        listener = adminsocket.listening(serving.folder)
    except OSError as err:
        log.warning("no admin socket: %s", err.strerror)
        return
    loop = asyncio.get_running_loop()
    state = ServerState()
    serving.admin = await loop.create_unix_server(lambda: Patient(config, state, {}), sock=listener)


def _start_supervisor(given: argparse.Namespace, listener: socket.socket) -> None:
    os.set_inheritable(listener.fileno(), True)
    subprocess.Popen(
        [
            sys.executable, "-m", "runners.serving.process",
            "--shed", given.shed, "--name", given.name, "--listen", str(listener.fileno()),
        ],
        stdin=subprocess.DEVNULL,
        pass_fds=[listener.fileno()],
        start_new_session=True,
        cwd="/",
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--name", required=True)
    parser.add_argument("--folder", required=True)
    parser.add_argument("--index", type=int, required=True)
    parser.add_argument("--listen", type=int, required=True)
    parser.add_argument("--control", type=int, required=True)
    parser.add_argument("--rules", required=True)
    parser.add_argument("--shed", default="")
    given = parser.parse_args()
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # what clients do wrong fills no log
    logging.basicConfig(format="%(asctime)s worker %(process)d: %(message)s", level=logging.WARNING)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    sys.setswitchinterval(SWITCH_S)
    worker = Worker(given, ServeSection.model_validate_json(given.rules))
    import uvloop

    uvloop.run(worker.run())


if __name__ == "__main__":
    main()
