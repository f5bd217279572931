"""Forms beside the protocol's: rows as JSON objects, and Arrow streams for bulk."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from mlbox.base.errors import Invalid
from mlbox.engine.models.lists import unnested
from mlbox.engine.storage.arrow_stream import table_of
from mlbox.serve.feeding import rows_of
from mlbox.serve.nested import of_lists
from mlbox.serve.tensors import DATATYPES, MAX_ROWS, Column, Datatype, datatype_of_array, plain_datatype

if TYPE_CHECKING:
    from mlbox.serve.codec import Reply

_HINT = '{"rows": [{"amount": 3.2, "country": "DE"}]}'
_ELSEWHERE = "/v2/models/{endpoint}/invocations"
_encoder = msgspec.json.Encoder()


def hint_for(body: Any) -> str:
    """What to send instead of a JSON body that has neither inputs nor rows: other servers have forms of their own."""
    try:
        sent = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # what the decoder of requests skips
        sent = None
    if not isinstance(sent, dict):
        return f"send {_HINT}"
    for name in ("instances", "dataframe_records"):
        listed = sent.get(name)
        if isinstance(listed, list) and listed and isinstance(listed[0], dict):
            return f'call {name!r} "rows", or POST them to {_ELSEWHERE}: {_HINT}'
    for name in ("instances", "dataframe_records", "dataframe_split", "data", "features"):
        if name in sent:
            return f"{name!r} is the form of another server: POST it to {_ELSEWHERE}, or send {_HINT}"
    named = [name for name in sent if name not in ("id", "parameters", "outputs", "inputs", "rows")]
    return f'put the values into "rows": {_HINT}' if named else f"send {_HINT}"


def columns_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, Column]:
    """Columns of rows of values by name: numbers (whole ones stay whole), texts or booleans, or nested lists of them;
    ``null`` and what a row leaves out are missing."""
    if not rows:
        raise Invalid("the request has no rows", hint=_HINT)
    if len(rows) > MAX_ROWS:
        raise Invalid(f"the request has {len(rows):,} rows; at most {MAX_ROWS:,} go in one request")
    names: dict[str, str] = {}
    for row in rows:
        for name in row:
            known = names.setdefault(name.lower(), name)
            if known != name:
                raise Invalid(f"the rows have {known!r} and {name!r}; case does not count", hint="write one of them")
    return {key: _column(name, [row.get(name) for row in rows]) for key, name in names.items()}


def _column(name: str, values: list[Any]) -> Column:
    kinds = {type(value) for value in values} - {type(None)}
    datatype = plain_datatype(name, values, kinds)
    if datatype is not None:
        return Column(name, DATATYPES[datatype], values, len(values))
    if kinds == {bool}:
        numbers = [None if value is None else float(value) for value in values]
        return Column(name, DATATYPES["FP64"], numbers, len(values))
    if list in kinds and values[0].__class__ is list:
        return of_lists(name, values)
    first = next(type(value) for value in values if value is not None)
    index = next(index for index, value in enumerate(values) if _is_odd(value, first))
    raise Invalid(
        f"row {index}: {name!r} is {values[index]!r}, which is no number, text or boolean as the others of its column",
        hint=_HINT,
    )


def _is_odd(value: Any, first: type) -> bool:
    """Whether a value is of no kind that is taken, or of another than the first of its column."""
    if value is None:
        return False
    if first in (int, float):
        return type(value) not in (int, float)
    return type(value) is not first or first not in (str, bool)


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else value


def rows_body(reply: Reply, names: Sequence[str], rows: int) -> bytes:
    """``{"model_name": .., "model_version": .., "id": .., "rows": [{"prediction": ..}, ..]}``."""
    body: dict[str, Any] = {"model_name": reply.model_name, "model_version": reply.model_version, "id": reply.id}
    if reply.parameters:
        body["parameters"] = reply.parameters
    body["rows"] = [dict(zip(names, row, strict=True)) for row in plain_rows(reply.outputs, names, rows)]
    return _encoder.encode(body)


def plain_rows(outputs: Mapping[str, Any], names: Sequence[str], rows: int) -> Iterable[tuple[Any, ...]]:
    """The values of each row, in the order of ``names``, for JSON; raises ``Invalid`` where an output has no rows."""
    return zip(*(list(map(_plain, rows_of(name, outputs[name], rows))) for name in names), strict=True)


def columns_of_arrow(body: bytes, limit: int) -> dict[str, Column]:
    """Columns of an Arrow stream of at most ``limit`` bytes; numbers, texts and booleans, or lists of them."""
    import pyarrow as pa

    table = table_of(body, limit)
    if not table.num_rows or not table.num_columns:
        raise Invalid("the Arrow stream has no rows")
    if table.num_rows > MAX_ROWS:
        raise Invalid(f"the stream has {table.num_rows:,} rows; at most {MAX_ROWS:,} go in one request")
    found: dict[str, Column] = {}
    for name, chunks in zip(table.column_names, table.columns, strict=True):
        if name.lower() in found:
            raise Invalid(f"column {name!r} is given twice; case does not count")
        try:
            flat, inner = unnested(name, chunks)
            datatype, values = _of_arrow(name, flat)
        except pa.ArrowException as error:
            raise Invalid(f"column {name!r}: {str(error).splitlines()[0][:200]}") from None
        found[name.lower()] = Column(name, datatype, values, table.num_rows, math.prod(inner), inner)
    return found


def _of_arrow(name: str, chunks: Any) -> tuple[Datatype, Any]:
    """Datatype and values of a column."""
    import numpy as np
    import pyarrow as pa

    types, kind = pa.types, chunks.type
    if types.is_dictionary(kind):
        chunks, kind = chunks.cast(kind.value_type), kind.value_type
    if (types.is_integer(kind) or types.is_boolean(kind)) and not chunks.null_count:
        whole = chunks.to_numpy()
        return datatype_of_array(whole.dtype), whole
    if types.is_float16(kind) or types.is_float32(kind):
        narrow = chunks.cast(pa.float32(), safe=False).to_numpy()
        return DATATYPES["FP32"], narrow
    if types.is_floating(kind) or types.is_integer(kind) or types.is_boolean(kind) or types.is_decimal(kind):
        floats = np.asarray(chunks.cast(pa.float64(), safe=False).to_numpy(), np.float64)
        return DATATYPES["FP64"], floats
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        return DATATYPES["BYTES"], chunks.to_pylist()
    raise Invalid(
        f"column {name!r} is of type {chunks.type}", hint="numbers, texts and booleans are taken, and lists of them"
    )


def arrow_body(reply: Reply, rows: int) -> bytes:
    """Outputs as columns (a list where an output has several values a row, nested as its shape says); id and version in
    the schema's metadata."""
    import numpy as np
    import pyarrow as pa

    columns = {}
    for name, values in reply.outputs.items():
        values = np.asarray(rows_of(name, values, rows))
        flat = pa.array(values.ravel().tolist() if values.dtype.kind == "O" else values.ravel())
        for axis in range(values.ndim - 1, 0, -1):
            if size := values.shape[axis]:
                flat = pa.FixedSizeListArray.from_arrays(flat, size)
            else:  # of which a list of fixed size cannot say how many there are
                flat = pa.ListArray.from_arrays(np.zeros(math.prod(values.shape[:axis]) + 1, np.int32), flat)
        columns[name] = flat
    told = {"model_name": reply.model_name, "model_version": reply.model_version, "id": reply.id}
    if reply.parameters:
        told["parameters"] = _encoder.encode(reply.parameters).decode()
    table = pa.table(columns).replace_schema_metadata(told)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())
