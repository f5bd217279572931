"""The run API: what a user's process calls while it runs. Each call carries the token of its run."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get, post, put, route
from litestar.datastructures import State
from litestar.params import Body, FromPath, JSONBody
from litestar.response import File, Stream

from mlbox.api.context import ApiContext
from mlbox.api.ranges import answer
from mlbox.api.receiving import COMPLETE, OFFSET, drain, offset_of, receive
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
def specification(request: AnyRequest, run_id: FromPath[str]) -> dict[str, Any]:
    """What to run: handler, parameters, inputs."""
    return dict(_context(request, run_id).calls_home.spec(run_id))


@get("/run-api/{run_id:str}/inputs/{name:str}", sync_to_thread=True)
def input_content(request: AnyRequest, run_id: FromPath[str], name: FromPath[str]) -> File | Stream:
    """An input as Parquet; as CSV to whom does not accept that. An artifact as it is, or a range of it."""
    calls = _context(request, run_id).calls_home
    artifact = calls.inputs.artifact(run_id, name)
    if artifact is not None:
        stream, known = artifact
        media_type = str(known.get("media_type") or "application/octet-stream")
        return answer(stream, int(known["size"]), str(known["digest"]), request.headers, media_type, {})
    accepted = request.headers.get("accept", "*/*")
    if "parquet" in accepted or "*/*" in accepted:
        return File(calls.inputs.path(run_id, name))
    return File(calls.inputs.csv_path(run_id, name))


@get("/run-api/{run_id:str}/code", sync_to_thread=True)
def code(request: AnyRequest, run_id: FromPath[str]) -> File:
    """The function's files as a zip."""
    return File(_context(request, run_id).calls_home.code_path(run_id))


@get("/run-api/{run_id:str}/client", sync_to_thread=True)
def client(request: AnyRequest, run_id: FromPath[str]) -> File:
    """The client SDK as a zip, for machines that have nothing of ours."""
    return File(client_zip(_context(request, run_id).home.cache))


@route("/run-api/{run_id:str}/blobs/{digest:str}", http_method=["HEAD"], status_code=200)
async def blob_offset(request: AnyRequest, run_id: FromPath[str], digest: FromPath[str]) -> Response[None]:
    """How much of an artifact's bytes is here (``Upload-Offset``), and whether that is all (``Upload-Complete``)."""
    calls = (await asyncio.to_thread(_context, request, run_id)).calls_home
    offset, whole = await asyncio.to_thread(calls.blob_offset, run_id, digest)
    return Response(None, headers={OFFSET: str(offset), COMPLETE: "?1" if whole else "?0", "Cache-Control": "no-store"})


@put("/run-api/{run_id:str}/blobs/{digest:str}", request_max_body_size=None)
async def put_blob(request: AnyRequest, run_id: FromPath[str], digest: FromPath[str]) -> dict[str, Any]:
    """Bytes of an artifact; their hash must be the one in the address. With ``Upload-Offset`` they begin there, and
    what has arrived is kept when the connection breaks."""
    calls = (await asyncio.to_thread(_context, request, run_id)).calls_home
    if OFFSET not in request.headers:
        with await asyncio.to_thread(calls.blob_writer, run_id, digest) as writer:
            await receive(request, writer.write)
            blob = await asyncio.to_thread(writer.commit, digest)
        return {"digest": blob.digest, "size": blob.size}
    part = await asyncio.to_thread(calls.begin_blob, run_id, digest, offset_of(request))
    if part is None:
        await drain(request)
        size, _ = await asyncio.to_thread(calls.blob_offset, run_id, digest)
        return {"digest": digest, "size": size}
    with part:
        await receive(request, part.write)
        blob = await asyncio.to_thread(calls.end_blob, part, digest)
    return {"digest": blob.digest, "size": blob.size}


@post("/run-api/{run_id:str}/events", status_code=200, sync_to_thread=True)
def events(request: AnyRequest, run_id: FromPath[str], data: JSONBody[dict[str, Any]]) -> Response[dict[str, Any]]:
    """A batch of events; the same batch again is harmless."""
    context = _context(request, run_id)
    batch, items = data.get("batch"), data.get("events")
    if not isinstance(batch, str) or not isinstance(items, list):
        raise Invalid("a batch of events needs 'batch' (text) and 'events' (a list)")
    return Response({"accepted": context.calls_home.accept(run_id, batch, items)})


@post("/run-api/{run_id:str}/query", status_code=200, sync_to_thread=True)
def query(request: AnyRequest, run_id: FromPath[str]) -> dict[str, Any]:
    """Compute the query of a function of SQL; the answer comes when its rows are kept."""
    return _context(request, run_id).sql_runs.execute(run_id)


RUN_API = (specification, input_content, code, client, blob_offset, put_blob, events, query)
"""All of it."""
