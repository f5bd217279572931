"""Plain JSON in, plain JSON out: what a path of an endpoint's own takes, and ``/v2/models/{endpoint}/event``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from mlbox.base.errors import Invalid
from mlbox.serve.codec import Request, parsed
from mlbox.serve.feeding import rows_of
from mlbox.serve.graph.running import columns_of
from mlbox.serve.graph.runtime import GraphRuntime
from mlbox.serve.nested import of_lists
from mlbox.serve.tensors import DATATYPES, MAX_ROWS, Column, plain_datatype

if TYPE_CHECKING:
    from mlbox.serve.endpoint import Answer, Runtime

_decoder = msgspec.json.Decoder()
_PLAIN = (bool, int, float, str, type(None))


def decode(body: bytes) -> Any:
    """The JSON value of a body."""
    return parsed(_decoder, body, hint='for example {"x": 1.5}')


async def ask(runtime: Runtime, event: Any) -> tuple[Any, Request, Answer]:
    """What is answered, and what is recorded of request and answer."""
    if isinstance(runtime, GraphRuntime):
        result = await runtime.event_later(event)
        fields = {k: v for k, v in event.items() if isinstance(v, _PLAIN)} if isinstance(event, dict) else {}
        request = request_of([fields]) if fields else Request({}, 1, None, None, False)
        recorded = result if isinstance(result, dict) and result else {"output": result}
        return result, request, runtime.answer_of(columns_of([recorded]), request)
    rows = event if isinstance(event, list) else [event]
    request = request_of(rows)
    answer = await runtime.answer_later(request) if runtime.asynchronous else runtime.answer(request)
    parts = {name: rows_of(name, values, request.rows) for name, values in answer.outputs.items()}
    found = [{name: _value(values[index]) for name, values in parts.items()} for index in range(request.rows)]
    return (found if isinstance(event, list) else found[0]), request, answer


def request_of(rows: Sequence[Any]) -> Request:
    """Objects with plain values or nested lists as columns; a field that one of them does not have is missing there."""
    if not rows or not all(isinstance(row, Mapping) and row for row in rows):
        raise Invalid("an object is needed, or a list of objects", hint='for example {"x": 1.5}')
    if len(rows) > MAX_ROWS:
        raise Invalid(f"the request has {len(rows):,} rows; at most {MAX_ROWS:,} go in one")
    names = dict.fromkeys(str(name) for row in rows for name in row)
    columns = {name.lower(): _column(name, [row.get(name) for row in rows]) for name in names}
    return Request(columns, len(rows), None, None, False)


def _column(name: str, values: list[Any]) -> Column:
    kinds = {type(value) for value in values if value is not None}
    if list in kinds and values[0].__class__ is list:
        return of_lists(name, values)
    if not kinds <= {bool, int, float, str}:
        raise Invalid(f"field {name!r} holds no plain value", hint="numbers, texts, true, false and null are")
    datatype = plain_datatype(name, values, kinds)
    if datatype is None:
        raise Invalid(f"field {name!r} holds values of several kinds", hint="numbers or texts in all rows")
    return Column(name, DATATYPES[datatype], values, len(values))


def _value(value: Any) -> Any:
    plain = value.tolist() if hasattr(value, "tolist") else value
    return None if isinstance(plain, float) and plain != plain else plain
