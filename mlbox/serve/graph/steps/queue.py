"""queue: an event is written to where others read it."""

from __future__ import annotations

from collections.abc import Sequence

from mlbox.serve.graph.base import GRAPH_STEPS, Built, Event, Kind, Scope
from mlbox.serve.graph.definition import StepSpec


def build(spec: StepSpec, scope: Scope) -> Built:
    """The event goes on when it is written."""
    write = scope.sink(spec, str(spec.options["to"]))

    async def send(event: Event) -> Sequence[Event]:
        await write(event)
        return [event]

    return Built(each=send)


GRAPH_STEPS.add(
    "queue",
    Kind(
        "The event is written to a stream, and goes on as it is.",
        {
            "to": "table:name of the project (columns event_time, event), http(s)://.. to post it to, "
            "redis://host:6379/stream, kafka://broker:9092/topic or amqp://host/vhost/queue"
        },
        build,
        needs=("to",),
    ),
)
