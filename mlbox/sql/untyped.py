"""Comparisons that DuckDB answers without an error and wrongly: a field of a VARIANT with a number such as 0.9.

Such values are compared by their types before their numbers, and 0.9 is a DECIMAL: ``metrics.auc > 0.9`` is true for
every run that has the metric as a DOUBLE, ``params.lr < 0.05`` for none. A cast makes it a comparison of numbers.
"""

from __future__ import annotations

import re
from functools import cache

from mlbox.base.command import Query
from mlbox.base.errors import StatementError
from mlbox.engine.catalog.views.base import all_views

_HIDDEN = re.compile(r"'(?:[^']|'')*'|--[^\n]*|/\*.*?\*/", re.DOTALL)
_NAME = r'(?:"[^"]+"|[a-z_]\w*)'
_OPERATOR = r"(?:<=|>=|<>|!=|==|<|>|=|\bbetween\b)"
_DECIMAL = r"[-+]?\s*\d*\.\d+(?![\w.])"


@cache
def _columns() -> dict[str, frozenset[str]]:
    """VARIANT columns of the public views, by view."""
    return {
        view.name: frozenset(column.name for column in view.columns if column.type == "VARIANT") for view in all_views()
    }


def refuse(query: Query, view: str | None = None) -> None:
    """Raise ``StatementError`` where a field of a VARIANT of a public view is compared with a decimal number.

    ``view`` is what the text is a condition on; without it the views are looked for behind FROM and JOIN.
    """
    found = _found(query.text, view)
    if found:
        written = query.text[slice(*found)]
        raise StatementError(
            f"{written} can be of any type, and DuckDB compares types before numbers: the answer would be wrong",
            hint=f"say that it is a number: {written}::DOUBLE",
            where=query.where(found[0]),
        )


def _found(written: str, view: str | None) -> tuple[int, int] | None:
    """Where such a field stands, from and to."""
    text = _HIDDEN.sub(lambda found: " " * len(found[0]), written).lower()
    views = [view] if view else _read(text)
    names = sorted({name for one in views for name in _columns().get(one, ())})
    if not names:
        return None
    field = rf"(?P<field>\b(?:{'|'.join(names)})\s*\.\s*{_NAME})"
    found = re.search(rf"{field}\s*{_OPERATOR}\s*{_DECIMAL}", text) or re.search(
        rf"(?<![\w.]){_DECIMAL}\s*{_OPERATOR}\s*(?:{_NAME}\s*\.\s*)?{field}(?!\s*::|\.|\w)", text
    )
    return found.span("field") if found else None


def _read(text: str) -> list[str]:
    """The views that stand behind FROM and JOIN."""
    known = "|".join(name for name, columns in _columns().items() if columns)
    return re.findall(rf"(?:\bfrom|\bjoin|,)\s+(?:catalog\s*\.\s*)?(?:ml\s*\.\s*)?({known})\b", text)
