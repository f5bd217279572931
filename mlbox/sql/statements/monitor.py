"""Monitors."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Literal

from mlbox.base.command import Query
from mlbox.base.names import Ref
from mlbox.engine.monitor.commands import CreateMonitor, DropMonitor, MetricSpec, RefreshMonitor
from mlbox.sql import writing
from mlbox.sql.bodies import parenthesized, refuse_bare_query
from mlbox.sql.grammar import Noun, StatementSyntax, noun, statement
from mlbox.sql.heads import alter, create_clauses, create_head, drop, print_refresh, refresh_clauses
from mlbox.sql.parser import Cursor, Reader, one_of
from mlbox.sql.references import identifier, is_name, names, reference, run_id
from mlbox.sql.times import interval
from mlbox.sql.values import options
from mlbox.sql.writing import Writer

_Target = tuple[Literal["endpoint", "model", "feature set", "table"], Ref]


def _on(cursor: Cursor, clause: str) -> _Target:
    kind = one_of(cursor, clause, ("ENDPOINT", "MODEL", "FEATURE SET", "TABLE"), "for example ON ENDPOINT score")
    if kind == "ENDPOINT":
        return "endpoint", reference(cursor, "endpoint")
    if kind == "MODEL":
        return "model", reference(cursor, "model", version=True)
    if kind == "TABLE":
        return "table", reference(cursor, "table")
    return "feature set", reference(cursor, "feature set")


def _baseline(cursor: Cursor, clause: str) -> Mapping[str, Any]:
    behind = cursor.peek()
    if cursor.at("RUN") and (
        behind.kind in ("string", "parameter") or (is_name(behind) and behind.key not in _CLAUSES)
    ):
        cursor.advance()
        return {"baseline_run": run_id(cursor, "BASELINE RUN")}
    return {"baseline": _rows(cursor, clause)}


def _rows(cursor: Cursor, clause: str) -> Query:
    """``(SELECT ..)``, or a table's name as ``FROM name``."""
    if cursor.at("("):
        return parenthesized(cursor, clause)
    refuse_bare_query(cursor, clause)
    start = cursor.token.start
    reference(cursor, "table")
    written = cursor.scope.source[start : cursor.tokens[cursor.index - 1].stop]
    return Query("FROM " + written, start - len("FROM "), cursor.scope.source)


def _metrics(cursor: Cursor, clause: str) -> tuple[MetricSpec, ...]:
    inner = cursor.enter(clause, "write METRICS (psi, ks, auc)")
    found: list[MetricSpec] = []
    while True:
        token = inner.token
        name = identifier(inner, "metric").lower()
        if name in (known.name for known in found):
            inner.fail(f"metric {name} is given twice", "each once", token)
        found.append(MetricSpec(name, options(inner, name) if inner.at("(") else {}))
        if inner.at_end():
            return tuple(found)
        inner.expect(",")


_CLAUSES: dict[str, Reader] = {
    "ON": _on,
    "BASELINE": _baseline,
    "METRICS": _metrics,
    "WINDOW": interval,
    "EVERY": interval,
    "SEGMENT BY": names,
    "LABELS FROM": _rows,
    "WITH": options,
}


def _create(cursor: Cursor) -> CreateMonitor:
    head = create_head(cursor, "MONITOR")
    ref = reference(cursor, "monitor")
    found = create_clauses(cursor, "CREATE MONITOR", _CLAUSES)
    if "ON" not in found:
        cursor.fail(
            "CREATE MONITOR does not say on what", "add ON ENDPOINT e, ON MODEL m, ON FEATURE SET f or ON TABLE t"
        )
    kind, target = found["ON"]
    return CreateMonitor(
        ref=ref,
        target_kind=kind,
        target=target,
        metrics=found.get("METRICS", ()),
        window=found.get("WINDOW", timedelta(days=1)),
        every=found.get("EVERY"),
        segment_by=found.get("SEGMENT BY", ()),
        labels=found.get("LABELS FROM"),
        replace=head.replace,
        if_not_exists=head.if_not_exists,
        options=found.get("WITH", {}),
        comment=found.get("COMMENT"),
        **found.get("BASELINE", {}),
    )


def _print_metric(metric: MetricSpec) -> str:
    name = writing.name(metric.name)
    return writing.options(name, metric.options) or name


def _print(command: CreateMonitor, write: Writer) -> str:
    metrics = [
        writing.options(writing.name(metric.name), metric.options) or writing.name(metric.name)
        for metric in command.metrics
    ]
    baseline = writing.query(command.baseline)
    if command.baseline_run is not None:
        baseline = f"RUN {writing.text(command.baseline_run)}"
    return write.create(
        "MONITOR",
        command,
        f"ON {command.target_kind.upper()} {write.ref(command.target)}",
        writing.clause("BASELINE", baseline),
        f"METRICS ({', '.join(metrics)})" if metrics else "",
        f"WINDOW {writing.interval(command.window)}",
        writing.clause("EVERY", writing.interval(command.every)),
        f"SEGMENT BY {writing.names(command.segment_by)}" if command.segment_by else "",
        writing.clause("LABELS FROM", writing.query(command.labels)),
        writing.options("WITH", command.options),
        writing.comment(command),
    )


statement(
    StatementSyntax(
        name="CREATE MONITOR",
        summary="Compare what comes in with a baseline, window by window: drift, quality, performance.",
        syntax="""CREATE [OR REPLACE] MONITOR [IF NOT EXISTS] name
    ON {ENDPOINT endpoint | MODEL model[@version] | FEATURE SET set | TABLE table}
    [BASELINE {RUN 'id' | table | (SELECT ..)}] [METRICS (metric [(key = value, ..)], ..)]
    [WINDOW interval] [EVERY interval] [SEGMENT BY (column, ..)] [LABELS FROM {table | (SELECT ..)}]
    [WITH (key = value, ..)] [COMMENT 'text']""",
        examples=(
            "CREATE MONITOR drift ON ENDPOINT score BASELINE RUN 'a1b2c3d4' METRICS (psi, ks) EVERY 1 HOUR",
            "CREATE MONITOR acc ON MODEL m@champion BASELINE (SELECT * FROM train_set) METRICS (auc, psi (bins = 20)) "
            "LABELS FROM labels EVERY 1 DAY",
        ),
        starts=(("CREATE", "MONITOR"),),
        parse=_create,
        prints={CreateMonitor: _print},
    )
)


def _refresh(cursor: Cursor) -> RefreshMonitor:
    cursor.expect("REFRESH", "MONITOR")
    ref = reference(cursor, "monitor")
    found = refresh_clauses(cursor, "REFRESH MONITOR", online=False)
    return RefreshMonitor(ref=ref, full=found.full, start=found.start, end=found.end)


statement(
    StatementSyntax(
        name="REFRESH MONITOR",
        summary="Compute the windows of a monitor now.",
        syntax="REFRESH MONITOR name [FULL] [FROM 'time'] [TO 'time']",
        examples=("REFRESH MONITOR drift FROM '2026-01-01' TO '2026-02-01'",),
        starts=(("REFRESH", "MONITOR"),),
        parse=_refresh,
        prints={RefreshMonitor: print_refresh},
    )
)
drop("monitor", DropMonitor)
alter("monitor", "SUSPEND", "RESUME", "RENAME", "SET", later=("SET other than comment and owner",))
noun(Noun("monitor", "monitors"))
