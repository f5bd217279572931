"""Requests that come together are computed together, each with its own answer or error.

A batch begins with its first request. It is computed when it is full, or its delay is over and the model is free:
while a batch is computed (in a thread, without the interpreter's lock), the next one gathers. So under load batches
grow by themselves, and a request that comes alone waits for the delay at most.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from mlbox.serve.feeding import inner_shapes, together

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from mlbox.engine.models.sessions import Output
    from mlbox.serve.codec import Request
    from mlbox.serve.endpoint import Answer, Arm, Runtime
    from mlbox.serve.imputing import Seen

MOST = 4096
"""Rows of a batch."""


@dataclass(slots=True)
class _Waiting:
    runtime: Runtime
    arm: Arm
    seen: Seen
    fed: Any
    request: Request
    answer: asyncio.Future[Answer]


@dataclass(slots=True)
class _Gathering:
    """The batch of one model that is being gathered."""

    waiting: list[_Waiting] = field(default_factory=list)
    rows: int = 0
    timer: asyncio.Handle | None = None
    busy: bool = False


class Batcher:
    """The batches of one endpoint; used on the event loop only."""

    def __init__(self, size: int, delay: float, threads: Executor) -> None:
        self._size = size
        self._delay = delay
        self._threads = threads
        self._gathering: dict[Hashable, _Gathering] = {}
        self.batches = 0
        """Calls of a model so far."""

    @classmethod
    def of(cls, options: Mapping[str, Any], threads: Executor) -> Batcher | None:
        """As WITH (batch = rows, batch_delay_ms = n) says; ``None`` without batching."""
        size = int(options.get("batch") or 0)
        return cls(size, float(options.get("batch_delay_ms") or 0) / 1000, threads) if size > 1 else None

    async def answer(self, runtime: Runtime, request: Request) -> Answer:
        """Predict with others; raises what is wrong with this request."""
        arm, seen, fed = runtime.prepare(request)
        loop = asyncio.get_running_loop()
        key: Hashable = (id(arm), *inner_shapes(fed)) if fed.__class__ is dict else id(arm)
        gathering = self._gathering.setdefault(key, _Gathering())
        waiting = _Waiting(runtime, arm, seen, fed, request, loop.create_future())
        gathering.waiting.append(waiting)
        gathering.rows += request.rows
        if gathering.rows >= self._size:
            self._begin(key, gathering)
        elif gathering.timer is None and not gathering.busy:
            begin = partial(self._begin, key, gathering)
            gathering.timer = loop.call_later(self._delay, begin) if self._delay else loop.call_soon(begin)
        return await waiting.answer

    def _begin(self, key: Hashable, gathering: _Gathering) -> None:
        """Compute what there is, unless the model is computing."""
        if gathering.timer is not None:
            gathering.timer.cancel()
            gathering.timer = None
        if gathering.busy or not gathering.waiting:
            return
        batch = _cut(gathering, self._size)
        gathering.busy = True
        self.batches += 1
        work = asyncio.get_running_loop().run_in_executor(self._threads, _compute, batch)
        work.add_done_callback(lambda done: self._end(key, gathering, batch, done))

    def _end(self, key: Hashable, gathering: _Gathering, batch: list[_Waiting], done: asyncio.Future[Any]) -> None:
        gathering.busy = False
        failed = done.exception()
        for index, waiting in enumerate(batch):
            if waiting.answer.done():  # the caller has given up
                continue
            said = failed if failed is not None else done.result()[index]
            if isinstance(said, BaseException):
                waiting.answer.set_exception(said)
            else:
                waiting.answer.set_result(said)
        if gathering.waiting:
            self._begin(key, gathering)
        else:
            self._gathering.pop(key, None)


def _cut(gathering: _Gathering, size: int) -> list[_Waiting]:
    """The first requests, up to ``size`` rows; one at least."""
    batch: list[_Waiting] = []
    rows = 0
    while gathering.waiting and (not batch or rows + gathering.waiting[0].request.rows <= size):
        batch.append(gathering.waiting.pop(0))
        rows += batch[-1].request.rows
    gathering.rows -= rows
    return batch


def _compute(batch: Sequence[_Waiting]) -> list[Answer | Exception]:
    """An answer or an error for each; when all together fail, each is asked alone."""
    predictor = batch[0].arm.predictor
    rows = sum(each.request.rows for each in batch)
    try:
        fed = together([each.fed for each in batch])
        output = predictor.run_tensors(fed, rows) if predictor.tensors_in else predictor.run_matrix(fed)
        if len(batch) > 1 and not all(values.shape[:1] == (rows,) for values in output.outputs.values()):
            return [_compute([each])[0] for each in batch]  # an output that is not by row cannot be cut
    except Exception as error:  # a defect of ours, too, is that of the request which has met it
        return [error] if len(batch) == 1 else [_compute([each])[0] for each in batch]
    found: list[Answer | Exception] = []
    begin = 0
    for each in batch:
        end = begin + each.request.rows
        try:
            part = output if len(batch) == 1 else _part(output, begin, end)
            found.append(each.runtime.conclude(each.arm, each.seen, part, each.request))
        except Exception as error:
            found.append(error)
        begin = end
    return found


def _part(output: Output, begin: int, end: int) -> Output:
    outputs = {name: values[begin:end] for name, values in output.outputs.items()}
    return type(output)(output.prediction[begin:end], outputs, output.numbered)
