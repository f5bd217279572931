"""What CREATE FEED says, checked against the project."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mlbox.base.clock import now
from mlbox.base.command import Caller
from mlbox.base.errors import Conflict, Invalid, NotFound
from mlbox.base.ids import new_id
from mlbox.base.names import Ref, check_name
from mlbox.base.suggest import did_you_mean, no_such
from mlbox.engine.catalog.tables import endpoints, feeds
from mlbox.engine.catalog.tables.feeds import FeedRow
from mlbox.engine.features.sinks.base import Target, sink_kind
from mlbox.engine.features.sources.base import SOURCES
from mlbox.engine.security.secret_names import SecretName, options_text, refuse_literals
from mlbox.engine.workflows.schedule import zone
from mlbox.serve.feeds.commands import CreateFeed

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from mlbox.engine.features.sources.base import Source

OWN: Mapping[str, tuple[int, int, int]] = {"batch": (256, 1, 10_000), "retries": (10, 0, 1_000)}
"""Options of a feed that are whole numbers: default, least, most."""
INPUTS, START = "inputs", "start"
STARTS = ("latest", "earliest")
KNOWN = (*OWN, INPUTS, START)
"""Options of a feed itself; others are those of the place where answers go."""
TABLE = "table:"


def check(command: CreateFeed) -> None:
    """What can be said without looking anything up. Raises ``Invalid``."""
    check_name(command.ref.name, "feed name")
    given = [name for name in ("source", "table", "query") if getattr(command, name) is not None]
    if len(given) != 1:
        raise Invalid("a feed reads a source, a table or a query: one of them", hint="FROM SOURCE tx")
    if (command.query is not None) != (command.cron is not None or command.every is not None):
        raise Invalid(
            "a query is carried out by the clock, and a source or a table is not",
            hint="FROM (SELECT ..) EVERY 1 MINUTE, or CRON '0 * * * *'",
        )
    if command.cron is not None and command.every is not None:
        raise Invalid("a feed has CRON or EVERY, not both")
    if command.every is not None and command.every < timedelta(seconds=1):
        raise Invalid("EVERY must be 1 second or longer")
    if command.column is not None and command.table is None:
        raise Invalid("BY says how new rows of a table are told", hint="FROM TABLE t BY id")
    if command.into is not None and command.uri is not None:
        raise Invalid("answers go to one place", hint="INTO TABLE t, or INTO 'redis://host:6379/stream'")
    for name, ref in (("endpoint", command.endpoint), ("table of the answers", command.into)):
        if ref is not None and ref.project.lower() != command.ref.project.lower():
            raise Invalid(
                f"the {name} {ref} is in another project than the feed", hint=f"make the feed in {ref.project}"
            )
    own_options(command.options)
    if command.table is None and any(name.lower() == START for name in command.options):
        raise Invalid(
            f"option {START} is for tables",
            hint=f"where a stream begins is said by its source: WITH ({START} = latest)",
        )


def own_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options of the feed itself, all of them; the others are those of the place where answers go."""
    folded = {name.lower(): value for name, value in options.items()}
    found: dict[str, Any] = {}
    for name, (default, least, most) in OWN.items():
        value = folded.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise Invalid(f"option {name} is {value!r}", hint=f"a whole number from {least} to {most:,}")
        found[name] = value
    found[INPUTS] = folded.get(INPUTS, True)
    if not isinstance(found[INPUTS], bool):
        raise Invalid(f"option {INPUTS} is {found[INPUTS]!r}", hint="true or false")
    found[START] = folded.get(START, STARTS[0])
    if found[START] not in STARTS:
        raise Invalid(f"option {START} is {found[START]!r}", hint=f"{' or '.join(STARTS)}")
    return found


def target_of(command: CreateFeed) -> str | None:
    """Where answers go, as it is kept."""
    return f"{TABLE}{command.into.name}" if command.into is not None else command.uri


def check_target(row: FeedRow, options: Mapping[str, Any]) -> None:
    """The kind of address must be known, and have the options. Opens nothing."""
    others = {name: value for name, value in options.items() if name.lower() not in KNOWN}
    refuse_literals(others, row.name)
    if row.target is None or row.target.startswith(TABLE):
        if others:
            name = next(iter(others))
            raise Invalid(
                f"a feed has no option {name!r}", hint=did_you_mean(name, KNOWN) or f"options: {', '.join(KNOWN)}"
            )
        if row.target is not None:
            check_name(row.target.removeprefix(TABLE), "table name")
        return
    if "://" in row.target and urlsplit(row.target).password is not None:
        raise Invalid(
            "the address holds a password, which would be kept where others read it",
            hint=f"take it out: SET SECRET {row.name}_password = $1, then WITH (password = SECRET {row.name}_password)",
        )
    shown = {name: "" if isinstance(value, SecretName) else value for name, value in others.items()}
    sink_kind(Target(row.target, row.project, options=shown))


def row_of(
    command: CreateFeed, cursor: DuckDBPyConnection, source: Source | None, existing: FeedRow | None, caller: Caller
) -> FeedRow:
    """The row; what it names must be there. It goes on where a feed was that reads the same."""
    ref = command.ref
    endpoint = endpoints.get(cursor, ref.project, command.endpoint.name)
    if endpoint is None:
        raise no_such("endpoint", command.endpoint.at(None), endpoints.names(cursor, ref.project))
    kind, read = "schedule", None
    if source is not None:
        capabilities = SOURCES.get(source.type).capabilities
        if not capabilities.stream:
            raise Conflict(
                f"source {source.ref} is no stream: its rows stand somewhere",
                hint="bring them into a table, then FROM TABLE t; or FROM (SELECT ..) EVERY 1 HOUR",
            )
        kind, read = "push" if capabilities.push else "stream", str(source.ref)
    if command.table is not None:
        kind, read = "table", _table(command.table, command.column, cursor)
    row = FeedRow(
        project=ref.project,
        name=existing.name if existing else ref.name,
        id=new_id(),
        endpoint=endpoint.name,
        kind=kind,
        source_id=source.id if source else None,
        source=read,
        column=command.column,
        query=command.query.text if command.query else None,
        cron=command.cron,
        every_seconds=command.every.total_seconds() if command.every else None,
        timezone=zone(command.timezone).key,
        target=target_of(command),
        options=options_text(command.options),
        owner=caller.user,
        comment=command.comment,
        created_at=now(),
    )
    if existing is not None and _reads(existing) == _reads(row):
        row = FeedRow(**{**_fields(row), "id": existing.id, "created_at": existing.created_at})
    return row


def _fields(row: FeedRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in FeedRow.__slots__}


def _reads(row: FeedRow) -> tuple[Any, ...]:
    return row.kind, row.source_id or row.source, row.column


def _table(ref: Ref, column: str | None, cursor: DuckDBPyConnection) -> str:
    """The table that is read; raises when new rows of it cannot be told."""
    _, columns = feeds.table_shape(cursor, ref.project, ref.name)
    if not columns:
        columns = feeds.view_columns(cursor, ref.project, ref.name)
        if not columns:
            raise NotFound(
                f"there is no table {ref}",
                hint=did_you_mean(ref.name, feeds.table_names(cursor, ref.project), kind="table"),
                details={"kind": "table", "name": ref.name},
            )
        if column is None:
            raise Invalid(
                f"{ref} is no table but a view or a feature set, whose rows have no place",
                hint=f"FROM TABLE {ref.name} BY column, of which newer rows have higher values",
            )
    if column is not None and column.lower() not in {name.lower() for name, _ in columns}:
        raise NotFound(f"{ref} has no column {column!r}", hint=did_you_mean(column, [name for name, _ in columns]))
    return f"{ref.project}.{ref.name}"


def first_due(row: FeedRow, fired: datetime | None) -> datetime | None:
    """When the clock chooses rows next: the first time behind the last one."""
    from mlbox.base.cron import Cron
    from mlbox.engine.workflows.schedule import next_in_grid

    if row.kind != "schedule":
        return None
    after = fired or row.created_at
    if row.every_seconds is not None:
        return next_in_grid(row.created_at, timedelta(seconds=row.every_seconds), after)
    return Cron.parse(row.cron or "").next(after, zone(row.timezone))
