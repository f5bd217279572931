"""The Open Inference Protocol over HTTP as a raw ASGI application: paths, bodies, errors."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import TYPE_CHECKING

from mlbox.base.errors import Invalid, MlboxError, NotFound, Unavailable
from mlbox.base.ids import new_id
from mlbox.serve import codec
from mlbox.serve.http import (
    BINARY,
    JSON,
    Headers,
    NotAllowed,
    Receive,
    Scope,
    Send,
    defect,
    fail,
    headers_of,
    lifespan,
    read_body,
    reply,
)
from mlbox.serve.metadata import model_metadata, server_metadata
from mlbox.serve.record import Entry, microseconds

if TYPE_CHECKING:
    from mlbox.serve.codec import Request
    from mlbox.serve.directory import Directory, Slot
    from mlbox.serve.endpoint import Answer, Runtime
    from mlbox.serve.record import Recorder

INLINE_ROWS = 256
"""Requests up to this many rows are computed on the event loop: a thread costs more than they do."""

_VERBS = {"infer": "predict", "explain": "explain"}

INLINE_BYTES = 64 * 1024
"""Bodies up to this size are decoded on the event loop."""


class InferenceApp:
    """``/v2…`` and nothing else. Holds no state of endpoints: it asks the directory for each request."""

    def __init__(
        self,
        directory: Directory,
        recorder: Recorder,
        ensure: Callable[[Slot], Runtime],
        max_body: int,
        version: str,
    ) -> None:
        self._directory = directory
        self._recorder = recorder
        self._ensure = ensure
        self._max_body = max_body
        self._version = version
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="inference")

    def close(self) -> None:
        """End the threads when their work is done."""
        self._threads.shutdown(wait=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "lifespan":
            await lifespan(receive, send)
            return
        try:
            await self._route(scope, receive, send)
        except MlboxError as error:
            await fail(send, error)
        except Exception:  # a defect of ours must not take the connection, nor show its insides
            await fail(send, defect())

    async def _route(self, scope: Scope, receive: Receive, send: Send) -> None:
        method: str = scope["method"]
        parts = _parts(scope["path"])
        if method == "POST" and len(parts) >= 4 and parts[1] == "models" and parts[-1] in ("infer", "explain"):
            await self._infer(parts, scope, receive, send)
            return
        body = await self._describe(parts)
        if method not in ("GET", "HEAD"):
            raise NotAllowed(f"{method} is not a method of {scope['path']}", hint="use GET")
        await reply(send, 200, body, JSON)

    async def _describe(self, parts: tuple[str, ...]) -> bytes:
        match parts:
            case ["v2"]:
                return codec.to_json(server_metadata(self._version))
            case ["v2", "health", "live"]:
                return b'{"live":true}'
            case ["v2", "health", "ready"]:
                return b'{"ready":true}'
            case ["v2", "models", _] | ["v2", "models", _, "versions", _]:
                slot = self._directory.find(parts[2])
                return codec.to_json(model_metadata(slot, await self._runtime(slot, parts)))
            case ["v2", "models", _, "ready"] | ["v2", "models", _, "versions", _, "ready"]:
                slot = self._directory.find(parts[2])
                _check_state(slot)
                await self._runtime(slot, parts)
                return codec.to_json({"name": slot.name, "ready": True})
            case ["v2", "models", _, "infer"] | ["v2", "models", _, "versions", _, "infer"]:
                raise NotAllowed("infer takes a POST", hint="send the inputs as the body of a POST")
        raise NotFound(
            f"there is no path /{'/'.join(parts)}",
            hint="POST /v2/models/{endpoint}/infer, GET /v2/models/{endpoint}, /v2/health/ready, /v2",
        )

    async def _runtime(self, slot: Slot, parts: tuple[str, ...]) -> Runtime:
        """The runtime, built beside the event loop when there is none yet; the path's version must be one of it."""
        runtime = slot.runtime
        if runtime is None:
            runtime = await asyncio.get_running_loop().run_in_executor(self._threads, self._ensure, slot)
        if len(parts) > 4 and parts[3] == "versions":
            live = {str(arm.version) for arm in runtime.arms}
            if parts[4] not in live:
                raise NotFound(
                    f"endpoint {slot.name} does not serve version {parts[4]!r}",
                    hint=f"it serves {', '.join(sorted(live))}; leave /versions/… out",
                )
        return runtime

    async def _infer(self, parts: tuple[str, ...], scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        slot = self._directory.find(parts[2])
        call = _Call(slot, parts[2], _VERBS[parts[-1]])
        try:
            _check_state(slot)
            headers = headers_of(scope)
            body = await read_body(headers, receive, self._max_body)
            if slot.runtime is None or len(parts) > 4:
                await self._runtime(slot, parts)
            runtime = slot.runtime
            if call.verb == "explain" or (runtime is not None and runtime.asynchronous):
                status, head, content = await call.later(body, headers, self._max_body)
            else:
                answered = call.at_once(body, headers, self._max_body)
                status, head, content = answered or await self._beside(call, body, headers)
        except MlboxError as error:
            self._note(call, started, error)
            raise
        except Exception:
            internal = defect()
            self._note(call, started, internal)
            raise internal from None
        self._note(call, started, None)
        await reply(send, status, content, head)
        if call.verb == "predict" and call.runtime is not None and call.runtime.shadow is not None and call.request:
            await self._shadow(call)

    async def _beside(self, call: _Call, body: bytes, headers: dict[bytes, bytes]) -> tuple[int, Headers, bytes]:
        """Answer in a thread, within the endpoint's time limit."""
        loop = asyncio.get_running_loop()
        if call.request is not None:
            work = loop.run_in_executor(self._threads, call.finish)
        else:
            work = loop.run_in_executor(self._threads, call.whole, body, headers, self._max_body)
        limit = call.slot.row.options.get("timeout_ms")
        try:
            return await asyncio.wait_for(work, limit / 1000 if limit else None)
        except TimeoutError:
            raise Unavailable(
                f"the time limit of {limit:g} ms of endpoint {call.slot.name} has passed",
                hint="send fewer rows at once, or raise timeout_ms",
            ) from None

    def _note(self, call: _Call, started: float, error: MlboxError | None) -> None:
        """Count the request, and record it when its endpoint's LOG clause says so."""
        row = call.slot.row
        at_us = microseconds()
        took = (time.perf_counter() - started) * 1000
        self._recorder.count(row.project, row.name, at_us, error is not None)
        call.keep = call.verb == "predict" and _keep(row.log_percent)
        if call.keep:
            answer, told = (call.answer, None) if error is None else (None, error.message)
            self._recorder.keep(Entry(row.project, row.name, call.id, at_us, took, call.request, answer, told))

    async def _shadow(self, call: _Call) -> None:
        """Ask the shadow model after the caller has its answer; its failure is recorded and stops nobody."""
        assert call.runtime is not None and call.request is not None
        if not call.keep:
            return
        started = time.perf_counter()
        answer: Answer | None = None
        failed: str | None = None
        try:
            runtime, request = call.runtime, call.request
            answer = (
                await runtime.answer_shadow_later(request) if runtime.asynchronous else runtime.answer_shadow(request)
            )
        except MlboxError as error:
            failed = error.message
        row = call.slot.row
        took = (time.perf_counter() - started) * 1000
        entry = Entry(row.project, row.name, call.id, microseconds(), took, call.request, answer, failed, shadow=True)
        self._recorder.keep(entry)


class _Call:
    """One request on its way: decoded, answered, encoded."""

    __slots__ = ("answer", "asked", "id", "keep", "request", "runtime", "slot", "verb")

    def __init__(self, slot: Slot, asked: str, verb: str) -> None:
        self.slot = slot
        self.verb = verb
        self.asked = asked
        self.id = ""
        self.keep = False
        self.request: Request | None = None
        self.answer: Answer | None = None
        self.runtime: Runtime | None = None

    def at_once(self, body: bytes, headers: dict[bytes, bytes], limit: int) -> tuple[int, Headers, bytes] | None:
        """The answer to a small request; None when it is too much for the event loop, decoded or not."""
        if len(body) > INLINE_BYTES:
            return None
        request = self.decode(body, headers, limit)
        return self.finish() if request.rows <= INLINE_ROWS else None

    def decode(self, body: bytes, headers: dict[bytes, bytes], limit: int) -> Request:
        """Read the body."""
        self.id = new_id()
        encoding = headers.get(b"content-encoding")
        if encoding and encoding != b"identity":
            body = codec.inflate(body, encoding, limit)
        length = headers.get(codec.HEADER)
        if length is not None and not length.isdigit():
            raise Invalid(f"Inference-Header-Content-Length {length.decode('latin-1')!r} is no number")
        request = self.request = codec.decode(body, int(length) if length is not None else None)
        self.id = request.id or self.id
        return request

    def finish(self) -> tuple[int, Headers, bytes]:
        """Answer and encode."""
        assert self.request is not None
        runtime = self.take()
        return self.encode(runtime, runtime.answer(self.request))

    async def later(self, body: bytes, headers: dict[bytes, bytes], limit: int) -> tuple[int, Headers, bytes]:
        """The answer of a runtime that waits for others; large bodies are read by a thread."""
        if len(body) > INLINE_BYTES:
            request = await asyncio.to_thread(self.decode, body, headers, limit)
        else:
            request = self.decode(body, headers, limit)
        runtime = self.take()
        if not runtime.asynchronous:
            raise Invalid(f"endpoint {self.slot.name} explains nothing", hint="serve a class with a method explain")
        return self.encode(runtime, await runtime.answer_later(request, self.verb))

    def take(self) -> Runtime:
        """The runtime, once: one request never sees two generations."""
        runtime = self.slot.runtime
        if runtime is None:
            raise Unavailable(f"endpoint {self.slot.name} is changing", hint="try again")
        self.runtime = runtime
        return runtime

    def encode(self, runtime: Runtime, answer: Answer) -> tuple[int, Headers, bytes]:
        """The response."""
        assert self.request is not None
        self.answer = answer
        version = runtime.version if answer.version is None else str(answer.version)
        absent: dict[str, object] | None = {"features_missing": answer.seen.missing} if answer.seen.missing else None
        if answer.seen.failed:
            absent = {**(absent or {}), "members_failed": list(answer.seen.failed)}
        response = codec.Reply(self.asked, version, self.id, answer.outputs, absent)
        content, json_length = codec.encode(response, self.request)
        if json_length is None:
            return 200, JSON, content
        return 200, [BINARY, (codec.HEADER, str(json_length).encode())], content

    def whole(self, body: bytes, headers: dict[bytes, bytes], limit: int) -> tuple[int, Headers, bytes]:
        """Everything, for a thread."""
        self.decode(body, headers, limit)
        return self.finish()


@lru_cache(maxsize=1024)
def _parts(path: str) -> tuple[str, ...]:
    return tuple(part for part in path.split("/") if part)


def _keep(percent: float) -> bool:
    return percent >= 100 or (percent > 0 and random.random() * 100 < percent)


def _check_state(slot: Slot) -> None:
    if slot.row.state != "ready":
        raise Unavailable(
            f"endpoint {slot.name} is suspended", hint=f"ALTER ENDPOINT {slot.name} RESUME makes it answer again"
        )
