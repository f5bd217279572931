"""``/api/2.0/mlflow/…`` for the project ``default``, and the same below ``/mlflow/<project>`` for any other."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from litestar import Request, Response, route
from litestar.datastructures import State
from litestar.response import Redirect, Stream

from mlbox.api.context import ApiContext
from mlbox.api.guard import told_to
from mlbox.api.mlflow import artifacts, experiments, logged_models, models, run_data, runs
from mlbox.api.mlflow.door import Door, error_body, find
from mlbox.api.ranges import answer
from mlbox.api.receiving import receive
from mlbox.api.sight import user_of
from mlbox.base.command import Caller
from mlbox.base.defects import known
from mlbox.base.errors import AlreadyExists, Forbidden, Invalid, NotFound
from mlbox.base.names import DEFAULT_PROJECT

AnyRequest = Request[Any, Any, State]
MODULES = (artifacts, experiments, logged_models, models, run_data, runs)
"""Imported so that they add their calls."""

_CALLS = "/api/2.0/mlflow/{path:path}"
_FILES = "/api/2.0/mlflow-artifacts/artifacts"
_BASES = ("", "/mlflow/{project:str}")
_READS = ("/search", "/get-latest-versions")
"""How calls end that only read and yet may come by POST."""


def _door(request: AnyRequest, path: str = "") -> Door:
    """The project in the address, for whoever sent the request: a member reads as viewer and writes as editor."""
    context: ApiContext = request.app.state.context
    user = user_of(request.scope)
    named = str(request.path_params.get("project") or DEFAULT_PROJECT).lower()
    project = context.members.project_for(user, named)
    access = context.members.access(user)
    if access is not None:
        if not access.sees(project):
            raise NotFound(f"there is no project {project!r} that you may see", hint="SHOW PROJECTS lists them")
        reading = request.method == "GET" or path.endswith(_READS)
        if not access.allows("viewer" if reading else "editor", project):
            raise Forbidden(f"writing takes the role editor in project {project}", hint="an admin may GRANT it")
    return Door(context, Caller(user, project, "http"))


def _refused(request: AnyRequest, error: Exception) -> Response[Any]:
    told = told_to(request.scope, known(error, "answering a call of MLflow"))
    # MLflow's clients take a name that is taken for a wrong request
    status = 400 if isinstance(told, AlreadyExists) else told.http_status
    return Response(error_body(told), status_code=status)


@route(
    [base + _CALLS for base in _BASES],
    http_method=["GET", "POST", "PATCH", "DELETE"],
    include_in_schema=False,
    status_code=200,
)
async def mlflow_call(request: AnyRequest) -> Response[Any]:
    """One call: its fields come as JSON, or in the query."""
    import asyncio

    raw = await request.body()
    path = str(request.path_params["path"]).strip("/")
    try:
        found = find(str(request.method), path)
        if found is None:
            raise NotFound(f"mlbox has no call {request.method} {path} of MLflow's API")
        function, fields = found
        data = {**_query(request), **_json(raw), **fields}
        return Response(await asyncio.to_thread(function, _door(request, path), data))
    except Exception as error:
        return _refused(request, error)


def _query(request: AnyRequest) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in request.query_params.multi_items():
        if name in found:
            known = found[name] if isinstance(found[name], list) else [found[name]]
            found[name] = [*known, value]
        else:
            found[name] = value
    return found


def _json(raw: bytes) -> dict[str, Any]:
    if not raw:
        return {}
    try:
        body = json.loads(raw)
    except ValueError:
        raise Invalid("the body is not JSON") from None
    if not isinstance(body, dict):
        raise Invalid("the body is not an object")
    return body


@route([base + _FILES for base in _BASES], http_method=["GET"], include_in_schema=False)
async def mlflow_list(request: AnyRequest) -> Response[Any]:
    """Files and folders in a folder."""
    import asyncio

    try:
        path = str(request.query_params.get("path") or "")
        return Response(await asyncio.to_thread(artifacts.list_place, _door(request), path))
    except Exception as error:
        return _refused(request, error)


@route(
    [base + _FILES + "/{path:path}" for base in _BASES],
    http_method=["GET", "PUT", "DELETE"],
    include_in_schema=False,
    status_code=200,
    request_max_body_size=None,
)
async def mlflow_file(request: AnyRequest) -> Response[Any] | Stream:
    """A file's bytes, either way."""
    import asyncio

    path = str(request.path_params["path"]).strip("/")
    try:
        door = _door(request)
        if request.method == "PUT":
            await _receive(request, door, path)
        elif request.method == "DELETE":
            await asyncio.to_thread(artifacts.delete, door, path)
        else:
            return await asyncio.to_thread(_send, door, path, request.headers)
        return Response({})
    except Exception as error:
        return _refused(request, error)


async def _receive(request: AnyRequest, door: Door, path: str) -> None:
    import asyncio

    await asyncio.to_thread(artifacts.place, door, path)  # a wrong path is told before anything is sent
    with door.context.artifacts.writer() as writer:
        await receive(request, writer.write)
        blob = await asyncio.to_thread(writer.commit)
    await asyncio.to_thread(artifacts.put, door, path, blob)


def _send(door: Door, path: str, sent: Mapping[str, str]) -> Stream:
    row = artifacts.get(door, path)
    headers = {"Content-Disposition": "attachment", "X-Content-Type-Options": "nosniff"}
    stream = door.context.artifacts.open(row.digest)
    return answer(stream, row.size, row.digest, sent, row.media_type or "application/octet-stream", headers)


@route([base + "/version" for base in _BASES], http_method=["GET"], include_in_schema=False)
async def mlflow_version(request: AnyRequest) -> Response[str]:
    """What clients ask to see whether somebody is there."""
    context: ApiContext = request.app.state.context
    return Response(f"mlbox {context.version}", media_type="text/plain")


@route(["/mlflow/{project:str}", "/mlflow"], http_method=["GET"], include_in_schema=False)
async def mlflow_page(request: AnyRequest) -> Redirect:
    """Where clients say that runs can be looked at: the dashboard, which reads the run's id behind the ``#``."""
    project = request.path_params.get("project")
    return Redirect(f"/ui/runs?project={quote(str(project))}" if project else "/ui/runs")


HANDLERS = (mlflow_page, mlflow_call, mlflow_list, mlflow_file, mlflow_version)
