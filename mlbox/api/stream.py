"""``GET /stream``: events as they happen (server-sent events, WHATWG HTML §9.2)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Any

from litestar import Request, get
from litestar.params import FromQuery
from litestar.response import ServerSentEvent, ServerSentEventMessage

from mlbox.api.context import ApiContext
from mlbox.api.sight import sees
from mlbox.base.events import Event
from mlbox.base.json_values import json_value

WAITING = 1000
"""Events that a slow listener may be behind before it loses some."""


def _message(event: Event) -> ServerSentEventMessage:
    body = {
        "kind": event.kind,
        "project": event.project,
        "object": event.object,
        "at": json_value(event.at),
        "data": json_value(dict(event.data)),
    }
    return ServerSentEventMessage(event=event.kind, data=json.dumps(body))


@get("/stream")
async def stream(request: Request[Any, Any, Any], project: FromQuery[str | None] = None) -> ServerSentEvent:
    """All events, or those of a project; a comment every 15 seconds keeps proxies awake."""
    context: ApiContext = request.app.state.context
    loop, scope = asyncio.get_running_loop(), dict(request.scope)
    events: asyncio.Queue[Event] = asyncio.Queue(WAITING)

    def put(event: Event) -> None:
        with suppress(asyncio.QueueFull):
            events.put_nowait(event)

    def listener(event: Event) -> None:
        if (project is None or event.project == project) and sees(context, scope, event.project or ""):
            with suppress(RuntimeError):  # the loop is closing
                loop.call_soon_threadsafe(put, event)

    async def messages() -> AsyncGenerator[ServerSentEventMessage, None]:
        stop = context.bus.listen(listener)
        try:
            yield ServerSentEventMessage(data=None, comment="welcome")
            while True:
                try:
                    yield _message(await asyncio.wait_for(events.get(), 15))
                except TimeoutError:
                    yield ServerSentEventMessage(data=None, comment="still here")
        finally:
            stop()

    return ServerSentEvent(messages())
