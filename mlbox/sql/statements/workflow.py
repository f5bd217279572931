"""Workflows."""

from __future__ import annotations

from typing import Any

from mlbox.base.command import Query
from mlbox.base.errors import MlboxError
from mlbox.base.suggest import nearest
from mlbox.engine.workflows.commands import CreateWorkflow, DropWorkflow, RunWorkflow, WorkflowStep
from mlbox.engine.workflows.graph import Graph
from mlbox.sql import writing
from mlbox.sql.bodies import parenthesized
from mlbox.sql.grammar import Noun, StatementSyntax, noun, statement, stored
from mlbox.sql.heads import alter, create_clauses, create_head, drop, flag
from mlbox.sql.lexer import Token
from mlbox.sql.parser import Cursor, Reader, clauses, kept
from mlbox.sql.references import identifier, is_name, reference
from mlbox.sql.times import interval
from mlbox.sql.values import count, options
from mlbox.sql.writing import Writer

_STEP_HINT = "write STEP name [AFTER other] AS (statement)"


def _create(cursor: Cursor) -> CreateWorkflow:
    first = cursor.token
    head = create_head(cursor, "WORKFLOW")
    ref = reference(cursor, "workflow")
    found = create_clauses(cursor, "CREATE WORKFLOW", {"AS": _body, "WITH": options})
    if "AS" not in found:
        cursor.fail("CREATE WORKFLOW needs its steps", "add AS (STEP a AS (statement), STEP b AFTER a AS (statement))")
    steps, finally_ = found["AS"]
    return CreateWorkflow(
        ref=ref,
        steps=steps,
        finally_=finally_,
        text=cursor.scope.source[first.start : cursor.tokens[cursor.limit - 1].stop],
        replace=head.replace,
        if_not_exists=head.if_not_exists,
        options=found.get("WITH", {}),
        comment=found.get("COMMENT"),
    )


def _body(cursor: Cursor, clause: str) -> tuple[tuple[WorkflowStep, ...], Query | None]:
    inner = cursor.enter("AS", "write AS (STEP a AS (statement), ..)")
    steps: list[WorkflowStep] = []
    places: dict[str, list[Token]] = {}
    finally_ = None
    while not inner.at_end():
        if inner.accept("FINALLY"):
            inner.expect("AS", hint="write FINALLY AS (statement)")
            finally_ = parenthesized(inner, "FINALLY AS", lambda body: stored(body, "FINALLY"))
            if not inner.at_end():
                inner.fail("FINALLY stands behind all steps", "move it to the end")
            break
        inner.expect("STEP", hint=_STEP_HINT)
        name_token = inner.token
        step, after = _step(inner)
        if step.name.lower() in (known.name.lower() for known in steps):
            inner.fail(f"step {step.name} is given twice", "each step has a name of its own", name_token)
        places[step.name] = [name_token, *after]
        steps.append(step)
        if not inner.at_end() and not inner.at("FINALLY"):
            late = next((words for words in _STEP_CLAUSES if inner.at(*words.split(" "))), None)
            inner.expect(",", hint=f"{late} stands before AS" if late else "steps are separated by commas")
            if inner.at_end():
                inner.fail("the steps end with a comma", "take the comma away")
    if not steps:
        cursor.fail("a workflow needs a step", _STEP_HINT, cursor.tokens[inner.limit])
    return _connected(inner, steps, places), finally_


def _step(cursor: Cursor) -> tuple[WorkflowStep, list[Token]]:
    """The step here, and the tokens of the steps it comes after."""
    name = identifier(cursor, "step")
    after: list[Token] = []
    given: dict[str, Any] = {}
    while not cursor.at("AS"):
        token = cursor.token
        clause = next((words for words in _STEP_CLAUSES if cursor.accept(*words.split(" "))), None)
        if clause is None:
            close = nearest(token.text, [words.split(" ")[0] for words in (*_STEP_CLAUSES, "AS")])
            hint = "did you mean " + " or ".join(close) + "?" if close and token.kind == "word" else _STEP_HINT
            cursor.fail(f"step {name}: expected AS (statement), found {cursor.found()}", hint)
        if clause in given:
            cursor.fail(f"step {name}: {clause} is given twice", "each once", token)
        if clause == "AFTER":
            given[clause] = _after(cursor, after)
        else:
            given[clause] = _STEP_CLAUSES[clause](cursor, clause)
    cursor.expect("AS")
    body = parenthesized(cursor, "AS", lambda inner: stored(inner, f"step {name}"))
    step = WorkflowStep(
        name=name,
        body=body,
        after=given.get("AFTER", ()),
        when=given.get("WHEN"),
        for_each=given.get("FOR EACH"),
        retries=given.get("RETRY", 0),
        timeout=given.get("TIMEOUT"),
    )
    return step, after


def _after(cursor: Cursor, tokens: list[Token]) -> tuple[str, ...]:
    found: list[str] = []
    while True:
        tokens.append(cursor.token)
        found.append(identifier(cursor, "step"))
        if not cursor.accept(","):
            return tuple(found)


def _when(cursor: Cursor, clause: str) -> Query:
    return parenthesized(cursor, clause, kept)


def _for_each(cursor: Cursor, clause: str) -> tuple[str, Query]:
    name = identifier(cursor, "variable")
    cursor.expect("IN", hint=f"write FOR EACH {name} IN (value, ..)")
    return name, parenthesized(cursor, "IN", kept)


_STEP_CLAUSES: dict[str, Reader] = {
    "AFTER": lambda cursor, clause: None,
    "WHEN": _when,
    "FOR EACH": _for_each,
    "RETRY": count,
    "TIMEOUT": interval,
}


def _connected(cursor: Cursor, steps: list[WorkflowStep], places: dict[str, list[Token]]) -> tuple[WorkflowStep, ...]:
    """The steps with the names in AFTER as the steps have them; raises for an unknown one and for a cycle."""
    names = {step.name.lower(): step.name for step in steps}
    found: list[WorkflowStep] = []
    for step in steps:
        for name, token in zip(step.after, places[step.name][1:], strict=True):
            if name.lower() not in names:
                close = nearest(name, [other for other in names.values() if other != step.name])
                hint = "did you mean " + " or ".join(close) + "?" if close else f"steps: {', '.join(names.values())}"
                cursor.fail(f"{step.name} is after {name}, and there is no step {name}", hint, token)
        after = tuple(dict.fromkeys(names[name.lower()] for name in step.after))
        found.append(WorkflowStep(step.name, step.body, after, step.when, step.for_each, step.retries, step.timeout))
    try:
        Graph({step.name: step.after for step in found})
    except MlboxError as error:
        raise cursor.error(error.message, error.hint, places[error.details["step"]][0]) from None
    return tuple(found)


def _print(command: CreateWorkflow, write: Writer) -> str:
    steps = [_print_step(step) for step in command.steps]
    if command.finally_ is not None:
        steps.append(f"FINALLY AS ({command.finally_.text})")
    body = ",\n    ".join(steps)
    options_ = writing.options("WITH", command.options)
    return write.create("WORKFLOW", command, options_, writing.comment(command), f"AS (\n    {body})")


def _print_step(step: WorkflowStep) -> str:
    each = f"FOR EACH {writing.name(step.for_each[0])} IN ({step.for_each[1].text})" if step.for_each else ""
    return writing.line(
        f"STEP {writing.name(step.name)}",
        f"AFTER {', '.join(map(writing.name, step.after))}" if step.after else "",
        writing.clause("WHEN", writing.query(step.when)),
        each,
        f"RETRY {step.retries}" if step.retries else "",
        writing.clause("TIMEOUT", writing.interval(step.timeout)),
        f"AS ({step.body.text})",
    )


def _print_run(command: RunWorkflow, write: Writer) -> str:
    waits = "ASYNC" if command.asynchronous else ""
    return writing.line("RUN WORKFLOW", write.ref(command.ref), writing.options("WITH", command.parameters), waits)


statement(
    StatementSyntax(
        name="CREATE WORKFLOW",
        summary="Statements as the steps of a directed acyclic graph.",
        syntax="""CREATE [OR REPLACE] WORKFLOW [IF NOT EXISTS] name [WITH (key = value, ..)] [COMMENT 'text'] AS (
    STEP name [AFTER step [, ..]] [WHEN (expression)] [FOR EACH variable IN (..)] [RETRY n] [TIMEOUT interval]
        AS (statement), ..
    [[,] FINALLY AS (statement)])""",
        examples=(
            "CREATE WORKFLOW nightly AS (STEP prep AS (RUN prep), "
            "STEP fit AFTER prep RETRY 2 AS (RUN train FROM v SWEEP (lr IN (0.1, 0.01)) MAXIMIZE auc), "
            "STEP deploy AFTER fit WHEN (fit.auc > 0.9) AS (ALTER ENDPOINT score USING MODEL m@challenger))",
        ),
        starts=(("CREATE", "WORKFLOW"),),
        parse=_create,
        prints={CreateWorkflow: _print},
    )
)


def _run(cursor: Cursor) -> RunWorkflow:
    cursor.expect("RUN", "WORKFLOW")
    ref = reference(cursor, "workflow")
    found = clauses(cursor, "RUN WORKFLOW", {"WITH": options, "ASYNC": flag})
    return RunWorkflow(ref=ref, parameters=found.get("WITH", {}), asynchronous="ASYNC" in found)


statement(
    StatementSyntax(
        name="RUN WORKFLOW",
        summary="Run a workflow; WITH gives the values of $name in its steps.",
        syntax="RUN WORKFLOW name [WITH (parameter = value, ..)] [ASYNC]",
        examples=("RUN WORKFLOW nightly WITH (date = '2026-01-01')",),
        starts=(("RUN", "WORKFLOW"),),
        parse=_run,
        prints={RunWorkflow: _print_run},
        claims=lambda cursor: cursor.at_end() or is_name(cursor.token, "workflow"),
    )
)
drop("workflow", DropWorkflow)
alter("workflow", "RENAME", "SET", later=("SET other than comment and owner",))
noun(Noun("workflow", "workflows"))
