"""RESTORE: what was dropped, as it was, for as long as its rows are kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Protocol

from mlbox.base.clock import now
from mlbox.base.command import Caller, Handler, Plan, Result, Step
from mlbox.base.errors import Conflict, NotExecuted, NotFound
from mlbox.base.events import Bus, Event
from mlbox.base.ids import is_id
from mlbox.base.names import Ref
from mlbox.base.suggest import did_you_mean
from mlbox.engine.catalog.commands import RestoreObject
from mlbox.engine.catalog.tables import artifact_marks, dropped, functions, models, projects, runs
from mlbox.engine.catalog.tables.dropped import NAMED, Tombstone
from mlbox.engine.catalog.tables.models import AliasMove

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from mlbox.engine.catalog.database import Catalog

Revive = Callable[["DuckDBPyConnection", Tombstone, str], None]
"""Put back what a tombstone stands for, on behalf of a user; ``Conflict`` where something is in its place."""


class Keeper(Protocol):
    """Keeps what is dropped of a kind where it lies, outside of the catalog or known in memory as well."""

    def check(self, found: Tombstone) -> None:
        """Raise ``Conflict`` when it cannot come back now."""
        ...

    def revive(self, found: Tombstone, caller: Caller) -> str | None:
        """Put it back, and let everybody know it again; what is to be told besides."""
        ...

    def purge(self, found: Tombstone) -> None:
        """It is gone for good: delete what was kept. Once more changes nothing."""
        ...


REFUSED = {
    "secret": "its value is deleted at once: SET SECRET stores it anew",
    "profile": "its credentials are deleted at once: CREATE PROFILE stores them anew",
    "token": "a token that was revoked stays worthless: CREATE TOKEN makes another",
    "member": "GRANT gives the role again",
}
"""Kinds that are not kept when they are dropped, and why."""


class Restoring:
    """Answers RESTORE of every kind. What else must know hears the event ``<kind>.restored``."""

    def __init__(self, catalog: Catalog, bus: Bus, keepers: Mapping[str, Keeper] | None = None) -> None:
        self._catalog = catalog
        self._bus = bus
        self._keepers = dict(keepers or {})
        self._kinds: dict[str, Revive] = {
            **dict.fromkeys(NAMED, _revive_named),
            "run": _revive_run,
            "function": _revive_function,
            "model": _revive_model,
            "artifact": _revive_artifact,
        }

    def keep(self, kind: str, keeper: Keeper) -> None:
        """One more kind that is kept in a way of its own."""
        self._keepers[kind] = keeper

    def handlers(self) -> Iterable[Handler]:
        """One."""
        return (Handler(RestoreObject, self.plan, self.restore),)

    def plan(self, command: RestoreObject, caller: Caller) -> Plan:
        """Find the newest drop of it; that its name is free is seen when it is put back, and nothing happens then."""
        if command.kind not in self._kinds and command.kind not in self._keepers:
            why = REFUSED.get(command.kind)
            told = f"a dropped {command.kind} cannot be restored{': ' + why if why else ''}"
            hint = f"RESTORE works for: {', '.join(sorted({*self._kinds, *self._keepers}))}"
            raise NotExecuted(told, hint=hint)
        ref = command.ref if command.kind != "project" else Ref(command.ref.name.lower(), command.ref.name.lower())
        with self._catalog.read() as cursor:
            if command.kind != "project":
                projects.require(cursor, ref.project)
            found = _find(cursor, command.kind, ref)
            if command.kind in NAMED:
                _refuse_taken(cursor, found, NAMED[found.kind])
        if command.kind in self._keepers:
            self._keepers[command.kind].check(found)
        detail = f"as it was when it was dropped, {found.dropped_at:%Y-%m-%d %H:%M:%S} UTC"
        return Plan((Step("create", f"{found.kind} {_shown(found)}", detail),), {"found": found})

    def restore(self, command: RestoreObject, plan: Plan, caller: Caller) -> Result:
        """All of it or nothing."""
        found: Tombstone = plan.resolved["found"]
        keeper = self._keepers.get(found.kind)
        note = ""
        if keeper is not None:
            note = keeper.revive(found, caller) or ""

        def write(cursor: DuckDBPyConnection) -> None:
            if keeper is None:
                self._kinds[found.kind](cursor, found, caller.user)
            dropped.forget(cursor, found)

        self._catalog.write(write)
        told = {"version": found.version} if found.version else {}
        self._bus.publish(Event(f"{found.kind.replace(' ', '_')}.restored", found.project, found.name, told))
        return Result(f"restored {found.kind} {_shown(found)}{note}", facts={"name": found.name, **told})

    def for_good(self, found: Tombstone) -> None:
        """Nobody can bring it back any more."""
        keeper = self._keepers.get(found.kind)
        if keeper is not None:
            keeper.purge(found)
        self._catalog.write(lambda cursor: dropped.forget(cursor, found))

    def forget_project(self, project: str) -> None:
        """A project is dropped: what was dropped in it before goes for good. The rows go otherwise."""
        for kind, keeper in self._keepers.items():
            if kind != "project":
                with self._catalog.read() as cursor:
                    known = dropped.of_kind(cursor, kind, project)
                for found in known:
                    keeper.purge(found)


def _shown(found: Tombstone) -> str:
    if found.kind == "project":
        return found.name
    if found.kind == "run":
        return found.object[:16] if found.name == found.object else f"{found.name} ({found.object[:16]})"
    return str(Ref(found.project, found.name, found.version))


def _find(cursor: DuckDBPyConnection, kind: str, ref: Ref) -> Tombstone:
    if kind == "run":
        return _find_run(cursor, ref)
    if kind == "artifact" and ref.version is not None and not ref.version.isdigit():
        ref = ref.at(_aliased(cursor, ref))
    found = dropped.find(cursor, ref.project, kind, ref.name, ref.version)
    if not found:
        everywhere = dropped.of_kind(cursor, kind, None if kind == "project" else ref.project)
        hint = did_you_mean(ref.name, {each.name for each in everywhere}) or "SHOW DROPPED lists what can be restored"
        shown = ref.name if kind == "project" else str(ref)
        raise NotFound(f"no {kind} {shown} was dropped, or it is gone for good", hint=hint)
    if ref.version is None and found[0].version is not None:
        whole = [each for each in found if each.version is None]
        if not whole and len(found) > 1:
            told = ", ".join(f"@{each.version}" for each in found[:5])
            raise Conflict(
                f"several versions of {kind} {ref} were dropped one by one: {told}",
                hint=f"RESTORE {kind.upper()} {ref.name}@{found[0].version}",
            )
        return (whole or found)[0]
    return found[0]


def _aliased(cursor: DuckDBPyConnection, ref: Ref) -> str:
    """The version that an alias pointed at when that was dropped; the alias itself where it pointed at none."""
    for each in dropped.find(cursor, ref.project, "artifact", ref.name):
        for alias, _ in dropped.kept(cursor, each, "artifact_aliases", "alias", "version"):
            if alias == str(ref.version).lower() and each.version is not None:
                return each.version
    return str(ref.version)


def _find_run(cursor: DuckDBPyConnection, ref: Ref) -> Tombstone:
    """A run by its id, a prefix, or its name, the newest; runs that MLflow's clients have deleted as well."""
    text = ref.name.lower()
    for row in runs.deleted(cursor, ref.project):
        if text in (row.id, (row.name or "").lower()) or (is_id(text) and row.id.startswith(text)):
            known = dropped.of_object(cursor, "run", row.id)
            if known:
                return known[0]
            if not row.parent_id or not dropped.of_object(cursor, "run", row.parent_id):
                moment = row.deleted_at or row.created_at
                name = row.name or row.id
                return Tombstone(
                    project=row.project, kind="run", name=name, object=row.id, dropped_at=moment, dropped_by=""
                )
    raise NotFound(
        f"no run {ref.name!r} was dropped in project {ref.project}, or it is gone for good",
        hint="SHOW DROPPED lists what can be restored",
    )


def _refuse_taken(cursor: DuckDBPyConnection, found: Tombstone, table: str) -> None:
    if dropped.taken(cursor, table, found.project, found.name):
        ref = Ref(found.project, found.name)
        hint = f"drop that one first: DROP {found.kind.upper()} {ref}"
        raise Conflict(f"there is another {found.kind} {ref} by now", hint=hint)


def _revive_named(cursor: DuckDBPyConnection, found: Tombstone, user: str) -> None:
    _refuse_taken(cursor, found, NAMED[found.kind])
    dropped.put_back(cursor, found, [NAMED[found.kind]])


def _revive_run(cursor: DuckDBPyConnection, found: Tombstone, user: str) -> None:
    if runs.get(cursor, found.object) is None:
        raise NotFound(f"run {found.object[:16]} is gone for good")
    runs.show(cursor, found.object)


def _revive_function(cursor: DuckDBPyConnection, found: Tombstone, user: str) -> None:
    now_there = functions.versions(cursor, found.project, found.name)
    if found.version is None and now_there:
        raise Conflict(
            f"there is another function {found.project}.{found.name} by now, version {now_there[-1]}",
            hint=f"drop that one first: DROP FUNCTION {found.name}",
        )
    if not functions.restore(cursor, found.project, found.name, found.dropped_at):
        raise NotFound(f"function {found.project}.{found.name} is gone for good")


def _revive_model(cursor: DuckDBPyConnection, found: Tombstone, user: str) -> None:
    named = models.get(cursor, found.project, found.name)
    if named is not None and (named.id != found.object or found.version is None):
        _refuse_taken(cursor, found, "models")
    if named is None:
        if not dropped.kept(cursor, found, "models", "id"):
            raise Conflict(
                f"model {found.project}.{found.name} was dropped as well",
                hint=f"RESTORE MODEL {found.name} first, then its version",
            )
        dropped.put_back(cursor, found, ["models"])
    dropped.put_back(cursor, found, ["model_versions", "model_tags"])
    model = models.get(cursor, found.project, found.name)
    assert model is not None
    known = models.aliases(cursor, model)
    for alias, version in dropped.kept(cursor, found, "model_aliases", "alias", "version"):
        if alias not in known:
            models.move_alias(cursor, AliasMove(model, alias, None, int(version), now(), user))


def _revive_artifact(cursor: DuckDBPyConnection, found: Tombstone, user: str) -> None:
    known = artifact_marks.aliases(cursor, found.project, found.name)
    dropped.put_back(cursor, found, ["artifacts", "artifact_labels"])
    for alias, version in dropped.kept(cursor, found, "artifact_aliases", "alias", "version"):
        if alias not in known:
            artifact_marks.set_alias(cursor, found.project, found.name, alias, int(version))
