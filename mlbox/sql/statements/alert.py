"""Alerts."""

from __future__ import annotations

from typing import Literal

from mlbox.base.command import Query
from mlbox.base.names import Ref
from mlbox.engine.monitor.commands import Action, CreateAlert, DropAlert
from mlbox.engine.monitor.notifiers.base import NOTIFIERS
from mlbox.sql import writing
from mlbox.sql.bodies import expression_until
from mlbox.sql.grammar import Noun, StatementSyntax, noun, run_ref, statement, stored, unwrapped
from mlbox.sql.heads import alter, create_clauses, create_head, drop
from mlbox.sql.parser import Cursor, Reader, one_of
from mlbox.sql.references import reference
from mlbox.sql.times import interval, is_unit
from mlbox.sql.values import text
from mlbox.sql.writing import Writer

SEVERITIES = ("INFO", "LOW", "MEDIUM", "WARNING", "HIGH", "CRITICAL")
_Target = tuple[Literal["monitor", "run", "endpoint", "feature set"], Ref]


def _on(cursor: Cursor, clause: str) -> _Target:
    kind = one_of(cursor, clause, ("MONITOR", "RUN", "ENDPOINT", "FEATURE SET"), "for example ON MONITOR drift")
    if kind == "MONITOR":
        return "monitor", reference(cursor, "monitor")
    if kind == "ENDPOINT":
        return "endpoint", reference(cursor, "endpoint")
    if kind == "RUN":
        return "run", run_ref(cursor, "run")
    return "feature set", reference(cursor, "feature set")


def _condition_ends(cursor: Cursor) -> bool:
    """Whether a clause of ours begins here; in a condition these words stand only as names before an operator."""
    key, behind = cursor.token.key, cursor.peek()
    if key in ("EVERY", "COOLDOWN"):
        return behind.kind in ("number", "string", "parameter") or behind.key == "INTERVAL" or is_unit(behind)
    if key in ("SEVERITY", "COMMENT"):
        return behind.kind in ("word", "string")
    return key == "FOR" or (key == "ON" and behind.key in ("MONITOR", "RUN", "ENDPOINT", "FEATURE"))


def _when(cursor: Cursor, clause: str) -> Query:
    return expression_until(cursor, clause, _condition_ends)


def _severity(cursor: Cursor, clause: str) -> str:
    if cursor.token.kind == "string":
        cursor.fail(f"{clause} needs a word, found {cursor.found()}", "one of " + ", ".join(SEVERITIES))
    return one_of(cursor, clause, SEVERITIES).lower()


_CLAUSES: dict[str, Reader] = {
    "ON": _on,
    "WHEN": _when,
    "FOR": interval,
    "EVERY": interval,
    "COOLDOWN": interval,
    "SEVERITY": _severity,
}


def _create(cursor: Cursor) -> CreateAlert:
    head = create_head(cursor, "ALERT")
    ref = reference(cursor, "alert")
    before = cursor.split(lambda here: here.at("THEN"))
    found = create_clauses(before, "CREATE ALERT", _CLAUSES)
    if "WHEN" not in found:
        before.fail("CREATE ALERT needs a condition", "add WHEN condition, for example WHEN psi > 0.2")
    if cursor.at_end():
        cursor.fail("CREATE ALERT does not say what to do", "add THEN NOTIFY 'https://..' or THEN statement")
    actions = _actions(cursor)
    on_kind, on = found.get("ON", (None, None))
    return CreateAlert(
        ref=ref,
        when=found["WHEN"],
        actions=actions,
        on_kind=on_kind,
        on=on,
        for_=found.get("FOR"),
        every=found.get("EVERY"),
        cooldown=found.get("COOLDOWN"),
        severity=found.get("SEVERITY", "warning"),
        replace=head.replace,
        if_not_exists=head.if_not_exists,
        comment=found.get("COMMENT"),
    )


def _actions(cursor: Cursor) -> tuple[Action, ...]:
    found: list[Action] = []
    while not cursor.at_end():
        cursor.expect("THEN")
        # A MERGE and an alert have THENs of their own; in parentheses they can be followed by another action.
        whole = cursor.at("MERGE") or cursor.at("CREATE", "ALERT")
        found.append(_action(cursor.split(lambda here, whole=whole: not whole and here.at("THEN"))))  # type: ignore[misc]
    return tuple(found)


def _action(cursor: Cursor) -> Action:
    if cursor.at_end():
        cursor.fail(f"THEN needs an action, found {cursor.found()}", "write THEN NOTIFY 'https://..' or THEN statement")
    if not cursor.accept("NOTIFY"):
        return Action(statement=stored(unwrapped(cursor), "THEN"))
    urls: list[str] = []
    while True:
        token = cursor.token
        url = text(cursor, "NOTIFY")
        if token.kind == "string" and ":" not in url:
            known = ", ".join(f"{name}:" for name in NOTIFIERS.names())
            cursor.fail(f"NOTIFY '{url}' is not a URL", f"for example 'https://..'; known: {known}", token)
        urls.append(url)
        if cursor.at_end():
            return Action(notify=tuple(urls))
        cursor.expect(",", hint="URLs are separated by commas; another action begins with THEN")


def _print(command: CreateAlert, write: Writer) -> str:
    target = None
    if command.on is not None and command.on_kind is not None:
        shown = write.run(command.on) if command.on_kind == "run" else write.ref(command.on)
        target = f"{command.on_kind.upper()} {shown}"
    actions = [
        f"THEN NOTIFY {', '.join(str(writing.text(url)) for url in action.notify)}"
        if action.statement is None
        else f"THEN ({action.statement.text})"
        for action in command.actions
    ]
    return write.create(
        "ALERT",
        command,
        writing.clause("ON", target),
        f"WHEN {command.when.text}",
        writing.clause("FOR", writing.interval(command.for_)),
        writing.clause("EVERY", writing.interval(command.every)),
        writing.clause("COOLDOWN", writing.interval(command.cooldown)),
        f"SEVERITY {command.severity}" if command.severity != "warning" else "",
        writing.comment(command),
        *actions,
    )


statement(
    StatementSyntax(
        name="CREATE ALERT",
        summary="When a condition holds, notify or carry out statements.",
        syntax="""CREATE [OR REPLACE] ALERT [IF NOT EXISTS] name
    [ON {MONITOR monitor | RUN run | ENDPOINT endpoint | FEATURE SET set}]
    WHEN condition [FOR interval] [EVERY interval] [COOLDOWN interval]
    [SEVERITY {info | low | medium | warning | high | critical}] [COMMENT 'text']
    THEN {NOTIFY 'url' [, ..] | statement} [THEN ..]""",
        examples=(
            "CREATE ALERT drifted ON MONITOR drift WHEN psi > 0.2 AND n >= 1000 FOR INTERVAL '3 hours' SEVERITY high "
            "THEN NOTIFY 'https://hook' THEN RUN WORKFLOW nightly",
            "CREATE ALERT late WHEN EXISTS (SELECT 1 FROM ml.feature_sets WHERE last_refresh < today() - 2) "
            "EVERY 5 MINUTES THEN NOTIFY 'https://hooks.example.org/ops', 'log:'",
        ),
        starts=(("CREATE", "ALERT"),),
        parse=_create,
        prints={CreateAlert: _print},
        later=("ON RUN", "ON ENDPOINT", "ON FEATURE SET"),
    )
)
drop("alert", DropAlert)
alter("alert", "SUSPEND", "RESUME", "RENAME", "SET", later=("SET other than comment and owner",))
noun(Noun("alert", "alerts"))
