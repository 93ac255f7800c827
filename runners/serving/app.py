"""The routes of an endpoint: a Litestar application behind the door.

The two that predict are plain ASGI handlers: what Litestar does for others (arguments, dependencies, response classes)
costs as much as the whole prediction.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec
from litestar import Litestar, Request, Response, asgi, get, post
from litestar.exceptions import HTTPException
from litestar.params import FromPath
from litestar.types import Receive, Scope, Send

from runners.serving import explaining, metrics, openapi, openinference, ports, predicting
from runners.serving.door import NO_PATH, Door
from runners.serving.refusals import Refused
from runners.serving.state import Serving


def make_app(serving: Serving, *, own: bool = False) -> Door:
    """The endpoint as an ASGI application; `own` is what its user finds at the Unix socket."""
    return Door(routes(serving), serving, own=own)


def routes(serving: Serving) -> Litestar:
    """Every route, before any check of who asks."""

    @asgi("/predict", copy_scope=False)
    async def predict(scope: Scope, receive: Receive, send: Send) -> None:
        await predicting.predict(serving, scope, receive, send)

    @asgi("/feedback", copy_scope=False)
    async def feedback(scope: Scope, receive: Receive, send: Send) -> None:
        await predicting.feedback(serving, scope, receive, send)

    @asgi("/explain", copy_scope=False)
    async def explain(scope: Scope, receive: Receive, send: Send) -> None:
        await explaining.explain(serving, scope, receive, send)

    @post(
        ["/v2/models/{name:str}/infer", "/v2/models/{name:str}/versions/{version:str}/infer"],
        status_code=200,
        request_max_body_size=None,  # the door and `body_of` have a limit of our own
    )
    async def infer(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[bytes]:
        version = request.path_params.get("version")
        found = await openinference.infer(serving, name, version, request.scope, request.receive)
        headers = {key.decode(): value.decode() for key, value in found.headers}
        if found.json_length is not None:
            headers["inference-header-content-length"] = str(found.json_length)
        media = "application/json" if found.json_length is None else "application/octet-stream"
        return Response(found.body, status_code=found.status, headers=headers, media_type=media)

    @get("/health")
    async def health() -> Response[dict[str, Any]]:
        if not serving.ready:
            return Response({"status": "not ready"}, status_code=503)
        version = serving.current.loaded.version
        return Response({"status": "ok", "model": version.model, "version": version.number, "digest": version.digest})

    @get("/v2/health/live")
    async def live() -> dict[str, Any]:
        return {"live": True}

    @get("/v2/health/ready")
    async def ready() -> Response[dict[str, Any]]:
        return Response({"ready": serving.ready}, status_code=200 if serving.ready else 503)

    @get("/v2")
    async def server_metadata() -> dict[str, Any]:
        return openinference.server_metadata()

    @get(["/v2/models/{name:str}", "/v2/models/{name:str}/versions/{version:str}"])
    async def model_metadata(request: Request[Any, Any, Any], name: FromPath[str]) -> dict[str, Any]:
        return openinference.model_metadata(openinference.named(serving, name, request.path_params.get("version")))

    @get(["/v2/models/{name:str}/ready", "/v2/models/{name:str}/versions/{version:str}/ready"])
    async def model_ready(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[dict[str, Any]]:
        openinference.named(serving, name, request.path_params.get("version"))
        return Response({"name": name, "ready": serving.ready}, status_code=200 if serving.ready else 503)

    @get("/metrics")
    async def exposition() -> Response[bytes]:
        version = serving.current.loaded.version if serving.ready else None
        return Response(metrics.exposition(serving.folder, version), media_type="text/plain; version=0.0.4")

    @get("/schema")
    async def schema(request: Request[Any, Any, Any]) -> Response[Any]:
        found = openapi.document(serving.name, ports.url(serving.rules, serving.port), serving.current.loaded.version)
        if "text/html" in request.headers.get("accept", ""):
            return Response(openapi.page(serving.name, found), media_type="text/html")
        return Response(found)

    @get("/admin/state")
    async def state() -> dict[str, Any]:
        return serving.facts()

    handlers = [
        predict, feedback, infer, health, live, ready, server_metadata, model_metadata, model_ready, exposition, schema,
        state, explain,
    ]  # fmt: skip
    return Litestar(
        handlers,
        openapi_config=None,
        exception_handlers={
            Refused: partial(_refused, serving),
            HTTPException: partial(_http, serving),
            Exception: _broken,
        },
    )


def _refused(serving: Serving, request: Request[Any, Any, Any], err: Refused) -> Response[Any]:
    predicting.count_refusal(serving, err)
    headers = {name.decode(): value.decode() for name, value in err.headers()}
    return Response(err.facts(), status_code=err.status, headers=headers)


def _http(serving: Serving, request: Request[Any, Any, Any], err: HTTPException) -> Response[Any]:
    serving.figures.add("refused" if err.status_code < 500 else "failed")
    detail = NO_PATH if err.status_code == 404 else err.detail
    return Response({"error": detail}, status_code=err.status_code, headers=err.headers or {})


def _broken(request: Request[Any, Any, Any], err: Exception) -> Response[Any]:
    import logging

    logging.getLogger("trainshed").exception("a request failed", exc_info=err)
    return Response(msgspec.json.encode({"error": "the model failed on this request"}), status_code=500)
