"""respond: the caller is answered; what follows goes on behind."""

from __future__ import annotations

from mlbox.serve.graph.base import GRAPH_STEPS, Built, Kind, Scope
from mlbox.serve.graph.definition import StepSpec


def build(spec: StepSpec, scope: Scope) -> Built:
    """The events that come here are the answer."""
    return Built(responds=True)


GRAPH_STEPS.add("respond", Kind("The caller is answered with the event; what follows goes on behind.", {}, build))
