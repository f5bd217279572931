"""The Open Inference Protocol over HTTP, as a raw ASGI application: paths, bodies, errors."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from time import perf_counter
from typing import TYPE_CHECKING

from mlbox.base.errors import MlboxError, NotFound, Unavailable
from mlbox.base.ids import new_id
from mlbox.serve import codec
from mlbox.serve.call import INLINE_BYTES, INLINE_ROWS, Call
from mlbox.serve.express import express
from mlbox.serve.graph.drawing import drawing_of
from mlbox.serve.http import (
    JSON,
    SVG,
    Gone,
    NotAllowed,
    Receive,
    RequestHeaders,
    Response,
    Scope,
    Send,
    defect,
    failure,
    headers_of,
    lifespan,
    read_body,
    reply,
)
from mlbox.serve.metadata import model_metadata, server_metadata
from mlbox.serve.record import Entry, microseconds

if TYPE_CHECKING:
    from mlbox.serve.directory import Directory, Slot
    from mlbox.serve.endpoint import Answer, Runtime
    from mlbox.serve.record import Recorder

VERBS = {"infer": "predict", "explain": "explain", "event": "event"}
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

    def inner_path(self, path: str) -> str | None:
        """For the own path of an endpoint, the one under which it answers plain JSON; None: it is nobody's."""
        slot = self._directory.at_path(path.rstrip("/"))
        return None if slot is None else f"/v2/models/{slot.name}/event"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "lifespan":
            await lifespan(receive, send)
            return
        try:
            parts = _parts(scope["path"])
            if scope["method"] == "POST" and len(parts) >= 4 and parts[1] == "models" and parts[-1] in VERBS:
                call: Call | None
                response, call = await self._infer(parts, scope, receive)
            else:
                kind = SVG if parts[-1:] == ("graph",) else JSON
                response, call = (200, kind, await self._describe(parts, scope["method"])), None
        except Gone:
            return
        except MlboxError as error:
            response, call = failure(error), None
        except Exception:  # a defect of ours must not take the connection, nor show its insides
            response, call = failure(defect()), None
        await reply(send, response)
        if call is not None and call.runtime is not None and call.runtime.shadow is not None:
            await self._shadow(call)

    async def _describe(self, parts: tuple[str, ...], method: str) -> bytes:
        body = await self._told(parts)
        if method not in ("GET", "HEAD"):
            raise NotAllowed(f"{method} is not a method of /{'/'.join(parts)}", hint="use GET")
        return body

    async def _told(self, parts: tuple[str, ...]) -> bytes:
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
            case ["v2", "models", _, "graph"]:
                slot = self._directory.find(parts[2])
                return drawing_of(await self._runtime(slot, parts))
            case ["v2", "models", _, verb] | ["v2", "models", _, "versions", _, verb] if verb in VERBS:
                raise NotAllowed(f"{verb} takes a POST", hint="send the inputs as the body of a POST")
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

    async def _infer(self, parts: tuple[str, ...], scope: Scope, receive: Receive) -> tuple[Response, Call]:
        slot = self._directory.find(parts[2])
        call = Call(slot, parts[2], VERBS[parts[-1]], perf_counter())
        try:
            if slot.row.state != "ready":
                _check_state(slot)
            headers = headers_of(scope)
            body = await read_body(headers, receive, self._max_body)
            if slot.runtime is None or len(parts) > 4:
                await self._runtime(slot, parts)
            runtime = slot.runtime
            if call.verb != "predict" or (runtime is not None and runtime.asynchronous):
                response = await call.later(body, headers, self._max_body)
                self._note(call, None)
                return response, call
            quick = self._quick(call, body, headers)
            if quick is not None:
                response = (200, JSON, quick)
            elif len(body) > INLINE_BYTES or call.decode(body, headers, self._max_body).rows > INLINE_ROWS:
                response = await self._beside(call, body, headers)
            else:
                response = call.finish()
        except Gone:
            raise
        except MlboxError as error:
            self._note(call, error)
            return failure(error, call.id), call
        except Exception:
            internal = defect()
            self._note(call, internal)
            return failure(internal, call.id), call
        self._note(call, None)
        return response, call

    def _quick(self, call: Call, body: bytes, headers: RequestHeaders) -> bytes | None:
        """The body of a plain request's response, by the short way."""
        runtime = call.slot.runtime
        if runtime is None or not runtime.direct or len(body) > INLINE_BYTES:
            return None
        if codec.HEADER in headers or b"content-encoding" in headers:
            return None
        return express(runtime, call, body)

    async def _beside(self, call: Call, body: bytes, headers: RequestHeaders) -> Response:
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

    def _note(self, call: Call, error: MlboxError | None) -> None:
        """Count the request, and record it when its endpoint's LOG clause says so."""
        row = call.slot.row
        at_us = microseconds()
        took = (perf_counter() - call.started) * 1000
        if not call.id:
            call.id = new_id()
        self._recorder.count(row.project, row.name, at_us, error is not None)
        percent = row.log_percent
        if call.verb != "explain" and (percent >= 100 or percent > 0 and random.random() * 100 < percent):
            call.keep = True
            answer, told = (call.answer, None) if error is None else (None, error.message)
            self._recorder.keep(Entry(row.project, row.name, call.id, at_us, took, call.request, answer, told))

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
        except MlboxError as error:
            failed = error.message
        row = call.slot.row
        took = (perf_counter() - started) * 1000
        entry = Entry(row.project, row.name, call.id, microseconds(), took, call.request, answer, failed, shadow=True)
        self._recorder.keep(entry)


@lru_cache(maxsize=1024)
def _parts(path: str) -> tuple[str, ...]:
    return tuple(part for part in path.split("/") if part)


def _check_state(slot: Slot) -> None:
    if slot.row.state != "ready":
        raise Unavailable(
            f"endpoint {slot.name} is suspended", hint=f"ALTER ENDPOINT {slot.name} RESUME makes it answer again"
        )
