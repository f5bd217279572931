"""Schedules."""

from __future__ import annotations

from mlbox.base.command import Query
from mlbox.engine.workflows.commands import CreateSchedule, DropSchedule
from mlbox.sql import writing
from mlbox.sql.clocks import cron, timezone
from mlbox.sql.grammar import Noun, StatementSyntax, noun, statement, stored, unwrapped
from mlbox.sql.heads import alter, create_clauses, create_head, drop
from mlbox.sql.parser import Cursor, Reader
from mlbox.sql.references import reference
from mlbox.sql.times import interval
from mlbox.sql.writing import Writer


def _statement(cursor: Cursor, clause: str) -> Query:
    inner = unwrapped(cursor)
    found = stored(inner, f"the statement of {clause}")
    cursor.index = cursor.limit
    return found


_CLAUSES: dict[str, Reader] = {
    "CRON": cron,
    "EVERY": interval,
    "TIMEZONE": timezone,
    "AS": _statement,
    "DO": _statement,
}


def _create(cursor: Cursor) -> CreateSchedule:
    head = create_head(cursor, "SCHEDULE")
    ref = reference(cursor, "schedule")
    found = create_clauses(cursor, "CREATE SCHEDULE", _CLAUSES)
    body = found.get("AS") or found.get("DO")
    begins = found.places.get("AS") or found.places.get("DO")
    if ("CRON" in found) == ("EVERY" in found):
        problem = "has CRON and EVERY" if "CRON" in found else "does not say when"
        hint = "give either CRON '0 * * * *' or EVERY 1 HOUR"
        cursor.fail(f"CREATE SCHEDULE {problem}", hint + (f" before {begins.text}" if begins else ""), begins)
    if body is None:
        cursor.fail("CREATE SCHEDULE does not say what to do", "add AS statement, ours or plain SQL")
    return CreateSchedule(
        ref=ref,
        body=body,
        cron=found.get("CRON"),
        every=found.get("EVERY"),
        timezone=found.get("TIMEZONE", "UTC"),
        replace=head.replace,
        if_not_exists=head.if_not_exists,
        comment=found.get("COMMENT"),
    )


def _print(command: CreateSchedule, write: Writer) -> str:
    return write.create(
        "SCHEDULE",
        command,
        writing.clause("CRON", writing.text(command.cron)),
        writing.clause("EVERY", writing.interval(command.every)),
        f"TIMEZONE {writing.text(command.timezone)}" if command.timezone != "UTC" else "",
        writing.comment(command),
        f"AS {writing.statement(command.body)}",
    )


statement(
    StatementSyntax(
        name="CREATE SCHEDULE",
        summary="Carry out a statement by the clock.",
        syntax="""CREATE [OR REPLACE] SCHEDULE [IF NOT EXISTS] name {CRON '0 * * * *' | EVERY interval}
    [TIMEZONE 'zone'] [COMMENT 'text'] {AS | DO} statement""",
        examples=(
            "CREATE SCHEDULE hourly CRON '0 * * * *' AS REFRESH FEATURE SET tx_1h",
            "CREATE SCHEDULE n CRON '@daily' TIMEZONE 'Europe/Berlin' AS RUN WORKFLOW nightly",
            "CREATE SCHEDULE s EVERY INTERVAL '15 minutes' DO INSERT INTO audit SELECT now(), count(*) FROM tx",
        ),
        starts=(("CREATE", "SCHEDULE"),),
        parse=_create,
        prints={CreateSchedule: _print},
    )
)
drop("schedule", DropSchedule)
alter("schedule", "SUSPEND", "RESUME", "RENAME", "SET", later=("SET other than comment and owner",))
noun(Noun("schedule", "schedules"))
