"""model: an event is a row for a model."""

from __future__ import annotations

from collections.abc import Sequence

from mlbox.serve.graph.base import GRAPH_STEPS, Built, Event, Kind, Scope, fields_of
from mlbox.serve.graph.definition import StepSpec


def build(spec: StepSpec, scope: Scope) -> Built:
    """The outputs of the model are added to the event; a list of events is one request to the model."""
    model = scope.model(spec, str(spec.options["model"]))
    name = spec.options.get("result")

    async def predict(event: Event) -> Sequence[Event]:
        rows = [fields_of(spec, each) for each in (event if isinstance(event, list) else [event])]
        if not rows:
            return [event]
        outputs = await model.predict(rows)
        found = [
            {**row, **(output if name is None else {str(name): output.get("prediction", output)})}
            for row, output in zip(rows, outputs, strict=True)
        ]
        return [found if isinstance(event, list) else found[0]]

    return Built(each=predict)


GRAPH_STEPS.add(
    "model",
    Kind(
        "A model predicts from the event's fields.",
        {
            "model": "the model: m@champion, m@3",
            "result": "the field that takes the prediction; without it all outputs are added by their names",
        },
        build,
        needs=("model",),
    ),
)
