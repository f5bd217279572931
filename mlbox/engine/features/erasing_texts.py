"""DELETE ENTITY in histories: errors lose the values of who was deleted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mlbox.base.command import Step
from mlbox.engine.catalog.tables import erasures
from mlbox.engine.catalog.tables.error_texts import Redaction
from mlbox.engine.features.commands import DeleteEntity
from mlbox.engine.features.definition import FeatureSet
from mlbox.engine.features.directory import Directory
from mlbox.engine.features.erasing_kept import sets_of

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from mlbox.engine.catalog.database import Catalog


def step(command: DeleteEntity) -> Step:
    """Which texts are asked, for EXPLAIN."""
    scope = f"in histories of project {command.project}"
    if command.ref is not None:
        scope = "in audit and events of the set, its source, and endpoints and feeds that read it"
    return Step("redact", "errors", f"{scope}; short numbers and truth values only where the entity is named")


def redaction(cursor: DuckDBPyConnection, command: DeleteEntity, sets: Sequence[FeatureSet]) -> Redaction:
    """Of the command's values, in the types that sets have for them, those of dropped projects too."""
    definitions = list(sets)
    if command.ref is None:
        definitions += [one for _, kept in sets_of(cursor, command.project) for one in kept]
    types: dict[str, set[str]] = {}
    for name, kind in (entity for found in definitions for entity in found.entities):
        types.setdefault(name.lower(), set()).add(kind)
    return Redaction(cursor, command.entity, types)


def redact(catalog: Catalog, directory: Directory, command: DeleteEntity, sets: Sequence[FeatureSet]) -> None:
    """The catalog's histories, behind the rows: no text keeps those. What is left by a crash goes when the statement,
    which was not answered, is given again."""
    with catalog.read() as cursor:
        values = redaction(cursor, command, sets)
        about = _about(cursor, directory, sets) if command.ref is not None else None

    def change(cursor: DuckDBPyConnection) -> None:
        if about is None:
            values.of_project(cursor, command.project)
        else:
            values.of_objects(cursor, about)

    catalog.submit(change, patient=True).result()  # behind what waits to be written, as events and the audit do


def _about(cursor: DuckDBPyConnection, directory: Directory, sets: Sequence[FeatureSet]) -> list[tuple[str, str]]:
    """(project, name) of sets and what stands before and behind them."""
    about = []
    for found in sets:
        about.append((found.project, found.name))
        source = directory.sources(found.source) if found.source else None
        if source is not None:
            about.append((source.project, source.name))
        vectors = [(reader.project, reader.name) for reader in directory.readers(found)]
        endpoints = erasures.endpoints_reading(cursor, vectors, found.project)
        feeds = erasures.feeds_asking(cursor, found.project, endpoints)
        about += [(found.project, name) for name in (*endpoints, *feeds)]
    return about
