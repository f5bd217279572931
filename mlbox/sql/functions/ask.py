"""``ml.ask``: any endpoint over rows, its answer to each as JSON."""

from __future__ import annotations

from typing import Any

from mlbox.base.errors import Invalid
from mlbox.sql.functions.base import FUNCTIONS, Argument, Asked, Column, RowFunction


class _Endpoint:
    """What answers, held for a statement: another generation is another one."""

    def __init__(self, runtime: Any) -> None:
        self.runtime = runtime

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Endpoint) and other.runtime is self.runtime

    def __hash__(self) -> int:
        return id(self.runtime)


def prepare(asked: Asked, endpoint: str, session: str) -> int:
    """A number for the runtime of a constant name."""
    ref = asked.ref(endpoint, session)
    if ref.version is not None:
        raise Invalid(f"an endpoint has no versions, as {endpoint!r} asks for", hint=f"leave @{ref.version} out")
    return asked.keep(_Endpoint(asked.endpoints.batch.runtime(ref)))


def compute(asked: Asked, numbers: Any, rows: Any) -> Any:
    """The answers to a batch of rows; NULL for a row that is NULL."""
    import msgspec
    import pyarrow as pa

    if len(rows) == 0:
        return pa.array([], pa.string())
    given = numbers.to_numpy(zero_copy_only=False)
    found = asked.kept(given[0])
    if not isinstance(found, _Endpoint) or (given != given[0]).any():
        raise Invalid("the endpoint of ml.ask must be one constant name, as in ml.ask('score', row)")
    if isinstance(rows, pa.ChunkedArray):
        rows = rows.combine_chunks()
    if not pa.types.is_struct(rows.type):
        raise Invalid(f"a row is needed, not a value of type {rows.type}", hint="SELECT ml.ask('e', t) FROM t")
    events = [row for row in rows.to_pylist() if row is not None]
    answers = iter(asked.endpoints.batch.ask(found.runtime, [_plain(row) for row in events]) if events else [])
    valid = rows.is_valid().to_pylist()
    texts = [msgspec.json.encode(next(answers)).decode() if there else None for there in valid]
    return pa.array(texts, pa.string())


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """Values as JSON has them: times as ISO 8601, decimals as numbers."""
    found: dict[str, Any] = {}
    for name, value in row.items():
        if hasattr(value, "isoformat"):
            found[name] = value.isoformat()
        else:
            found[name] = float(value) if type(value).__name__ == "Decimal" else value
    return found


FUNCTIONS.add(
    "ask",
    RowFunction(
        "ask",
        "What an endpoint answers to a row.",
        (
            Argument("endpoint", "VARCHAR", "Endpoint: of a model, an ensemble, a function or a graph"),
            Argument("input", "STRUCT", "The row: the alias of a table, or a struct"),
        ),
        (Column("", "VARCHAR", "The answer as JSON; NULL for a row that is NULL"),),
        "SELECT customer, ml.ask('score', r)->>'$.prediction' AS p FROM rows AS r ORDER BY customer LIMIT 3",
        compute,
        prepare,
        "The endpoint is asked as over HTTP, with features from its vector, `PREPROCESS` and `POSTPROCESS`, up to "
        "2,048 rows at a time, of a graph 64 at once. Nothing is written to the prediction log. For a model alone "
        "`ml.predict` is faster.",
    ),
)
