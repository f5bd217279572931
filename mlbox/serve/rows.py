"""Recorded requests as rows of the prediction log. Made by the thread that writes them, many requests at once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

from mlbox.engine.catalog.tables.predictions import Batch
from mlbox.serve import compact, recorded
from mlbox.serve.compact import Kept
from mlbox.serve.log_columns import chained, join, json_lines, seen_lists, structs, table

if TYPE_CHECKING:
    import pyarrow

    from mlbox.serve.codec import Request
    from mlbox.serve.endpoint import Answer
    from mlbox.serve.record import Entry

    Recorded: TypeAlias = Entry | Kept

MANY = 64
"""Rows from which on alike requests are a batch of their own: a statement costs more than JSON of fewer."""

PIECE = 256
"""Entries that are looked at without a rest."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def batches(entries: Iterable[Recorded], rest: Callable[[], None] = lambda: None) -> Iterator[Batch]:
    """All entries: those that are many of a kind as structs, the others together as JSON text. ``rest`` is called
    after every little piece of work, in which nobody else has the interpreter."""
    import pyarrow as pa

    alike: dict[Any, list[Any]] = {}
    last: Recorded | None = None
    for number, entry in enumerate(entries):
        if last is None or not _follows(entry, last):
            group = alike.setdefault(_kind(entry), [])
        group.append(entry)
        last = entry
        if not number % PIECE:
            rest()
    found: dict[Any, tuple[list[pyarrow.Table], dict[str, Sequence[str]]]] = {}
    for kind, group in alike.items():
        json, rows = True, None
        if kind and len(group) >= MANY:
            json, rows = False, _answered(group, False, rest)
        if rows is None:
            json, rows = True, _answered(group, True, rest) if kind else _failed(group)
        assert rows is not None
        tables, shapes = found.setdefault("" if json else rows.schema, ([], {}))
        tables.append(rows)
        if kind:
            shapes[shape_of(kind[-1])] = kind[-1]
    for schema, (tables, shapes) in found.items():
        yield Batch(pa.concat_tables(tables), shapes, json=not schema)


@lru_cache(maxsize=1024)
def shape_of(names: tuple[str, ...]) -> str:
    """The key of a set of feature names."""
    return hashlib.sha256("\0".join(names).encode()).hexdigest()[:24]


def _kind(entry: Recorded) -> tuple[Any, ...]:
    """What entries have in common that are made into rows together; empty: the request failed."""
    if isinstance(entry, Kept):
        return entry.kind
    answer, request = entry.answer, entry.request
    if answer is None or request is None:
        return ()
    return (
        *(entry.project, entry.endpoint, answer.model, answer.version, entry.shadow),
        *(tuple(answer.outputs), tuple(_sent(request, answer)), answer.seen.names),
    )


def _follows(entry: Recorded, last: Recorded) -> bool:
    """Whether it is certainly of the kind of another one: found out in a fraction of the time, for most of a batch."""
    if isinstance(entry, Kept):
        return entry.follows(last)
    if isinstance(last, Kept):
        return False
    answer, before = entry.answer, last.answer
    request, earlier = entry.request, last.request
    if answer is None or before is None or request is None or earlier is None or request.columns or earlier.columns:
        return False
    return (
        answer.seen.names is before.seen.names
        and answer.model is before.model
        and answer.version == before.version
        and entry.endpoint is last.endpoint
        and entry.project is last.project
        and entry.shadow is last.shadow
        and list(answer.outputs) == list(before.outputs)
    )


def _answered(entries: Sequence[Any], json: bool, rest: Callable[[], None]) -> pyarrow.Table | None:
    """Rows of requests to one endpoint that one model has answered, with the same inputs by name: all ``Entry`` or all
    ``Kept``.

    Without ``json`` inputs and outputs are structs; ``None`` when their values have no common type.
    """
    import numpy as np
    import pyarrow as pa

    if isinstance(entries[0], Kept):
        return compact.rows_of(entries, shape_of(entries[0].form.names), json, rest)
    requests: list[Any] = [entry.request for entry in entries]
    answers: list[Any] = [entry.answer for entry in entries]
    first, answer = entries[0], answers[0]
    different = {id(request): request for request in requests}.values()
    sizes = [request.rows for request in requests] if len(different) > 1 else [requests[0].rows] * len(requests)
    total = sum(sizes)
    rest()
    outputs = [name for name in answer.outputs if name != "prediction"]
    inputs = _sent(requests[0], answer)
    try:
        given = _each_of(inputs, lambda name: _given(name, requests, json), rest)
        made = _each_of(outputs, lambda name: _made(name, answers, sizes, json), rest)
        objects = json_lines if json else structs
        parts = {"inputs": objects(given, total), "outputs": objects(made, total)}
    except (pa.ArrowException, ValueError, TypeError):
        if json:
            raise
        return None
    at = pa.array(_each([entry.at_us for entry in entries], sizes), pa.timestamp("us", tz="UTC"))
    own_times = any(request.event_times is not None for request in different)
    own_ids = total > len(entries) or any(request.row_ids is not None for request in different)
    rest()
    prediction = join([each.prediction for each in answers])
    rest()
    seen = seen_lists(len(answer.seen.names), [each.seen.values for each in answers], total)
    rest()
    return table(
        total,
        project=first.project,
        endpoint=first.endpoint,
        model=answer.model,
        model_version=pa.repeat(pa.scalar(answer.version, pa.int32()), total),
        request_id=_each([entry.request_id for entry in entries], sizes),
        ordinal=chained(map(range, sizes)) if total > len(entries) else np.zeros(total, np.int32),
        row_id=chained(map(_ids, entries)) if own_ids else pa.nulls(total, pa.string()),
        predicted_at=at,
        event_time=chained(_times(entry) for entry in entries) if own_times else at,
        latency_ms=_each([entry.latency_ms for entry in entries], sizes),
        status="ok",
        error=pa.nulls(total, pa.string()),
        prediction=prediction,
        shadow=pa.array(np.full(total, first.shadow)),
        shape=shape_of(answer.seen.names),
        seen=seen,
        **parts,
    )


def _failed(entries: Sequence[Entry]) -> pyarrow.Table:
    """One row for each request that failed, with what is known of it."""
    import pyarrow as pa

    total = len(entries)
    single = [entry.request if entry.request is not None and entry.request.rows == 1 else None for entry in entries]
    return table(
        total,
        project=[entry.project for entry in entries],
        endpoint=[entry.endpoint for entry in entries],
        model=pa.nulls(total, pa.string()),
        model_version=pa.nulls(total, pa.int32()),
        request_id=[entry.request_id for entry in entries],
        ordinal=[0] * total,
        row_id=[
            row_ids(request, entry.request_id)[0] if request is not None else None
            for entry, request in zip(entries, single, strict=True)
        ],
        predicted_at=[entry.at_us for entry in entries],
        event_time=[_times(entry)[0] for entry in entries],
        latency_ms=[entry.latency_ms for entry in entries],
        status="error",
        error=[entry.error for entry in entries],
        inputs=pa.array(
            [
                json_lines({name: _given(name, [request], json=True) for name in _sent(request)}, 1)[0].as_py()
                if request is not None
                else None
                for request in single
            ],
            pa.string(),
        ),
        prediction=pa.nulls(total, pa.float64()),
        outputs=pa.nulls(total, pa.string()),
        shadow=[entry.shadow for entry in entries],
        shape=pa.nulls(total, pa.string()),
        seen=pa.nulls(total, pa.list_(pa.float64())),
    )


def _each_of(names: Sequence[str], values: Callable[[str], Any], rest: Callable[[], None]) -> dict[str, Any]:
    """The values of all requests by name."""
    found = {}
    for name in names:
        found[name] = values(name)
        rest()
    return found


def _each(values: list[Any], sizes: Sequence[int]) -> list[Any]:
    """Every request's value, once for each of its rows."""
    if len(values) == sum(sizes):
        return values
    return chained([value] * size for value, size in zip(values, sizes, strict=True))


def _times(entry: Entry) -> list[int]:
    request = entry.request
    if request is None or request.event_times is None:
        return [entry.at_us] * (request.rows if request is not None else 1)
    return [(time - _EPOCH) // _MICROSECOND for time in request.event_times]


def _ids(entry: Entry) -> list[str]:
    assert entry.request is not None
    return row_ids(entry.request, entry.request_id)


def row_ids(request: Request, request_id: str) -> list[str]:
    """The caller's ids; else the request's id for one row, ``id/0``, ``id/1``, … for several."""
    if request.row_ids is not None:
        return request.row_ids
    if request.rows == 1:
        return [request_id]
    return [f"{request_id}/{index}" for index in range(request.rows)]


def _sent(request: Request, answer: Answer | None = None) -> list[str]:
    """Names of what was sent; a matrix that is all that the model saw is left out, its values are the features."""
    matrix = answer is not None and answer.seen.values.__class__ is not list
    columns = request.columns.values()
    return [column.name for column in columns if not (matrix and len(column.inner) == 1 and column.width > 1)]


def _given(name: str, requests: Sequence[Request], json: bool) -> Any:
    """Values of an input of all requests; those of a tensor in the form in which it is recorded."""
    columns = [request.columns[name.lower()] for request in requests]
    if all(column.plain for column in columns):
        return join([column.values for column in columns])
    if not json:
        raise TypeError("tensors are recorded as JSON")
    return chained(recorded.of_column(column, request.rows) for column, request in zip(columns, requests, strict=True))


def _made(name: str, answers: Sequence[Answer], sizes: Sequence[int], json: bool) -> Any:
    """Values of an output of all answers."""
    outputs = [answer.outputs[name] for answer in answers]
    inner = outputs[0].shape[1:]
    if (inner == () or (len(inner) == 1 and inner[0] <= recorded.LISTED)) and all(
        values.shape == (size, *inner) for values, size in zip(outputs, sizes, strict=True)
    ):
        return join(outputs)
    if not json:
        raise TypeError("tensors are recorded as JSON")
    return chained(recorded.of_output(values, size) for values, size in zip(outputs, sizes, strict=True))
