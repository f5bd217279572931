"""The rules of the registry inside one transaction: what a reference means, how versions and aliases change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mlbox.base.clock import now
from mlbox.base.errors import NotFound
from mlbox.base.ids import new_id
from mlbox.base.names import LATEST, Ref, check_alias
from mlbox.base.suggest import did_you_mean
from mlbox.engine.catalog.dependants import Dependants, of_endpoints, refuse_embedding, refuse_used
from mlbox.engine.catalog.tables import collections, dropped, endpoints, lineage, models, projects
from mlbox.engine.catalog.tables.dropped import Part, Tombstone
from mlbox.engine.catalog.tables.models import AliasMove, ModelRow, ModelVersion

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from mlbox.engine.models.sources import Source


@dataclass(frozen=True, slots=True)
class Registered:
    """A version, whether it is new, and the move of the alias that came with it."""

    version: ModelVersion
    created: bool
    move: AliasMove | None


def require(cursor: DuckDBPyConnection, ref: Ref) -> ModelRow:
    """The model; raises ``NotFound`` with the nearest names."""
    model = models.get(cursor, ref.project, ref.name)
    if model is None:
        projects.require(cursor, ref.project)
        known = models.names(cursor, ref.project)
        hint = did_you_mean(ref.name, known, kind="model")
        details = {"kind": "model", "name": ref.name}
        raise NotFound(f"there is no model {ref.at(None)}", hint=hint, details=details)
    return model


def resolve(cursor: DuckDBPyConnection, ref: Ref) -> ModelVersion:
    """The version that a number, an alias, ``latest`` or nothing means; raises ``NotFound``."""
    model = require(cursor, ref)
    wanted = ref.version.lower() if ref.version else LATEST
    known = models.aliases(cursor, model)
    number: int | None = None
    if wanted.isdigit():
        number = int(wanted)
    elif wanted in known:
        number = known[wanted]
    elif wanted != LATEST:
        raise NotFound(
            f"model {ref.at(None)} has no alias {ref.version!r}",
            hint=did_you_mean(wanted, known) or f"set it: ALTER MODEL {model.name} SET ALIAS {ref.version} = 1",
        )
    version = models.get_version(cursor, model, number)
    if version is None:
        numbers = models.versions(cursor, model)
        raise NotFound(
            f"model {ref.at(None)} has no version {ref.version or LATEST}",
            hint=f"versions: {', '.join(map(str, numbers[-10:]))}" if numbers else "it has no version",
        )
    return version


def find_alias(cursor: DuckDBPyConnection, model: ModelRow, alias: str) -> tuple[str, int]:
    """The alias as it is stored, and its version; raises ``NotFound``."""
    known = models.aliases(cursor, model)
    if alias.lower() not in known:
        raise NotFound(f"model {model.name} has no alias {alias!r}", hint=did_you_mean(alias, known, kind="alias"))
    return alias.lower(), known[alias.lower()]


def register(
    cursor: DuckDBPyConnection, draft: ModelVersion, source: Source, alias: str | None, user: str
) -> Registered:
    """Add ``draft`` as the next version, unless the latest is the same in every respect, and move the alias.

    The same bytes from another run are another version: who asks for the run of a version must get the right one.
    """
    projects.require(cursor, draft.project)
    model = models.get(cursor, draft.project, draft.name)
    if model is None:
        model = ModelRow(new_id(), draft.project, draft.name, 0, draft.comment, draft.created_at)
        models.insert(cursor, model)
    latest = models.get_version(cursor, model)
    draft = replace(draft, model_id=model.id, name=model.name, version=model.last_version + 1)
    created = latest is None or not _same(latest, draft)
    version = draft if created or latest is None else latest
    if created:
        models.insert_version(cursor, draft)
        record_lineage(cursor, draft, source)
    moved = move(cursor, model, alias, version.version, user) if alias else None
    return Registered(version, created, moved)


def _same(one: ModelVersion, other: ModelVersion) -> bool:
    aligned = replace(other, version=one.version, created_at=one.created_at, artifact_id=one.artifact_id)
    # Statistics went through JSON; the bytes and the run say enough about them.
    return replace(aligned, feature_stats=one.feature_stats, comment=one.comment) == one


def record_lineage(cursor: DuckDBPyConnection, version: ModelVersion, source: Source) -> None:
    """What the version was made from."""
    to = (version.project, "model", str(version))

    def record(kind: str, ref: str, detail: str | None) -> None:
        lineage.record(cursor, lineage.Edge(to[0], kind, ref, to[1], to[2], version.created_at, detail))

    record(source.kind, source.ref, source.detail)
    if source.kind == "run" and source.detail:
        record("artifact", lineage.artifact_ref(source.ref, source.detail), None)
    if source.sweep_id:
        record("run", source.sweep_id, "its best trial")
    if source.kind == "model" and source.run_id:
        record("run", source.run_id, None)
    if version.feature_vector:
        vector = version.feature_vector
        vector = vector if "." in vector else f"{version.project}.{vector}"
        record("feature vector", vector, "trained on")
        lineage.record_columns(
            cursor,
            [
                lineage.ColumnEdge(
                    version.project, "feature vector", vector, name, "model", str(version), name, version.created_at
                )
                for name in version.features
            ],
        )


def move(cursor: DuckDBPyConnection, model: ModelRow, alias: str, version: int, user: str) -> AliasMove | None:
    """Point ``alias`` at ``version``; nothing happens when it does already."""
    alias = check_alias(alias)
    before = models.aliases(cursor, model).get(alias)
    if before == version:
        return None
    moved = AliasMove(model, alias, before, version, now(), user)
    models.move_alias(cursor, moved)
    return moved


def drop_alias(cursor: DuckDBPyConnection, ref: Ref, alias: str, user: str) -> AliasMove:
    """Take an alias away; refused while an endpoint follows it."""
    model = require(cursor, ref)
    alias, version = find_alias(cursor, model, alias)
    following = [
        row
        for row in endpoints.using(cursor, model.project, model.name)
        if any(share.version.lower() == alias for share in row.models if share.name.lower() == model.name.lower())
    ]
    refuse_used(following, f"alias {ref.at(alias)}")
    embedding = collections.embedding_with(cursor, "model", model.project, model.name)
    refuse_embedding([row for row, named in embedding if named and named.lower() == alias], f"alias {ref.at(alias)}")
    moved = AliasMove(model, alias, version, None, now(), user)
    models.move_alias(cursor, moved)
    return moved


def users(cursor: DuckDBPyConnection, ref: Ref) -> Dependants:
    """Endpoints that serve the model, or the version when the reference has one, and what watches them; collections
    whose vectors it makes."""
    model = require(cursor, ref)
    using = endpoints.using(cursor, model.project, model.name)
    embedding = collections.embedding_with(cursor, "model", model.project, model.name)
    if ref.version is None:
        return replace(of_endpoints(cursor, using), collections=tuple(row for row, _ in embedding))
    number = resolve(cursor, ref).version
    known = models.aliases(cursor, model)

    def serves(row: endpoints.EndpointRow) -> bool:
        return any(
            share.project == model.project
            and share.name.lower() == model.name.lower()
            and _number(share.version, known) == number
            for share in row.models
        )

    made = [row for row, named in embedding if resolve(cursor, Ref(model.project, model.name, named)).version == number]
    return replace(of_endpoints(cursor, (row for row in using if serves(row))), collections=tuple(made))


def _number(version: str, known: Mapping[str, int]) -> int | None:
    return int(version) if version.isdigit() else known.get(version.lower())


def drop(cursor: DuckDBPyConnection, ref: Ref, cascade: bool, user: str) -> Dependants:
    """Drop the model, or one version with its aliases; returns what went with it (CASCADE)."""
    model = require(cursor, ref)
    using = users(cursor, ref)
    if not cascade:
        using.refuse(f"model {ref}")
    using.delete(cursor, user)
    pointing = models.aliases(cursor, model)
    gone = None if ref.version is None else resolve(cursor, ref).version
    _bury(cursor, model, gone, user)
    for alias, version in pointing.items():
        if gone is None or version == gone:
            models.move_alias(cursor, AliasMove(model, alias, version, None, now(), user))
    if gone is not None:
        models.delete_version(cursor, model, gone)
    if gone is None or not models.versions(cursor, model):
        models.delete(cursor, model)
    return using


def _bury(cursor: DuckDBPyConnection, model: ModelRow, version: int | None, user: str) -> None:
    """Keep what goes: all of the model, or a version with its tags and aliases, and the model too if it is the last."""
    tombstone = Tombstone(
        project=model.project,
        kind="model",
        name=model.name,
        version=None if version is None else str(version),
        object=model.id,
        dropped_by=user,
    )
    condition, given = "model_id = ? AND (?::INTEGER IS NULL OR version = ?)", [model.id, version, version]
    parts = [Part(table, condition, given) for table in ("model_versions", "model_aliases", "model_tags")]
    if version is None or models.versions(cursor, model) == [version]:
        parts.append(Part("models", "id = ?", [model.id]))
    dropped.bury(cursor, tombstone, parts)
