"""Feeds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mlbox.base.command import Query
from mlbox.serve.feeds.commands import CreateFeed, DropFeed
from mlbox.sql import writing
from mlbox.sql.bodies import parenthesized, query_rest
from mlbox.sql.clocks import cron, timezone
from mlbox.sql.grammar import Noun, StatementSyntax, noun, statement
from mlbox.sql.heads import alter, create_clauses, create_head, drop
from mlbox.sql.parser import Cursor, Reader, kept
from mlbox.sql.references import identifier, reference
from mlbox.sql.statements.source import options, print_options
from mlbox.sql.times import interval
from mlbox.sql.values import text
from mlbox.sql.writing import Writer


def _from(cursor: Cursor, clause: str) -> Mapping[str, Any]:
    if cursor.at("("):
        return {"query": parenthesized(cursor, clause, _query)}
    if cursor.accept("SOURCE"):
        return {"source": reference(cursor, "source")}
    if cursor.accept("TABLE"):
        found: dict[str, Any] = {"table": reference(cursor, "table")}
        if cursor.accept("BY"):
            found["column"] = identifier(cursor, "column")
        return found
    cursor.fail(
        f"FROM needs SOURCE, TABLE or a query, found {cursor.found()}",
        "for example FROM SOURCE tx, FROM TABLE orders, or FROM (SELECT ..) EVERY 1 MINUTE",
    )


def _query(cursor: Cursor) -> Query:
    """Kept as it is written: ``$scheduled_at`` has its value when it is carried out."""
    first = cursor.index
    query_rest(
        Cursor(
            replace(cursor.scope, parameters=cursor.scope.parameters.deferred()), cursor.tokens, first, cursor.limit
        ),
        "FROM",
    )
    return kept(cursor)


def _endpoint(cursor: Cursor, clause: str) -> Any:
    return reference(cursor, "endpoint")


def _into(cursor: Cursor, clause: str) -> Mapping[str, Any]:
    if cursor.accept("TABLE"):
        return {"into": reference(cursor, "table")}
    if cursor.token.kind not in ("string", "parameter"):
        cursor.fail(
            f"INTO needs TABLE or an address, found {cursor.found()}",
            "INTO TABLE scores, INTO 'redis://host:6379/stream', INTO 'https://host/hook'",
        )
    return {"uri": text(cursor, clause)}


_CLAUSES: dict[str, Reader] = {
    "FROM": _from,
    "TO ENDPOINT": _endpoint,
    "INTO": _into,
    "CRON": cron,
    "EVERY": interval,
    "TIMEZONE": timezone,
    "WITH": options,
}


def _create(cursor: Cursor) -> CreateFeed:
    head = create_head(cursor, "FEED")
    ref = reference(cursor, "feed")
    found = create_clauses(cursor, "CREATE FEED", _CLAUSES)
    if "FROM" not in found:
        cursor.fail("CREATE FEED does not say where rows come from", "FROM SOURCE s, FROM TABLE t, FROM (SELECT ..)")
    if "TO ENDPOINT" not in found:
        cursor.fail("CREATE FEED does not say whom it asks", "add TO ENDPOINT name")
    clocks = [name for name in ("CRON", "EVERY") if name in found]
    by_clock = "query" in found["FROM"]
    if len(clocks) != by_clock:
        if not clocks:
            cursor.fail("a query needs a clock", "add EVERY 1 MINUTE, or CRON '0 * * * *'", found.places["FROM"])
        problem = "give CRON or EVERY, not both" if by_clock else f"{clocks[0]} is for a query"
        cursor.fail(problem, "for example FROM (SELECT ..) EVERY 1 MINUTE", found.places[clocks[-1]])
    return CreateFeed(
        ref=ref,
        endpoint=found["TO ENDPOINT"],
        cron=found.get("CRON"),
        every=found.get("EVERY"),
        timezone=found.get("TIMEZONE", "UTC"),
        options=found.get("WITH", {}),
        replace=head.replace,
        if_not_exists=head.if_not_exists,
        comment=found.get("COMMENT"),
        **found["FROM"],
        **found.get("INTO", {}),
    )


def _print(command: CreateFeed, write: Writer) -> str:
    return write.create(
        "FEED",
        command,
        f"FROM {_print_from(command, write)}",
        writing.clause("CRON", writing.text(command.cron)),
        writing.clause("EVERY", writing.interval(command.every)),
        f"TIMEZONE {writing.text(command.timezone)}" if command.timezone != "UTC" else "",
        f"TO ENDPOINT {write.ref(command.endpoint)}",
        writing.clause("INTO", f"TABLE {write.ref(command.into)}" if command.into else writing.text(command.uri)),
        print_options("WITH", command.options),
        writing.comment(command),
    )


def _print_from(command: CreateFeed, write: Writer) -> str:
    if command.source is not None:
        return f"SOURCE {write.ref(command.source)}"
    if command.table is not None:
        by = f" BY {writing.name(command.column)}" if command.column else ""
        return f"TABLE {write.ref(command.table)}{by}"
    return str(writing.query(command.query))


statement(
    StatementSyntax(
        name="CREATE FEED",
        summary="Bring rows to an endpoint without HTTP: of a stream, of a table as they are added, by the clock.",
        syntax="""CREATE [OR REPLACE] FEED [IF NOT EXISTS] name
    FROM {SOURCE source | TABLE table [BY column] | (query)} [EVERY interval | CRON '0 * * * *'] [TIMEZONE 'zone']
    TO ENDPOINT endpoint [INTO {TABLE table | 'uri'}]
    [WITH ({batch = n | retries = n | inputs = false | start = earliest | key = {value | SECRET name}}, ..)]
    [COMMENT 'text']""",
        examples=(
            "CREATE FEED scoring FROM SOURCE tx TO ENDPOINT score INTO TABLE scores",
            "CREATE FEED alarms FROM SOURCE tx TO ENDPOINT flow INTO 'redis://localhost:6379/alarms'",
            "CREATE FEED orders FROM TABLE orders TO ENDPOINT score INTO 'https://shop.example.org/scored' "
            "WITH (token = SECRET hook_token)",
            "CREATE FEED claims FROM TABLE claims BY id TO ENDPOINT score INTO TABLE scored WITH (start = earliest)",
            "CREATE FEED nightly FROM (SELECT * FROM clients WHERE due < $scheduled_at) CRON '0 3 * * *' "
            "TIMEZONE 'Europe/Berlin' TO ENDPOINT score INTO TABLE scored",
        ),
        starts=(("CREATE", "FEED"),),
        parse=_create,
        prints={CreateFeed: _print},
    )
)
drop("feed", DropFeed)
alter("feed", "SUSPEND", "RESUME", "RENAME", "SET", later=("SET other than comment and owner",))
noun(Noun("feed", "feeds"))
