"""What a feature set and a feature vector are, as values that are kept as text and read back."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from mlbox.base.names import Ref, literal, quote
from mlbox.engine.features.stores.online.base import Schema

SEQUENCE = "_ingested"
"""The hidden column that orders rows by arrival."""
HIDDEN_SCHEMA = "_sets"
"""The schema of the versioned tables, in the data file."""


@dataclass(frozen=True, slots=True)
class Feature:
    """A column of a set that is served. ``aggregate`` is the declared text of a window aggregate."""

    name: str
    type: str
    not_null: bool = False
    check: str | None = None
    default: str | None = None
    aggregate: str | None = None
    description: str | None = None
    watches: tuple[tuple[str, str], ...] = ()
    """Checks that refuse no row: (severity, condition)."""


@dataclass(frozen=True, slots=True)
class WindowColumn:
    """One aggregate over one window of at most so many seconds; ``frames`` has what it covers.

    ``every`` is the period of aligned buckets in seconds, ``calendar`` a unit with its time zone, ``argument`` the
    second argument of the function.
    """

    function: str
    column: str
    seconds: float
    name: str
    every: float | None = None
    calendar: str | None = None
    zone: str | None = None
    argument: float | None = None

    @property
    def told(self) -> str:
        """As it is shown."""
        argument = "" if self.argument is None else f", {self.argument:g}"
        over = f"{self.seconds:g} s" if self.calendar is None else f"calendar {self.calendar}"
        zone = f" of {self.zone}" if self.zone else ""
        every = "" if self.every is None else f" every {self.every:g} s"
        return f"{self.function}({self.column}{argument}) over {over}{zone}{every}"


@dataclass(frozen=True, slots=True)
class FeatureSet:
    """A version of a set. ``ttl`` in seconds; times are columns; rows come from ``body``, SQL as it was given, or from
    the source with the id ``source``."""

    project: str
    name: str
    version: int
    id: str
    entities: tuple[tuple[str, str], ...]
    timestamp: str
    known_at: str | None
    features: tuple[Feature, ...]
    windows: tuple[WindowColumn, ...] = ()
    ttl: float | None = None
    store: str = "offline"
    online_by_hand: bool = False
    skip_errors: bool = False
    quarantine: bool = False
    """Whether rows that are left out are put aside."""
    timezone: str | None = None
    """The zone of times that come without one."""
    adapted: tuple[tuple[str, str], ...] = ()
    """Columns of the source that are called otherwise here since a change (old, new); ('', new) came later."""
    owner: str | None = None
    tags: tuple[str, ...] = ()
    refresh: str | None = None
    """When a schedule refreshes it, as it is declared: ``EVERY INTERVAL '1 hours'``."""
    body: str | None = None
    source: str | None = None
    comment: str | None = None
    created_at: datetime | None = None
    fed: bool = False
    """Whether rows keep coming, from a stream, by push or by INSERT, and windows are kept up with them."""
    continuous: bool = False
    """Whether its stream is read as it comes."""
    lateness: float | None = None
    """Seconds by which a row may come after a later one; None: any row is taken."""
    time_unit: str | None = None
    """The unit of times that come as numbers: s, ms or us since 1970."""
    location: str | None = None
    """A folder or URL where its rows also lie, apart by ``partition_by``."""
    location_profile: str | None = None
    """The profile by which its object store is asked."""
    location_format: str = "parquet"
    """In which form they lie there."""
    partition_by: tuple[str, ...] = ()
    transform: tuple[str, str, int] | None = None
    """The function that rows of the source go through: project, name, version."""
    engine: str = "duckdb"
    """Who computes ``body``."""
    engine_options: dict[str, Any] = field(default_factory=dict)

    @property
    def transform_ref(self) -> Ref | None:
        """The function that rows of the source go through."""
        if self.transform is None:
            return None
        project, name, version = self.transform
        return Ref(project, name, str(version))

    @property
    def entity_names(self) -> list[str]:
        """Columns of the entities."""
        return [name for name, _ in self.entities]

    @property
    def times(self) -> list[str]:
        """The columns of event time and known-at time."""
        return [self.timestamp, self.known_at] if self.known_at else [self.timestamp]

    @property
    def axis(self) -> str:
        """The column of the time from which a row may be used."""
        return self.known_at or self.timestamp

    @property
    def refreshable(self) -> bool:
        """Whether it has a query or a source to take rows from."""
        return self.body is not None or self.source is not None

    @property
    def table(self) -> str:
        """The versioned table, as SQL."""
        return table_of(self.project, self.name, self.version)

    @property
    def view(self) -> str:
        """What users see, as SQL."""
        return f"data.{quote(self.project)}.{quote(self.name)}"

    @property
    def ref(self) -> Ref:
        """Its reference."""
        return Ref(self.project, self.name, str(self.version))

    @property
    def columns(self) -> list[str]:
        """All visible columns, in order."""
        return self.entity_names + self.times + [feature.name for feature in self.features]

    @property
    def online_schema(self) -> Schema:
        """What the online store knows of it."""
        kinds = tuple(kind for _, kind in self.entities)
        return Schema(self.id, kinds, tuple(feature.type for feature in self.features))

    def to_text(self) -> str:
        """As JSON."""
        return json.dumps(
            {
                "project": self.project,
                "name": self.name,
                "version": self.version,
                "id": self.id,
                "entities": [list(pair) for pair in self.entities],
                "timestamp": self.timestamp,
                "known_at": self.known_at,
                "features": [_fields(feature) for feature in self.features],
                "windows": [_fields(window) for window in self.windows],
                "ttl": self.ttl,
                "store": self.store,
                "online_by_hand": self.online_by_hand,
                "skip_errors": self.skip_errors,
                "quarantine": self.quarantine,
                "timezone": self.timezone,
                "refresh": self.refresh,
                "adapted": [list(pair) for pair in self.adapted],
                "owner": self.owner,
                "tags": list(self.tags),
                "body": self.body,
                "source": self.source,
                "comment": self.comment,
                "created_at": self.created_at.isoformat() if self.created_at else None,
                "fed": self.fed,
                "continuous": self.continuous,
                "lateness": self.lateness,
                "time_unit": self.time_unit,
                "location": self.location,
                "location_profile": self.location_profile,
                "location_format": self.location_format,
                "partition_by": list(self.partition_by),
                "transform": self.transform,
                "engine": self.engine,
                "engine_options": self.engine_options,
            }
        )

    @classmethod
    def from_text(cls, text: str) -> FeatureSet:
        """Back from JSON."""
        body = json.loads(text)
        body["entities"] = tuple((name, kind) for name, kind in body["entities"])
        body["features"] = tuple(_feature(feature) for feature in body["features"])
        body["windows"] = tuple(WindowColumn(**window) for window in body["windows"])
        body["adapted"] = tuple((old, new) for old, new in body.get("adapted", ()))
        body["partition_by"] = tuple(body.get("partition_by", ()))
        body["tags"] = tuple(body.get("tags", ()))
        body["transform"] = tuple(body["transform"]) if body.get("transform") else None
        body["created_at"] = datetime.fromisoformat(body["created_at"]) if body["created_at"] else None
        return cls(**body)


@dataclass(frozen=True, slots=True)
class Online:
    """How far a set is online: the newest rows known before ``until``, of those up to ``sequence``."""

    until: datetime | None = None
    sequence: int = 0


@dataclass(frozen=True, slots=True)
class VectorFeature:
    """A feature of a set under a name."""

    feature_set: str
    project: str
    feature: str
    name: str


@dataclass(frozen=True, slots=True)
class Link:
    """``entity`` of a set is the value of a feature of another: the spine need not have it."""

    project: str
    feature_set: str
    entity: str
    from_project: str
    from_set: str
    feature: str


@dataclass(frozen=True, slots=True)
class FeatureVector:
    """Features of several sets, and the label. ``tolerances`` are (project, set, seconds)."""

    project: str
    name: str
    features: tuple[VectorFeature, ...]
    label: VectorFeature | None = None
    comment: str | None = None
    links: tuple[Link, ...] = ()
    tolerances: tuple[tuple[str, str, float], ...] = ()

    @property
    def names(self) -> list[str]:
        """Names of its features, in order."""
        return [feature.name for feature in self.features]

    @property
    def uses(self) -> tuple[VectorFeature, ...]:
        """Features and label."""
        return (*self.features, self.label) if self.label else self.features

    def reads(self, found: FeatureSet) -> list[str]:
        """The features of a set that it reads, in the set's spelling."""
        own = (found.project, found.name.lower())
        read = [used.feature for used in self.uses if (used.project, used.feature_set.lower()) == own]
        return read + [link.feature for link in self.links if (link.from_project, link.from_set.lower()) == own]

    def to_text(self) -> str:
        """As JSON."""
        label = _fields(self.label) if self.label else None
        return json.dumps(
            {
                "project": self.project,
                "name": self.name,
                "features": [_fields(feature) for feature in self.features],
                "label": label,
                "comment": self.comment,
                "links": [_fields(link) for link in self.links],
                "tolerances": [list(tolerance) for tolerance in self.tolerances],
            }
        )

    @classmethod
    def from_text(cls, text: str) -> FeatureVector:
        """Back from JSON."""
        body = json.loads(text)
        body["features"] = tuple(VectorFeature(**feature) for feature in body["features"])
        body["label"] = VectorFeature(**body["label"]) if body["label"] else None
        body["links"] = tuple(Link(**link) for link in body.get("links", ()))
        body["tolerances"] = tuple((project, name, age) for project, name, age in body.get("tolerances", ()))
        return cls(**body)


def _fields(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


def _feature(fields: dict[str, Any]) -> Feature:
    watches = tuple((severity, condition) for severity, condition in fields.get("watches", ()))
    return Feature(**{**fields, "watches": watches})


def table_of(project: str, name: str, version: int) -> str:
    """The table of a version of a set, as SQL."""
    return f"data.{HIDDEN_SCHEMA}.{quote(f'{project}.{name}@{version}')}"


def view_of(project: str, name: str, version: int) -> str:
    """What users see of an older version, as SQL: ``SELECT * FROM "tx@1"``."""
    return f"data.{quote(project)}.{quote(f'{name}@{version}')}"


def interval(seconds: float) -> str:
    """A SQL interval of ``seconds``."""
    return f"to_microseconds({round(seconds * 1_000_000)})"


def moment(value: datetime) -> str:
    """A SQL literal of an instant."""
    return f"{literal(value.isoformat())}::TIMESTAMPTZ"


def short(window: timedelta) -> str:
    """A window in a name: 7d, 6h, 30m, 45s, 500ms."""
    milliseconds = round(window.total_seconds() * 1000)
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)):
        if milliseconds % size == 0:
            return f"{milliseconds // size}{unit}"
    return f"{milliseconds}ms"
