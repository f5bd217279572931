"""router: one of several models predicts, or all of them together."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from mlbox.serve.graph.base import GRAPH_STEPS, Built, Event, Kind, Model, Scope, fields_of
from mlbox.serve.graph.definition import StepSpec

MODES = ("traffic", "mean", "vote")


def build(spec: StepSpec, scope: Scope) -> Built:
    """``traffic``: by weight, the same model for the same value of ``sticky``; ``mean``, ``vote``: all of them."""
    mode = spec.options.get("mode", "traffic")
    if mode not in MODES:
        raise spec.wrong(f"mode {mode!r}", f"one of {', '.join(MODES)}")
    models = _models(spec, scope)
    weights = [weight for _, weight in models]
    name, sticky = str(spec.options.get("result", "prediction")), spec.options.get("sticky")

    def pick(fields: Mapping[str, Any]) -> Model:
        if sticky is None:
            return random.choices([model for model, _ in models], weights)[0]
        if sticky not in fields:
            raise spec.wrong(f"the event has no field {sticky!r}, which says where it goes")
        digest = hashlib.blake2b(f"{spec.name}\0{fields[sticky]}".encode(), digest_size=8).digest()
        place = int.from_bytes(digest) / 2**64 * sum(weights)
        for model, weight in models:
            place -= weight
            if place < 0:
                return model
        return models[-1][0]

    async def predict(event: Event) -> Sequence[Event]:
        fields = fields_of(spec, event)
        if mode == "traffic":
            chosen = pick(fields)
            (output,) = await chosen.predict([fields])
            return [{**fields, name: _number(spec, chosen, output), "model": chosen.name}]
        outputs = await asyncio.gather(*(model.predict([fields]) for model, _ in models))
        values = [_number(spec, model, output[0]) for (model, _), output in zip(models, outputs, strict=True)]
        return [{**fields, name: _together(str(mode), values, weights)}]

    return Built(each=predict)


def _number(spec: StepSpec, model: Model, output: Mapping[str, Any]) -> Any:
    if "prediction" not in output:
        raise spec.wrong(
            f"{model.name} gives {', '.join(output)} and no number", "a step of kind model adds tensors to the event"
        )
    return output["prediction"]


def _models(spec: StepSpec, scope: Scope) -> list[tuple[Model, float]]:
    given = spec.options["models"]
    pairs = dict.fromkeys(given, 1) if isinstance(given, list) else given
    if not isinstance(pairs, Mapping) or len(pairs) < 2:
        raise spec.wrong("models are two or more", "models: {m@1: 90, m@2: 10}")
    for ref, weight in pairs.items():
        if isinstance(weight, bool) or not isinstance(weight, int | float) or weight <= 0:
            raise spec.wrong(f"the weight of {ref} is {weight!r}", "a number above 0")
    return [(scope.model(spec, str(ref)), float(weight)) for ref, weight in pairs.items()]


def _together(mode: str, values: Sequence[float], weights: Sequence[float]) -> float:
    if mode == "mean":
        return sum(value * weight for value, weight in zip(values, weights, strict=True)) / sum(weights)
    votes: Counter[float] = Counter()
    for value, weight in zip(values, weights, strict=True):
        votes[float(round(value))] += weight  # type: ignore[assignment]
    return min(votes, key=lambda value: (-votes[value], value))


GRAPH_STEPS.add(
    "router",
    Kind(
        "One of several models predicts, by weight, or all of them together.",
        {
            "models": "the models with their weights: {m@1: 90, m@2: 10}, or a list",
            "mode": "traffic (one of them), mean or vote (all of them)",
            "sticky": "a field: events with the same value always go to the same model",
            "result": "the field that takes the prediction: prediction",
        },
        build,
        needs=("models",),
    ),
)
