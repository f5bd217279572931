"""DELETE ENTITY in projects that were dropped: what RESTORE PROJECT would bring back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlbox.engine.catalog.tables import dropped, dumps, erasures, kept_projects
from mlbox.engine.catalog.tables.dropped import Tombstone
from mlbox.engine.catalog.tables.erasures import Named
from mlbox.engine.features.definition import FeatureSet

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_TABLE = "table:"
"""Before the name of the table into which a feed writes."""


@dataclass(slots=True)
class Gone:
    """Rows that went, by where they were."""

    offline: int = 0
    refused: int = 0
    predictions: int = 0
    feeds: int = 0


def folded(names: Iterable[str]) -> set[str]:
    """In lower case."""
    return {name.lower() for name in names}


def sets_of(cursor: DuckDBPyConnection, project: str) -> list[tuple[Tombstone, list[FeatureSet]]]:
    """Dropped projects of this name, with all versions of their sets."""
    return [
        (stone, [FeatureSet.from_text(text) for _, text, _ in kept_projects.definitions(cursor, stone.id)])
        for stone in dropped.find(cursor, project, "project")
    ]


def erase(cursor: DuckDBPyConnection, project: str, entity: Mapping[str, Any]) -> Gone:
    """From all dropped projects of this name; in the transaction of the others."""
    gone = Gone()
    for stone in dropped.find(cursor, project, "project"):
        _erase(cursor, stone, entity, gone)
    return gone


def _erase(cursor: DuckDBPyConnection, stone: Tombstone, entity: Mapping[str, Any], gone: Gone) -> None:
    def at(table: str) -> str | None:
        return next(iter(kept_projects.places(cursor, table, stone.id, "data")), None)

    statistics, ids, types = at("feature_stats"), [], {}
    for set_id, text, place in list(kept_projects.definitions(cursor, stone.id)):
        definition = FeatureSet.from_text(text)
        types.update({name.lower(): kind for name, kind in definition.entities})
        if not folded(entity) <= folded(definition.entity_names):
            continue
        condition = erasures.matching(definition.entities, entity)
        texts = erasures.own_texts(cursor, set_id, place, condition, statistics) if statistics else {}
        gone.offline += erasures.delete_rows(cursor, place, condition)
        if statistics:
            erasures.forget_texts(cursor, set_id, place, texts, statistics)
        ids.append(set_id)
    named = Named(entity, types)
    if statistics:
        erasures.forget_statistics(cursor, ids, entity, statistics)
    refused, predictions, waiting = at("dead_letters"), at("predictions"), at("inbox")
    if refused:
        gone.refused += erasures.delete_refused(cursor, stone.name, None, named, refused)
    if predictions:
        gone.predictions += erasures.delete_predictions(cursor, stone.name, named, None, predictions)
    if waiting:
        gone.feeds += erasures.delete_waiting(cursor, stone.name, None, named, waiting)
    answers = {
        target.removeprefix(_TABLE).lower()
        for target in kept_projects.texts(cursor, "feeds", "target", stone.id)
        if target is not None and target.startswith(_TABLE)
    }
    for name, place in kept_projects.own_tables(cursor, stone.id):
        rows = named.in_columns(dumps.columns(cursor, place)) if name.lower() in answers else None
        if rows is not None:
            gone.feeds += erasures.delete_rows(cursor, place, rows)
