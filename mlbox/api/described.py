"""What the OpenAPI description says of the routes of statements: shapes of answers, media types, headers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import OpenAPIHeader, OpenAPIMediaType, OpenAPIResponse, Operation, Schema
from litestar.openapi.spec.enums import OpenAPIType

from mlbox.api.forms import FORMS

ID_HEADER = "X-Mlbox-Query-Id"
RESULT_HEADER = "X-Mlbox-Result"
"""Of streamed rows: what the envelope says of a result beside its rows, as JSON, with the project in use."""


class Place(msgspec.Struct):
    """In the text that was sent: ``line`` and ``column`` count from 1, ``offset`` counts characters from 0."""

    line: int
    column: int
    offset: int
    text: str


class ErrorBody(msgspec.Struct):
    """The one shape of errors; docs/reference/errors.md lists the codes."""

    code: str
    message: str
    hint: str | None = None
    where: Place | None = None
    details: dict[str, Any] | None = None


class ColumnBody(msgspec.Struct):
    """A column of a result; ``type`` is Arrow's name, or json."""

    name: str
    type: str


class ResultBody(msgspec.Struct):
    """What one statement gave; rows, columns and their number only where it gives rows."""

    statement: str
    message: str
    elapsed_ms: float
    columns: list[ColumnBody] | None = None
    rows: list[list[Any]] | None = None
    row_count: int | None = None
    truncated: bool | None = None


class SqlAnswer(msgspec.Struct):
    """Every result of a script, and the project in use at its end."""

    results: list[ResultBody]
    project: str
    query_id: str


class ErrorAnswer(msgspec.Struct):
    """An error and what had been done before it."""

    error: ErrorBody
    results: list[ResultBody] | None = None
    project: str | None = None
    query_id: str | None = None


class StatementState(msgspec.Struct):
    """A script that was sent with ``async``. ``progress``: of the statement in hand, from 0 to 1, where it is known."""

    query_id: str
    state: str
    """running, finished, failed, cancelled"""
    project: str
    sql: str
    statements: int
    completed: int
    progress: float | None
    started_at: str
    finished_at: str | None
    elapsed_ms: float
    error: ErrorBody | None = None
    results: list[ResultBody] | None = None


class Listed(msgspec.Struct):
    """A script under way, whichever door it came by; ``state`` is running or cancelling."""

    query_id: str
    state: str
    user: str
    door: str
    project: str
    sql: str
    progress: float | None
    started_at: str
    elapsed_ms: float


class UnderWay(msgspec.Struct):
    """All scripts under way."""

    statements: list[Listed]


def errors(*statuses: int) -> dict[int, ResponseSpec]:
    """The error envelope for each of them."""
    return {
        status: ResponseSpec(ErrorAnswer, description="What was wrong", generate_examples=False) for status in statuses
    }


@dataclass
class Streaming(Operation):
    """An operation whose rows can be had in every form, and whose answers carry the query id."""

    def __post_init__(self) -> None:
        answer = (self.responses or {}).get("200")
        if not isinstance(answer, OpenAPIResponse):
            return
        rows = OpenAPIMediaType(schema=Schema(type=OpenAPIType.STRING, description="Rows of the last result, streamed"))
        answer.content = {**(answer.content or {}), **dict.fromkeys(FORMS, rows)}
        header = OpenAPIHeader(description="For POST /sql/{query_id}/cancel", schema=Schema(type=OpenAPIType.STRING))
        answer.headers = {**(answer.headers or {}), ID_HEADER: header}
