"""A real home with a feature store, driven by commands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from fresh_home import fresh_home

from mlbox.base.command import Caller, Command, Query, Result
from mlbox.base.events import Bus, Event
from mlbox.base.names import Ref
from mlbox.base.settings import Settings
from mlbox.engine.catalog.database import Catalog
from mlbox.engine.catalog.projects import Projects
from mlbox.engine.features.commands import (
    Column,
    CreateFeatureSet,
    CreateFeatureVector,
    FeatureRef,
    InsertFeatures,
    RefreshFeatureSet,
)
from mlbox.engine.features.service import Features

ZERO = datetime(2026, 1, 1, tzinfo=UTC)


def minute(number: float) -> datetime:
    """An instant so many minutes after the first of January."""
    return ZERO + timedelta(minutes=number)


class FeatureHouse:
    """Catalog and feature store over one home; ``reopen`` is what a restart does."""

    def __init__(self, folder: Path, settings: Settings | None = None) -> None:
        self.home = fresh_home(folder)
        self.settings = settings or Settings()
        self.events: list[Event] = []
        self.open()

    def open(self) -> None:
        self.catalog = Catalog.open(self.home)
        bus = Bus()
        bus.listen(self.events.append)
        self.features = Features(catalog=self.catalog, bus=bus, home=self.home, settings=self.settings)
        self.projects = Projects(self.catalog, bus)
        self.projects.removal.ending.append(self.features.forget_project)

    def close(self) -> None:
        self.features.close()
        self.catalog.close()

    def reopen(self) -> None:
        self.close()
        self.open()

    def do(self, command: Command, project: str = "default") -> Result:
        """Plan and execute."""
        known = (*self.features.handlers(), *self.projects.handlers())
        (handler,) = [handler for handler in known if handler.command is type(command)]
        caller = Caller(project=project)
        return handler.carry_out(command, handler.plan(command, caller), caller)

    def run(self, sql: str, parameters: Any = None) -> list[tuple[Any, ...]]:
        """Plain SQL in the project ``default``."""
        with self.catalog.session("default") as cursor:
            return cursor.execute(sql, parameters or None).fetchall()

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """As dictionaries."""
        with self.catalog.session("default") as cursor:
            result = cursor.execute(sql)
            names = [column[0] for column in result.description]
            return [dict(zip(names, row, strict=True)) for row in result.fetchall()]

    def table(self, name: str, columns: str, rows: Sequence[Sequence[Any]]) -> None:
        """A table of the project ``default`` with these rows, in order."""
        self.run(f"CREATE OR REPLACE TABLE {name} ({columns})")
        self.append(name, rows)

    def append(self, name: str, rows: Sequence[Sequence[Any]]) -> None:
        """More rows."""
        for row in rows:
            self.run(f"INSERT INTO {name} VALUES ({', '.join('?' * len(row))})", list(row))

    def create(self, name: str, query: str | None, *columns: Column, **more: Any) -> Result:
        """CREATE FEATURE SET."""
        return self.do(
            CreateFeatureSet(
                ref=Ref("default", name), columns=columns, query=Query(query) if query is not None else None, **more
            )
        )

    def refresh(self, name: str, **more: Any) -> Result:
        """REFRESH FEATURE SET."""
        return self.do(RefreshFeatureSet(ref=Ref("default", name), **more))

    def insert(self, name: str, query: str, *columns: str) -> Result:
        """INSERT INTO a feature set."""
        return self.do(InsertFeatures(ref=Ref("default", name), query=Query(query), columns=columns))

    def vector(self, name: str, *features: str, label: str | None = None, **more: Any) -> Result:
        """CREATE FEATURE VECTOR of ``set.feature`` or ``set.feature AS alias``."""
        found = tuple(_feature(text) for text in features)
        label_ref = _feature(label) if label else None
        return self.do(CreateFeatureVector(ref=Ref("default", name), features=found, label=label_ref, **more))

    def as_of(self, vector: str, spine: str, order: str = "ALL") -> list[dict[str, Any]]:
        """Rows of the point-in-time join."""
        return self.rows(f"FROM ({self.features.features_sql('default', vector, spine)}) ORDER BY {order}")

    def online(self, vector: str, **key: Any) -> dict[str, Any]:
        """Features of one key."""
        reader = self.features.reader(Ref("default", vector))
        found = reader.read({name: [value] for name, value in key.items()})
        return {name: values[0] for name, values in found.items()}


def _feature(text: str) -> FeatureRef:
    path, _, alias = text.partition(" AS ")
    name, _, feature = path.partition(".")
    return FeatureRef(Ref("default", name), feature, alias or None)


def entity(name: str, kind: str | None = None) -> Column:
    return Column(name, "entity", kind)


def timestamp(name: str) -> Column:
    return Column(name, "timestamp")


def known_at(name: str) -> Column:
    return Column(name, "known_at")


def opened(folder: Path) -> Iterator[FeatureHouse]:
    """For fixtures."""
    house = FeatureHouse(folder)
    try:
        yield house
    finally:
        house.close()
