"""ALTER FEATURE SET: columns come and change as a new version, comment, owner and tags in place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mlbox.base.clock import now
from mlbox.base.command import Caller, Handler, Plan, Query, Result, Step
from mlbox.base.counted import counted
from mlbox.base.errors import Conflict, Invalid, NotExecuted
from mlbox.base.events import Bus, Event
from mlbox.engine.catalog.tables import feature_sets as table
from mlbox.engine.features.commands import AlterFeatureSet
from mlbox.engine.features.definition import FeatureSet
from mlbox.engine.features.directory import Directory
from mlbox.engine.features.evolution import Evolved, evolved, with_added
from mlbox.engine.features.sets import FeatureSets

if TYPE_CHECKING:
    from mlbox.engine.catalog.database import Catalog

NOTES = ("comment", "owner", "tags")


class Alterations:
    """Answers ALTER FEATURE SET."""

    def __init__(self, catalog: Catalog, bus: Bus, directory: Directory, sets: FeatureSets) -> None:
        self._catalog = catalog
        self._bus = bus
        self._directory = directory
        self._sets = sets

    def handlers(self) -> Iterable[Handler]:
        """One."""
        return (Handler(AlterFeatureSet, self.plan, self.alter),)

    def plan(self, command: AlterFeatureSet, caller: Caller) -> Plan:
        """What changes, and for whom: a breaking change needs NEW VERSION, and no vector that reads what goes."""
        unknown = next((name for name in command.options if name.lower() not in NOTES), None)
        if unknown is not None:
            raise NotExecuted(
                f"ALTER FEATURE SET … SET ({unknown}) is not executed by this version",
                hint=f"possible: {', '.join(NOTES)}",
            )
        found = self._directory.set(command.ref)
        if command.action in ("suspend", "resume"):
            if found.refresh is None:
                raise Conflict(
                    f"feature set {found.name} is not refreshed by the clock",
                    hint="REFRESH EVERY or CRON in CREATE FEATURE SET; a stream is stopped by ALTER SOURCE .. SUSPEND",
                )
            return Plan((Step("replace", f"schedule of {found.ref}", command.action),), {"set": found})
        if command.action == "set":
            changed = _noted(found, command.options)
            return Plan((Step("replace", f"feature set {found.ref}", ", ".join(command.options)),), {"set": changed})
        change = self._change(found, command)
        if change.breaks and not command.new_version:
            raise Conflict(
                f"this breaks what reads {found.ref}: {change.breaks}",
                hint=f"ask for it: ALTER FEATURE SET .. NEW VERSION; {found.name}@{found.version} stays readable",
            )
        self._sets.refuse_loss(found, change.definition)
        rows = Step("write", f"{found.project}.{found.name}", f"rows of version {found.version}, {change.told}")
        return Plan((Step("create", f"feature set {change.definition.ref}", change.told), rows), {"change": change})

    def _change(self, found: FeatureSet, command: AlterFeatureSet) -> Evolved:
        with self._catalog.read() as cursor:
            version = max(number for number, _ in table.versions(cursor, found.project, found.name)) + 1
        kind = command.type or (command.column.type if command.column else None)
        if kind is not None:
            kind = self._catalog.describe(found.project, Query(f"SELECT CAST(NULL AS {kind}) AS x"))[0][1]
        elif command.action == "add":
            raise Invalid("a new column needs a type", hint="ADD COLUMN name DOUBLE DEFAULT 0")
        change = evolved(found, command, version, kind)
        if command.action == "add":
            produced = self._catalog.describe(found.project, Query(found.body)) if found.body else []
            change = replace(change, definition=with_added(change.definition, [name for name, _ in produced]))
            added = command.column
            checks = [added.check] if added and added.check else []
            for check in (*checks, *(watch.check for watch in (added.watches if added else ()))):
                columns = [*found.entities, *((f.name, f.type) for f in change.definition.features)]
                nulls = ", ".join(f'CAST(NULL AS {kind}) AS "{name}"' for name, kind in columns)
                self._catalog.describe(found.project, check.within("SELECT ((", f"\n)::BOOLEAN) FROM (SELECT {nulls})"))
        return change

    def alter(self, command: AlterFeatureSet, plan: Plan, caller: Caller) -> Result:
        """A new version is made beside the old one; readers see it when it is whole."""
        if command.action in ("suspend", "resume"):
            self._sets.clock.switch(plan.resolved["set"], command.action, caller)
            return Result(
                f"feature set {command.ref}: {command.action}d" if command.action == "resume" else "suspended"
            )
        if command.action == "set":
            changed: FeatureSet = plan.resolved["set"]
            self._sets.annotate(changed)
            self._bus.publish(Event("feature_set.altered", changed.project, changed.name, {"action": "set"}))
            return Result(f"changed {' and '.join(command.options)} of feature set {command.ref}")
        change: Evolved = plan.resolved["change"]
        following = replace(change.definition, created_at=now())
        rows = self._sets.supersede(following, change.values, caller)
        self._bus.publish(
            Event("feature_set.altered", following.project, following.name, {"version": following.version})
        )
        return Result(
            f"feature set {following.ref} has {counted(rows, 'row')}, {change.told}",
            facts={"rows": rows, "version": following.version},
        )


def _noted(found: FeatureSet, options: Mapping[str, Any]) -> FeatureSet:
    given = {name.lower(): value for name, value in options.items()}
    for name, value in given.items():
        if name == "tags":
            check_tags(value)
        elif value is not None and not isinstance(value, str):
            raise Invalid(f"SET {name} needs a text, and it is {value!r}", hint=f"write {name} = 'text'")
    return replace(
        found,
        comment=given.get("comment", found.comment),
        owner=given.get("owner", found.owner),
        tags=tuple(given.get("tags", found.tags) or ()),
    )


def check_tags(value: object) -> None:
    """A list of texts."""
    if value is not None and not (isinstance(value, list) and all(isinstance(tag, str) for tag in value)):
        raise Invalid(f"tags are a list of texts, not {value!r}", hint="write tags = ['risk', 'weekly']")
