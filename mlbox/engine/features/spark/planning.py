"""From a query of DuckDB to what Spark is to compute: its tables go there, ``ml.features`` becomes a view."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from mlbox.base.command import Query
from mlbox.base.errors import Invalid, MlboxError, NotExecuted
from mlbox.base.names import quote
from mlbox.engine.features.retrieval import Asked
from mlbox.engine.features.spark import portable
from mlbox.engine.features.spark.asof import generated
from mlbox.engine.features.spark.plan import Input, SparkPlan
from mlbox.engine.features.spark.travelling import sent_as, sent_sql

if TYPE_CHECKING:
    from mlbox.engine.catalog.database import Catalog

Ask = Callable[[str, str, str], Asked]
"""A vector over a spine, as of :meth:`~mlbox.engine.features.retrieval.Retrieval.ask`."""
_PLACE = "spark"
"""The schema that sqlglot is told all views are in; it is left out of what is written."""


def planned(catalog: Catalog, ask: Ask, project: str, query: Query) -> SparkPlan:
    """Checks everything; ``NotExecuted`` names, with its place, what Spark would do otherwise or not at all."""
    columns = catalog.describe(project, query)
    for name, kind in columns:
        if sent_as(kind) is None:
            raise NotExecuted(
                f"column {name!r} of the query is of type {kind}, which does not come back from Spark",
                hint="leave it out, or leave ENGINE spark out",
                where=query.where(0),
            )
    return _Planning(catalog, ask, project, query).plan(columns)


class _Planning:
    def __init__(self, catalog: Catalog, ask: Ask, project: str, query: Query) -> None:
        self._catalog = catalog
        self._ask = ask
        self._project = project
        self._query = query
        self._inputs: list[Input] = []
        self._views: list[tuple[str, str]] = []
        self._columns: dict[str, dict[str, str]] = {}
        self._known: dict[str, str] = {}

    def plan(self, columns: Sequence[tuple[str, str]]) -> SparkPlan:
        """Each table in the query becomes the view that Spark is given it as."""
        from sqlglot import exp

        tree: Any = portable.parsed(self._query)
        own = {cte.alias_or_name.lower() for cte in tree.find_all(exp.CTE)}
        for table in list(tree.find_all(exp.Table)):
            called = isinstance(table.this, exp.Func)
            if called or table.db or table.name.lower() not in own:
                view = self._features(table, own) if called else self._plain(table)
                table.replace(_view(table, view))
        tree = portable.typed(self._query, tree, {_PLACE: self._columns}, _PLACE)
        for table in tree.find_all(exp.Table):
            table.set("db", None)
        return SparkPlan(tuple(self._inputs), tuple(self._views), portable.written(tree), tuple(columns))

    def _plain(self, table: Any) -> str:
        relation = ".".join(quote(part.name) for part in table.parts)
        if relation.lower() in self._known:
            return self._known[relation.lower()]
        columns = self._described(f"FROM {relation}", table)
        for name, kind in columns.items():
            if sent_as(kind) is None or kind.upper().startswith("ENUM("):
                raise portable.refused(
                    self._query,
                    table,
                    f"column {name!r} of {relation}, of type {kind},",
                    hint="leave it out in a view, or leave ENGINE spark out",
                )
        view = f"input{len(self._inputs)}"
        chosen = ", ".join(sent_sql(name, kind) for name, kind in columns.items())
        self._inputs.append(Input(view, f"SELECT {chosen} FROM {relation}", relation.replace('"', "")))
        self._columns[view] = {name: str(sent_as(kind)) for name, kind in columns.items()}
        self._known[relation.lower()] = view
        return view

    def _features(self, table: Any, own: set[str]) -> str:
        """``ml.features('vector', 'spine')``."""
        call, query = table.this, self._query
        texts = [argument.name for argument in call.expressions if getattr(argument, "is_string", False)]
        if table.db.lower() != "ml" or call.name.lower() != "features" or len(texts) != 2:
            raise portable.refused(query, table, f"{table.db}.{call.name}")
        if texts[1].lower() in own:
            raise NotExecuted(
                f"the spine {texts[1]!r} is a part of the query, which Spark is not given before the join",
                hint="CREATE TABLE it first, and name the table",
                where=query.where(portable.place(call.expressions[1])),
            )
        view = f"features{len(self._views)}"
        try:
            asked = self._ask(self._project, texts[0], texts[1])
            if asked.seen.columns is None:
                raise Invalid(f"there is no spine {texts[1]!r}", hint="name a table, a view or a feature set")
            made = generated(asked, view)
        except MlboxError as error:
            error.where = error.where or query.where(portable.place(call))
            raise
        self._inputs.extend(made.inputs)
        self._views.append((view, made.text))
        text = f"FROM ml.features({call.expressions[0].sql('duckdb')}, {call.expressions[1].sql('duckdb')})"
        columns = self._described(text, table)
        self._columns[view] = {name: str(sent_as(kind) or kind) for name, kind in columns.items()}
        return view

    def _described(self, text: str, table: Any) -> dict[str, str]:
        try:
            return dict(self._catalog.describe(self._project, Query(text)))
        except MlboxError as error:
            error.where = self._query.where(portable.place(table))
            raise


def _view(table: Any, view: str) -> Any:
    """The view in place of a table, under the name that the table had in the query."""
    from sqlglot import exp

    given = table.args.get("alias")
    alias = (
        given.copy() if given is not None else exp.TableAlias(this=exp.to_identifier(table.name.lower(), quoted=True))
    )
    place, name = exp.to_identifier(_PLACE), exp.to_identifier(view)
    return exp.Table(this=name, db=place, alias=alias, joins=table.args.get("joins"))
