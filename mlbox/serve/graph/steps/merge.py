"""merge: branches come together."""

from __future__ import annotations

from collections.abc import Sequence

from mlbox.serve.graph.base import GRAPH_STEPS, Built, Kind, Scope, Token, fields_of
from mlbox.serve.graph.definition import StepSpec

MODES = ("join", "union", "list")


def build(spec: StepSpec, scope: Scope) -> Built:
    """``join``: the fields of one event from all of its branches, the later ones win; ``union``: every event as it
    comes; ``list``: one event with the list of all."""
    mode = spec.options.get("mode", "join")
    if mode not in MODES:
        raise spec.wrong(f"mode {mode!r}", f"one of {', '.join(MODES)}")

    async def merge(tokens: Sequence[Token]) -> Sequence[Token]:
        if mode == "union":
            return tokens
        if mode == "list":
            return [Token((0,), [token.event for token in sorted(tokens, key=lambda token: token.key)])]
        found: dict[tuple[int, ...], dict[str, object]] = {}
        for token in tokens:
            found.setdefault(token.key, {}).update(fields_of(spec, token.event))
        return [Token(key, event) for key, event in found.items()]

    return Built(whole=merge)


GRAPH_STEPS.add(
    "merge",
    Kind(
        "Branches come together.",
        {"mode": "join: the fields of an event from all branches; union: all events; list: one event with their list"},
        build,
    ),
)
