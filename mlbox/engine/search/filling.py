"""From the rows of a collection's query to the rows of its table: keys, pieces, vectors. Only what changed is made
again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlbox.base.errors import Invalid
from mlbox.engine.search.definition import HASH, KEY, PART, TEXT, VECTOR, Collection, State
from mlbox.engine.search.splitting import pieces

if TYPE_CHECKING:
    import pyarrow

    from mlbox.engine.search.embedders import Embedder
    from mlbox.engine.search.store import CollectionTable

ROWS_AT_ONCE = 500


@dataclass(slots=True)
class Filled:
    """What a refresh did, in documents."""

    documents: int = 0
    changed: int = 0
    removed: int = 0
    seen: set[str] = field(default_factory=set)


def schema_of(collection: Collection, columns: pyarrow.Schema, dimensions: int | None) -> pyarrow.Schema:
    """The schema of a collection's table; ``columns`` are the query's."""
    import pyarrow

    fields = [(KEY, pyarrow.string()), (PART, pyarrow.int32()), (HASH, pyarrow.string())]
    if collection.text is not None:
        fields.append((TEXT, pyarrow.string()))
    if dimensions is not None:
        fields.append((VECTOR, pyarrow.list_(pyarrow.float32(), dimensions)))
    fields += [(name, columns.field(name).type) for name, _ in collection.columns if name != collection.text]
    return pyarrow.schema(fields)


def fill(
    table: CollectionTable,
    collection: Collection,
    rows: pyarrow.Table,
    embedder: Embedder | None,
    schema: pyarrow.Schema,
) -> Filled:
    """Bring ``table`` to what ``rows`` say; raises ``Invalid`` for a key that is missing or stands twice."""
    done = Filled()
    known = table.hashes()
    label = embedder.label if embedder is not None else ""
    for start in range(0, rows.num_rows, ROWS_AT_ONCE):
        some = rows.slice(start, ROWS_AT_ONCE)
        stamped = list(_stamped(collection, some, label, done))
        changed = [index for index, (key, stamp) in enumerate(stamped) if known.get(key) != stamp]
        if changed:
            made = _made(collection, some.take(changed), [stamped[index] for index in changed], embedder, schema)
            table.remove([stamped[index][0] for index in changed if stamped[index][0] in known])
            table.add(made)
        done.documents += len(stamped)
        done.changed += len(changed)
    gone = [key for key in known if key not in done.seen]
    table.remove(gone)
    done.removed = len(gone)
    return done


def finished(state: State, made: CollectionTable, documents: int) -> State:
    """How a collection stands once its table is written: indexes are brought up to date, rows are counted."""
    metric = state.collection.metric if state.row.dimensions is not None else None
    version, count, indexed = made.finish(metric, text=state.collection.text is not None)
    return state.moved(table_version=version, documents=documents, rows=count, indexed=indexed)


def _stamped(collection: Collection, rows: pyarrow.Table, label: str, done: Filled) -> Iterator[tuple[str, str]]:
    """Key and hash of each row."""
    keys = [rows[name].to_pylist() for name in collection.key]
    for row, parts in zip(rows.to_pylist(), zip(*keys, strict=True), strict=True):
        if None in parts:
            raise Invalid(f"a row has no {collection.key[parts.index(None)]}, which is its key")
        key = json.dumps(parts, default=str) if len(parts) > 1 else str(parts[0])
        if key in done.seen:
            raise Invalid(
                f"two rows have the key {key}", hint="KEY names the columns that tell the rows of the query apart"
            )
        done.seen.add(key)
        said = json.dumps(
            [row, label, collection.split and [collection.split.size, collection.split.overlap]], default=str
        )
        yield key, hashlib.blake2b(said.encode(), digest_size=16).hexdigest()


def _made(
    collection: Collection,
    rows: pyarrow.Table,
    stamped: Sequence[tuple[str, str]],
    embedder: Embedder | None,
    schema: pyarrow.Schema,
) -> pyarrow.Table:
    import pyarrow

    texts = rows[collection.text].to_pylist() if collection.text else [None] * rows.num_rows
    cut = [_pieces(collection, text) for text in texts]
    origin = [index for index, some in enumerate(cut) for _ in some]
    told = [piece for some in cut for piece in some]
    columns: dict[str, Any] = {
        KEY: [stamped[index][0] for index in origin],
        PART: [part for some in cut for part in range(len(some))],
        HASH: [stamped[index][1] for index in origin],
    }
    if collection.text is not None:
        columns[TEXT] = told
    if VECTOR in schema.names:
        columns[VECTOR] = _vectors(collection, rows, origin, told, embedder, schema)
    taken = rows.take(origin)
    columns |= {name: taken[name] for name in schema.names if name not in columns}
    return pyarrow.table(
        [pyarrow.chunked_array(taken_as(columns[one.name], one.type)) for one in schema], schema=schema
    )


def taken_as(values: Any, kind: pyarrow.DataType) -> list[pyarrow.Array]:
    """Arrays of the type of a column."""
    import pyarrow

    if isinstance(values, pyarrow.ChunkedArray):
        return list(values.cast(kind).chunks) or [pyarrow.array([], kind)]
    return [values if isinstance(values, pyarrow.Array) else pyarrow.array(values, kind)]


def _pieces(collection: Collection, text: str | None) -> list[str]:
    """At least one, so that a document without a text is still found by its vector and its columns."""
    if collection.split is None or text is None:
        return [text or ""]
    return pieces(text, collection.split.size, collection.split.overlap) or [""]


def _vectors(
    collection: Collection,
    rows: pyarrow.Table,
    origin: Sequence[int],
    told: Sequence[str],
    embedder: Embedder | None,
    schema: pyarrow.Schema,
) -> pyarrow.Array:
    import numpy
    import pyarrow

    dimensions = schema.field(VECTOR).type.list_size
    if embedder is not None:
        matrix = embedder.embed(told)
        if matrix.shape[1] != dimensions:
            raise Invalid(f"{embedder.label} gave {matrix.shape[1]} numbers a text, and {dimensions} before")
    else:
        assert collection.vector is not None
        given = rows[collection.vector].to_pylist()
        for row, vector in zip(rows[collection.key[0]].to_pylist(), given, strict=True):
            if vector is None or len(vector) != dimensions or None in vector or not numpy.isfinite(vector).all():
                raise Invalid(
                    f"{collection.vector} of {row!r} is not a vector of {dimensions} finite numbers",
                    hint=f"leave such rows out: WHERE {collection.vector} IS NOT NULL",
                )
        matrix = numpy.array([given[index] for index in origin], numpy.float32).reshape(-1, dimensions)
    flat = pyarrow.array(numpy.ascontiguousarray(matrix).ravel(), pyarrow.float32())
    return pyarrow.FixedSizeListArray.from_arrays(flat, dimensions)
