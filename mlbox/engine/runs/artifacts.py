"""Artifacts by their names: which version a reference means, and ALTER ARTIFACT: aliases and labels of versions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from mlbox.base.command import Caller, Handler, Plan, Result, Step
from mlbox.base.errors import NotFound
from mlbox.base.events import Bus, Event
from mlbox.base.names import Ref, check_alias
from mlbox.base.suggest import did_you_mean
from mlbox.engine.catalog.tables import artifact_marks, artifacts, lineage, projects
from mlbox.engine.catalog.tables.artifacts import ArtifactRow
from mlbox.engine.runs.commands import LabelArtifact, SetArtifactAlias
from mlbox.engine.runs.ledger import Ledger
from mlbox.engine.runs.requests import plain
from mlbox.engine.runs.versions import version_of

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from mlbox.engine.catalog.database import Catalog


def resolve(cursor: DuckDBPyConnection, ref: Ref, run_id: str | None = None) -> list[ArtifactRow]:
    """The rows that a reference means, the latest first: all of a version (of the latest one, without), or those that
    one run logged. ``NotFound`` with the nearest names."""
    projects.require(cursor, ref.project)
    aliases = artifact_marks.aliases(cursor, ref.project, ref.name)
    version = version_of("artifact", ref, aliases, lambda: artifacts.find(cursor, ref.project, ref.name) is not None)
    rows = artifacts.named(cursor, ref.project, ref.name, version, run_id)
    if rows:
        return [row for row in rows if row.version == max(row.version for row in rows)]
    known = artifacts.names(cursor, ref.project, run_id)
    where = f"run {run_id[:16]}" if run_id else f"project {ref.project}"
    there = {row.version for row in artifacts.named(cursor, ref.project, ref.name, None, run_id)}
    if there:
        told = f"versions: {', '.join(map(str, sorted(there)[-10:]))}"
        raise NotFound(f"artifact {ref.at(None)} has no version {ref.version}, or its run was dropped", hint=told)
    raise NotFound(f"{where} has no artifact {ref.name!r}", hint=did_you_mean(ref.name, known) or "SHOW ARTIFACTS")


_TOLD = ("packaged", "files", "schema", "framework", "requirements", "python")
"""Of the metadata, what a run needs to make the value of it again."""


def pinned(row: ArtifactRow) -> dict[str, Any]:
    """An input of a run as it is kept with it: these bytes, whatever the name means later."""
    made = lineage.artifact_ref(row.run_id, row.name) if row.run_id else f"{row.project}.{row.name}@{row.version}"
    return {
        "id": row.id,
        "name": row.name,
        "version": row.version,
        "kind": row.kind,
        "digest": row.digest,
        "size": row.size,
        "media_type": row.media_type,
        "file_name": row.file_name,
        "metadata": {key: value for key, value in row.metadata.items() if key in _TOLD},
        "ref": made,
    }


class Artifacts:
    """Answers ALTER ARTIFACT."""

    def __init__(self, catalog: Catalog, bus: Bus, ledger: Ledger) -> None:
        self._catalog = catalog
        self._bus = bus
        self._ledger = ledger

    def find(self, ref: Ref, run: str | None = None) -> ArtifactRow:
        """The artifact that a reference means, the one that was logged last; of a run when it is named."""
        run_id = self._ledger.find(ref.project, run).id if run else None
        with self._catalog.read() as cursor:
            return resolve(cursor, ref, run_id)[0]

    def handlers(self) -> Iterable[Handler]:
        """Two."""
        return (
            Handler(SetArtifactAlias, self.plan_alias, self.set_alias),
            Handler(LabelArtifact, self.plan_labels, self.set_labels),
        )

    def plan_alias(self, command: SetArtifactAlias, caller: Caller) -> Plan:
        """The version must be there, or the alias when it is to go."""
        alias = check_alias(command.alias)
        with self._catalog.read() as cursor:
            projects.require(cursor, command.ref.project)
            known = artifact_marks.aliases(cursor, command.ref.project, command.ref.name)
            if command.version is None:
                if alias not in known:
                    resolve(cursor, command.ref)
                    hint = did_you_mean(alias, known, kind="alias")
                    raise NotFound(f"artifact {command.ref} has no alias {alias!r}", hint=hint)
                step = Step("drop", f"artifact {command.ref.at(alias)}", f"now version {known[alias]}")
                return Plan((step,), {"name": command.ref.name, "version": None})
            row = resolve(cursor, command.ref.at(command.version))[0]
        detail = f"to version {row.version}" + (f", now {known[alias]}" if alias in known else "")
        step = Step("move", f"artifact {command.ref.at(alias)}", detail)
        return Plan((step,), {"name": row.name, "version": row.version})

    def set_alias(self, command: SetArtifactAlias, plan: Plan, caller: Caller) -> Result:
        """In one write; what is read by the alias from now on is that version."""
        ref, alias, version = command.ref, command.alias.lower(), plan.resolved["version"]

        def write(cursor: DuckDBPyConnection) -> None:
            if version is not None:
                resolve(cursor, ref.at(version))
            artifact_marks.set_alias(cursor, ref.project, ref.name, alias, version)

        self._catalog.write(write)
        self._publish(ref, {"alias": alias, "version": version})
        if version is None:
            return Result(f"dropped alias {ref.at(alias)}")
        return Result(f"{ref.at(alias)} is version {version} now", facts={"version": version})

    def plan_labels(self, command: LabelArtifact, caller: Caller) -> Plan:
        """The version must be there, and the labels that are to go."""
        with self._catalog.read() as cursor:
            row = resolve(cursor, command.ref)[0]
            known = artifact_marks.labels(cursor, row.project, row.name, row.version)
        for label in command.without:
            if label not in known:
                told = f"artifact {command.ref.at(row.version)} has no label {label!r}"
                raise NotFound(told, hint=did_you_mean(label, known, kind="label"))
        told = ", ".join([*(f"{name} {value!r}" for name, value in command.labels.items()), *_without(command)])
        return Plan((Step("replace", f"artifact {command.ref.at(row.version)}", told),), {"row": row})

    def set_labels(self, command: LabelArtifact, plan: Plan, caller: Caller) -> Result:
        """Labels of the version, in one write; others of it stay."""
        row: ArtifactRow = plan.resolved["row"]

        def write(cursor: DuckDBPyConnection) -> dict[str, Any]:
            resolve(cursor, command.ref.at(row.version))
            known = artifact_marks.labels(cursor, row.project, row.name, row.version)
            found = {**known, **plain(command.labels)}
            found = {name: value for name, value in found.items() if name not in command.without}
            artifact_marks.set_labels(cursor, row.project, row.name, row.version, found)
            return found

        found = self._catalog.write(write)
        self._publish(command.ref, {"version": row.version})
        ref = command.ref.at(row.version)
        return Result(f"changed labels of artifact {ref}", facts={"version": row.version, "labels": found})

    def _publish(self, ref: Ref, data: dict[str, Any]) -> None:
        self._bus.publish(Event("artifact.altered", ref.project, ref.name, data))


def _without(command: LabelArtifact) -> list[str]:
    return [f"without {label}" for label in command.without]
