"""From the command to the definition of a feature set: every column is found and typed before anything is made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from mlbox.base.clock import now
from mlbox.base.command import Query
from mlbox.base.errors import Invalid, MlboxError, NotExecuted
from mlbox.base.ids import new_id
from mlbox.base.names import RESERVED_COLUMNS, check_name, literal, quote
from mlbox.base.placed import about
from mlbox.base.suggest import did_you_mean, nearest
from mlbox.engine.features.aggregates import check_columns, declared
from mlbox.engine.features.commands import Column, CreateFeatureSet
from mlbox.engine.features.definition import SEQUENCE, Feature, FeatureSet
from mlbox.engine.features.frames import AXIS
from mlbox.engine.features.offline import TIME, rows_sql
from mlbox.engine.features.placing import FORMAT, check_format, check_location, check_profile, placed
from mlbox.engine.features.spark.options import check_engine, options_of_engine
from mlbox.engine.features.stream_options import LATENESS, with_stream
from mlbox.engine.security.profiles import PROFILE

Describe = Callable[[str, Query], list[tuple[str, str]]]

OPTIONS = {
    "online": ("auto", "manual"),
    "on_error": ("fail", "skip", "quarantine"),
    "defer": (True, False),
    "time_unit": ("s", "ms", "us"),
}
"""Options of the WITH clause that mean something here; others are kept as notes of the owner."""


def zone_of(value: object) -> str:
    """The name of a time zone; ``Invalid`` with the nearest names."""
    from zoneinfo import ZoneInfo, available_timezones

    try:
        return ZoneInfo(str(value)).key
    except (ValueError, OSError, KeyError):
        raise Invalid(
            f"there is no time zone {value!r}",
            hint=did_you_mean(str(value), sorted(available_timezones())) or "such as 'Europe/Berlin'",
        ) from None


def check(command: CreateFeatureSet) -> None:
    """Raise for what is wrong with the command whatever its query or source gives."""
    check_name(command.ref.name, "feature set name")
    check_engine(command.engine, {})
    _refuse_later(command)
    _check_options(command.options)
    if command.refresh.mode in ("every", "cron") and command.query is None and command.source is None:
        raise Invalid("REFRESH needs something to read", hint="add AS SELECT … or FROM source")
    if command.engine != "duckdb" and command.query is None:
        raise Invalid(f"ENGINE {command.engine} needs a query that it computes", hint="add AS SELECT …")


@dataclass(frozen=True, slots=True)
class FromSource:
    """The source that a set reads: its id, and its columns as (name, DuckDB type); None while it has nothing."""

    id: str
    columns: Sequence[tuple[str, str]] | None
    stream: bool = False
    push: bool = False
    transform: tuple[str, str, int] | None = None
    """The function that its rows go through: then the set tells the columns."""


def build(command: CreateFeatureSet, version: int, describe: Describe, source: FromSource | None = None) -> FeatureSet:
    """The definition; raises ``Invalid`` for what does not fit the query or the source."""
    if source is not None and source.transform is not None:
        _refuse_through(command, source)
    timestamp, known_at = _single(command.columns, "timestamp"), _single(command.columns, "known_at")
    if timestamp is None:
        raise Invalid(f"feature set {command.ref.name} has no event time", hint="add to its columns: TIMESTAMP column")
    produced = _produced(command, describe, source)
    absent = _absent(command, produced) if source is None or source.transform is None else []
    produced |= {column.name: column.type or "" for column in absent}
    for column in (timestamp, *([known_at] if known_at else [])):
        _check_time(column, _type(column, produced, command))
    windows = declared(command.aggregates)
    check_columns(windows, produced)
    _refuse_reserved([*produced, *(window.name for window in windows)])
    entities = [column for column in command.columns if column.role == "entity"]
    draft = FeatureSet(
        project=command.ref.project,
        name=command.ref.name,
        version=version,
        id=new_id(),
        entities=tuple((column.name, _type(column, produced, command)) for column in entities),
        timestamp=timestamp.name,
        known_at=known_at.name if known_at else None,
        features=(),
        windows=windows,
        ttl=command.ttl.total_seconds() if command.ttl is not None else None,
        store=command.store,
        online_by_hand=command.options.get("online") == "manual",
        skip_errors=_on_error(command) != "fail",
        quarantine=_on_error(command) == "quarantine",
        timezone=command.options.get("timezone"),
        refresh=_refresh(command),
        body=_completed(command.query, absent) if command.query else _nulls(produced.items()) if produced else None,
        adapted=tuple(("", column.name) for column in absent) if command.query is None else (),
        comment=command.comment,
        tags=tuple(command.options.get("tags") or ()),
        created_at=now(),
        engine=command.engine,
        engine_options=options_of_engine(command.engine, command.options),
    )
    draft = replace(draft, features=tuple(_features(command, draft, produced)))
    built = replace(draft, features=(*draft.features, *_window_features(draft, describe)))
    _check_names(built)
    _bind(command, built, describe)
    from_stream = source is not None and source.stream
    if built.windows and (from_stream or (command.query is None and command.source is None)):
        _refuse_checks_of_windows(command, built, describe)
    if command.query is None:
        transform = source.transform if source else None
        built = replace(built, body=None, source=source.id if source else None, transform=transform)
    return with_stream(placed(built, command, from_stream=from_stream), command, from_stream=from_stream)


def _refuse_through(command: CreateFeatureSet, source: FromSource) -> None:
    if source.push:
        raise NotExecuted(
            f"pushed rows through a function (TRANSFORM {command.transform}) are not executed by this version",
            hint="push what the function has made, or send the rows through a stream that is read (kafka, redis, amqp)",
        )


def _produced(command: CreateFeatureSet, describe: Describe, source: FromSource | None) -> dict[str, str]:
    """Columns of the query or the source; of a source that has nothing yet those that are declared."""
    if command.query is not None:
        return dict(describe(command.ref.project, command.query))
    if source is None and not command.aggregates:
        return {}
    through = source is not None and source.transform is not None
    if source is not None and source.columns is not None and not through:
        return dict(source.columns)
    untyped = [c.name for c in command.columns if c.type is None and c.role not in ("timestamp", "known_at")]
    if untyped or (source and not any(column.role == "feature" for column in command.columns)):
        giver = f"source {command.source} has nothing yet" if source else "there is no query or source"
        giver = f"function {command.transform} is not run" if through else giver
        raise Invalid(
            f"{giver} {'to tell' if through else 'that tells'} the columns of feature set {command.ref.name}",
            hint=f"declare all columns with their types{': ' + ', '.join(untyped) if untyped else ''}",
        )
    return {column.name: column.type or TIME for column in command.columns}


def _absent(command: CreateFeatureSet, produced: Mapping[str, str]) -> list[Column]:
    """Columns with a DEFAULT that the query or the source does not give (yet): they have it in every row."""
    if command.engine != "duckdb" or (command.query is None and command.source is None):
        return []
    given = {name.lower() for name in produced}
    features = [column for column in command.columns if column.role == "feature" and column.type is not None]
    return [column for column in features if column.has_default and column.name.lower() not in given]


def _completed(query: Query, absent: Sequence[Column]) -> str:
    nulls = ", ".join(f"NULL AS {quote(column.name)}" for column in absent)
    return f"SELECT *, {nulls} FROM (\n{query.text}\n)" if absent else query.text


def _nulls(columns: Iterable[tuple[str, str]]) -> str:
    """A row of NULLs with these columns, to bind against."""
    return "SELECT " + ", ".join(f"CAST(NULL AS {kind}) AS {quote(name)}" for name, kind in columns)


def _refuse_later(command: CreateFeatureSet) -> None:
    later = {
        f"ENGINE {command.engine} with FROM": command.engine != "duckdb" and command.source is not None,
    }
    for clause, given in later.items():
        if given:
            raise NotExecuted(
                f"CREATE FEATURE SET … {clause} is part of the language, but this version does not execute it",
                hint="AS SELECT … reads tables and files",
            )


def _on_error(command: CreateFeatureSet) -> object:
    """The clause, or the option of the same meaning."""
    return command.options.get("on_error", command.on_error)


def _refresh(command: CreateFeatureSet) -> str | None:
    """As CREATE SCHEDULE has it."""
    if command.refresh.every is not None:
        return f"EVERY INTERVAL '{round(command.refresh.every.total_seconds() * 1_000_000)} microseconds'"
    return f"CRON {literal(command.refresh.cron)}" if command.refresh.cron is not None else None


def _check_options(options: Mapping[str, object]) -> None:
    for name, value in options.items():
        with about(name):
            _check_option(name, value, options)


def _check_option(name: str, value: object, options: Mapping[str, object]) -> None:
    known = [*OPTIONS, LATENESS, FORMAT, PROFILE, "timezone", "location", "owner", "tags"]
    if name == "timezone":
        zone_of(value)
    elif name == "location":
        check_location(value)
    elif name == FORMAT:
        check_format(value, options)
    elif name == PROFILE:
        check_profile(value, options)
    elif name in OPTIONS and value not in OPTIONS[name]:
        raise Invalid(
            f"option {name} = {value!r} is not known",
            hint="allowed: " + ", ".join(str(choice).lower() for choice in OPTIONS[name]),
        )
    elif name not in known and nearest(name, known):
        raise Invalid(f"there is no option {name}", hint=did_you_mean(name, known))


def _single(columns: Sequence[Column], role: str) -> Column | None:
    return next((column for column in columns if column.role == role), None)


def _type(column: Column, produced: Mapping[str, str], command: CreateFeatureSet) -> str:
    """The type of a column: declared, else what the query or the source gives."""
    if command.query is not None or command.source is not None:
        name = next((name for name in produced if name.lower() == column.name.lower()), None)
        if name is None:
            giver = f"source {command.source}" if command.query is None else "the query"
            raise Invalid(
                f"{giver} of feature set {command.ref.name} gives no column {column.name!r}",
                hint=did_you_mean(column.name, produced),
                where=command.query.where(0) if command.query else None,
            )
        return column.type or produced[name]
    if column.role in ("timestamp", "known_at"):
        return TIME
    if column.type is None:
        raise Invalid(f"column {column.name!r} needs a type, since there is no query to take it from")
    return column.type


def _check_time(column: Column, kind: str) -> None:
    if not kind.upper().startswith(("TIMESTAMP", "DATE", "VARCHAR")):
        raise Invalid(
            f"column {column.name!r} is a {kind}, not a time",
            hint=f"to_timestamp({column.name}) takes seconds since 1970",
        )


def _features(command: CreateFeatureSet, draft: FeatureSet, produced: Mapping[str, str]) -> list[Feature]:
    """The declared features, else every column of the query that has no other role and is not only aggregated."""
    explicit = [column for column in command.columns if column.role == "feature"]
    if explicit:
        return [
            Feature(
                column.name,
                _type(column, produced, command),
                column.not_null,
                column.check.text if column.check else None,
                default_text(column),
                None,
                column.comment,
                watches_of(column),
            )
            for column in explicit
        ]
    taken = {name.lower() for name in (*draft.entity_names, draft.timestamp, draft.known_at or "")}
    taken |= {window.column.lower() for window in draft.windows}
    return [Feature(name, kind) for name, kind in produced.items() if name.lower() not in taken]


def watches_of(column: Column) -> tuple[tuple[str, str], ...]:
    """Checks of a column that refuse no row."""
    return tuple((watch.severity, watch.check.text) for watch in column.watches)


def default_text(column: Column) -> str | None:
    """A DEFAULT as SQL."""
    if not column.has_default:
        return None
    return literal(column.default) if isinstance(column.default, str) else str(column.default)


def _window_features(draft: FeatureSet, describe: Describe) -> list[Feature]:
    """Columns of the window aggregates with the types that DuckDB gives them."""
    if not draft.windows:
        return []
    typed = [(feature.name, feature.type) for feature in draft.features]
    describe(draft.project, Query(_nulls(typed or draft.entities)))
    try:  # over the columns as they are declared, not as the query gives them
        kinds = dict(describe(draft.project, Query(rows_sql(draft, "TRUE", "TRUE"))))
    except MlboxError as error:
        raise Invalid(
            f"an aggregate of feature set {draft.name} does not fit the query: {error.message}", hint=error.hint
        ) from None
    return [Feature(window.name, kinds[window.name], aggregate=window.told) for window in draft.windows]


def _refuse_reserved(names: Iterable[str]) -> None:
    """What a query or source gives beside the set's columns is read with them."""
    for name in names:
        if name.lower().startswith(RESERVED_COLUMNS):
            raise Invalid(
                f"a column may not be called {name}",
                hint=f"rename it: names that begin with {RESERVED_COLUMNS} are used inside",
            )


def _check_names(built: FeatureSet) -> None:
    if not built.features:
        raise Invalid(f"feature set {built.name} has no feature", hint="its query must give more columns")
    seen: set[str] = set()
    for name in built.columns:
        if name.lower() in (SEQUENCE, AXIS):
            raise Invalid(f"a column may not be called {name}", hint="rename it: the name is used inside")
        if name.lower() in seen:
            raise Invalid(f"feature set {built.name} has two columns {name!r}", hint="name the aggregate with AS")
        seen.add(name.lower())


def _bind(command: CreateFeatureSet, built: FeatureSet, describe: Describe) -> None:
    """Types must be types, what is converted must be convertible, checks must be expressions over the columns."""
    columns = [*built.entities, *((name, TIME) for name in built.times)]
    columns += [(feature.name, feature.type) for feature in built.features]
    nulls = _nulls(columns)
    if any(column.type for column in command.columns):
        describe(built.project, Query(nulls))
        if built.body is not None:
            describe(built.project, Query(rows_sql(built, "TRUE", "TRUE")))
    for column in command.columns:
        for condition in (*([column.check] if column.check else []), *(watch.check for watch in column.watches)):
            describe(built.project, condition.within("SELECT ((", f"\n)::BOOLEAN) FROM ({nulls})"))


def _refuse_checks_of_windows(command: CreateFeatureSet, built: FeatureSet, describe: Describe) -> None:
    """Rows that keep coming are checked before their windows are computed, which later rows change."""
    windows = {window.name for window in built.windows}
    kept = [(feature.name, feature.type) for feature in built.features if feature.name not in windows]
    nulls = _nulls([*built.entities, *((name, TIME) for name in built.times), *kept])
    for column in command.columns:
        if column.check is None:
            continue
        try:
            describe(built.project, column.check.within("SELECT ((", f"\n)::BOOLEAN) FROM ({nulls})"))
        except MlboxError:
            raise Invalid(
                f"CHECK ({column.check.text}) reads a window aggregate, which is not there yet when a row is checked",
                hint=f"CHECK ({column.check.text}) SEVERITY WARN counts such rows and refuses none",
                where=column.check.where(0),
            ) from None
