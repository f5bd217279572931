"""Predictions on their way from a replica to the home: a MessagePack of Arrow streams and counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from mlbox.base.errors import Invalid
from mlbox.engine.catalog.tables.predictions import Batch, TrafficRow

if TYPE_CHECKING:
    import pyarrow

LARGEST = 1 << 30
"""Bytes of a delivery."""


class _Part(msgspec.Struct):
    rows: bytes
    shapes: dict[str, list[str]]
    json: bool


class _Wire(msgspec.Struct):
    batches: list[_Part]
    counts: list[TrafficRow]


class Delivery(msgspec.Struct):
    """What is written in one transaction."""

    batches: Sequence[Batch]
    counts: Sequence[TrafficRow]

    @property
    def rows(self) -> int:
        """Of all batches."""
        return sum(batch.rows.num_rows for batch in self.batches)


def encoded(batches: Sequence[Batch], counts: Sequence[TrafficRow], compression: str | None = "zstd") -> bytes:
    """For the wire and the spool."""
    parts = [
        _Part(_stream(batch.rows, compression), {key: list(names) for key, names in batch.shapes.items()}, batch.json)
        for batch in batches
    ]
    return msgspec.msgpack.encode(_Wire(parts, list(counts)))


def opened(body: bytes) -> Delivery:
    """A delivery of anybody; ``Invalid`` when it is none."""
    import pyarrow as pa

    try:
        wire = msgspec.msgpack.decode(body, type=_Wire)
        batches = [Batch(pa.ipc.open_stream(part.rows).read_all(), part.shapes, part.json) for part in wire.batches]
    except (msgspec.MsgspecError, pa.ArrowException, OSError) as error:
        raise Invalid(f"predictions of a replica cannot be read: {error}") from None
    return Delivery(batches, wire.counts)


def checked(body: bytes, project: str, endpoint: str) -> Delivery:
    """A delivery of one endpoint; ``Invalid`` for anything else."""
    delivery = opened(body)
    named = {(count.project, count.endpoint) for count in delivery.counts}
    for batch in delivery.batches:
        try:
            columns = [batch.rows[name].unique().to_pylist() for name in ("project", "endpoint")]
        except KeyError as error:
            raise Invalid(f"predictions of a replica have no column {error}") from None
        named |= {(first, second) for first in columns[0] for second in columns[1]}
    if named - {(project, endpoint)}:
        raise Invalid(f"a replica of {project}.{endpoint} hands in predictions of others")
    return delivery


def _stream(table: pyarrow.Table, compression: str | None) -> bytes:
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())
