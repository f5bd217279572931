"""search: what a collection has nearest to the event's text or vector is added to it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from mlbox.engine.search.searching import Question
from mlbox.serve.graph.base import GRAPH_STEPS, Built, Event, Kind, Scope, fields_of
from mlbox.serve.graph.definition import StepSpec


def build(spec: StepSpec, scope: Scope) -> Built:
    """A thread searches: it reads files and may ask a model for a vector."""
    find = scope.collection(spec, str(spec.options["collection"]))
    field, result = str(spec.options["field"]), str(spec.options.get("result", "found"))
    limit = spec.options.get("k", 10)
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
        raise spec.wrong("k is the number of rows", "k: 5")
    mode, condition = str(spec.options.get("mode", "auto")), str(spec.options.get("filter", ""))

    async def search(event: Event) -> Sequence[Event]:
        fields = fields_of(spec, event)
        asked = fields.get(field)
        if not isinstance(asked, (str, list)):
            raise spec.wrong(f"the event's {field!r} is neither a text nor a list of numbers")
        rows = await asyncio.to_thread(find, Question(str(asked), limit, mode, condition))
        return [{**fields, result: rows}]

    return Built(each=search)


GRAPH_STEPS.add(
    "search",
    Kind(
        "The rows of a collection that are nearest to a text or a vector are added, as by ml.search.",
        {
            "collection": "the collection",
            "field": "the field that holds what is looked for",
            "k": "rows at most; 10 if not said",
            "mode": "auto, text, vector or hybrid",
            "filter": "a condition over the collection's columns",
            "result": "the field that takes the rows; found if not said",
        },
        build,
        needs=("collection", "field"),
    ),
)
