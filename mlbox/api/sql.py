"""``POST /sql``: the one door of statements."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, post
from litestar.params import Body

from mlbox.api import render
from mlbox.api.context import ApiContext
from mlbox.base.command import Caller
from mlbox.base.errors import Invalid, MlboxError
from mlbox.base.names import DEFAULT_PROJECT
from mlbox.sql.session import Outcome, Session


class SqlRequest(msgspec.Struct, forbid_unknown_fields=True):
    """``parameters`` fill ``?`` and ``$1`` (a list) or ``$name`` (an object). ``folder`` is where paths start."""

    sql: str
    parameters: list[Any] | dict[str, Any] | None = None
    project: str = DEFAULT_PROJECT
    folder: str | None = None
    row_limit: int | None = None
    door: str = "http"


FORMATS = {
    "text/csv": render.csv,
    "application/x-ndjson": render.ndjson,
    "application/vnd.apache.arrow.stream": render.arrow_stream,
}


def _error_body(error: MlboxError, done: list[dict[str, Any]], project: str) -> Response[Any]:
    body: dict[str, Any] = {"error": error.to_dict(), "results": done, "project": project}
    return Response(body, status_code=error.http_status)


@post("/sql", sync_to_thread=True, status_code=200)
def run_sql(
    request: Request[Any, Any, Any], data: Annotated[SqlRequest, Body(title="A script and its parameters")]
) -> Response[Any]:
    """Carry out a script. JSON gives every result; CSV, NDJSON and Arrow give the last one."""
    context: ApiContext = request.app.state.context
    accept = request.headers.get("accept", "application/json").partition(",")[0].partition(";")[0].strip()
    streamed = FORMATS.get(accept)
    limit = data.row_limit or (None if streamed else context.settings.result_rows)
    if data.folder is not None and not Path(data.folder).is_absolute():
        raise Invalid("folder must be an absolute path")
    session = Session(
        context.catalog,
        context.dispatcher,
        Caller(project=data.project.lower(), door=data.door if data.door in ("cli", "http", "ui") else "http"),
        row_limit=limit,
        base_folder=data.folder,
    )
    done: list[dict[str, Any]] = []
    last: Outcome | None = None
    try:
        for outcome in session.run(data.sql, data.parameters):
            last = outcome
            if streamed is None:
                done.append(render.result_body(outcome))
    except MlboxError as error:
        return _error_body(error, done, session.project)
    if streamed is None:
        return Response({"results": done, "project": session.project})
    if last is None or last.result.table is None:
        return Response(b"", media_type=accept)
    return Response(streamed(last.result.table), media_type=accept)
