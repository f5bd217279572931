"""HTTP to other services: one client for each event loop, which keeps its connections."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from mlbox.base.clock import now
from mlbox.base.telemetry import outgoing

LARGEST = 64 << 20
"""Bytes of an answer."""


class Refused(Exception):
    """The service cannot be reached."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back."""

    status: int
    text: str
    kind: str
    retry_after: float | None = None
    """Seconds after which it wants to be asked again, where it says so."""

    @property
    def value(self) -> Any:
        """JSON as its value, all else as text; nothing is null."""
        if "json" in self.kind:
            try:
                return json.loads(self.text)
            except ValueError:
                return self.text
        return self.text or None


class Client:
    """Sends events."""

    def __init__(self) -> None:
        import httpx

        self._http = httpx.AsyncClient(follow_redirects=True, limits=httpx.Limits(max_connections=256))

    async def close(self) -> None:
        """Let go of its connections."""
        await self._http.aclose()

    async def send(self, method: str, url: str, event: Any, headers: Mapping[str, str], seconds: float) -> Reply:
        """Raises ``Refused``, and ``TimeoutError`` when there is no whole answer in time."""
        import httpx

        more: dict[str, Any] = {"json": event}
        if method in ("GET", "DELETE"):
            more = {"params": {k: str(v) for k, v in event.items()}} if isinstance(event, dict) else {}
        try:
            async with asyncio.timeout(seconds):
                reply = await self._http.request(method, url, headers={**outgoing(), **headers}, timeout=None, **more)
        except httpx.InvalidURL as error:
            raise Refused(str(error)) from None
        except httpx.TransportError as error:
            raise Refused(str(error) or type(error).__name__) from None
        if len(reply.content) > LARGEST:
            raise Refused(f"its answer is larger than {LARGEST:,} bytes")
        headers = reply.headers
        return Reply(
            reply.status_code, reply.text, headers.get("content-type", ""), _seconds(headers.get("retry-after"))
        )


def _seconds(told: str) -> float | None:
    """Of a Retry-After header, which is a number of seconds or a date (RFC 9110, 10.2.3)."""
    if not told:
        return None
    try:
        found = float(told)
    except ValueError:
        try:
            found = (parsedate_to_datetime(told) - now()).total_seconds()
        except (ValueError, TypeError):
            return None
    return min(max(found, 0.0), 86_400.0) if math.isfinite(found) else None


def shown(url: str) -> str:
    """An address without user, password and query, in which there may be what callers are not to know."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


class Room:
    """So many at once in each event loop: a graph answers requests and batches in loops of their own."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._rooms: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()

    def here(self) -> asyncio.Semaphore:
        """That of the running loop."""
        loop = asyncio.get_running_loop()
        found = self._rooms.get(loop)
        if found is None:
            found = self._rooms[loop] = asyncio.Semaphore(self._size)
        return found


_CLIENTS: WeakKeyDictionary[asyncio.AbstractEventLoop, Client] = WeakKeyDictionary()


def client() -> Client:
    """That of the running loop."""
    loop = asyncio.get_running_loop()
    found = _CLIENTS.get(loop)
    if found is None:
        found = _CLIENTS[loop] = Client()
    return found


async def let_go() -> None:
    """Close that of the running loop, which ends: a connection holds its loop, and is never used by another."""
    found = _CLIENTS.pop(asyncio.get_running_loop(), None)
    if found is not None:
        await found.close()
