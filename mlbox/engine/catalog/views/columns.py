"""The view that documents the others."""

from __future__ import annotations

from collections.abc import Iterable

from mlbox.base.names import literal
from mlbox.engine.catalog.views.base import View, ViewColumn

_COLUMNS = (
    ViewColumn("view_name", "VARCHAR", "View of ml"),
    ViewColumn("view_description", "VARCHAR", "What a row of the view is"),
    ViewColumn("column_name", "VARCHAR", "Column of the view"),
    ViewColumn("position", "INTEGER", "Of the column in the view, from 1"),
    ViewColumn("data_type", "VARCHAR", "Type of the column"),
    ViewColumn("unit", "VARCHAR", "Unit of the values; NULL where there is none"),
    ViewColumn("description", "VARCHAR", "What the column says"),
)


def documentation(views: Iterable[View]) -> View:
    """``ml.columns``: every column of ``views``, and its own."""
    doc = "A column of a public view and what it means."
    own = View("columns", doc, "", _COLUMNS, seen="all")
    rows = [
        f"({literal(view.name)}, {literal(view.doc)}, {literal(column.name)}, {position}, {literal(column.type)}, "
        f"{literal(column.unit) if column.unit else 'NULL'}, {literal(column.doc)})"
        for view in (*views, own)
        for position, column in enumerate(view.columns, start=1)
    ]
    names = ", ".join(column.name for column in _COLUMNS)
    return View("columns", doc, f"SELECT * FROM (VALUES {', '.join(rows)}) AS d({names})", _COLUMNS, seen="all")
