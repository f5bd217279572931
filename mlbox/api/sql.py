"""``POST /sql``: the one door of statements, and what belongs to it: those under way, their end, their results."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import Body, FromPath, FromQuery
from litestar.response import Stream

from mlbox.api.context import ApiContext
from mlbox.api.described import ID_HEADER, RESULT_HEADER, SqlAnswer, StatementState, Streaming, UnderWay, errors
from mlbox.api.forms import FORMS, cut, wanted
from mlbox.api.kept import Kept, Statements
from mlbox.api.sight import owns, user_of
from mlbox.api.work import Bodies, Channel, Script, Work, attend
from mlbox.base.clock import now
from mlbox.base.command import Caller
from mlbox.base.errors import Conflict, Invalid, MlboxError, NotFound
from mlbox.base.json_values import json_value
from mlbox.base.names import DEFAULT_PROJECT
from mlbox.base.underway import Underway

AnyRequest = Request[Any, Any, Any]
ID_FORM = "^[A-Za-z0-9_-]{1,64}$"
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
PATIENCE = 1.0
"""Seconds after which the event stream hears of a statement that somebody waits for."""
LONGEST_WAIT = 60.0


class SqlRequest(msgspec.Struct, forbid_unknown_fields=True):
    """``parameters`` fill ``?`` and ``$1`` (a list) or ``$name`` (an object). ``folder`` is where paths start.

    ``query_id`` is chosen by the client (else one is given), ``row_limit`` cuts each result, ``timeout`` (seconds) ends
    the script, ``async`` answers at once with 202 and the id.
    """

    sql: str
    parameters: list[Any] | dict[str, Any] | None = None
    project: str = DEFAULT_PROJECT
    folder: str | None = None
    row_limit: Annotated[int, msgspec.Meta(ge=1)] | None = None
    timeout: Annotated[float, msgspec.Meta(gt=0)] | None = None
    query_id: str | None = None
    asynchronous: bool = msgspec.field(name="async", default=False)
    door: str = "http"


@post(
    "/sql",
    status_code=200,
    operation_class=Streaming,
    responses={
        200: ResponseSpec(SqlAnswer, description="The results", generate_examples=False),
        202: ResponseSpec(StatementState, description="Begun; for async", generate_examples=False),
        **errors(400, 401, 403, 404, 409, 422, 503),
    },
)
async def run_sql(
    request: AnyRequest, data: Annotated[SqlRequest, Body(title="A script and its parameters")]
) -> Response[Any]:
    """Carry out a script. JSON gives every result; CSV, NDJSON and Arrow stream the rows of the last one."""
    context: ApiContext = request.app.state.context
    form = wanted(request.headers.get("accept", "application/json"))
    if data.asynchronous:
        kept = _statements(request).start(_script(request, data, context.settings.result_rows))
        body = {**_about(kept.work), "url": f"/sql/{kept.work.id}"}
        headers = {ID_HEADER: kept.work.id, "Location": f"/sql/{kept.work.id}"}
        return Response(body, status_code=202, headers=headers)
    if form in FORMS:
        return await _streamed(request, _script(request, data, None), form)
    bodies = Bodies()
    work = Work(context, _script(request, data, context.settings.result_rows), bodies)
    await _with_client(request, work, work.done)
    if work.error is not None:
        return _failed(work, work.error, bodies.results)
    answer = {"results": bodies.results, "project": work.project, "query_id": work.id}
    return Response(answer, headers={ID_HEADER: work.id})


async def _streamed(request: AnyRequest, script: Script, form: str) -> Response[Any]:
    channel = Channel(FORMS[form]())
    work = Work(request.app.state.context, script, channel)
    await _with_client(request, work, channel.begun)
    if work.error is not None:
        channel.leave(work)
        return _failed(work, work.error, [])
    _statements(request).remember(work)
    headers = {ID_HEADER: work.id, RESULT_HEADER: json.dumps({**channel.told, "project": work.project})}
    return Stream(channel.pieces(work), media_type=form, headers=headers)


def _failed(work: Work, error: MlboxError, done: list[Any]) -> Response[Any]:
    body: dict[str, Any] = {
        "error": error.to_dict(),
        "results": done,
        "project": work.project,
        "query_id": work.id,
    }
    return Response(body, status_code=error.http_status, media_type="application/json", headers={ID_HEADER: work.id})


async def _with_client(request: AnyRequest, work: Work, until: asyncio.Event) -> None:
    """Wait for ``until`` or for the client to go away, which ends the work."""
    gone = asyncio.ensure_future(_gone(request))
    there = asyncio.ensure_future(attend(work, until, patience=PATIENCE))
    try:
        await asyncio.wait({gone, there}, return_when=asyncio.FIRST_COMPLETED)
        if not there.done():
            work.cancel("the client went away")
            await there
    finally:
        gone.cancel()


async def _gone(request: AnyRequest) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _statements(request: AnyRequest) -> Statements:
    found: Statements = request.app.state.statements
    return found


def _script(request: AnyRequest, data: SqlRequest, row_limit: int | None) -> Script:
    if data.folder is not None and not Path(data.folder).is_absolute():
        raise Invalid("folder must be an absolute path")
    query_id = request.headers.get(ID_HEADER) if data.query_id is None else data.query_id
    if query_id is not None and not _ID.match(query_id):
        raise Invalid(f"{query_id!r} cannot be a query id", hint="1 to 64 letters, digits, - and _")
    context: ApiContext = request.app.state.context
    user = user_of(request.scope)
    project = context.members.project_for(user, data.project.lower())
    caller = Caller(user, project, data.door if data.door in ("cli", "http", "ui") else "http")
    timeout = context.members.time_limit(user, data.timeout)
    return Script(data.sql, caller, data.parameters, data.row_limit or row_limit, timeout, data.folder, query_id)


def _about(work: Work) -> dict[str, Any]:
    end = work.finished_at
    return {
        "query_id": work.id,
        "state": work.state,
        "project": work.project,
        "sql": work.script.text,
        "statements": work.statements,
        "completed": work.completed,
        "progress": work.progress,
        "started_at": json_value(work.started_at),
        "finished_at": json_value(end),
        "elapsed_ms": round(((end or now()) - work.started_at).total_seconds() * 1000, 3),
    }


@get("/sql", responses={200: ResponseSpec(UnderWay, description="Scripts under way", generate_examples=False)})
async def list_statements(request: AnyRequest) -> dict[str, Any]:
    """The statements that are under way, whichever door they came by."""
    context: ApiContext = request.app.state.context
    seen = [underway for underway in context.ongoing if owns(request.scope, underway.caller)]
    return {"statements": [_listed(underway) for underway in seen]}


def _listed(underway: Underway) -> dict[str, Any]:
    return {
        "query_id": underway.id,
        "state": "cancelling" if underway.cancelled else "running",
        "user": underway.caller.user,
        "door": underway.caller.door,
        "project": underway.caller.project,
        "sql": underway.text,
        "progress": underway.progress,
        "started_at": json_value(underway.started_at),
        "elapsed_ms": round((now() - underway.started_at).total_seconds() * 1000, 3),
    }


@get(
    "/sql/{query_id:str}",
    operation_class=Streaming,
    responses={
        200: ResponseSpec(StatementState, description="State or rows", generate_examples=False),
        **errors(400, 404, 409),
    },
)
async def get_statement(request: AnyRequest, query_id: FromPath[str], wait: FromQuery[float] = 0) -> Response[Any]:
    """State and progress of an asynchronous script, after its end the results; waits for it up to ``wait`` seconds.

    Of a streamed one, whether it ended well, and why not.
    """
    kept = _statements(request).find(query_id)
    if not owns(request.scope, kept.work.script.caller):
        raise NotFound(f"there is no asynchronous or streamed statement {query_id}")
    if wait > 0:
        with suppress(TimeoutError):
            await asyncio.wait_for(kept.work.done.wait(), min(wait, LONGEST_WAIT))
    form = wanted(request.headers.get("accept", "application/json"))
    headers = {ID_HEADER: kept.work.id}
    if form in FORMS:
        return Stream(_rows(kept, form), media_type=form, headers=headers)
    return Response(await asyncio.to_thread(_state, kept), headers=headers)


def _state(kept: Kept) -> dict[str, Any]:
    """The error is part of it: that the statement failed is no failure of asking for it."""
    work = kept.work
    body = {**_about(work), "error": work.error.to_dict() if work.error else None}
    if work.finished_at is not None and kept.outcomes is not None:
        bodies = Bodies()
        for outcome in kept.outcomes.results:
            bodies.take(outcome)
        body["results"] = bodies.results
    return body


def _rows(kept: Kept, form: str) -> AsyncIterator[bytes]:
    """The rows of the last result, encoded batch by batch; raises what keeps them from being given."""
    if kept.work.finished_at is None:
        raise Conflict(f"statement {kept.work.id} is still running", hint="ask with ?wait=60, or for JSON")
    if kept.work.error is not None:
        raise kept.work.error
    if kept.outcomes is None:
        raise Conflict(
            f"the rows of {kept.work.id} were streamed and not kept", hint="send it with async, or once more"
        )
    table = kept.outcomes.results[-1].result.table if kept.outcomes.results else None
    encoder = FORMS[form]()

    async def pieces() -> AsyncIterator[bytes]:
        if table is None:
            return
        yield encoder.start(table.schema)
        for batch in cut(table.to_batches()):
            yield await asyncio.to_thread(encoder.batch, batch)
        yield encoder.end()

    return pieces()


@post("/sql/{query_id:str}/cancel", status_code=200, responses=errors(404))
async def cancel_statement(request: AnyRequest, query_id: FromPath[str]) -> dict[str, Any]:
    """Ask for the end of a statement that is under way; it fails with the code ``cancelled``."""
    context: ApiContext = request.app.state.context
    own = any(underway.id == query_id and owns(request.scope, underway.caller) for underway in context.ongoing)
    if not own or not context.ongoing.cancel(query_id):
        raise NotFound(
            f"no statement {query_id} is under way", hint="it may be over; GET /sql lists those that are under way"
        )
    return {"query_id": query_id, "state": "cancelling"}
