"""The Open Inference Protocol over HTTP, as a raw ASGI application: paths, bodies, errors."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from time import perf_counter
from typing import TYPE_CHECKING, TypeVar

from mlbox.base.defects import defect_of, known
from mlbox.base.errors import MlboxError, NotFound
from mlbox.base.ids import new_id
from mlbox.base.telemetry import FOLLOWED, Followed, carried, request_id, span, tracer
from mlbox.serve import codec, listing
from mlbox.serve.addresses import INVOCATIONS, inner_path
from mlbox.serve.batching import Batcher
from mlbox.serve.building import Building
from mlbox.serve.call import INLINE_BYTES, INLINE_ROWS, Call
from mlbox.serve.compact import Kept
from mlbox.serve.express import Lane
from mlbox.serve.generating import stream
from mlbox.serve.graph.drawing import drawing_of
from mlbox.serve.http import (
    JSON,
    PACKED,
    SVG,
    BrokenBody,
    Gone,
    NotAllowed,
    Receive,
    RequestHeaders,
    Response,
    Scope,
    Send,
    check_length,
    failure,
    headers_of,
    lifespan,
    packed,
    reply,
    rest_of_body,
    whole_body,
)
from mlbox.serve.joining import STREAM
from mlbox.serve.limits import Patience, check_state, late, seconds_for, shed
from mlbox.serve.metadata import model_metadata, server_metadata
from mlbox.serve.openapi import description
from mlbox.serve.record import Entry, microseconds
from mlbox.serve.recorded import REMEMBERED, held

if TYPE_CHECKING:
    from mlbox.serve.directory import Directory, Slot
    from mlbox.serve.endpoint import Answer, Runtime
    from mlbox.serve.record import Recorder

T = TypeVar("T")
_READY = ("v2", "health", "ready")
_INDEX = ("v2", "repository", "index")
_PATHS = "POST /v2/models/{endpoint}/infer, GET /v2/models/{endpoint}, /v2/models, /v2/health/ready, /v2"
VERBS = {"infer": "predict", INVOCATIONS: "predict", "explain": "explain", "event": "event", "generate": "generate"}
"""Last parts of paths, and what they ask for."""


class InferenceApp:
    """``/v2…`` and nothing else. Holds no state of endpoints: it asks the directory for each request."""

    def __init__(
        self,
        directory: Directory,
        recorder: Recorder,
        ensure: Callable[[Slot], Runtime],
        max_body: int,
        version: str,
        body_seconds: float = 60,
    ) -> None:
        self._directory = directory
        self._recorder = recorder
        self._building = Building(ensure)
        self.max_body = max_body
        self._version = version
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="inference")
        self._patience = Patience(body_seconds)
        self.starting = False
        """Whether the code of endpoints is being loaded: the server is alive, and not ready."""

    def close(self) -> None:
        """End the threads when their work is done."""
        self._threads.shutdown(wait=True)
        self._building.close()

    def inner_path(self, path: str) -> str | None:
        """For a path of an endpoint that is not under ``/v2``, the one under it; None: it is nobody's."""
        return inner_path(self._directory, path)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "lifespan":
            await lifespan(receive, send)
            return
        try:
            parts = _parts(scope["path"])
            if scope["method"] == "POST" and len(parts) >= 4 and parts[1] == "models" and parts[-1] in VERBS:
                call: Call | None
                infer = self._infer if tracer() is None else self._traced
                response, call = await infer(parts, scope, receive)
            elif scope["method"] == "POST" and len(parts) >= 4 and parts[1] == "models" and parts[-1] == STREAM:
                call = await stream(self, parts, scope, receive, send)
                if call.runtime is not None and call.runtime.shadow is not None and not call.runtime.streams:
                    await self._shadow(call)
                return
            else:
                kind = SVG if parts[-1:] == ("graph",) else JSON
                status = 503 if self.starting and parts == _READY else 200
                listed = await self._listed(parts, scope, receive)
                response, call = (status, kind, listed or await self._describe(parts, scope["method"])), None
        except Gone:
            return
        except MlboxError as error:
            response, call = failure(error), None
        except Exception as error:  # a defect of ours must not take the connection, nor show its insides
            response, call = failure(defect_of(error, "telling of endpoints")), None
        await reply(send, response)
        if call is not None and call.runtime is not None and call.runtime.shadow is not None:
            await self._shadow(call)

    def find(self, name: str) -> Slot:
        """The endpoint of that name; raises ``NotFound`` and ``Conflict``."""
        return self._directory.find(name)

    async def _listed(self, parts: tuple[str, ...], scope: Scope, receive: Receive) -> bytes | None:
        """The endpoints that the sender sees, where the path asks for them."""
        sees = scope.get(listing.SEES)
        if parts == ("v2", "models") and scope["method"] in ("GET", "HEAD"):
            return codec.to_json(listing.names(self._directory, sees))
        if parts == _INDEX and scope["method"] == "POST":
            body = await self.read(headers_of(scope), receive)
            return codec.to_json(listing.index(self._directory, sees, body))
        return None

    async def _describe(self, parts: tuple[str, ...], method: str) -> bytes:
        if method in ("GET", "HEAD") and parts != _INDEX:
            return await self._told(parts)
        if parts == _INDEX:
            raise NotAllowed("/v2/repository/index takes a POST", hint='{"ready": true}, or no body')
        if parts == ("v2", "models"):
            raise NotAllowed("/v2/models takes a GET", hint="it lists the endpoints")
        if parts[-1:] != ("graph",):  # it is there for some endpoints only
            await self._told(parts)
        raise NotAllowed(f"{method} is not a method of /{'/'.join(parts)}", hint="use GET")

    async def _told(self, parts: tuple[str, ...]) -> bytes:
        match parts:
            case ["v2"]:
                return codec.to_json(server_metadata(self._version))
            case ["v2", "health", "live"]:
                return b'{"live":true}'
            case ["v2", "health", "ready"]:
                return b'{"ready":false}' if self.starting else b'{"ready":true}'
            case ["v2", "models", _] | ["v2", "models", _, "versions", _]:
                slot = self._directory.find(parts[2])
                return codec.to_json(model_metadata(slot, await self.runtime(slot, parts)))
            case ["v2", "models", _, "openapi.json"]:
                slot = self._directory.find(parts[2])
                return codec.to_json(description(slot, await self.runtime(slot, parts), self._version))
            case ["v2", "models", _, "ready"] | ["v2", "models", _, "versions", _, "ready"]:
                slot = self._directory.find(parts[2])
                check_state(slot)
                await self.runtime(slot, parts)
                return codec.to_json({"name": slot.name, "ready": True})
            case ["v2", "models", _, "graph"]:
                slot = self._directory.find(parts[2])
                return drawing_of(await self.runtime(slot, parts))
            case ["v2", "models", _, verb] | ["v2", "models", _, "versions", _, verb] if (
                verb in VERBS or verb == STREAM
            ):
                raise NotAllowed(f"{verb} takes a POST", hint="send the inputs as the body of a POST")
        raise NotFound(f"there is no path /{'/'.join(parts)}", hint=_way(parts))

    async def runtime(self, slot: Slot, parts: tuple[str, ...]) -> Runtime:
        """The runtime, built beside the event loop when there is none yet; the path's version must be one of it."""
        runtime = slot.runtime or await self._building.runtime(slot)
        if len(parts) > 4 and parts[3] == "versions":
            live = {str(arm.version) for arm in runtime.arms}
            if parts[4] not in live:
                raise NotFound(
                    f"endpoint {slot.name} does not serve version {parts[4]!r}",
                    hint=f"it serves {', '.join(sorted(live))}; leave /versions/… out",
                )
        return runtime

    async def _traced(self, parts: tuple[str, ...], scope: Scope, receive: Receive) -> tuple[Response, Call]:
        """The same as a span."""
        with span(f"endpoint {parts[2]}", **{"mlbox.endpoint": parts[2]}) as made:
            response, call = await self._infer(parts, scope, receive)
            if made is not None:
                made.set_attribute("mlbox.endpoint", call.slot.name)
                made.set_attribute("mlbox.request_id", call.id)
                if call.runtime is not None:
                    made.set_attribute("mlbox.version", call.runtime.version)
            return response, call

    async def _infer(self, parts: tuple[str, ...], scope: Scope, receive: Receive) -> tuple[Response, Call]:
        slot = self._directory.find(parts[2])
        call = Call(slot, parts[2], VERBS[parts[-1]], perf_counter())
        call.foreign = parts[-1] == INVOCATIONS
        followed: Followed | None = scope.get(FOLLOWED)
        if followed is not None and followed.given:
            call.id = followed.id
        meter = slot.meter
        error: MlboxError | None = None
        meter.waiting += 1
        try:
            if slot.row.state != "ready":
                check_state(slot)
            if meter.waiting > slot.max_queue:
                shed(slot)
            headers = headers_of(scope)
            limit = seconds_for(slot, headers)
            check_length(headers, self.max_body)
            body = await self.read(headers, receive)
            if slot.runtime is None:
                await self._within(self._building.runtime(slot), slot, limit)
            if len(parts) > 4:
                await self.runtime(slot, parts)
            if limit is not None and perf_counter() - call.started > limit:
                raise late(slot, limit)
            response = self._quick(call, body, headers) or await self._answer(call, body, headers, limit)
        except BrokenBody:  # most often the caller went away, which is no request
            raise
        except MlboxError as known:
            error = known
        except Exception as unknown:
            call.id = call.id or new_id()
            request_id.set(call.id)
            error = defect_of(unknown, f"asking endpoint {call.slot.name}")
        finally:
            meter.waiting -= 1
        if error is None:
            written = self.note(call, None)
            if written is not None:
                error = await written
        else:
            self.note(call, error)
        if followed is not None and not followed.given:
            followed.id = call.id
        if error is not None:
            return failure(error, call.id), call
        return (response if len(response[2]) < PACKED else packed(response, headers)), call

    async def read(self, headers: RequestHeaders, receive: Receive) -> bytes:
        """The body, for which a slow client has his time."""
        task = self._patience.begin()
        try:
            message = await receive()
            body = whole_body(message, headers, self.max_body)
            return await rest_of_body(message, headers, receive, self.max_body) if body is None else body
        except asyncio.CancelledError:
            slow = self._patience.ended(task)
            if slow is None:
                raise
            raise slow from None
        finally:
            self._patience.end(task)

    def _quick(self, call: Call, body: bytes, headers: RequestHeaders) -> Response | None:
        """The response to a plain request, by the short way."""
        slot = call.slot
        runtime = slot.runtime
        if (
            runtime is None
            or slot.batch
            or slot.strict
            or len(body) > INLINE_BYTES
            or call.verb != "predict"
            or call.foreign
        ):
            return None
        if codec.HEADER in headers or b"content-encoding" in headers:
            return None
        lane = runtime.lane
        if lane is None:
            lane = runtime.lane = Lane(runtime)
        content = lane.answer(runtime, call, body)
        return None if content is None else (200, JSON, content)

    async def _answer(self, call: Call, body: bytes, headers: RequestHeaders, limit: float | None) -> Response:
        """The response to any request: here, with others, in a thread, or from a process."""
        slot, runtime = call.slot, call.slot.runtime
        if call.verb != "predict" or (runtime is not None and runtime.asynchronous):
            return await self._within(call.later(body, headers, self.max_body), slot, limit)
        if slot.batch and runtime is not None and runtime.batches:
            return await self._within(self._together(call, body, headers), slot, limit)
        beside = len(body) > INLINE_BYTES or (runtime is not None and (runtime.waits or runtime.slow))
        if beside or call.decode(body, headers, self.max_body).rows > INLINE_ROWS:
            loop = asyncio.get_running_loop()
            if call.request is not None:
                work = loop.run_in_executor(self._threads, carried(call.finish))
            else:
                whole = partial(call.whole, body, headers, self.max_body)
                work = loop.run_in_executor(self._threads, carried(whole))
            return await self._within(work, slot, limit)
        return call.finish()

    async def _together(self, call: Call, body: bytes, headers: RequestHeaders) -> Response:
        """The response of a request that is computed with others."""
        slot = call.slot
        batcher = slot.batcher  # once: an ALTER takes it away
        if batcher is None:
            batcher = slot.batcher = Batcher.of(slot.row.options, self._threads)
        request = call.decode(body, headers, self.max_body)
        runtime = call.take_runtime()
        if batcher is None or not runtime.batches:
            return call.encode(runtime.answer(request))
        with span("batch"):
            return call.encode(await batcher.answer(runtime, request))

    @staticmethod
    async def _within(work: Awaitable[T], slot: Slot, limit: float | None) -> T:
        """What comes in time; the work itself is given up, as far as it can be."""
        try:
            return await asyncio.wait_for(work, limit)
        except TimeoutError:
            if limit is None:
                raise
            raise late(slot, limit) from None

    def note(self, call: Call, error: MlboxError | None) -> Awaitable[MlboxError | None] | None:
        """Count the request, and record it when its endpoint's LOG clause says so.

        What is returned, if anything, tells when the record is durable, or why it will never be.
        """
        slot = call.slot
        row = slot.row
        at_us = microseconds()
        seconds = perf_counter() - call.started
        request = call.request
        if not call.id:
            call.id = new_id()
        failed = error is not None
        slot.meter.note(seconds, 0 if request is None else request.rows, failed, None if failed else call.arm())
        percent = row.log_percent
        if call.verb == "explain" or (percent < 100 and not random.random() * 100 < percent):
            self._recorder.count(row.project, row.name, at_us, failed)
            return None
        call.keep = True
        if call.kept is not None and error is None:
            if request is not None and request.columns:
                slot.recent.append(request)
            self._recorder.keep(Kept(row.project, row.name, call.id, at_us, seconds * 1000, *call.kept), counts=True)
            return None
        answer, told = (call.answer, None) if error is None else (None, error.public.message)
        entry = Entry(row.project, row.name, call.id, at_us, seconds * 1000, request, answer, told)
        if answer is not None and request is not None and request.columns and request.rows <= INLINE_ROWS:
            if held(request, None) <= REMEMBERED and not (call.runtime is not None and call.runtime.streams):
                slot.recent.append(request)
        if slot.durable and error is None:
            return self._recorder.keep_durably(entry)
        self._recorder.keep(entry, counts=True)
        return None

    async def _shadow(self, call: Call) -> None:
        """Ask the shadow model after the caller has its answer; its failure is recorded and stops nobody."""
        if not call.keep or call.runtime is None or call.request is None or call.answer is None:
            return
        started = perf_counter()
        answer: Answer | None = None
        failed: str | None = None
        try:
            runtime, request = call.runtime, call.request
            answer = (
                await runtime.answer_shadow_later(request) if runtime.asynchronous else runtime.answer_shadow(request)
            )
        except Exception as error:
            failed = known(error, f"asking the shadow of {call.slot.name}").public.message
        row = call.slot.row
        took = (perf_counter() - started) * 1000
        entry = Entry(row.project, row.name, call.id, microseconds(), took, call.request, answer, failed, shadow=True)
        self._recorder.keep(entry)


@lru_cache(maxsize=1024)
def _parts(path: str) -> tuple[str, ...]:
    return tuple(part for part in path.split("/") if part)


def _way(parts: tuple[str, ...]) -> str:
    """Where the sender of a path that is none probably wanted to."""
    if parts[1:2] == ("models",) and parts[-1] in ("predict", "score"):
        return f"POST /v2/models/{parts[2]}/infer"
    if parts[1:3] == ("repository", "models"):
        return "endpoints are loaded and unloaded by SQL: CREATE ENDPOINT, ALTER ENDPOINT .. SUSPEND, RESUME"
    return _PATHS
