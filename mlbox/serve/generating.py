"""Triton's generate extension: plain JSON in, and out as one JSON object or as server-sent events, piece by piece.

``POST /v2/models/{endpoint}[/versions/{v}]/generate`` and ``/generate_stream``. A piece reaches the caller when the
code has made it. What fails before the first piece is answered as any other failure; after it the error is an event,
and the last one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from time import perf_counter
from typing import TYPE_CHECKING, Any

from mlbox.base.defects import defect_of
from mlbox.base.errors import Invalid, MlboxError
from mlbox.base.ids import new_id
from mlbox.base.telemetry import FOLLOWED, Followed, request_id, span
from mlbox.serve import codec, events, media
from mlbox.serve.asynchronous import AsyncRuntime
from mlbox.serve.call import Call
from mlbox.serve.codec import Request
from mlbox.serve.endpoint import Answer
from mlbox.serve.feeding import is_plain
from mlbox.serve.http import (
    BrokenBody,
    Gone,
    Receive,
    RequestHeaders,
    Scope,
    Send,
    check_length,
    failure,
    headers_of,
    reply,
)
from mlbox.serve.joining import STREAM, Joined, fields_of, joined
from mlbox.serve.limits import asked_seconds, check_state, late, shed
from mlbox.serve.runtimes.base import DEFAULT_SECONDS, seconds_of

if TYPE_CHECKING:
    from mlbox.engine.models.signature import Tensor
    from mlbox.serve.asgi import InferenceApp
    from mlbox.serve.directory import Slot
    from mlbox.serve.endpoint import Runtime
    from mlbox.serve.imputing import Seen

RECORDED = 64 * 1024
"""Characters of an answer that the prediction log keeps."""

_SSE = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]
_PLAIN = (bool, int, float, str, type(None))


def event_of(runtime: Runtime, sent: Any) -> dict[str, Any]:
    """The fields of a request: ``parameters`` are fields too, unless what answers takes them under that name."""
    if not isinstance(sent, dict):
        raise Invalid(
            "an object is needed", hint='for example {"text_input": "Hello", "parameters": {"max_tokens": 9}}'
        )
    more = sent.get("parameters")
    if (
        runtime.row.graph is not None
        or not isinstance(more, dict)
        or any(n.name == "parameters" for n in runtime.needs)
    ):
        return sent
    return {**more, **{name: value for name, value in sent.items() if name != "parameters"}}


async def whole(call: Call, runtime: Runtime, sent: Any) -> dict[str, Any]:
    """The answer as one object."""
    event = event_of(runtime, sent)
    if runtime.streams and runtime.shaping.after is None:
        pieces, seen = await _begin(call, runtime, event)
        predictor = runtime.arms[0].predictor
        try:
            async with asyncio.timeout(predictor.seconds):
                answer = await joined(pieces)
        except TimeoutError:
            call.slot.meter.late += 1
            raise predictor.late() from None
        result: Any = answer.whole()
        call.answer = _recorded(runtime, seen, result, {"pieces": answer.pieces})
    else:
        result, call.request, call.answer = await events.ask(runtime, event)
    return {"model_name": call.asked, "model_version": runtime.version, **fields_of(result)}


async def _begin(call: Call, runtime: Runtime, event: Mapping[str, Any]) -> tuple[AsyncGenerator[Any, None], Seen]:
    """The pieces of an answer; none is made yet. What holds no plain value reaches the code as it is, and the log as
    JSON; lists for inputs that the code declares are tensors."""
    declared = runtime.arms[0].predictor.declared
    nested = {
        name.lower(): value
        for name, value in event.items()
        if not isinstance(value, _PLAIN) and not (isinstance(value, list) and _takes_lists(declared.get(name.lower())))
    }
    row = {name: codec.to_json(v).decode() if name.lower() in nested else v for name, v in event.items()}
    call.request = request = events.request_of([row]) if row else Request({}, 1, None, None, False)
    assert isinstance(runtime, AsyncRuntime)
    values, seen = await runtime.values_later(request, nested)
    return runtime.arms[0].predictor.pieces(values), seen


def _takes_lists(tensor: Tensor | None) -> bool:
    return tensor is not None and not (is_plain(tensor) and tensor.element == "string")


async def stream(app: InferenceApp, parts: tuple[str, ...], scope: Scope, receive: Receive, send: Send) -> Call:
    """Answer a request to ``/generate_stream``."""
    call = Call(app.find(parts[2]), parts[2], STREAM, perf_counter())
    followed: Followed | None = scope.get(FOLLOWED)
    call.id = followed.id if followed is not None and followed.given else new_id()
    if followed is not None:
        followed.id = call.id
    call.slot.meter.waiting += 1
    try:
        with span(f"endpoint {parts[2]}", **{"mlbox.endpoint": call.slot.name, "mlbox.request_id": call.id}):
            await _Stream(app, call, send).answer(parts, headers_of(scope), receive)
    finally:
        call.slot.meter.waiting -= 1
    return call


class _Stream:
    """One stream: its pieces on their way to the caller, and what is recorded of them."""

    def __init__(self, app: InferenceApp, call: Call, send: Send) -> None:
        self._app = app
        self._call = call
        self._send = send
        self._joined = Joined(RECORDED)
        self._begun = False
        self._first_ms: float | None = None
        self._seen: Seen | None = None
        self._seconds = DEFAULT_SECONDS
        """In which the caller takes an event."""

    async def answer(self, parts: tuple[str, ...], headers: RequestHeaders, receive: Receive) -> None:
        """All of it, until the caller has gone."""
        work = asyncio.ensure_future(self._answer(parts, headers, receive, body_read := asyncio.Event()))
        watch = asyncio.ensure_future(_gone(receive, body_read))
        try:
            await asyncio.wait((work, watch), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (watch, work):
                if not task.done():
                    task.cancel()
                    with suppress(asyncio.CancelledError):
                        await task
        if not work.cancelled():
            work.result()

    async def _answer(
        self, parts: tuple[str, ...], headers: RequestHeaders, receive: Receive, body_read: asyncio.Event
    ) -> None:
        call, error = self._call, None
        try:
            pieces, limit = await self._prepare(parts, headers, receive, body_read)
            try:
                await self._pour(pieces, limit)
            finally:
                await pieces.aclose()
        except (BrokenBody, Gone, asyncio.CancelledError):
            if self._seen is not None:
                self._record({"ended": "the caller went away"})
                self._app.note(call, None)
            raise
        except MlboxError as known:
            error = known
        except Exception as unknown:
            request_id.set(call.id)
            error = defect_of(unknown, f"asking endpoint {call.slot.name}")
        if error is None:
            self._record({})
            written = self._app.note(call, None)
            error = await written if written is not None else None
        else:
            self._app.note(call, error)
        await self._end(error)

    async def _prepare(
        self, parts: tuple[str, ...], headers: RequestHeaders, receive: Receive, body_read: asyncio.Event
    ) -> tuple[AsyncGenerator[Any, None], float]:
        """The pieces, and the seconds for all of them since the request came."""
        app, call, slot = self._app, self._call, self._call.slot
        self._seconds = seconds_of(slot.row)
        check_state(slot)
        if slot.meter.waiting > slot.max_queue:
            shed(slot)
        own = float(slot.stream_seconds)
        limit = min(own, asked_seconds(headers) or own)
        check_length(headers, app.max_body)
        body = await app.read(headers, receive)
        body_read.set()
        media.is_arrow(headers.get(b"content-type", b""))
        runtime = call.runtime = await app.runtime(slot, parts)
        sent = events.decode(media.unpacked(body, headers.get(b"content-encoding"), app.max_body))
        event = event_of(runtime, sent)
        if not runtime.streams:
            return _as_one(call, runtime, sent, slot), limit
        if runtime.shaping.after is not None:
            raise Invalid(
                f"endpoint {slot.name} has POSTPROCESS, which needs the whole answer", hint="POST .../generate"
            )
        pieces, self._seen = await _begin(call, runtime, event)
        return pieces, limit

    async def _pour(self, pieces: AsyncGenerator[Any, None], limit: float) -> None:
        """Send the pieces as they are made."""
        call = self._call
        runtime = call.runtime
        assert runtime is not None
        head = {"model_name": call.asked, "model_version": runtime.version}
        try:
            async with asyncio.timeout(limit - (perf_counter() - call.started)):
                async for piece in pieces:
                    if self._first_ms is None:
                        self._first_ms = (perf_counter() - call.started) * 1000
                    self._joined.add(piece)
                    await self._tell({**head, **fields_of(piece)})
        except TimeoutError:
            raise late(call.slot, limit) from None

    async def _tell(self, told: Mapping[str, Any], kind: bytes = b"") -> None:
        """Send an event; a caller who does not take it has gone, as far as we are concerned."""
        try:
            async with asyncio.timeout(self._seconds):
                await self._start()
                body = b"%sdata: %s\n\n" % (kind, codec.to_json(told))
                await self._send({"type": "http.response.body", "body": body, "more_body": True})
        except TimeoutError:
            raise Gone("the caller takes nothing") from None

    async def _start(self) -> None:
        if not self._begun:
            self._begun = True
            headers = [*_SSE, (b"x-request-id", self._call.id.encode("latin-1", "replace"))]
            await self._send({"type": "http.response.start", "status": 200, "headers": headers})

    async def _end(self, error: MlboxError | None) -> None:
        """The last event, where it is an error, and the end."""
        if error is not None and not self._begun:
            await reply(self._send, failure(error, self._call.id))
            return
        if error is not None:
            shown = error.public
            told = {"error": shown.message, "code": shown.code, **({"hint": shown.hint} if shown.hint else {})}
            await self._tell(told, b"event: error\n")
        await self._start()
        await self._send({"type": "http.response.body", "body": b""})

    def _record(self, more: Mapping[str, Any]) -> None:
        """What was said, as far as the log keeps it."""
        call = self._call
        if self._seen is None or call.runtime is None:
            return  # it is no stream, and has an answer
        told = {"pieces": self._joined.pieces, **({"first_ms": self._first_ms} if self._first_ms else {}), **more}
        call.answer = _recorded(call.runtime, self._seen, self._joined.whole(), told)


async def _as_one(call: Call, runtime: Runtime, sent: Any, slot: Slot) -> AsyncGenerator[Any, None]:
    """The answer of an endpoint that has no pieces, within its own time limit."""
    try:
        async with asyncio.timeout(slot.timeout):
            answer = await whole(call, runtime, sent)
    except TimeoutError:
        raise late(slot, slot.timeout or 0) from None
    yield answer


async def _gone(receive: Receive, body_read: asyncio.Event) -> None:
    """Until the caller goes away."""
    await body_read.wait()
    while (await receive())["type"] != "http.disconnect":
        pass


def _recorded(runtime: Runtime, seen: Seen, whole: Mapping[str, Any], told: Mapping[str, Any]) -> Answer:
    """An answer as the prediction log has it: one row; what is no plain value as JSON, texts up to ``RECORDED``."""
    import numpy as np

    outputs: dict[str, Any] = {}
    for name, value in {**whole, **told}.items():
        if isinstance(value, bool | int | float):
            outputs[name] = np.array([value])
        else:
            text = value if isinstance(value, str) or value is None else codec.to_json(value).decode()
            outputs[name] = np.array([text and text[:RECORDED]], object)
    number = outputs.get("prediction")
    numeric = number is not None and number.dtype.kind in "fiu"
    if number is not None and not numeric:
        outputs["output"] = outputs.pop("prediction")
    prediction = number.astype(np.float64) if numeric and number is not None else np.full(1, np.nan)
    arm = runtime.arms[0]
    return Answer(arm.model, arm.version, prediction, outputs, seen)
