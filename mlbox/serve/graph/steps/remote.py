"""remote: another service is asked over HTTP."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from time import monotonic
from typing import Any

from mlbox.base.errors import MlboxError, Unavailable
from mlbox.serve.graph.base import GRAPH_STEPS, Built, Event, Kind, Scope, stored
from mlbox.serve.graph.definition import StepSpec, positive
from mlbox.serve.graph.outgoing import Refused, Room, client, shown
from mlbox.serve.http import DeadlineExceeded
from mlbox.serve.python.errors import CodeFailed

METHODS = ("POST", "GET", "PUT", "PATCH", "DELETE")
AGAIN = frozenset({429, 502, 503, 504})
"""Status codes after which it is asked again."""


def build(spec: StepSpec, scope: Scope) -> Built:
    """The event is the body; what comes back, JSON or text, goes on."""
    options = spec.options
    url, method = str(options["url"]), str(options.get("method", "POST")).upper()
    if not url.startswith(("http://", "https://")):
        raise spec.wrong(f"url {url!r} is no http address", "url: https://host/path")
    if method not in METHODS:
        raise spec.wrong(f"method {method!r}", f"one of {', '.join(METHODS)}")
    headers = options.get("headers", {})
    if not isinstance(headers, Mapping):
        raise spec.wrong("headers are a mapping", "headers: {authorization: 'Bearer ..'}")
    retries = options.get("retries", 0)
    if isinstance(retries, bool) or not isinstance(retries, int) or not 0 <= retries <= 20:
        raise spec.wrong(f"retries {retries!r} is no whole number from 0 to 20")
    limit = positive(spec.timeout_ms, "timeout_ms") or 10_000.0
    pause = positive(options.get("backoff_ms"), "backoff_ms") or 100.0
    size = options.get("concurrency", 32)
    if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size <= 1000:
        raise spec.wrong(f"concurrency {size!r} is no whole number from 1 to 1000")
    room = Room(size)
    call = _Call(spec, method, url, {str(k): str(v) for k, v in headers.items()}, limit / 1000 / (retries + 1))

    async def ask(event: Event) -> Sequence[Event]:
        until = monotonic() + limit / 1000
        async with room.here():
            for attempt in range(retries + 1):
                # doubled each time, and shaken, so that callers do not come back all at once
                rest = pause / 1000 * 2**attempt * random.uniform(0.5, 1.0)
                try:
                    return [stored(spec, event, await call(event))]
                except Unavailable:
                    if attempt == retries or monotonic() + rest >= until:  # then the time-out would hide what is wrong
                        raise
                await asyncio.sleep(rest)
        raise AssertionError

    return Built(each=ask)


class _Call:
    """One attempt."""

    def __init__(self, spec: StepSpec, method: str, url: str, headers: Mapping[str, str], seconds: float) -> None:
        self._spec = spec
        self._method = method
        self._url = url
        self._headers = headers
        self._seconds = seconds

    async def __call__(self, event: Event) -> Any:
        where = f"step {self._spec.name!r}: {shown(self._url)}"
        try:
            reply = await client().send(self._method, self._url, event, self._headers, self._seconds)
        except TimeoutError:
            told = f"{where} has not answered within {self._seconds * 1000:g} ms"
            raise DeadlineExceeded(told, hint="raise timeout_ms, or give it retries") from None
        except Refused as error:
            raise Unavailable(
                f"{where} cannot be reached: {error}", hint="check the address, or give it retries"
            ) from None
        if reply.status in AGAIN:
            raise Unavailable(f"{where} answers {reply.status}", hint="it may do later: retries, backoff_ms")
        if reply.status >= 400:
            raise _wrong(where, reply.status, reply.text)
        return reply.value


def _wrong(where: str, status: int, text: str) -> MlboxError:
    return CodeFailed(f"{where} answers {status}: {text[:200]}", hint="on_error sends such events to another step")


GRAPH_STEPS.add(
    "remote",
    Kind(
        "Another service is asked over HTTP.",
        {
            "url": "its address",
            "method": "POST; GET sends the event's fields in the query",
            "headers": "headers of the request",
            "retries": "times that it is asked again when it cannot be reached, is busy (429, 502 to 504) or late: 0",
            "backoff_ms": "the pause before the first of these, doubled each time: 100",
            "concurrency": "requests at once: 32",
            "result": "the field that takes the answer; without it the event is replaced",
        },
        build,
        needs=("url",),
    ),
)
