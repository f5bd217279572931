"""A row that a model computed in memory that is kept: recorded as its bytes, which are taken apart many at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from mlbox.serve import log_columns as columns

if TYPE_CHECKING:
    import pyarrow

    from mlbox.engine.models.bound_row import BoundRow
    from mlbox.engine.models.sessions import Output
    from mlbox.serve.endpoint import Arm


class Form:
    """Whose bytes they are, and how they are read."""

    __slots__ = ("model", "names", "output_of", "taken_apart", "version")

    def __init__(self, arm: Arm, bound: BoundRow) -> None:
        self.model = arm.model
        self.version = arm.version
        self.names: tuple[str, ...] = arm.predictor.features
        self.taken_apart = bound.taken_apart
        self.output_of: Callable[[list[Any], int], Output] = arm.predictor.output_of


class Kept(msgspec.Struct, gc=False):
    """A request of one row of features and nothing else, that was answered."""

    project: str
    endpoint: str
    request_id: str
    at_us: int
    """Microseconds since 1970."""
    latency_ms: float
    form: Form
    values: bytes

    rows: ClassVar[int] = 1
    held: ClassVar[int] = 0
    error: ClassVar[None] = None
    written: ClassVar[None] = None
    """Nobody is told when it is durable."""

    @property
    def kind(self) -> tuple[Any, ...]:
        """What such have in common that are made into rows together; names of features last."""
        return self.project, self.endpoint, self.form, self.form.names

    def follows(self, last: Any) -> bool:
        """Whether it is of the kind of another one."""
        return (
            last.__class__ is Kept
            and self.form is last.form
            and self.endpoint is last.endpoint
            and self.project is last.project
        )


def rows_of(entries: Sequence[Kept], shape: str, json: bool, rest: Callable[[], None]) -> pyarrow.Table:
    """Rows of requests of one kind, as those of requests that are recorded with all that belongs to them."""
    import numpy as np
    import pyarrow as pa

    first, form, total = entries[0], entries[0].form, len(entries)
    matrix, raw = form.taken_apart([entry.values for entry in entries])
    rest()
    output = form.output_of(raw, total)
    outputs = {name: values for name, values in output.outputs.items() if name != "prediction"}
    made = columns.json_lines(outputs, total) if json else columns.structs(outputs, total)
    rest()
    at = pa.array([entry.at_us for entry in entries], pa.timestamp("us", tz="UTC"))
    none = pa.nulls(total, pa.string())
    return columns.table(
        total,
        project=first.project,
        endpoint=first.endpoint,
        model=form.model,
        model_version=pa.repeat(pa.scalar(form.version, pa.int32()), total),
        request_id=[entry.request_id for entry in entries],
        ordinal=np.zeros(total, np.int32),
        row_id=none,
        predicted_at=at,
        event_time=at,
        latency_ms=[entry.latency_ms for entry in entries],
        status="ok",
        error=none,
        inputs=none,
        prediction=output.prediction,
        outputs=made,
        shadow=np.zeros(total, np.bool_),
        shape=shape,
        seen=columns.seen_lists(len(form.names), [matrix], total),
    )
