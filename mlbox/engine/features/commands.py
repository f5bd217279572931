"""Commands of the feature store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal

from mlbox.base.command import Command, Query, Role
from mlbox.base.names import Ref

Store = Literal["offline", "online", "both"]
Severity = Literal["info", "warn"]
ColumnRole = Literal["entity", "timestamp", "known_at", "feature"]


@dataclass(frozen=True, slots=True)
class Watch:
    """A check whose breach refuses no row: it is counted, and told as an event."""

    check: Query
    severity: Severity


@dataclass(frozen=True, slots=True)
class Column:
    """A declared column of a feature set; a column without ``type`` takes it from the query."""

    name: str
    role: ColumnRole = "feature"
    type: str | None = None
    not_null: bool = False
    check: Query | None = None
    default: Any = None
    has_default: bool = False
    comment: str | None = None
    watches: tuple[Watch, ...] = ()


@dataclass(frozen=True, slots=True)
class Calendar:
    """A window from the start of a unit of the calendar (``day``), in a time zone, UTC without one."""

    unit: str
    zone: str | None = None


@dataclass(frozen=True, slots=True)
class Aggregate:
    """``function(column[, argument]) OVER (window, ..) [EVERY period] [AS name]``; column ``*`` only for count."""

    function: str
    column: str
    windows: tuple[timedelta | Calendar, ...]
    every: timedelta | None = None
    name: str | None = None
    argument: float | None = None


@dataclass(frozen=True, slots=True)
class Refresh:
    """When a set renews itself; ``auto``: continuously where it reads a stream, else when it is told."""

    mode: Literal["auto", "manual", "every", "cron", "continuous"] = "auto"
    every: timedelta | None = None
    cron: str | None = None


@dataclass(frozen=True, kw_only=True)
class CreateFeatureSet(Command):
    """Define a feature set; with a query its rows are computed at once (``WITH (defer = true)`` leaves it empty)."""

    statement: ClassVar[str] = "CREATE FEATURE SET"
    ref: Ref
    columns: tuple[Column, ...]
    replace: bool = False
    if_not_exists: bool = False
    ttl: timedelta | None = None
    store: Store = "offline"
    refresh: Refresh = field(default_factory=Refresh)
    aggregates: tuple[Aggregate, ...] = ()
    on_error: Literal["fail", "skip", "quarantine"] = "fail"
    engine: str = "duckdb"
    partition_by: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    query: Query | None = None
    source: Ref | None = None
    transform: Ref | None = None
    comment: str | None = None


@dataclass(frozen=True, kw_only=True)
class RefreshFeatureSet(Command):
    """Bring a set up to date. ``start`` inclusive, ``end`` exclusive, in known-at time (event time without it).

    ``online`` alone moves what is stored offline to the online store up to ``end``.
    """

    statement: ClassVar[str] = "REFRESH FEATURE SET"
    ref: Ref
    full: bool = False
    start: datetime | None = None
    end: datetime | None = None
    online: bool = False


@dataclass(frozen=True, kw_only=True)
class InsertFeatures(Command):
    """``INSERT INTO`` a feature set: rows are validated, counted and go to the stores of the set."""

    statement: ClassVar[str] = "INSERT INTO"
    ref: Ref
    query: Query
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class IngestFrame(Command):
    """Rows that a caller has sent as a file, ``frame`` (None: he asks whether they may come), into a feature set;
    ``columns`` are those of the file that are taken. No statement says it: its path is the server's own."""

    statement: ClassVar[str] = "INSERT INTO"
    ref: Ref
    columns: tuple[str, ...]
    frame: str | None = None
    format: Literal["parquet", "csv"] = "parquet"


@dataclass(frozen=True, kw_only=True)
class PushRows(Command):
    """Rows for a feature set, or for all sets that read a source of type http; durable when it is answered.

    ``rows`` is an Arrow table by column names or with one column ``_json`` of objects; ``key`` makes a repeat harmless.
    """

    statement: ClassVar[str] = "PUSH"
    audited: ClassVar[bool] = False  # the ledger has them
    ref: Ref
    rows: Any = field(compare=False, repr=False)
    key: str | None = None


@dataclass(frozen=True, kw_only=True)
class AlterFeatureSet(Command):
    """``action``: add (``column``), type (``name`` to ``type``), rename (``name`` to ``new_name``), drop (``name``),
    set (``options``), suspend and resume. ``new_version`` allows what breaks readers."""

    statement: ClassVar[str] = "ALTER FEATURE SET"
    ref: Ref
    action: Literal["add", "type", "rename", "drop", "set", "suspend", "resume"]
    column: Column | None = None
    name: str | None = None
    type: str | None = None
    new_name: str | None = None
    new_version: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class DropFeatureSet(Command):
    """``cascade`` also drops vectors that read it, and the endpoints that enrich with one of them."""

    statement: ClassVar[str] = "DROP FEATURE SET"
    ref: Ref
    if_exists: bool = False
    cascade: bool = False


@dataclass(frozen=True, slots=True)
class FeatureRef:
    """A feature of a set, all of them when ``feature`` is ``*``."""

    feature_set: Ref
    feature: str
    alias: str | None = None


@dataclass(frozen=True, slots=True)
class Relation:
    """A feature of a set names the entity of another: an order has a customer."""

    feature: FeatureRef
    entity: FeatureRef


@dataclass(frozen=True, slots=True)
class Tolerance:
    """So old may a row of a set be for this vector, where its TTL allows more."""

    feature_set: Ref
    age: timedelta


@dataclass(frozen=True, kw_only=True)
class CreateFeatureVector(Command):
    """Name features of several sets, and the label."""

    statement: ClassVar[str] = "CREATE FEATURE VECTOR"
    ref: Ref
    features: tuple[FeatureRef, ...]
    label: FeatureRef | None = None
    relations: tuple[Relation, ...] = ()
    tolerances: tuple[Tolerance, ...] = ()
    replace: bool = False
    if_not_exists: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    comment: str | None = None


@dataclass(frozen=True, kw_only=True)
class DropFeatureVector(Command):
    """Drop the definition; the sets stay. ``cascade`` also drops the endpoints that enrich with it."""

    statement: ClassVar[str] = "DROP FEATURE VECTOR"
    ref: Ref
    if_exists: bool = False
    cascade: bool = False


@dataclass(frozen=True, kw_only=True)
class RefreshFeatureVector(Command):
    """Bring every set that the vector reads up to date; times as in :class:`RefreshFeatureSet`."""

    statement: ClassVar[str] = "REFRESH FEATURE VECTOR"
    ref: Ref
    full: bool = False
    start: datetime | None = None
    end: datetime | None = None
    online: bool = False


@dataclass(frozen=True, kw_only=True)
class CreateDataset(Command):
    """Keep the rows of a query as a version of a dataset artifact, with the query and its lineage."""

    statement: ClassVar[str] = "CREATE DATASET"
    ref: Ref
    query: Query
    engine: str = "duckdb"
    options: Mapping[str, Any] = field(default_factory=dict)
    """Of the engine; see ``SparkOptions``."""
    comment: str | None = None


@dataclass(frozen=True, kw_only=True)
class VerifyFeatures(Command):
    """Compare what the offline and the online store say of a sample of entities."""

    statement: ClassVar[str] = "VERIFY"
    role: ClassVar[Role] = "viewer"
    kind: Literal["feature set", "feature vector"]
    ref: Ref
    sample: int = 1_000


@dataclass(frozen=True, kw_only=True)
class DeleteEntity(Command):
    """Delete an entity from a feature set, or from all of a project that have it: offline in all versions, online,
    and the predictions that name it. ``entity`` are its columns and values."""

    statement: ClassVar[str] = "DELETE ENTITY"
    role: ClassVar[Role] = "admin"
    entity: Mapping[str, Any]
    ref: Ref | None = None
    project: str = ""


@dataclass(frozen=True, kw_only=True)
class CreateSource(Command):
    """Name where rows come from: exactly one of ``uri``, ``query``. Without ``type`` the URI tells it.

    A path is relative to ``base_folder`` (the client's folder). Options may hold secrets by name.
    """

    statement: ClassVar[str] = "CREATE SOURCE"
    ref: Ref
    type: str | None = None
    uri: str | None = None
    query: Query | None = None
    replace: bool = False
    if_not_exists: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    comment: str | None = None
    base_folder: str | None = None


@dataclass(frozen=True, kw_only=True)
class AlterSource(Command):
    """``action``: suspend, resume, rename (to ``new_name``), set (``options``, and ``comment`` and ``owner``)."""

    statement: ClassVar[str] = "ALTER SOURCE"
    ref: Ref
    action: Literal["suspend", "resume", "rename", "set"]
    new_name: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class DropSource(Command):
    """What came from it stays. With ``cascade`` also while feature sets read it, which then have nothing to read."""

    statement: ClassVar[str] = "DROP SOURCE"
    ref: Ref
    if_exists: bool = False
    cascade: bool = False
