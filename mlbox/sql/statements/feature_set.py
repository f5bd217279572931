"""Feature sets."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from mlbox.base.suggest import nearest
from mlbox.engine.features.commands import (
    Aggregate,
    Calendar,
    Column,
    ColumnRole,
    CreateFeatureSet,
    DropFeatureSet,
    Refresh,
    RefreshFeatureSet,
    Store,
    Watch,
)
from mlbox.engine.features.frames import CALENDAR
from mlbox.sql import writing
from mlbox.sql.bodies import condition, query_rest
from mlbox.sql.clocks import cron
from mlbox.sql.column_types import type_text
from mlbox.sql.grammar import Noun, StatementSyntax, noun, statement
from mlbox.sql.heads import create_clauses, create_head, drop, print_refresh, refresh_clauses
from mlbox.sql.lexer import Token
from mlbox.sql.parameters import Unbound
from mlbox.sql.parser import Cursor, Reader, one_of
from mlbox.sql.references import identifier, is_name, names, reference
from mlbox.sql.times import interval
from mlbox.sql.values import options, text, value, word
from mlbox.sql.writing import Writer

_COLUMNS_HINT = "write (ENTITY id, TIMESTAMP ts, amount DOUBLE CHECK (amount >= 0), ..)"


def _create(cursor: Cursor) -> CreateFeatureSet:
    head = create_head(cursor, "FEATURE SET")
    ref = reference(cursor, "feature set")
    if not cursor.at("("):
        cursor.fail("CREATE FEATURE SET needs its columns in parentheses, with an ENTITY", _COLUMNS_HINT)
    columns = _columns(cursor)
    table: dict[str, Reader] = {
        "TTL": interval,
        "STORE": _store,
        "REFRESH": _refresh,
        "AGGREGATE": _aggregates,
        "ON ERROR": _on_error,
        "ENGINE": word,
        "PARTITION BY": names,
        "WITH": options,
        "FROM": lambda inner, clause: reference(inner, "source"),
        "TRANSFORM": lambda inner, clause: reference(inner, "function", version=True),
        "AS": lambda inner, clause: query_rest(inner, clause, table),
    }
    found = create_clauses(cursor, "CREATE FEATURE SET", table)
    if "AS" in found and "FROM" in found:
        hint = "rows come from a query (AS) or from a source (FROM)"
        cursor.fail("CREATE FEATURE SET has AS and FROM", hint, found.places["AS"])
    if "TRANSFORM" in found and "FROM" not in found:
        cursor.fail("TRANSFORM needs FROM", "write FROM source TRANSFORM function", found.places["TRANSFORM"])
    return CreateFeatureSet(
        ref=ref,
        columns=columns,
        replace=head.replace,
        if_not_exists=head.if_not_exists,
        ttl=found.get("TTL"),
        store=found.get("STORE", "offline"),
        refresh=found.get("REFRESH", Refresh()),
        aggregates=found.get("AGGREGATE", ()),
        on_error=found.get("ON ERROR", "fail"),
        engine=found.get("ENGINE", "duckdb").lower(),
        partition_by=found.get("PARTITION BY", ()),
        options=found.get("WITH", {}),
        query=found.get("AS"),
        source=found.get("FROM"),
        transform=found.get("TRANSFORM"),
        comment=found.get("COMMENT"),
    )


def _columns(cursor: Cursor) -> tuple[Column, ...]:
    opening = cursor.token
    inner = cursor.enter("CREATE FEATURE SET", _COLUMNS_HINT)
    found: list[Column] = []
    while not inner.at_end():
        token = inner.token
        column = column_of(inner)
        if column.name.lower() in (known.name.lower() for known in found):
            inner.fail(f"column {column.name} is given twice", "each column once", token)
        if column.role in ("timestamp", "known_at") and column.role in (known.role for known in found):
            shown = column.role.replace("_", " ").upper()
            inner.fail(f"a second {shown} column", f"a feature set has one {shown} column", token)
        found.append(column)
        if not inner.at_end():
            inner.expect(",", hint="columns are separated by commas")
            if inner.at_end():
                inner.fail("the columns end with a comma", "take the comma away")
    if not any(column.role == "entity" for column in found):
        first = next((column.name for column in found if column.role == "feature"), "id")
        cursor.fail(
            "a feature set needs an ENTITY column, whose values rows are looked up by",
            f"mark it: (ENTITY {first}, ..)",
            opening,
        )
    if any(column.role == "known_at" for column in found) and not any(column.role == "timestamp" for column in found):
        cursor.fail(
            "KNOWN AT needs a TIMESTAMP column beside it",
            "add TIMESTAMP name, the column with the time of the event",
            opening,
        )
    return tuple(found)


def column_of(cursor: Cursor) -> Column:
    """A declared column: its role, name, type and what is asked of it."""
    role: ColumnRole = "feature"
    if cursor.at("KNOWN", "AT"):
        cursor.accept("KNOWN", "AT")
        role = "known_at"
    elif cursor.token.key in ("ENTITY", "TIMESTAMP") and is_name(cursor.peek()):
        role = "entity" if cursor.advance().key == "ENTITY" else "timestamp"
    name = identifier(cursor, "column")
    kind = type_text(cursor) if is_name(cursor.token) and cursor.token.key != "COMMENT" else None
    given: dict[str, Any] = {}
    while not cursor.at_end() and not cursor.at(","):
        token = cursor.token
        if cursor.accept("NOT", "NULL"):
            setting: tuple[str, Any] = ("not_null", True)
        elif cursor.accept("CHECK"):
            check, severity = condition(cursor, "CHECK"), _severity(cursor)
            if severity != "error":
                given["watches"] = (*given.get("watches", ()), Watch(check, severity))
                continue
            setting = ("check", check)
        elif cursor.accept("DEFAULT"):
            setting = ("default", value(cursor, "DEFAULT"))
        elif cursor.accept("COMMENT"):
            setting = ("comment", text(cursor, "COMMENT"))
        else:
            cursor.fail(f"column {name}: {cursor.found()} is not expected here", _column_hint(token))
        if setting[0] in given:
            cursor.fail(f"column {name}: {token.key} is given twice", "each once", token)
        given[setting[0]] = setting[1]
    return Column(name=name, role=role, type=kind, has_default="default" in given, **given)


def _severity(cursor: Cursor) -> Any:
    """Of a check; without a word its breach is an error."""
    if not cursor.accept("SEVERITY"):
        return "error"
    return one_of(cursor, "SEVERITY", ("INFO", "WARN", "ERROR")).lower()


def _column_hint(found: Token) -> str:
    if found.key == "PRIMARY":
        return "write ENTITY before the column's name instead of PRIMARY KEY behind it"
    if nearest(found.text, ["NOT NULL"]):
        return "did you mean NOT NULL?"
    return (
        "columns are separated by commas; a type may be followed by NOT NULL, CHECK (..), DEFAULT value, COMMENT 'text'"
    )


def _store(cursor: Cursor, clause: str) -> Store:
    first = one_of(cursor, clause, ("OFFLINE", "ONLINE"), "write STORE OFFLINE, ONLINE or OFFLINE AND ONLINE")
    if not cursor.accept("AND"):
        return "offline" if first == "OFFLINE" else "online"
    token = cursor.token
    if one_of(cursor, clause, ("OFFLINE", "ONLINE")) == first:
        cursor.fail(f"{first} is given twice", "write STORE OFFLINE AND ONLINE", token)
    return "both"


def _refresh(cursor: Cursor, clause: str) -> Refresh:
    mode = one_of(cursor, clause, ("EVERY", "CRON", "CONTINUOUS", "MANUAL"), "for example EVERY 1 HOUR")
    if mode == "EVERY":
        return Refresh("every", every=interval(cursor, "REFRESH EVERY"))
    if mode == "CRON":
        return Refresh("cron", cron=cron(cursor, "REFRESH CRON"))
    return Refresh("continuous" if mode == "CONTINUOUS" else "manual")


def _on_error(cursor: Cursor, clause: str) -> Any:
    return one_of(cursor, clause, ("FAIL", "SKIP", "QUARANTINE")).lower()


def _aggregates(cursor: Cursor, clause: str) -> tuple[Aggregate, ...]:
    inner = cursor.enter(clause, "write AGGREGATE (sum(amount) OVER (1 HOUR, 24 HOURS))")
    found: list[Aggregate] = []
    while True:
        found.append(_aggregate(inner))
        if inner.at_end():
            return tuple(found)
        inner.expect(",")


def _aggregate(cursor: Cursor) -> Aggregate:
    function = identifier(cursor, "aggregate function").lower()
    token = cursor.token
    arguments = cursor.enter(function, "write sum(amount) OVER (1 HOUR)")
    if arguments.accept("*"):
        if function != "count":
            cursor.fail(f"{function}(*) is not possible", "only count takes *; name a column", token)
        column = "*"
    else:
        column = identifier(arguments, "column")
    argument = _argument(arguments) if arguments.accept(",") else None
    if not arguments.at_end():
        arguments.fail(
            f"{function} takes one column, found {arguments.found()}",
            "compute the expression in the query and aggregate its column",
        )
    cursor.expect("OVER", hint=f"write {function}({column}) OVER (1 HOUR)")
    windows = _windows(cursor)
    every = interval(cursor, "EVERY") if cursor.accept("EVERY") else None
    name = identifier(cursor, "feature") if cursor.accept("AS") else None
    return Aggregate(function, column, windows, every, name, argument)


def _argument(cursor: Cursor) -> float:
    """The part of a quantile."""
    token = cursor.token
    given = value(cursor, "quantile")
    if isinstance(given, Unbound):
        return 0.5
    if isinstance(given, bool) or not isinstance(given, (int, float, Decimal)):
        cursor.fail(f"a number between 0 and 1 was expected, found {token.text}", "quantile(column, 0.95)", token)
    return float(given)


def _windows(cursor: Cursor) -> tuple[timedelta | Calendar, ...]:
    inner = cursor.enter("OVER", "write OVER (1 HOUR, 24 HOURS)")
    found: list[timedelta | Calendar] = []
    while True:
        token = inner.token
        window = _calendar(inner) if inner.accept("CALENDAR") else interval(inner, "OVER")
        if window in found:
            inner.fail("the same window twice", "each once", token)
        found.append(window)
        if inner.at_end():
            return tuple(found)
        inner.expect(",")


def _calendar(cursor: Cursor) -> Calendar:
    unit = one_of(cursor, "OVER CALENDAR", tuple(unit.upper() for unit in CALENDAR), "write OVER (CALENDAR DAY)")
    zone = text(cursor, "TIMEZONE") if cursor.accept("TIMEZONE") else None
    return Calendar(unit.lower(), zone)


def _print(command: CreateFeatureSet, write: Writer) -> str:
    transform = write.ref(command.transform) if command.transform else None
    aggregates = ", ".join(map(_print_aggregate, command.aggregates))
    engine = command.engine if command.engine != "duckdb" else None
    return write.create(
        "FEATURE SET",
        command,
        f"({', '.join(map(print_column, command.columns))})",
        writing.clause("TTL", writing.interval(command.ttl)),
        {"offline": "", "online": "STORE ONLINE", "both": "STORE OFFLINE AND ONLINE"}[command.store],
        _print_refresh(command.refresh),
        f"AGGREGATE ({aggregates})" if aggregates else "",
        f"ON ERROR {command.on_error.upper()}" if command.on_error != "fail" else "",
        writing.clause("ENGINE", writing.word(engine)),
        f"PARTITION BY {writing.names(command.partition_by)}" if command.partition_by else "",
        writing.options("WITH", command.options),
        writing.comment(command),
        writing.clause("FROM", write.ref(command.source) if command.source else None),
        writing.clause("TRANSFORM", transform),
        writing.clause("AS", command.query.text if command.query else None),
    )


def print_column(column: Column) -> str:
    """As it is declared."""
    return writing.line(
        "" if column.role == "feature" else column.role.replace("_", " ").upper(),
        writing.name(column.name),
        column.type or "",
        "NOT NULL" if column.not_null else "",
        writing.clause("CHECK", writing.query(column.check)),
        *(f"CHECK {writing.query(watch.check)} SEVERITY {watch.severity.upper()}" for watch in column.watches),
        f"DEFAULT {writing.value(column.default)}" if column.has_default else "",
        writing.comment(column),
    )


def _print_refresh(refresh: Refresh) -> str:
    if refresh.every is not None:
        return f"REFRESH EVERY {writing.interval(refresh.every)}"
    if refresh.cron is not None:
        return f"REFRESH CRON {writing.text(refresh.cron)}"
    return {"manual": "REFRESH MANUAL", "continuous": "REFRESH CONTINUOUS"}.get(refresh.mode, "")


def _print_aggregate(aggregate: Aggregate) -> str:
    column = "*" if aggregate.column == "*" else writing.name(aggregate.column)
    windows = ", ".join(map(_print_window, aggregate.windows))
    argument = "" if aggregate.argument is None else f", {writing.value(aggregate.argument)}"
    every = writing.clause("EVERY", writing.interval(aggregate.every))
    named = writing.clause("AS", writing.name(aggregate.name) if aggregate.name else None)
    return writing.line(f"{writing.name(aggregate.function)}({column}{argument}) OVER ({windows})", every, named)


def _print_window(window: timedelta | Calendar) -> str:
    if isinstance(window, timedelta):
        return str(writing.interval(window))
    return writing.line("CALENDAR", window.unit.upper(), writing.clause("TIMEZONE", writing.text(window.zone)))


statement(
    StatementSyntax(
        name="CREATE FEATURE SET",
        summary="Define features by entity and time; with a query their rows are computed at once.",
        syntax="""CREATE [OR REPLACE] FEATURE SET [IF NOT EXISTS] name
    ([ENTITY | TIMESTAMP | KNOWN AT] column [type] [NOT NULL] [CHECK (..) [SEVERITY {INFO | WARN | ERROR}]]
        [CHECK ..] [DEFAULT value] [COMMENT 'text'], ..)
    [TTL interval] [STORE {OFFLINE | ONLINE} [AND {OFFLINE | ONLINE}]]
    [REFRESH {EVERY interval | CRON '..' | CONTINUOUS | MANUAL}]
    [AGGREGATE (function({column | *} [, number]) OVER ({interval | CALENDAR unit [TIMEZONE 'zone']}, ..)
        [EVERY interval] [AS name], ..)]
    [ON ERROR {FAIL | SKIP | QUARANTINE}] [ENGINE {duckdb | spark}]
    [PARTITION BY (column, ..)] [WITH (key = value, ..)] [COMMENT 'text']
    [AS SELECT .. | FROM source [TRANSFORM function[@version]]]""",
        examples=(
            "CREATE FEATURE SET customers (ENTITY customer_id, TIMESTAMP updated_at) "
            "AS SELECT customer_id, updated_at, age, city FROM read_parquet('customers/*.parquet')",
            "CREATE FEATURE SET tx (ENTITY client BIGINT, TIMESTAMP ts, amount DOUBLE NOT NULL CHECK (amount > 0)) "
            "TTL INTERVAL '2 days' STORE OFFLINE AND ONLINE AGGREGATE (sum(amount) OVER (1 HOUR, 24 HOURS)) "
            "FROM kafka_tx",
            "CREATE FEATURE SET spent (ENTITY client, TIMESTAMP ts) AGGREGATE (sum(amount) OVER (1 HOUR) "
            "EVERY 5 MINUTES, quantile(amount, 0.95) OVER (7 DAYS), "
            "count(*) OVER (CALENDAR DAY TIMEZONE 'Europe/Berlin')) AS SELECT client, ts, amount FROM tx",
            "CREATE FEATURE SET payments (ENTITY client BIGINT, TIMESTAMP paid_at, amount DOUBLE) REFRESH EVERY 1 HOUR "
            "ON ERROR QUARANTINE WITH (timezone = 'Europe/Berlin') FROM payment_files",
            "CREATE FEATURE SET paid (ENTITY client BIGINT, TIMESTAMP ts, amount DOUBLE CHECK (amount >= 0) "
            "CHECK (amount < 10000) SEVERITY WARN, currency VARCHAR CHECK (len(currency) = 3) SEVERITY INFO) "
            "AS SELECT client, ts, amount, currency FROM tx",
            "CREATE FEATURE SET landed (ENTITY carrier, TIMESTAMP departed, KNOWN AT landed_at, delay DOUBLE) "
            "AS SELECT carrier, departed, landed_at, delay FROM flights",
        ),
        starts=(("CREATE", "FEATURE", "SET"),),
        parse=_create,
        prints={CreateFeatureSet: _print},
        later=(
            "TRANSFORM of pushed rows",
            "ENGINE spark with FROM",
            "WITH (location) of windows over a stream",
        ),
    )
)


def _refresh_set(cursor: Cursor) -> RefreshFeatureSet:
    cursor.expect("REFRESH", "FEATURE", "SET")
    ref = reference(cursor, "feature set")
    found = refresh_clauses(cursor, "REFRESH FEATURE SET")
    return RefreshFeatureSet(ref=ref, full=found.full, start=found.start, end=found.end, online=found.online)


statement(
    StatementSyntax(
        name="REFRESH FEATURE SET",
        summary="Bring a feature set up to date, whole or for a span of time.",
        syntax="REFRESH FEATURE SET name [FULL] [FROM 'time'] [TO 'time'] [ONLINE]",
        examples=(
            "REFRESH FEATURE SET tx_1h FROM TIMESTAMP '2026-01-01' TO TIMESTAMP '2026-02-01'",
            "REFRESH FEATURE SET tx_1h FULL",
            "REFRESH FEATURE SET tx_1h ONLINE TO '2026-02-01'",
        ),
        starts=(("REFRESH", "FEATURE", "SET"),),
        parse=_refresh_set,
        prints={RefreshFeatureSet: print_refresh},
    )
)
drop("feature set", DropFeatureSet)


noun(Noun("feature set", "feature_sets"))
