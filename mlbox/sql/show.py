"""SHOW, DESCRIBE and SHOW LINEAGE: reads of the public views."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from mlbox.base.command import Caller, Handler, Plan, Query, Result, RunSql, Step
from mlbox.base.errors import Invalid, NotFound
from mlbox.base.names import Ref, literal
from mlbox.base.suggest import did_you_mean
from mlbox.engine.catalog.commands import Describe, Show, ShowLineage
from mlbox.engine.catalog.tables import projects, runs
from mlbox.engine.catalog.views.base import View, all_views
from mlbox.sql import lineage, untyped
from mlbox.sql.brief import shown_columns
from mlbox.sql.kinds import KINDS, Kind
from mlbox.sql.plain import PlainSql

if TYPE_CHECKING:
    from mlbox.engine.catalog.database import Catalog

OWNERS = {
    "metrics": "run_id",
    "params": "run_id",
    "logs": "run_id",
    "artifacts": "run_id",
    "predictions": "endpoint",
    "drift": "monitor",
}
"""The column that OF names."""
EVERYWHERE = ("members",)
"""Of which all that the caller may see are shown, with their project, where no project is named."""
ORDERS = ("created_at DESC", "started_at DESC", "predicted_at DESC", "window_start", "line", "name")


class Reading:
    """Carries out the three."""

    def __init__(self, catalog: Catalog, plain: PlainSql) -> None:
        self._catalog = catalog
        self._plain = plain
        self._views: dict[str, View] = {view.name: view for view in all_views()}

    def handlers(self) -> Iterable[Handler]:
        """Three."""
        return (
            Handler(Show, self.plan_show, self._execute),
            Handler(Describe, self.plan_describe, self.describe),
            Handler(ShowLineage, self.plan_lineage, self.show_lineage),
        )

    def plan_show(self, command: Show, caller: Caller) -> Plan:
        """The query behind it."""
        view = self._views.get(command.noun)
        if view is None:
            raise NotFound(
                f"there is nothing to show called {command.noun!r}", hint=did_you_mean(command.noun, self._views)
            )
        names = [column.name for column in view.columns]
        conditions: list[str] = []
        project = command.project or caller.project
        everywhere = command.noun in EVERYWHERE and command.project is None
        if "project" in names and not everywhere:
            mine = f"project = {literal(project)}"
            nowhere = command.noun == "dropped" and command.project is None  # a dropped project is in no project
            conditions.append(f"({mine} OR kind = 'project')" if nowhere else mine)
        if command.of is not None:
            owner = OWNERS.get(command.noun)
            if owner is None:
                raise Invalid(
                    f"SHOW {command.noun.upper()} takes no OF", hint=f"OF goes with: {', '.join(sorted(OWNERS))}"
                )
            conditions.append(self._owned(owner, command.of, project))
        if command.like is not None:
            if "name" not in names:
                raise Invalid(f"SHOW {command.noun.upper()} takes no LIKE: its rows have no name", hint="use WHERE")
            conditions.append(f"name ILIKE {literal(command.like)}")
        if command.where is not None:
            untyped.refuse(command.where, view.name)
            conditions.append(f"({command.where.text})")
        text = f"SELECT {_columns(names, project=everywhere)} FROM catalog.ml.{view.name}"
        if conditions:
            text += " WHERE " + " AND ".join(conditions)
        order = next((order for order in ORDERS if order.split()[0] in names), None)
        text += f" ORDER BY {order}" if order else ""
        if command.limit is not None:
            text += f" LIMIT {command.limit}"
        elif command.row_limit is not None:
            text += f" LIMIT {command.row_limit + 1}"  # one more tells that there are more
        return self._read(text, project, command.where, command.row_limit)

    def plan_describe(self, command: Describe, caller: Caller) -> Plan:
        """Where the object stands; a missing one is told with the nearest names."""
        kind = KINDS.get(command.kind)
        if kind is None:
            raise Invalid(f"there is no kind {command.kind!r}", hint=did_you_mean(command.kind, KINDS))
        ref = command.ref
        return Plan(
            (Step("read", f"ml.{kind.view}", str(ref)),), {"kind": kind, "row": self._find(kind, command.kind, ref)}
        )

    def describe(self, command: Describe, plan: Plan, caller: Caller) -> Result:
        """Rows of (property, value)."""
        import pyarrow

        row: dict[str, Any] = plan.resolved["row"]
        shown = {name: value for name, value in row.items() if value not in (None, [], {})}
        table = pyarrow.table(
            {
                "property": pyarrow.array(list(shown), "string"),
                "value": pyarrow.array([_shown(value) for value in shown.values()], "string"),
            }
        )
        return Result(f"{command.kind} {command.ref}", table, row)

    def plan_lineage(self, command: ShowLineage, caller: Caller) -> Plan:
        """The object, which must be there; a run and its artifact by the run's id."""
        kind = KINDS.get(command.kind)
        if kind is None:
            raise Invalid(f"there is no kind {command.kind!r}", hint=did_you_mean(command.kind, KINDS))
        row = self._find(kind, command.kind, command.ref)
        ref = command.ref
        if command.kind == "run":
            ref = Ref(ref.project, str(row["id"]))
        elif command.kind == "artifact":
            made = (
                f"{row['run_id']}/{row['name']}" if row["run_id"] else f"{ref.project}.{row['name']}@{row['version']}"
            )
            ref = Ref(ref.project, made)
        return Plan((Step("read", "ml.lineage", f"{command.kind} {ref}"),), {"ref": ref})

    def show_lineage(self, command: ShowLineage, plan: Plan, caller: Caller) -> Result:
        """Rows of a tree."""
        table = lineage.tree(self._catalog, command.kind, plan.resolved["ref"])
        return Result(f"lineage of {command.kind} {command.ref}", table)

    def _read(self, text: str, project: str, where: Query | None, row_limit: int | None = None) -> Plan:
        command = RunSql(query=Query(text), project=project, row_limit=row_limit)
        return Plan((Step("read", project, " ".join(text.split())),), {"command": command, "where": where})

    def _execute(self, command: Any, plan: Plan, caller: Caller) -> Result:
        read: RunSql = plan.resolved["command"]
        if plan.resolved["where"] is not None:
            self._check_where(command, plan.resolved["where"], read)
        return self._plain.read(read)

    def _check_where(self, command: Show, where: Query, read: RunSql) -> None:
        """Bind the user's condition alone, so that an error points into the user's text."""
        prefix = f"SELECT 1 FROM catalog.ml.{command.noun} WHERE "
        self._catalog.describe(read.project, where.within(prefix))

    def _owned(self, owner: str, name: str, project: str) -> str:
        """The condition for rows of a run, found by id, prefix or name, its best trial's too; else of ``name``."""
        if owner != "run_id":
            return f"starts_with({owner}, {literal(name)})"
        with self._catalog.read() as cursor:
            projects.require(cursor, project)
            run = runs.find(cursor, project, name)
        return f"run_id IN ({', '.join(literal(id) for id in (run.id, run.best_trial) if id)})"

    def _run_id(self, ref: Ref) -> str:
        """Of the run that is called so; a prefix of an id that fits several is refused."""
        with self._catalog.read() as cursor:
            projects.require(cursor, ref.project)
            return runs.find(cursor, ref.project, ref.name).id

    def _find(self, kind: Kind, word: str, ref: Ref) -> dict[str, Any]:
        view = self._views[kind.view]
        names = [column.name for column in view.columns]
        conditions: list[str] = []
        values: list[Any] = []
        if "project" in names:
            conditions.append("project = ?")
            values.append(ref.project)
        conditions.append(f"lower({kind.name}) = lower(?)")
        values.append(self._run_id(ref) if word == "run" else ref.name)
        if kind.version and ref.version is not None:
            if ref.version.isdigit():
                conditions.append(f"{kind.version} = ?")
                values.append(int(ref.version))
            else:
                conditions.append("list_contains(aliases, ?)")
                values.append(ref.version.lower())
        columns = ", ".join(
            f'"{c.name}"::JSON AS "{c.name}"' if c.type == "VARIANT" else f'"{c.name}"' for c in view.columns
        )
        order = f" ORDER BY {kind.version} DESC" if kind.version else ""
        row = self._catalog.row(
            f"SELECT {columns} FROM catalog.ml.{kind.view} WHERE {' AND '.join(conditions)}{order} LIMIT 1", values
        )
        if row is None:
            scope = "WHERE project = ?" if "project" in names else ""
            known = self._catalog.rows(
                f"SELECT DISTINCT {kind.name} AS name FROM catalog.ml.{kind.view} {scope}",
                [ref.project] if scope else [],
            )
            raise NotFound(
                f"there is no {word} {ref}",
                hint=did_you_mean(ref.name, [str(entry["name"]) for entry in known], kind=word),
            )
        return row


def _shown(value: Any) -> str:
    """A value as SQL's users read it, and not as Python writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ", ".join(value)
    return str(value)


def _columns(names: list[str], *, project: bool) -> str:
    shown = (*shown_columns(names), "project") if project else shown_columns(names)
    return ", ".join(f'"{name}"' for name in shown)
