"""An endpoint asked with events: the runtime that is behind HTTP, with the prediction log."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import TYPE_CHECKING, Any

from mlbox.base.defects import defect_of
from mlbox.base.errors import Invalid, MlboxError, Unavailable
from mlbox.base.ids import new_id
from mlbox.serve import events as plain
from mlbox.serve.graph.runtime import GraphRuntime
from mlbox.serve.http import DeadlineExceeded
from mlbox.serve.record import Entry, microseconds

if TYPE_CHECKING:
    from mlbox.serve.codec import Request
    from mlbox.serve.directory import Slot
    from mlbox.serve.endpoint import Answer, Runtime
    from mlbox.serve.feeds.events import Event
    from mlbox.serve.record import Recorder

TOGETHER = 256
"""Rows that a model is asked with at once."""
AT_ONCE = 64
"""Events that are in a graph, or rows that are asked one by one, at once."""
_PLAIN = (bool, int, float, str, type(None))
_NUMBERS = {"true": 1, "false": 0}

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an event: the rows of its answer (a graph may give several, or none), or why it has none."""

    rows: Sequence[Row] = ()
    error: MlboxError | None = None


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is recorded together: a name, when it began, and the request."""

    id: str
    began: float
    request: Request | None = None


@dataclass(frozen=True, slots=True)
class Asker:
    """Asks one endpoint. ``ensure`` builds its runtime when there is none yet."""

    recorder: Recorder
    ensure: Callable[[Slot], Runtime]

    async def ask(self, slot: Slot, given: Sequence[Event]) -> list[Outcome]:
        """An outcome for each event, in order. Raises ``Unavailable`` when the endpoint does not answer at all."""
        if slot.row.state != "ready":
            raise Unavailable(f"endpoint {slot.name} is suspended", hint=f"ALTER ENDPOINT {slot.name} RESUME")
        runtime = slot.runtime
        if runtime is None:
            runtime = await asyncio.to_thread(self.ensure, slot)
        room = asyncio.Semaphore(AT_ONCE)
        alone = isinstance(runtime, GraphRuntime)
        # each row of a traffic split finds its own arm
        size = 1 if alone or (len(runtime.arms) > 1 and runtime.row.ensemble is None) else TOGETHER

        async def some(part: Sequence[Event]) -> list[Outcome]:
            async with room:
                return await (self._event(slot, runtime, part[0]) if alone else self._rows(slot, runtime, part))

        parts = [given[start : start + size] for start in range(0, len(given), size)]
        return [outcome for each in await asyncio.gather(*map(some, parts)) for outcome in each]

    async def _event(self, slot: Slot, runtime: Runtime, event: Event) -> list[Outcome]:
        asked = _Asked(event.id, perf_counter())
        try:
            async with asyncio.timeout(slot.timeout):
                result, request, answer = await plain.ask(runtime, dict(event.body or {}))
        except Exception as error:
            failed = _known(error, slot)
            self._note(slot, asked, None, failed)
            return [Outcome(error=failed)]
        request.row_ids = [event.id]
        lost = await self._noted(slot, replace(asked, request=request), answer)
        if lost is not None:
            return [Outcome(error=lost)]
        rows = result if isinstance(result, list) else [] if result is None else [result]
        return [Outcome([row if isinstance(row, dict) else {"output": row} for row in rows])]

    async def _rows(self, slot: Slot, runtime: Runtime, given: Sequence[Event]) -> list[Outcome]:
        """All together; when that fails, in halves, so that a wrong row is found and the others have their answers."""
        asked = _Asked(given[0].id if len(given) == 1 else new_id(), perf_counter())
        try:
            request = request_of(runtime, given)
            asked = replace(asked, request=request)
            async with asyncio.timeout(slot.timeout):
                answer = await _answer(runtime, request)
            if slot.strict and answer.seen.missing:
                raise Invalid(f"a row has no value of {', '.join(map(repr, answer.seen.missing))}")
        except Exception as error:
            failed = _known(error, slot)
            if len(given) > 1 and not failed.transient:
                middle = len(given) // 2
                first = await self._rows(slot, runtime, given[:middle])
                return [*first, *await self._rows(slot, runtime, given[middle:])]
            if len(given) == 1:
                self._note(slot, asked, None, failed)
            return [Outcome(error=failed)] * len(given)
        lost = await self._noted(slot, asked, answer)
        if lost is not None:
            return [Outcome(error=lost)] * len(given)
        await self._shadow(slot, runtime, asked)
        listed = {key: values.tolist() for key, values in answer.outputs.items()}
        return [
            Outcome([{key: _value(values[index]) for key, values in listed.items()}]) for index in range(request.rows)
        ]

    async def _shadow(self, slot: Slot, runtime: Runtime, asked: _Asked) -> None:
        """The shadow model says to the same; its failure is recorded and stops nobody."""
        request = asked.request
        if runtime.shadow is None or request is None:
            return
        asked, answer, failed = replace(asked, began=perf_counter()), None, None
        try:
            later = runtime.answer_shadow_later(request) if runtime.asynchronous else None
            answer = await later if later is not None else runtime.answer_shadow(request)
        except Exception as error:
            failed = _known(error, slot)
        self._note(slot, asked, answer, failed, shadow=True)

    async def _noted(self, slot: Slot, asked: _Asked, answer: Answer) -> MlboxError | None:
        """Recorded; of an endpoint that promises it durably, or why not."""
        written = self._note(slot, asked, answer, None)
        return await written if written is not None else None

    def _note(
        self, slot: Slot, asked: _Asked, answer: Answer | None, error: MlboxError | None, *, shadow: bool = False
    ) -> Awaitable[MlboxError | None] | None:
        """Count and record as a request over HTTP is. What is returned, if anything, tells when that is durable."""
        row, at, took = slot.row, microseconds(), (perf_counter() - asked.began) * 1000
        if row.log_percent < 100 and not random.random() * 100 < row.log_percent:
            if not shadow:
                self.recorder.count(row.project, row.name, at, error is not None)
            return None
        told = error.public.message if error is not None else None
        entry = Entry(row.project, row.name, asked.id, at, took, asked.request, answer, told, shadow=shadow)
        if slot.durable and answer is not None and not shadow:
            return self.recorder.keep_durably(entry)
        self.recorder.keep(entry, counts=not shadow)
        return None


def request_of(runtime: Runtime, given: Sequence[Event]) -> Request:
    """Events as rows of a request: fields that the endpoint takes, and others with plain values. Texts are numbers
    where it takes numbers: streams of texts alone have no others."""
    numbers = {need.name.lower() for need in runtime.needs if need.datatype != "BYTES"}
    taken = {need.name.lower() for need in runtime.needs}
    required = {need.name.lower(): need.name for need in runtime.needs if need.required}
    rows = []
    for event in given:
        absent = required.keys() - {name.lower() for name in event.body or ()}
        if absent:  # beside others it would be a missing value
            raise Invalid(f"the event has no {', '.join(sorted(required[key] for key in absent))}")
        row = {}
        for name, value in (event.body or {}).items():
            key = name.lower()
            if key in numbers and isinstance(value, str):
                row[name] = _number(name, value)
            elif key in taken or isinstance(value, _PLAIN):
                row[name] = value
        rows.append(row)
    request = plain.request_of(rows)
    request.row_ids = [event.id for event in given]
    return request


async def _answer(runtime: Runtime, request: Request) -> Answer:
    if runtime.asynchronous:
        return await runtime.answer_later(request)
    return await asyncio.to_thread(runtime.answer, request) if runtime.waits else runtime.answer(request)


def _number(name: str, value: str) -> float | int | None:
    text = value.strip()
    if not text:
        return None
    folded = _NUMBERS.get(text.lower())
    if folded is not None:
        return folded
    try:
        return int(text) if text.lstrip("+-").isdigit() else float(text)
    except ValueError:
        raise Invalid(f"field {name!r} is {value!r}, and the endpoint takes a number") from None


def _known(error: Exception, slot: Slot) -> MlboxError:
    if isinstance(error, MlboxError):
        return error
    if isinstance(error, TimeoutError):
        return DeadlineExceeded(f"the time limit of endpoint {slot.name} has passed", hint="raise timeout_ms")
    return defect_of(error, f"asking endpoint {slot.name} with events").public


def _value(value: Any) -> Any:
    return None if isinstance(value, float) and value != value else value
