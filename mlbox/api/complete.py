"""``POST /sql/complete``: what may stand at a place of a text, for editors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from litestar import Request, post
from litestar.params import JSONBody

from mlbox.api.context import ApiContext
from mlbox.api.described import errors
from mlbox.api.sight import user_of
from mlbox.base.command import Caller
from mlbox.base.names import DEFAULT_PROJECT
from mlbox.sql.complete import complete
from mlbox.sql.lookup import SqlLookup
from mlbox.sql.session import Session

MOST = 300
"""Candidates of an answer."""


class CompleteRequest(msgspec.Struct, forbid_unknown_fields=True):
    """``position`` counts characters of ``sql`` from 0."""

    sql: str
    position: Annotated[int, msgspec.Meta(ge=0)]
    project: str = DEFAULT_PROJECT


class CandidateBody(msgspec.Struct):
    """``kind``: keyword, object, version, table, column, function, setting, value."""

    text: str
    kind: str
    detail: str


class CompleteAnswer(msgspec.Struct):
    """Candidates for the text from ``start`` to the position, the likely ones first."""

    start: int
    candidates: list[CandidateBody]


@post("/sql/complete", status_code=200, sync_to_thread=True, responses=errors(400))
def complete_sql(request: Request[Any, Any, Any], data: JSONBody[CompleteRequest]) -> CompleteAnswer:
    """Complete a statement; names come by queries of the caller's own."""
    context: ApiContext = request.app.state.context
    user = user_of(request.scope)
    project = context.members.project_for(user, data.project.lower())
    session = Session(context.catalog, context.dispatcher, Caller(user, project, "ui"))

    def ask(text: str) -> Sequence[Sequence[Any]]:
        tables = [outcome.result.table for outcome in session.run(text)]
        return [tuple(row.values()) for row in tables[-1].to_pylist()] if tables and tables[-1] is not None else []

    found = complete(data.sql, min(data.position, len(data.sql)), SqlLookup(ask, lambda: project))
    return CompleteAnswer(found.start, [CandidateBody(*candidate) for candidate in found.candidates[:MOST]])
