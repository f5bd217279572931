"""enrich: stored features of an entity are added to the event."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from mlbox.serve.graph.base import GRAPH_STEPS, Built, Event, Kind, Scope, fields_of
from mlbox.serve.graph.definition import StepSpec


def build(spec: StepSpec, scope: Scope) -> Built:
    """Read from the online store by the fields that are called as the vector's entities."""
    reader = scope.features(spec, str(spec.options["vector"]))
    impute = spec.options.get("impute", {})
    if not isinstance(impute, Mapping):
        raise spec.wrong("impute says what stands for a missing feature", "impute: {age: 40}")
    words = [f"{name}: {value}" for name, value in impute.items() if isinstance(value, str) and value.startswith("$")]
    if words:
        raise spec.wrong(
            f"impute takes constants here, not {words[0]}", "an endpoint with ENRICH WITH .. IMPUTE has '$mean'"
        )

    async def enrich(event: Event) -> Sequence[Event]:
        fields = fields_of(spec, event)
        missing = [name for name in reader.entities if fields.get(name) is None]
        if missing:
            raise spec.wrong(f"the event has no {', '.join(missing)}", f"entities: {', '.join(reader.entities)}")
        keys = {name: [fields[name]] for name in reader.entities}
        if getattr(reader, "remote", False):  # it waits for another process
            found = await asyncio.to_thread(reader.read, keys, None)
        else:
            found = reader.read(keys, None)
        return [{**{name: _value(values[0], impute, name) for name, values in found.items()}, **fields}]

    return Built(each=enrich)


def _value(value: Any, impute: Mapping[str, Any], name: str) -> Any:
    if value is None or value != value:  # NaN
        return impute.get(name, impute.get("*"))
    return value.item() if hasattr(value, "item") else value


GRAPH_STEPS.add(
    "enrich",
    Kind(
        "Stored features of an entity are added; what the event has already stays.",
        {"vector": "a feature vector", "impute": "what stands for a missing feature: {age: 40, '*': 0}"},
        build,
        needs=("vector",),
    ),
)
