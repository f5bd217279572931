"""A function over batches of rows: Arrow in, Arrow out; in between the frame that the function declares."""

from __future__ import annotations

import inspect
from typing import Any, Callable, List, Mapping

from mlbox.client.failures import MlboxClientError, WrongCall
from mlbox.client.frames import as_declared, columns_of, importable, plain

_BATCH = ("pyarrow.RecordBatch", "pa.RecordBatch", "pyarrow.lib.RecordBatch")


class Transforming:
    """Calls a function with one frame and gives what it returns as an Arrow stream."""

    def __init__(self, function: Callable[..., Any], given: Mapping[str, Any]) -> None:
        self._function = function
        self._given = dict(given)
        self._annotation = _annotation(function, self._given)

    def __call__(self, body: Any) -> Any:
        """Rows as an Arrow stream; so is what comes back. Raises what the function raises, and ``WrongCall``."""
        arrow = importable("pyarrow")
        if arrow is None:
            raise WrongCall("rows come as Arrow and pyarrow is missing", "add 'pyarrow' to REQUIREMENTS")
        result = self._function(self._frame(arrow, body), **self._given)
        table = _table(arrow, result)
        sink = arrow.BufferOutputStream()
        with arrow.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        return sink.getvalue()

    def _frame(self, arrow: Any, body: Any) -> Any:
        table = arrow.ipc.open_stream(body).read_all()
        named = self._annotation if isinstance(self._annotation, str) else _full_name(self._annotation)
        if self._annotation is inspect.Parameter.empty or named in _BATCH:
            batches = table.combine_chunks().to_batches()
            return batches[0] if batches else arrow.RecordBatch.from_pylist([], schema=table.schema)
        return as_declared(table, self._annotation)


def _full_name(annotation: Any) -> str:
    return f"{getattr(annotation, '__module__', '')}.{getattr(annotation, '__qualname__', '')}"


def _annotation(function: Callable[..., Any], given: Mapping[str, Any]) -> Any:
    """What the first parameter is declared to be."""
    entries = [
        entry
        for entry in inspect.signature(function).parameters.values()
        if entry.name not in given and entry.kind not in (entry.VAR_POSITIONAL, entry.VAR_KEYWORD)
    ]
    needed = [entry.name for entry in entries if entry.default is entry.empty]
    if not entries or len(needed) > 1:
        told = f"takes {', '.join(needed)}" if needed else "takes nothing"
        raise WrongCall(f"it {told}; a transform takes one frame", "def clean(batch: pyarrow.RecordBatch): ..")
    found = entries[0].annotation
    if isinstance(found, str):  # from __future__ import annotations
        import typing

        try:
            found = typing.get_type_hints(function).get(entries[0].name, found)
        except Exception:  # a name that is only there for a type checker
            return found
    return found


def _table(arrow: Any, result: Any) -> Any:
    """What was returned as one table."""
    if isinstance(result, arrow.Table):
        return result
    if isinstance(result, arrow.RecordBatch):
        return arrow.Table.from_batches([result])
    if hasattr(result, "iloc") and hasattr(result, "columns"):
        return arrow.Table.from_pandas(result, preserve_index=False)
    if hasattr(result, "to_arrow"):
        return result.to_arrow()
    if isinstance(result, dict):
        return arrow.table({str(name): _array(arrow, values) for name, values in result.items()})
    if result is None:
        raise WrongCall("it returned None", "return the rows, a frame of any length")
    if inspect.isgenerator(result) or isinstance(result, (list, tuple)):
        return _joined(arrow, list(result))
    raise WrongCall(
        f"it returned a {type(result).__name__}", "return a RecordBatch, a Table, a frame of pandas or polars"
    )


def _joined(arrow: Any, parts: List[Any]) -> Any:
    """A list of rows, or of frames."""
    if all(isinstance(part, dict) and not any(_is_column(value) for value in part.values()) for part in parts):
        try:
            return arrow.table({name: _array(arrow, values) for name, values in columns_of(parts).items()})
        except MlboxClientError as error:
            raise WrongCall(error.message, error.hint) from None
    return arrow.concat_tables([_table(arrow, part) for part in parts], promote_options="permissive")


def _is_column(value: Any) -> bool:
    return hasattr(value, "to_pylist") or hasattr(value, "dtype") and getattr(value, "shape", ()) != ()


def _array(arrow: Any, values: Any) -> Any:
    if isinstance(values, (arrow.Array, arrow.ChunkedArray)):
        return values
    return arrow.array(values if hasattr(values, "dtype") else plain(values), from_pandas=True)
