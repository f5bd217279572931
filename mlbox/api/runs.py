"""The run API: what a user's process calls while it runs. Each call carries the token of its run."""

from __future__ import annotations

import io
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get, post, put
from litestar.datastructures import State
from litestar.params import Body
from litestar.response import File

from mlbox.api.context import ApiContext
from mlbox.api.sight import user_of
from mlbox.base.command import Caller
from mlbox.base.errors import Invalid, Unauthorized
from mlbox.base.names import DEFAULT_PROJECT
from mlbox.engine.runs.client_zip import client_zip
from mlbox.engine.runs.commands import TrackRun

AnyRequest = Request[Any, Any, State]


def _context(request: AnyRequest, run_id: str) -> ApiContext:
    context: ApiContext = request.app.state.context
    token = request.headers.get("authorization", "").removeprefix("Bearer ").strip()
    if not token:
        raise Unauthorized("the token of the run is needed")
    context.calls_home.check_token(run_id, token)
    return context


class Begin(msgspec.Struct, forbid_unknown_fields=True):
    """A run that a script or notebook begins."""

    project: str = DEFAULT_PROJECT
    name: str | None = None
    experiment: str | None = None
    parameters: dict[str, Any] = {}
    labels: dict[str, str] = {}


@post("/runs", sync_to_thread=True, status_code=201)
def begin(request: AnyRequest, data: Annotated[Begin, Body(title="A run that begins")]) -> dict[str, Any]:
    """A run that its own process looks after. What it logs goes to the run API, with the token given here."""
    context: ApiContext = request.app.state.context
    command = TrackRun(
        project=data.project.lower(),
        name=data.name,
        experiment=data.experiment,
        parameters=data.parameters,
        labels=data.labels,
    )
    result = context.dispatcher.dispatch(command, Caller(user_of(request.scope), command.project, "http"))
    facts = result.facts
    return {"run_id": facts["run"], "project": command.project, "name": data.name, "token": facts["token"]}


@get("/run-api/{run_id:str}", sync_to_thread=True)
def specification(request: AnyRequest, run_id: str) -> dict[str, Any]:
    """What to run: handler, parameters, inputs."""
    return dict(_context(request, run_id).calls_home.spec(run_id))


@get("/run-api/{run_id:str}/inputs/{name:str}", sync_to_thread=True)
def input_content(request: AnyRequest, run_id: str, name: str) -> File:
    """An input as Parquet; as CSV to whom does not accept that."""
    calls = _context(request, run_id).calls_home
    accepted = request.headers.get("accept", "*/*")
    if "parquet" in accepted or "*/*" in accepted:
        return File(calls.input_path(run_id, name))
    return File(calls.input_csv_path(run_id, name))


@get("/run-api/{run_id:str}/code", sync_to_thread=True)
def code(request: AnyRequest, run_id: str) -> File:
    """The function's files as a zip."""
    return File(_context(request, run_id).calls_home.code_path(run_id))


@get("/run-api/{run_id:str}/client", sync_to_thread=True)
def client(request: AnyRequest, run_id: str) -> File:
    """The client SDK as a zip, for machines that have nothing of ours."""
    return File(client_zip(_context(request, run_id).home.cache))


@put("/run-api/{run_id:str}/blobs/{digest:str}", request_max_body_size=None)
async def put_blob(request: AnyRequest, run_id: str, digest: str) -> dict[str, Any]:
    """Bytes of an artifact; their hash must be the one in the address."""
    import asyncio
    import tempfile

    context = await asyncio.to_thread(_context, request, run_id)
    with tempfile.SpooledTemporaryFile(max_size=8 << 20) as spool:
        async for chunk in request.stream():
            spool.write(chunk)
        spool.seek(0)
        blob = await asyncio.to_thread(context.calls_home.put_blob, run_id, digest, io.BufferedReader(spool))
    return {"digest": blob.digest, "size": blob.size}


@post("/run-api/{run_id:str}/events", status_code=200, sync_to_thread=True)
def events(request: AnyRequest, run_id: str, data: dict[str, Any]) -> Response[dict[str, Any]]:
    """A batch of events; the same batch again is harmless."""
    context = _context(request, run_id)
    batch, items = data.get("batch"), data.get("events")
    if not isinstance(batch, str) or not isinstance(items, list):
        raise Invalid("a batch of events needs 'batch' (text) and 'events' (a list)")
    return Response({"accepted": context.calls_home.accept(run_id, batch, items)})


RUN_API = (specification, input_content, code, client, put_blob, events)
"""All of it."""
