"""Both engines are asked for some rows before the answer of one is believed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mlbox.base.command import Query
from mlbox.base.errors import Conflict
from mlbox.base.names import quote
from mlbox.engine.catalog.duckdb_errors import translate
from mlbox.engine.features.sources.base import ARROW
from mlbox.engine.features.spark.exchange import Exchange, result_sql
from mlbox.engine.features.spark.plan import SparkPlan

if TYPE_CHECKING:
    from mlbox.engine.catalog.database import Catalog

_CLOSE = 1e-9
"""Sums of floats depend on their order, by so much of their value."""


def is_possible(plan: SparkPlan, query: Query) -> bool:
    """Whether DuckDB can be asked the same of a part of each table: not where features are joined in, which both
    engines are told by the declaration."""
    return not plan.views and bool(plan.inputs) and _over_samples(plan, query) is not None


def compare(catalog: Catalog, project: str, plan: SparkPlan, query: Query, place: Exchange) -> None:
    """Raise ``Conflict`` with the first row that one engine gives and the other does not."""
    import duckdb
    from pyarrow import dataset

    text = _over_samples(plan, query)
    assert text is not None
    with catalog.session(project) as cursor:
        try:
            for given in plan.inputs:
                sample = dataset.dataset(place.folder / "sample" / given.name, format="parquet").to_table()
                cursor.register(f"_{given.name}", sample)
            ours = cursor.execute(text).fetchall()
            cursor.register(ARROW, place.received("sample-output").read_all())
            theirs = cursor.execute(result_sql(plan)).fetchall()
        except duckdb.Error as error:
            raise translate(error) from None
    wrong = difference(ours, theirs)
    if wrong is not None:
        names = [name for name, _ in plan.columns]
        shown = [
            "no row" if row is None else ", ".join(f"{n} = {v}" for n, v in zip(names, row, strict=True))
            for row in wrong
        ]
        raise Conflict(
            f"the engines do not give the same for a sample: DuckDB {shown[0]}; Spark {shown[1]}; nothing was stored",
            hint="leave ENGINE spark out, or write what differs in another way",
            where=query.where(0),
        )


def _over_samples(plan: SparkPlan, query: Query) -> str | None:
    """The query as it was written, over samples in place of its tables; None where that cannot be said."""
    import sqlglot
    from sqlglot import exp

    tree: Any = sqlglot.parse_one(query.text, read="duckdb")
    own = {cte.alias_or_name.lower() for cte in tree.find_all(exp.CTE)}
    by_name = {given.told.lower(): given.name for given in plan.inputs}
    spans = []
    for table in tree.find_all(exp.Table):
        if not table.db and table.name.lower() in own:
            continue
        view = by_name.get(".".join(part.name for part in table.parts).lower())
        places = [part.meta for part in table.parts if "start" in part.meta]
        if view is None or len(places) != len(table.parts):
            return None
        alias = "" if table.alias else f" AS {quote(table.name)}"
        start, end = min(meta["start"] for meta in places), max(meta["end"] for meta in places) + 1
        quoted = query.text[start - 1 : start] == '"'
        spans.append((start - quoted, end + quoted, f"_{view}{alias}"))
    text = query.text
    for start, end, instead in sorted(spans, reverse=True):
        text = text[:start] + instead + text[end:]
    return text


def difference(
    ours: Sequence[tuple[Any, ...]], theirs: Sequence[tuple[Any, ...]]
) -> tuple[tuple[Any, ...] | None, tuple[Any, ...] | None] | None:
    """The first rows in which two results differ, whatever their order; None: they are the same."""
    one, other = sorted(ours, key=_order), sorted(theirs, key=_order)
    for mine, its in zip(one, other, strict=False):
        if not all(_same(a, b) for a, b in zip(mine, its, strict=True)):
            return mine, its
    if len(one) == len(other):
        return None
    longer, at = max(one, other, key=len), min(len(one), len(other))
    return (longer[at], None) if longer is one else (None, longer[at])


def _order(row: tuple[Any, ...]) -> tuple[str, ...]:
    """By what is exact first: floats that differ in their last digits must not part rows that belong together."""
    exact = [repr(value) for value in row if not isinstance(value, float)]
    return (*exact, *(f"{value:.6e}" for value in row if isinstance(value, float)))


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return one == other or math.isclose(one, other, rel_tol=_CLOSE) or (math.isnan(one) and math.isnan(other))
    return bool(one == other)
