"""What DuckDB computes of a field of a VARIANT without an error and wrongly.

Such values are compared by their types before their numbers, and 0.9 is a DECIMAL: ``metrics.auc > 0.9`` is true for
every run that has the metric as a DOUBLE, ``params.lr < 0.05`` for none. In arithmetic and functions of numbers they
become integers: ``avg(metrics.auc)`` and ``metrics.auc * 2`` round first. A cast makes them numbers.
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
_IN = r"(?:not\s+)?in\s*\([^()]*?(?<![\w.])"
_DECIMAL = r"[-+]?\s*\d*\.\d+(?![\w.]|\s*::)"
_NUMBER = r"[-+]?\s*\d*\.?\d+(?![\w.]|\s*::)"
_FUNCTIONS = (
    r"(?:sum|fsum|avg|favg|mean|stddev\w*|var_\w+|variance|median|mad|quantile\w*|corr|covar_\w+|regr_\w+|abs|round|floor|"
    r"ceil|ceiling|trunc|sqrt|cbrt|ln|log|log2|log10|exp|pow|power|sign)"
)


@cache
def _columns() -> dict[str, frozenset[str]]:
    """VARIANT columns of the public views, by view."""
    return {
        view.name: frozenset(column.name for column in view.columns if column.type == "VARIANT") for view in all_views()
    }


def refuse(query: Query, view: str | None = None) -> None:
    """Raise ``StatementError`` where a field of a VARIANT of a public view is computed with as if it was a number.

    ``view`` is what the text is a condition on; without it the views are looked for behind FROM and JOIN.
    """
    found = _found(query.text, view)
    if found:
        written = query.text[slice(*found)]
        raise StatementError(
            f"{written} can be of any type, and DuckDB takes its type before its number: the answer would be wrong",
            hint=f"say that it is a number: {written}::DOUBLE",
            where=query.where(found[0]),
        )


def _found(written: str, view: str | None) -> tuple[int, int] | None:
    """Where such a field stands, from and to."""
    text = _HIDDEN.sub(lambda found: " " * len(found[0]), written).lower()
    views = [view] if view else _read(text)
    names = {name for one in views for name in _columns().get(one, ()) if not _is_table(name, text)}
    if not names:
        return None
    found = _computed(sorted(names), _DECIMAL).search(text)
    if found is None and "metrics" in names:  # its values are DOUBLE, so that an integer is another type too
        found = _computed(["metrics"], _NUMBER).search(text)
    return next((found.span(name) for name in _PLACES if found[name]), None) if found else None


_PLACES = ("compared", "behind", "used", "operand", "given")


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def _computed(names: list[str], number: str) -> re.Pattern[str]:
    """A field of ``names`` compared with a ``number``, in arithmetic, or given to a function of numbers."""
    field = rf"\b(?:{'|'.join(names)})(?:\s*\.\s*{_NAME})+(?!\w|\s*\.)"
    behind = rf"(?:{_NAME}\s*\.\s*)?"
    raw = r"(?!\s*(?:::|\[|\())"
    return _compiled(
        rf"(?P<compared>{field})\s*(?:{_OPERATOR}\s*|{_IN}){number}"
        rf"|(?<![\w.]){number}\s*{_OPERATOR}\s*{behind}(?P<behind>{field}){raw}"
        rf"|(?P<used>{field})\s*(?:[*/+%^]|-(?!>))"
        rf"|(?:[/+%^-]|[\w.)]\s*\*)\s*{behind}(?P<operand>{field}){raw}"
        rf"|\b{_FUNCTIONS}\s*\(\s*(?:distinct\s+)?{behind}(?P<given>{field}){raw}"
    )


def _is_table(name: str, text: str) -> bool:
    """Whether ``name`` is a table of the statement, so that ``name.x`` is its column."""
    source = rf"(?:from|join)\s+(?:{_NAME}\s*\.\s*){{0,2}}"
    return re.search(rf"\bml\s*\.\s*{name}\b|\b{source}(?:{_NAME}\s+(?:as\s+)?)?{name}\b", text) is not None


def _read(text: str) -> list[str]:
    """The views that stand behind FROM and JOIN."""
    known = "|".join(name for name, columns in _columns().items() if columns)
    return re.findall(rf"(?:\bfrom|\bjoin|,)\s+(?:catalog\s*\.\s*)?(?:ml\s*\.\s*)?({known})\b", text)
