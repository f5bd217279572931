"""How a step asks another service: again when it is busy, so many times at once, and no longer than it has."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any

from mlbox.base.errors import MlboxError, Unavailable
from mlbox.serve.graph.base import Scope
from mlbox.serve.graph.definition import StepSpec, positive
from mlbox.serve.graph.outgoing import Refused, Reply, Room, client, shown
from mlbox.serve.http import DeadlineExceeded
from mlbox.serve.python.errors import CodeFailed

AGAIN = frozenset({429, 502, 503, 504})
"""Status codes after which a service is asked again."""

ASKING = {
    "secret": "the name of a secret of the project, sent as Authorization: Bearer",
    "retries": "times that it is asked again when it cannot be reached, is busy (429, 502 to 504) or late: 0",
    "backoff_ms": "the pause before the first of these, doubled each time, or what its Retry-After says: 100",
    "concurrency": "requests at once: 32",
}
"""Options of every step that asks a service."""

Judge = Callable[[Reply, str], Any]
"""An answer, and who gave it → what it holds. Raises an ``MlboxError``; an ``Unavailable`` is asked again."""


class Upstream:
    """A service that is asked by a step. ``limit_ms`` counts where the step has none of its own."""

    def __init__(self, spec: StepSpec, scope: Scope, url: str, judge: Judge, limit_ms: float = 10_000.0) -> None:
        options = spec.options
        if not url.startswith(("http://", "https://")):
            raise spec.wrong(f"url {url!r} is no http address", "url: https://host/path")
        headers = options.get("headers", {})
        if not isinstance(headers, Mapping):
            raise spec.wrong("headers are a mapping", "headers: {authorization: 'Bearer ..'}")
        self._url, self._judge = url, judge
        self._where = f"step {spec.name!r}: {shown(url)}"
        self._headers = {str(name): str(value) for name, value in headers.items()}
        self._retries = _whole(spec, "retries", 0, 0, 20)
        self._room = Room(_whole(spec, "concurrency", 32, 1, 1000))
        self._seconds = (positive(spec.timeout_ms, "timeout_ms") or limit_ms) / 1000
        self._pause = (positive(options.get("backoff_ms"), "backoff_ms") or 100.0) / 1000
        self._secret = scope.secret(spec, str(options["secret"])) if "secret" in options else None

    async def ask(self, event: Any, method: str = "POST") -> Any:
        """What it says to the event. Raises ``Unavailable``, ``DeadlineExceeded``, and what the judge raises."""
        until = monotonic() + self._seconds
        headers = self._headers
        if self._secret is not None:
            try:
                headers = {**headers, "authorization": f"Bearer {await asyncio.to_thread(self._secret)}"}
            except MlboxError as error:  # it was dropped meanwhile, which is no fault of the caller's
                raise CodeFailed(f"{self._where}: {error.message}", hint=error.hint) from None
        async with self._room.here():
            for attempt in range(self._retries + 1):
                try:
                    return self._judge(await self._once(event, method, headers), self._where)
                except Unavailable as error:
                    # doubled each time, and shaken, so that callers do not come back all at once
                    rest = self._pause * 2**attempt * random.uniform(0.5, 1.0)
                    rest = max(rest, float(error.details.get("retry_after", 0)))
                    if attempt == self._retries or monotonic() + rest >= until:
                        raise  # else the time-out would hide what is wrong
                await asyncio.sleep(rest)
        raise AssertionError

    async def _once(self, event: Any, method: str, headers: Mapping[str, str]) -> Reply:
        seconds = self._seconds / (self._retries + 1)
        try:
            return await client().send(method, self._url, event, headers, seconds)
        except TimeoutError:
            told = f"{self._where} has not answered within {seconds * 1000:g} ms"
            raise DeadlineExceeded(told, hint="raise timeout_ms, or give it retries") from None
        except Refused as error:
            raise Unavailable(
                f"{self._where} cannot be reached: {error}", hint="check the address, or give it retries"
            ) from None


def busy(where: str, reply: Reply) -> Unavailable:
    """The error of a service that may answer later; with what it says about when."""
    seconds = reply.retry_after
    if seconds is None:
        return Unavailable(f"{where} answers {reply.status}", hint="it may do later: retries, backoff_ms")
    told = math.ceil(seconds)
    return Unavailable(
        f"{where} answers {reply.status}, and is to be asked again in {told} s",
        hint="retries wait for that within timeout_ms",
        details={"retry_after": told},
    )


def _whole(spec: StepSpec, name: str, default: int, least: int, most: int) -> int:
    value = spec.options.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise spec.wrong(f"{name} {value!r} is no whole number from {least} to {most}")
    return value
