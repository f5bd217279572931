"""PREPROCESS and POSTPROCESS of an endpoint: columns of a request, and of an answer, computed by expressions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from mlbox.base.command import Query
from mlbox.base.errors import Invalid
from mlbox.serve.endpoint import Answer, Shaping
from mlbox.serve.expressions.compile import Expression, compile_all
from mlbox.serve.expressions.values import Vector, of_column, of_values
from mlbox.serve.tensors import DATATYPES, Column

if TYPE_CHECKING:
    from mlbox.engine.catalog.tables.endpoints import EndpointRow
    from mlbox.serve.codec import Request

Enriched = Mapping[str, Sequence[Any]]
_DATATYPES = {"double": "FP64", "bigint": "INT64", "boolean": "FP64", "varchar": "BYTES", "null": "FP64"}

_GIVEN = {**_DATATYPES, "boolean": "BOOL"}
"""Datatypes of outputs whose values are never NULL."""


def shaping_of(row: EndpointRow, stored: Iterable[str]) -> Shaping:
    """What the clauses of an endpoint say; ``stored`` are the features of its vector, which may be read too."""
    before = compile_all(Query(row.preprocess)) if row.preprocess else ()
    after = compile_all(Query(row.postprocess)) if row.postprocess else ()
    early, late = _split(before, {name.lower() for name in stored})
    made: set[str] = set()
    reads: set[str] = set()
    for expression in before:
        reads |= expression.reads - made
        made.add(expression.name.lower())
    return Shaping(
        before=_Before(early) if early else None,
        between=_Between(late) if late else None,
        after=_After(after) if after else None,
        reads=frozenset(reads),
        makes=frozenset(made),
        gives=tuple((expression.name, _GIVEN.get(expression.kind or "", "FP64")) for expression in after),
        texts=frozenset[str]().union(*(expression.texts for expression in before)),
    )


def _split(
    expressions: Sequence[Expression], stored: set[str]
) -> tuple[tuple[Expression, ...], tuple[Expression, ...]]:
    """Those that need the request only, which may make the key of an entity, and those that need stored features."""
    early, late = [], []
    for expression in expressions:
        if expression.reads & stored:
            late.append(expression)
            stored = stored | {expression.name.lower()}
        else:
            early.append(expression)
            stored = stored - {expression.name.lower()}  # computed, it stands in for what is stored
    return tuple(early), tuple(late)


def _compute(
    expressions: Sequence[Expression], columns: dict[str, Vector], request: Request
) -> Iterable[tuple[str, Vector]]:
    import numpy as np

    with np.errstate(all="ignore"):
        for expression in expressions:
            found = _computed(expression, columns, request)
            columns[expression.name.lower()] = found
            yield expression.name, found


def _computed(expression: Expression, columns: dict[str, Vector], request: Request) -> Vector:
    try:
        return expression.compute(columns, request.rows)
    except Invalid as error:
        if not expression.reads <= columns.keys():  # which it says already
            raise
        texts = [
            column.name
            for key, column in request.columns.items()
            if key in expression.reads and not column.datatype.number and key not in expression.texts
        ]
        hint = f"{', '.join(texts)} came as text" if texts else error.hint
        raise Invalid(f"{error.message}, in {expression.name!r}", hint=hint) from None


def _read(expressions: Sequence[Expression], request: Request) -> dict[str, Vector]:
    wanted = frozenset[str]().union(*(expression.reads for expression in expressions))
    return {key: of_column(column) for key, column in request.columns.items() if key in wanted}


def _added(request: Request, made: Iterable[tuple[str, Vector]]) -> Request:
    columns = dict(request.columns)
    for name, vector in made:
        columns[name.lower()] = _column(name, vector, request.rows)
    changed = msgspec.structs.replace(request, columns=columns)
    return changed


def _column(name: str, vector: Vector, rows: int) -> Column:
    import numpy as np

    if vector.kind == "timestamp":
        raise Invalid(f"{name!r} is a time, which is no feature", hint="extract(hour FROM x), epoch(x)")
    values: Any = vector.data
    if vector.kind == "varchar":
        values = vector.list()
    elif vector.kind != "bigint" or vector.null is not None:
        values = vector.data.astype("f8")
        if vector.null is not None:
            values = np.where(vector.null, np.nan, values)
    datatype = _DATATYPES["double" if vector.null is not None and vector.kind == "bigint" else vector.kind]
    return Column(name, DATATYPES[datatype], values, rows)


class _Before:
    """Columns that the request alone gives."""

    def __init__(self, expressions: Sequence[Expression]) -> None:
        self._expressions = expressions

    def __call__(self, request: Request) -> Request:
        return _added(request, _compute(self._expressions, _read(self._expressions, request), request))


class _Between:
    """Columns that need stored features as well."""

    def __init__(self, expressions: Sequence[Expression]) -> None:
        self._expressions = expressions
        self._wanted = frozenset[str]().union(*(expression.reads for expression in expressions))

    def __call__(self, request: Request, enriched: Enriched) -> Request:
        columns = {name.lower(): of_values(v) for name, v in enriched.items() if name.lower() in self._wanted}
        columns.update(_read(self._expressions, request))  # what was sent comes before what is stored
        return _added(request, _compute(self._expressions, columns, request))


class _After:
    """The outputs of an answer; ``prediction`` keeps what the model said, unless an expression is called so."""

    def __init__(self, expressions: Sequence[Expression]) -> None:
        self._expressions = expressions

    def __call__(self, answer: Answer, request: Request) -> Answer:
        columns = _read(self._expressions, request)
        for name, values in answer.outputs.items():
            if values.ndim == 1:
                columns[name.lower()] = of_values(values)
        outputs: dict[str, Any] = {}
        for name, vector in _compute(self._expressions, columns, request):
            outputs[name] = _array(name, vector)
        prediction = outputs.get("prediction", answer.prediction)
        if prediction.dtype.kind not in "fiub":
            raise Invalid("POSTPROCESS: prediction must be a number", hint="give the text another name: expr AS name")
        return Answer(answer.model, answer.version, prediction.astype("f8"), outputs, answer.seen)


def _array(name: str, vector: Vector) -> Any:
    import numpy as np

    if vector.kind == "varchar":
        found = np.empty(len(vector), object)
        found[:] = ["" if value is None else value for value in vector.list()]
        return found
    if vector.null is None and vector.kind in ("bigint", "boolean"):
        return vector.data
    values = _column(name, vector, len(vector)).values
    return values.astype("f8")
