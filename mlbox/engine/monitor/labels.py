"""Labels: what turned out to be true, and from when on it was known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlbox.base.command import Query
from mlbox.base.errors import Invalid
from mlbox.base.names import quote
from mlbox.engine.monitor.baseline import is_numeric

if TYPE_CHECKING:
    from mlbox.engine.catalog.database import Catalog


def check(catalog: Catalog, project: str, query: Query) -> str:
    """A SELECT of ``row_id, label`` as known at ``$evaluated_at``; the latest label of a row counts.

    ``query`` gives ``id``, ``label`` (a number or a boolean) and, unless they are known from the start, ``known_at``.
    Raises ``Invalid`` for other columns.
    """
    columns = {name.lower(): (name, kind) for name, kind in catalog.describe(project, query)}
    missing = [name for name in ("id", "label") if name not in columns]
    if missing:
        given = ", ".join(name for name, _ in columns.values())
        raise Invalid(
            f"LABELS FROM gives no column {' and no '.join(missing)}",
            hint=f"it must give id, label and known_at; it gives {given}",
            where=query.where(0),
        )
    label, kind = columns["label"]
    if not is_numeric(kind):
        raise Invalid(
            f"the label is {kind}", hint="use a number, or a boolean for classes 0 and 1", where=query.where(0)
        )
    row = f"{quote(columns['id'][0])}::VARCHAR AS row_id"
    value = f"{quote(label)}::DOUBLE"
    body = f"FROM ({query.text}\n) WHERE {quote(label)} IS NOT NULL"
    if "known_at" not in columns:
        always = "$evaluated_at::TIMESTAMPTZ IS NOT NULL"  # DuckDB wants every parameter to be used
        return f"SELECT {row}, max({value}) AS label {body} AND {always} GROUP BY 1"
    known = f"{quote(columns['known_at'][0])}::TIMESTAMPTZ"
    return f"SELECT {row}, arg_max({value}, {known}) AS label {body} AND {known} <= $evaluated_at GROUP BY 1"
