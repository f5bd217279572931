"""remote: another service is asked over HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlbox.serve.graph.asking import AGAIN, ASKING, Upstream, busy
from mlbox.serve.graph.base import GRAPH_STEPS, Built, Event, Kind, Scope, stored
from mlbox.serve.graph.definition import StepSpec
from mlbox.serve.graph.outgoing import Reply
from mlbox.serve.python.errors import CodeFailed

METHODS = ("POST", "GET", "PUT", "PATCH", "DELETE")


def build(spec: StepSpec, scope: Scope) -> Built:
    """The event is the body; what comes back, JSON or text, goes on."""
    url, method = str(spec.options["url"]), str(spec.options.get("method", "POST")).upper()
    if method not in METHODS:
        raise spec.wrong(f"method {method!r}", f"one of {', '.join(METHODS)}")
    upstream = Upstream(spec, scope, url, _value)

    async def ask(event: Event) -> Sequence[Event]:
        return [stored(spec, event, await upstream.ask(event, method))]

    return Built(each=ask)


def _value(reply: Reply, where: str) -> Any:
    if reply.status in AGAIN:
        raise busy(where, reply)
    if reply.status >= 400:
        hint = "on_error sends such events to another step"
        raise CodeFailed(f"{where} answers {reply.status}: {reply.text[:200]}", hint=hint)
    return reply.value


GRAPH_STEPS.add(
    "remote",
    Kind(
        "Another service is asked over HTTP.",
        {
            "url": "its address",
            "method": "POST; GET sends the event's fields in the query",
            "headers": "headers of the request",
            **ASKING,
            "result": "the field that takes the answer; without it the event is replaced",
        },
        build,
        needs=("url",),
    ),
)
