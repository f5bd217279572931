"""The Litestar application and the ASGI application around it."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from functools import partial
from typing import Any

from litestar import Litestar, Request, Response, get
from litestar.config.app import AppConfig
from litestar.datastructures import State
from litestar.exceptions import HTTPException, InternalServerException

from mlbox.api.complete import complete_sql
from mlbox.api.context import ApiContext
from mlbox.api.edge import Edge, Receive, Scope, Send
from mlbox.api.features import FEATURES, FeaturesApp
from mlbox.api.files import artifact_content, run_log
from mlbox.api.guard import App, Guard, send_error, told_to
from mlbox.api.incoming import StrictRequest
from mlbox.api.ingest import ingest
from mlbox.api.kept import Statements
from mlbox.api.metrics import metrics
from mlbox.api.mlflow.routes import HANDLERS as MLFLOW
from mlbox.api.openapi import configuration
from mlbox.api.push import push
from mlbox.api.replicas import REPLICA_API
from mlbox.api.runs import RUN_API, begin
from mlbox.api.sight import ENDPOINTS, check_door, sees
from mlbox.api.sql import cancel_statement, get_statement, list_statements, run_sql
from mlbox.api.stream import stream
from mlbox.api.uploads import drop_file, list_files, upload, upload_offset, upload_part, uploads_of
from mlbox.base.defects import defect_of
from mlbox.base.errors import MlboxError
from mlbox.serve.http import BrokenBody
from mlbox.serve.listing import SEES

PREFIXES = (
    "/sql",
    "/stream",
    "/files",
    "/push/",
    "/ingest/",
    "/health",
    "/metrics",
    "/api/2.0/mlflow",
    "/mlflow",
    "/version",
    "/artifacts/",
    "/run-api/",
    "/replica-api/",
    "/schema",
)
"""Paths of the API; ``/runs/<id>/log`` too. All else is a page."""


@get("/health")
async def health(request: Request[Any, Any, State]) -> dict[str, Any]:
    """200 when the house is ready."""
    context: ApiContext = request.app.state.context
    return {"status": "ok", "version": context.version}


def _known(request: Request[Any, Any, State], error: MlboxError) -> Response[Any]:
    return Response({"error": told_to(request.scope, error).to_dict()}, status_code=error.http_status)


def _http(request: Request[Any, Any, State], error: HTTPException) -> Response[Any]:
    if isinstance(error, InternalServerException) and "disconnected" in error.detail:
        return _known(request, BrokenBody.off())
    body: dict[str, Any] = {"code": "http", "message": error.detail or "the request cannot be answered"}
    if error.extra:
        body |= {"code": "invalid", **_told(request, error.extra), "details": {"problems": error.extra}}
    return Response({"error": body}, status_code=error.status_code, headers=error.headers)


def _told(request: Request[Any, Any, State], problems: Any) -> dict[str, str]:
    """Message and hint for parameters that are not what the route takes."""
    first: dict[str, str] = problems[0] if isinstance(problems, list) and isinstance(problems[0], dict) else {}
    where, what = str(first.get("key", "")), str(first.get("message", "it is not what is expected"))
    if where == "data":
        return {"message": f"{request.method} {request.url.path} needs a body", "hint": "send a JSON object"}
    shown = f"{where}: {what[:1].lower() + what[1:]}" if where else what[:1].lower() + what[1:]
    return {"message": f"{request.method} {request.url.path}: {shown}"}


def _unknown(request: Request[Any, Any, State], error: Exception) -> Response[Any]:
    told = told_to(request.scope, defect_of(error, f"answering {request.method} {request.url.path}"))
    return Response({"error": told.to_dict()}, status_code=500)


def litestar(context: ApiContext, routes: Sequence[Any]) -> Litestar:
    """An application of API routes with the one error envelope."""

    def limits(config: AppConfig) -> AppConfig:
        config.request_max_body_size = context.settings.max_request_mb << 20
        return config

    uploads = uploads_of(context)
    uploads.clean()
    return Litestar(
        route_handlers=routes,
        on_app_init=[limits],
        exception_handlers={MlboxError: _known, HTTPException: _http, Exception: _unknown},
        state=State({"context": context, "statements": Statements(context), "uploads": uploads}),
        openapi_config=configuration(context.version),
        request_class=StrictRequest,
        logging_config=None,
        pdb_on_exception=False,
    )


ROUTES = (
    health,
    metrics,
    run_sql,
    list_statements,
    get_statement,
    cancel_statement,
    complete_sql,
    upload,
    upload_part,
    upload_offset,
    list_files,
    drop_file,
    push,
    ingest,
    stream,
    artifact_content,
    run_log,
    begin,
    *MLFLOW,
    *RUN_API,
    *REPLICA_API,
)


async def _tell_methods(app: App, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer OPTIONS. Of a path with several routes Litestar's own answer tells the methods of one; what it answers to
    a method that there is not tells them all."""
    known = False

    async def relay(message: dict[str, Any]) -> None:
        nonlocal known
        if message.get("status") == 405:
            known = True
            message = {
                **message,
                "status": 204,
                "headers": [each for each in message["headers"] if each[0] == b"allow"],
            }
        elif known and message["type"] == "http.response.body":
            message = {"type": message["type"], "body": b""}
        await send(message)

    await app({**scope, "method": "TRACE"}, receive, relay)


class Front:
    """Sends a request to inference, to the online features, to the API or to the pages."""

    def __init__(self, context: ApiContext, inference: App, api: App, pages: App) -> None:
        self._context = context
        self._inference = inference
        self._features: App = FeaturesApp(context.features, context.settings.max_request_mb << 20)
        self._api = api
        self._pages = pages

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """By path; lifespan events are ours to swallow."""
        if scope["type"] != "http":
            return self._api(scope, receive, send) if scope["type"] == "lifespan" else _nothing()
        path: str = scope["path"]
        inner = None if path.startswith("/v2/") else self._context.endpoints.asgi.inner_path(path)
        if inner is not None:
            path = inner
            scope = {**scope, "path": inner}
        if path.startswith("/v2/") or path == "/v2":
            app = self._inference
            if not path.startswith(ENDPOINTS) or path == ENDPOINTS:  # what is asked of one endpoint lists nothing
                scope = {**scope, SEES: partial(sees, self._context, scope)}
        elif path.startswith(FEATURES):
            app = self._features
        elif path.startswith(PREFIXES) or path == "/runs" or (path.startswith("/runs/") and path.endswith("/log")):
            app = self._api
        else:
            return self._pages(scope, receive, send)
        try:
            check_door(self._context, scope, path)
        except MlboxError as error:
            return send_error(send, error, path)
        if scope["method"] == "OPTIONS" and app is self._api:
            return _tell_methods(app, scope, receive, send)
        return app(scope, receive, send)


async def _nothing() -> None:
    """What is neither a request nor the server's life."""


def build(context: ApiContext, pages: App) -> App:
    """The whole: guard, then inference, API and pages."""
    front = Front(context, context.endpoints.asgi, litestar(context, ROUTES), pages)  # type: ignore[arg-type]
    settings = context.settings

    def shared(path: str) -> bool:
        """What pages of other origins may be let into: endpoints and online features."""
        return path.startswith(("/v2/", FEATURES)) or context.endpoints.asgi.inner_path(path) is not None

    hosts = [settings.host, *settings.allowed_hosts.split(",")]
    return Guard(front, hosts=hosts, identify=context.members.identify, edge=Edge(settings, shared))


def build_run_api(context: ApiContext, hosts: Sequence[str]) -> App:
    """What containers and clusters reach: the APIs of runs and replicas, and nothing else. Each call carries the token
    of one run, or of one deployment."""
    app = litestar(context, (*RUN_API, *REPLICA_API))
    return Guard(app, hosts=hosts, edge=Edge(context.settings))  # type: ignore[arg-type]
