"""Models and functions that answer in a process of their own, with the face of a predictor."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mlbox.base.errors import Invalid
from mlbox.base.telemetry import outgoing, span
from mlbox.client.serving import wire
from mlbox.engine.models.sessions import Output
from mlbox.engine.models.signature import Tensor
from mlbox.serve import declared
from mlbox.serve.http import DeadlineExceeded
from mlbox.serve.joining import joined, output_of
from mlbox.serve.python.errors import CodeFailed
from mlbox.serve.python.process import Ticket
from mlbox.serve.python.streams import pieces_of

if TYPE_CHECKING:
    from mlbox.serve.python.leases import Lease
    from mlbox.serve.python.process import Reply

ROWS_AT_ONCE = 8
"""Rows of a request that code which streams answers at once."""

INLINE_BYTES = 256 * 1024
"""Larger messages are encoded by a thread."""


class RemotePredictor:
    """Asked with columns by name, it answers with columns; ``features`` is empty where the code takes anything."""

    matrix = False
    tensors_in = False
    classifies = False

    def __init__(self, lease: Lease, features: Sequence[str], seconds: float) -> None:
        self._lease = lease
        self.seconds = seconds
        """Time limit of an answer, or of a piece of it."""
        self.kept: float | None = None
        """Seconds for which code may keep a request that nobody waits for any more, where that is less."""
        told = tuple(map(str, lease.about.get("features") or ()))
        self.features = tuple(features) or told
        self.optional = frozenset(map(str, lease.about.get("optional") or ()))
        self.verbs = frozenset(map(str, lease.about["verbs"]))
        self.streams = "stream" in self.verbs
        self.name = lease.pool.launch.name
        taken = declared.tensors(self.name, "inputs", lease.about.get("inputs") or ())
        self.declared = {tensor.name.lower(): tensor for tensor in taken}
        """Inputs by their names in lower case, of which the code says the type and the shape."""
        self.outputs = declared.tensors(self.name, "outputs", lease.about.get("outputs") or ())
        self.output_names = tuple(tensor.name for tensor in self.outputs)
        self.numbered = declared.numbered(self.outputs)
        for tensor in taken:
            if tensor.name not in self.features:
                raise Invalid(f"{self.name}: inputs has {tensor.name!r}, which is none of its features")
        texts = frozenset(map(str, lease.about.get("texts") or ()))
        self.tensors = tuple(
            self.declared.get(name.lower(), Tensor(name, "string" if name in texts else "double", (None,)))
            for name in self.features
        ) or (Tensor("inputs", "double", (None, None)),)

    def input_of(self, feature: int) -> Tensor:
        """The tensor of a feature: texts where the code says so, else numbers; callers may send something else."""
        return self.tensors[feature]

    async def ask(self, verb: str, columns: Mapping[str, Any], rows: int) -> Output:
        """``predict`` or ``explain``; raises ``CodeFailed``, ``DeadlineExceeded``, ``Unavailable``, ``Invalid``."""
        if self.streams and verb == "predict":
            return await self._joined(columns, rows)
        entries, buffers = wire.pack(columns)
        with span(f"process {self.name}", **{"mlbox.rows": rows}):
            head = {"verb": verb, "columns": entries, "rows": rows, "request": outgoing()}
            ticket = Ticket(head, buffers, self.seconds)
            large = sum(map(len, buffers)) > INLINE_BYTES
            reply = await self._lease.pool.ask(ticket, kept=self.kept, large=large)
        return self._output(reply, rows, self.outputs if verb == "predict" else ())

    async def do(self, event: Any) -> Any:
        """What the code makes of one event."""
        with span(f"process {self.name}"):
            head = {"verb": "do", "event": event, "request": outgoing()}
            reply, _ = await self._lease.pool.ask(Ticket(head, (), self.seconds), kept=self.kept)
        return reply["value"]

    def pieces(self, values: Mapping[str, Any]) -> AsyncGenerator[Any, None]:
        """The answer to one request, its values by name, in pieces."""
        head = {"verb": "stream", "event": dict(values), "request": outgoing()}
        return pieces_of(self._lease.pool, head, self.seconds, self.kept, _large(values))

    async def _joined(self, columns: Mapping[str, Any], rows: int) -> Output:
        """The whole answers of code that streams."""
        lists = {name: _rows_of(values, rows) for name, values in columns.items()}

        left, found = iter(range(rows)), dict[int, dict[str, Any]]()

        async def some() -> None:
            for index in left:
                pieces = self.pieces({name: values[index] for name, values in lists.items()})
                found[index] = (await joined(pieces)).whole()

        with span(f"process {self.name}", **{"mlbox.rows": rows}):
            try:
                async with asyncio.timeout(self.seconds):
                    await _all([asyncio.ensure_future(some()) for _ in range(min(rows, ROWS_AT_ONCE))])
            except TimeoutError:
                raise self.late() from None
        return output_of([found[index] for index in range(rows)])

    def late(self) -> DeadlineExceeded:
        """The error of a whole answer of code that streams, whose time has passed."""
        told = f"the time limit of {self.seconds * 1000:g} ms has passed and {self.name} has not answered"
        return DeadlineExceeded(told, hint="raise timeout_ms, or POST .../generate_stream")

    def _output(self, reply: Reply, rows: int, told: tuple[Tensor, ...] = ()) -> Output:
        import numpy as np

        head, body = reply
        outputs: dict[str, Any] = {}
        for name, values in wire.unpack(head["columns"], body).items():
            if len(values) != rows:
                raise CodeFailed(f"{self.name} gave {len(values)} values of {name!r} for {rows} rows")
            outputs[name] = values
        outputs = declared.checked(self.name, told, outputs)
        name = "prediction" if "prediction" in outputs else next(iter(outputs))
        chosen = outputs[name]
        if chosen.ndim == 1 and chosen.dtype.kind in "fiub":
            return Output(chosen.astype(np.float64), outputs, declared.numbered(told))
        if name == "prediction":  # that name is for numbers
            outputs = {"output" if key == name else key: values for key, values in outputs.items()}
        return Output(np.full(rows, np.nan), outputs, numbered=chosen.ndim < 3 and declared.numbered(told))


async def _all(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Until all are done; none goes on when one has failed."""
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()


def _large(values: Mapping[str, Any]) -> bool:
    """Whether values of one request are more than the event loop sends; not exact."""
    left, within = INLINE_BYTES, [iter(values.values())]
    while within and left > 0:
        value = next(within[-1], within)
        if value is within:
            within.pop()
            continue
        left -= len(value) if isinstance(value, str) else 8
        if isinstance(value, dict | list):
            within.append(iter([*value, *value.values()] if isinstance(value, dict) else value))
    return left <= 0


def _rows_of(values: Any, rows: int) -> list[Any]:
    found = values.tolist() if hasattr(values, "tolist") else values
    return found if isinstance(found, list) else [found] * rows
