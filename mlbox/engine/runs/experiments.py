"""Experiments: groups of runs, as MLflow's clients have them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from mlbox.base.clock import now
from mlbox.base.errors import AlreadyExists, Invalid, NotFound
from mlbox.base.ids import new_id
from mlbox.base.suggest import did_you_mean
from mlbox.engine.catalog.tables import projects, tracking
from mlbox.engine.catalog.tables.tracking import ExperimentRow

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from mlbox.engine.catalog.database import Catalog

DEFAULT_EXPERIMENT = "0"
"""Id of the experiment of runs that belong to none."""
DEFAULT_EXPERIMENT_NAME = "Default"


class Experiments:
    """Experiments of a project. That of runs that belong to none is always there."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def all(self, project: str) -> list[ExperimentRow]:
        """All, deleted ones too, the default one first."""
        with self._catalog.read() as cursor:
            return _all(cursor, project)

    def get(self, project: str, id: str) -> ExperimentRow:
        """By id; ``0`` is the default one."""
        with self._catalog.read() as cursor:
            return _get(cursor, project, id)

    def named(self, project: str, name: str) -> ExperimentRow:
        """By name, upper and lower case told apart."""
        found = self.all(project)
        for row in found:
            if row.name == name:
                return row
        hint = did_you_mean(name, [row.name for row in found])
        raise NotFound(f"there is no experiment {name!r} in project {project}", hint=hint)

    def create(self, project: str, name: str, tags: Mapping[str, str]) -> ExperimentRow:
        """A new one; ``AlreadyExists``."""
        if not name or len(name) > 250:
            raise Invalid("the name of an experiment has 1 to 250 characters")
        row = ExperimentRow(id=new_id(), project=project, name=name, tags=tags)

        def insert(cursor: DuckDBPyConnection) -> None:
            _refuse_taken(cursor, project, name)
            tracking.put(cursor, row)

        self._catalog.write(insert)
        return row

    def ensure(self, project: str, name: str) -> None:
        """Create it when it is not there."""
        if all(row.name != name for row in self.all(project)):
            with suppress(AlreadyExists):  # somebody else was quicker
                self.create(project, name, {})

    def rename(self, project: str, id: str, name: str) -> None:
        """Its runs go with it."""

        def write(cursor: DuckDBPyConnection) -> None:
            row = _get(cursor, project, id)
            if row.id == _default_id(project):
                raise Invalid("the default experiment cannot be renamed", hint="create another one")
            _refuse_taken(cursor, project, name)
            tracking.rename_experiment(cursor, row, name)

        self._catalog.write(write)

    def set_tag(self, project: str, id: str, name: str, value: str | None) -> None:
        """Set a tag, or take it away."""

        def write(cursor: DuckDBPyConnection) -> None:
            row = _get(cursor, project, id)
            tags = {key: known for key, known in row.tags.items() if key != name}
            tags |= {name: value} if value is not None else {}
            tracking.put(cursor, replace(row, tags=tags, updated_at=now()))

        self._catalog.write(write)

    def set_deleted(self, project: str, id: str, deleted: bool) -> None:
        """Hide it, or show it again; its runs stay."""

        def write(cursor: DuckDBPyConnection) -> None:
            row = _get(cursor, project, id)
            if row.id == _default_id(project):
                raise Invalid("the default experiment cannot be deleted")
            tracking.put(cursor, replace(row, deleted_at=now() if deleted else None, updated_at=now()))

        self._catalog.write(write)


def _all(cursor: DuckDBPyConnection, project: str) -> list[ExperimentRow]:
    projects.require(cursor, project)
    found = tracking.experiments(cursor, project)
    if any(row.id == _default_id(project) for row in found):
        return found
    return [_default(project), *found]


def _get(cursor: DuckDBPyConnection, project: str, id: str) -> ExperimentRow:
    wanted = _default_id(project) if id == DEFAULT_EXPERIMENT else id
    for row in _all(cursor, project):
        if row.id == wanted:
            return row
    raise NotFound(f"there is no experiment with id {id!r} in project {project}")


def _refuse_taken(cursor: DuckDBPyConnection, project: str, name: str) -> None:
    if any(row.name == name for row in _all(cursor, project)):
        raise AlreadyExists(f"experiment {name!r} exists already in project {project}")


def runs_experiment(row: ExperimentRow) -> str | None:
    """What the runs of an experiment have in their column."""
    return None if row.id == _default_id(row.project) else row.name


def public_id(row: ExperimentRow) -> str:
    """The id that clients see."""
    return DEFAULT_EXPERIMENT if row.id == _default_id(row.project) else row.id


def _default_id(project: str) -> str:
    return f"{DEFAULT_EXPERIMENT}@{project}"


def _default(project: str) -> ExperimentRow:
    return ExperimentRow(id=_default_id(project), project=project, name=DEFAULT_EXPERIMENT_NAME)
