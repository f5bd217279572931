"""A workflow's steps as JSON for the catalog, and checking them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from mlbox.base.command import Query
from mlbox.base.errors import Conflict, Invalid, MlboxError
from mlbox.base.names import check_name, quote
from mlbox.engine.catalog import conditions
from mlbox.engine.workflows.commands import CreateWorkflow, WorkflowStep
from mlbox.engine.workflows.graph import Graph

FINALLY = "finally"


def to_json(steps: Iterable[WorkflowStep], finally_: Query | None, text: str) -> str:
    """The steps as JSON text; each piece of SQL keeps its place in ``text``, the statement of the workflow."""

    def piece(query: Query | None) -> list[Any] | None:
        return None if query is None else [query.text, query.offset - _beginning(query, text)]

    return json.dumps(
        {
            "steps": [
                {
                    "name": step.name,
                    "body": piece(step.body),
                    "after": list(step.after),
                    "when": piece(step.when),
                    "for_each": [step.for_each[0], piece(step.for_each[1])] if step.for_each else None,
                    "retries": step.retries,
                    "timeout": step.timeout.total_seconds() if step.timeout else None,
                }
                for step in steps
            ],
            "finally": piece(finally_),
        }
    )


def from_json(text: str, source: str) -> tuple[tuple[WorkflowStep, ...], Query | None]:
    """The inverse of :func:`to_json`; ``source`` is the definition that places point into."""

    def query(piece: list[Any]) -> Query:
        return Query(piece[0], piece[1], source)

    body = json.loads(text)
    steps = tuple(
        WorkflowStep(
            name=step["name"],
            body=query(step["body"]),
            after=tuple(step["after"]),
            when=query(step["when"]) if step["when"] else None,
            for_each=(step["for_each"][0], query(step["for_each"][1])) if step["for_each"] else None,
            retries=step["retries"],
            timeout=None if step["timeout"] is None else timedelta(seconds=step["timeout"]),
        )
        for step in body["steps"]
    )
    return steps, query(body["finally"]) if body["finally"] else None


_BLANK = r"(?:\s|--[^\n]*\n|/\*.*?\*/)"
_NAME = r'(?:"(?:[^"]|"")*"|\w+)'
_HEAD = re.compile(
    rf"{_BLANK}*CREATE{_BLANK}+(?:OR{_BLANK}+REPLACE{_BLANK}+)?WORKFLOW{_BLANK}+(?:IF{_BLANK}+NOT{_BLANK}+EXISTS{_BLANK}+)?"
    rf"(?:{_NAME}{_BLANK}*\.{_BLANK}*)?(?P<name>{_NAME})",
    re.IGNORECASE | re.DOTALL,
)


def renamed(source: str, plan: str, name: str) -> tuple[str, str]:
    """Definition and plan under another name; ``Conflict`` when the steps themselves name the workflow."""
    head = _HEAD.match(source)
    if head is None:
        raise Conflict("the statement of the workflow has an unusual beginning", hint="CREATE WORKFLOW makes it again")
    old = head["name"].strip('"').replace('""', '"')
    if re.search(rf"(?<!\w){re.escape(old)}(?!\w)", source[head.end() :], re.IGNORECASE):
        raise Conflict(f"the steps of workflow {old} name it", hint="CREATE WORKFLOW makes it again under the new name")
    written = quote(name)
    more = len(written) - (head.end("name") - head.start("name"))

    def moved(piece: list[Any] | None) -> list[Any] | None:
        return None if piece is None else [piece[0], piece[1] + more]

    body = json.loads(plan)
    for step in body["steps"]:
        step["body"], step["when"] = moved(step["body"]), moved(step["when"])
        if step["for_each"]:
            step["for_each"][1] = moved(step["for_each"][1])
    body["finally"] = moved(body["finally"])
    return source[: head.start("name")] + written + source[head.end("name") :], json.dumps(body)


def _beginning(query: Query, text: str) -> int:
    """Where the statement ``text`` that holds ``query`` begins in the script that they both come from."""
    start = query.source.find(text)
    while start >= 0 and start + len(text) <= query.offset:
        start = query.source.find(text, start + 1)
    return max(0, start)


def graph_of(steps: Iterable[WorkflowStep]) -> Graph:
    """The graph of the steps, named as declared; AFTER is read without regard to case."""
    steps = tuple(steps)
    names = {step.name.lower(): step.name for step in steps}
    return Graph({step.name: [names.get(name.lower(), name) for name in step.after] for step in steps})


def may_make(step: WorkflowStep, name: str) -> bool:
    """Whether the step may create what is called so; judged by its words, and rather yes than no."""
    text = step.body.text.lower()
    return "create" in text and (step.for_each is not None or name.lower() in text)


def check(command: CreateWorkflow) -> Graph:
    """The graph of a workflow; raises what is wrong with its steps, conditions and order."""
    if not command.steps:
        raise Invalid("a workflow needs a step", hint="STEP name AS (statement)")
    seen: set[str] = set()
    for step in command.steps:
        check_name(step.name, "step")
        if step.name.lower() in seen:
            raise Invalid(f"step {step.name!r} is there twice", where=step.body.where(0))
        if step.name.lower() == FINALLY:
            raise Invalid("no step may be called finally", hint="write FINALLY AS (..) last", where=step.body.where(0))
        if step.retries < 0:
            raise Invalid(f"step {step.name!r}: RETRY needs a number of 0 or more", where=step.body.where(0))
        seen.add(step.name.lower())
    try:
        graph = graph_of(command.steps)
    except MlboxError as error:
        error.where = _place(command, error.details)
        raise
    for step in command.steps:
        if step.when is not None:
            conditions.parse(step.when).check(graph.ancestors(step.name), f"step before {step.name}")
    return graph


def _place(command: CreateWorkflow, details: dict[str, Any]) -> Any:
    """Where the name after AFTER stands, else the step's body."""
    step = next(step for step in command.steps if step.name == details["step"])
    text = step.body.source or step.body.text
    head = text[: step.body.offset]
    found = head.lower().rfind(str(details.get("after", details["step"])).lower())
    return step.body.where(found - step.body.offset if found >= 0 and step.body.source else 0)
