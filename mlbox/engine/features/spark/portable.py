"""The part of SQL that means the same in DuckDB and in Spark, as a list of what is allowed.

What is not on it is refused with its place. sqlglot reads the query, names all of its columns and their types, and
writes it in Spark's SQL. Silent differences (a cast of a float to an integer, ``date_diff``, ``log``, the day of the
week) are why nothing is passed on that was not looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from mlbox.base.command import Query
from mlbox.base.errors import NotExecuted

if TYPE_CHECKING:
    from sqlglot.expressions import Expression

Check = Callable[[Any], str | None]
"""Why a node is not portable; None: it is."""

_NODES = frozenset(
    """
    Select Subquery From Join Where Group Having Order Ordered Limit With CTE TableAlias Table Alias Column
    Identifier Star Distinct Union Intersect Except Qualify Window WindowSpec Paren Tuple Literal Boolean Null
    DataType DataTypeParam Var Interval Case If Coalesce Nullif Cast And Or Not EQ NEQ GT GTE LT LTE Is
    Between In Exists Like Add Sub Mul Div Neg NullSafeEQ NullSafeNEQ DPipe Abs Greatest Least Length Trim
    Substring StartsWith TimestampTrunc DateTrunc Extract Year Quarter Month Day Hour Minute Count Sum Avg Min
    Max Stddev StddevSamp StddevPop Variance VariancePop Filter RowNumber Rank DenseRank Lag Lead
    """.split()
)
_UNITS = frozenset({"YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "HOUR", "MINUTE", "SECOND"})
_PARTS = frozenset({"YEAR", "QUARTER", "MONTH", "DAY", "HOUR", "MINUTE"})
_STEPS = frozenset({"YEAR", "MONTH", "WEEK", "DAY", "HOUR", "MINUTE", "SECOND"})
_INTEGERS = frozenset({"TINYINT", "SMALLINT", "INT", "BIGINT"})
_TEXTS = frozenset({"VARCHAR", "TEXT"})
_TIMES = frozenset({"DATE", "TIMESTAMP", "TIMESTAMPTZ", "TIMESTAMPNTZ", "TIMESTAMPLTZ", "DATETIME"})
_FLOATS = frozenset({"FLOAT", "DOUBLE", "DECIMAL"})
_SAFE_CASTS: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(_INTEGERS, _INTEGERS | {"DOUBLE", "DECIMAL", "VARCHAR", "TEXT"}),
    "FLOAT": frozenset({"FLOAT", "DOUBLE"}),
    "DOUBLE": frozenset({"DOUBLE"}),
    "DECIMAL": frozenset({"DOUBLE"}),
    **dict.fromkeys(_TEXTS, _TEXTS),
    "BOOLEAN": frozenset({"BOOLEAN", "INT", "BIGINT"}),
    "DATE": frozenset({"DATE", "TIMESTAMP", "TIMESTAMPTZ"}),
    **dict.fromkeys(_TIMES - {"DATE"}, _TIMES),
}
"""From which type a cast to which gives the same value in both."""


def parsed(query: Query) -> Expression:
    """The query as a tree whose nodes are all portable by their kind; ``NotExecuted`` names the first that is not."""
    import sqlglot
    from sqlglot.errors import SqlglotError

    try:
        tree: Any = sqlglot.parse_one(query.text, read="duckdb")
    except SqlglotError as error:
        raise NotExecuted(
            f"ENGINE spark does not understand this query: {str(error).splitlines()[0]}",
            hint="write it in plain SQL, or leave ENGINE spark out",
            where=query.where(0),
        ) from None
    checks = _checks()
    for node in tree.walk():
        kind = type(node).__name__
        reason = checks[kind](node) if kind in checks else None
        if kind not in _NODES and not _of_ours(node):
            reason = _named(node, query.text)
        if reason is not None:
            raise refused(query, node, reason)
    return tree  # type: ignore[no-any-return]


def _of_ours(node: Any) -> bool:
    """Whether it is a relation ``ml.x(..)``, which is looked at by whoever plans."""
    from sqlglot import exp

    return isinstance(node, exp.Anonymous) and isinstance(node.parent, exp.Table) and node.parent.db.lower() == "ml"


def refused(query: Query, node: Expression, what: str, hint: str | None = None) -> NotExecuted:
    """The error for a node, with its place in the user's text."""
    return NotExecuted(
        f"{what} is not portable to Spark",
        hint=hint or "write it in the part of SQL that both engines share, or leave ENGINE spark out",
        where=query.where(place(node)),
    )


def place(node: Expression) -> int:
    """Where a node stands in the text: sqlglot keeps the places of names, functions and literals."""
    starts = [each.meta["start"] for each in node.walk() if "start" in each.meta]
    above: Any = node
    while not starts and above.parent is not None:
        above = above.parent
        starts = [each.meta["start"] for each in above.walk() if "start" in each.meta]
    return min(starts, default=0)


def _named(node: Any, text: str) -> str:
    from sqlglot import exp

    if isinstance(node, exp.Func):  # as the user spelled it
        meta = node.meta
        spelled = text[meta["start"] : meta["end"] + 1] if "start" in meta else node.sql_name().lower()
        return f"function {spelled}"
    return f"{type(node).__name__.upper()} ({' '.join(node.sql('duckdb').split())[:60]})"


def _checks() -> dict[str, Check]:
    return {
        "Join": _join,
        "Star": lambda node: (
            _given(node, "* EXCLUDE", "except_", "except") or _given(node, "* REPLACE", "replace", "rename")
        ),
        "Union": lambda node: _given(node, "UNION BY NAME", "by_name"),
        "Distinct": lambda node: _given(node, "DISTINCT ON", "on"),
        "Group": lambda node: _given(node, "GROUP BY ROLLUP, CUBE or GROUPING SETS", "cube", "rollup", "grouping_sets"),
        "Limit": lambda node: (
            None if node.parent.args.get("order") else "LIMIT without ORDER BY, which gives any rows,"
        ),
        "WindowSpec": _frame,
        "Interval": _interval,
        "Like": _like,
        "Substring": _substring,
        "TimestampTrunc": lambda node: _unit(node, _UNITS),
        "DateTrunc": lambda node: _unit(node, _UNITS),
        "Extract": lambda node: _unit(node, _PARTS, "this"),
        "Div": _division,
        "Trim": lambda node: _given(node, "trim of given characters", "expression", "position"),
        "Literal": lambda node: "a text with a backslash" if node.is_string and "\\" in node.name else None,
        "Table": lambda node: _given(node, "TABLESAMPLE or PIVOT", "sample", "pivots"),
        "Select": lambda node: _given(node, "SAMPLE, UNNEST or LATERAL", "sample", "laterals"),
    }


def _given(node: Any, what: str, *names: str) -> str | None:
    return what if any(node.args.get(name) for name in names) else None


def _join(node: Any) -> str | None:
    method = (node.args.get("method") or "").upper()
    if method:
        return f"{method} JOIN"
    if (node.args.get("kind") or "").upper() in ("POSITIONAL", "ARRAY"):
        return f"{node.args['kind'].upper()} JOIN"
    return None


def _frame(node: Any) -> str | None:
    if node.args.get("exclude"):
        return "EXCLUDE in a window"
    if (node.args.get("kind") or "ROWS").upper() != "ROWS":
        return f"a window of {node.args['kind'].upper()}"
    return None


def _interval(node: Any) -> str | None:
    unit = (node.args.get("unit") or node).name.upper().rstrip("S")
    amount = node.this
    if unit not in _STEPS or amount is None or not amount.is_number and not str(amount.name).lstrip("-").isdigit():
        return f"the interval {node.sql('duckdb')}"
    return None


def _like(node: Any) -> str | None:
    return None if getattr(node.expression, "is_string", False) else "LIKE with a pattern that is not a text"


def _substring(node: Any) -> str | None:
    for argument in (node.args.get("start"), node.args.get("length")):
        if argument is not None and not (argument.is_int and int(argument.name) > 0):
            return "substring with a place that is not a positive number"
    return None


def _unit(node: Any, known: frozenset[str], field: str = "unit") -> str | None:
    unit = node.args[field].name.upper()
    return None if unit in known else f"the unit {unit.lower()} here"


def _division(node: Any) -> str | None:
    """By zero the engines differ: the divisor is a number, or ``nullif(x, 0)``."""
    from sqlglot import exp

    by = node.expression
    while isinstance(by, exp.Paren):
        by = by.this
    if isinstance(by, exp.Literal) and by.is_number and float(by.name) != 0:
        return None
    zero = by.expression if isinstance(by, exp.Nullif) else None
    if isinstance(zero, exp.Literal) and zero.is_number and float(zero.name) == 0:
        return None
    return "a division by what may be zero (write x / nullif(y, 0))"


def typed(query: Query, tree: Expression, schema: Mapping[str, Mapping[str, Mapping[str, str]]], project: str) -> Any:
    """The tree with all columns named and typed; ``NotExecuted`` for what is portable for some types only."""
    from sqlglot.errors import SqlglotError
    from sqlglot.optimizer.annotate_types import annotate_types
    from sqlglot.optimizer.qualify import qualify

    try:
        found: Any = qualify(tree, schema={**schema}, db=project, dialect="duckdb")
        found = annotate_types(found, schema={**schema}, dialect="duckdb")
    except SqlglotError as error:
        raise NotExecuted(
            f"ENGINE spark cannot tell what the names of this query mean: {str(error).splitlines()[0]}",
            hint="name tables in front of columns (t.x)",
            where=query.where(0),
        ) from None
    for node in found.walk():
        reason = _TYPED[type(node).__name__](node) if type(node).__name__ in _TYPED else None
        if reason is not None:
            raise refused(query, node, reason)
    return found


def _kind(node: Any) -> str:
    return node.type.this.name if node.type is not None else "UNKNOWN"


def _cast(node: Any) -> str | None:
    source, target = _kind(node.this), node.to.this.name
    if node.this.is_string and target in _TIMES:
        return None
    if target in _SAFE_CASTS.get(source, ()):
        return None
    return f"the cast of a {source} to {target}"


def _comparison(node: Any) -> str | None:
    sides = [node.this, *([node.expression] if node.args.get("expression") else [])]
    sides += [node.args[name] for name in ("low", "high") if node.args.get(name)]
    kinds = {_family(side) for side in sides} - {None}
    return f"a comparison of {' and '.join(sorted(map(str, kinds)))}" if len(kinds) > 1 else None


def _family(node: Any) -> str | None:
    """Of what has a type and is no literal, which fits to anything."""
    kind = _kind(node)
    if node.is_string:
        return None
    if kind in _INTEGERS | _FLOATS or kind in ("HUGEINT", "INT128", "UBIGINT", "UINT", "USMALLINT", "UTINYINT"):
        return "number"
    return "text" if kind in _TEXTS else "time" if kind in _TIMES else None


def _difference(node: Any) -> str | None:
    sides = (node.this, node.expression)
    return "the difference of two times" if all(_kind(side) in _TIMES for side in sides) else None


def _product(node: Any) -> str | None:
    sides = (node.this, node.expression)
    return "a product of two decimals" if all(_kind(side) == "DECIMAL" for side in sides) else None


_TYPED: Mapping[str, Check] = {
    "Cast": _cast,
    "Sub": _difference,
    "Mul": _product,
    "DPipe": lambda node: None if all(_kind(s) in _TEXTS for s in (node.this, node.expression)) else "|| of no text",
    "Avg": lambda node: "avg of a decimal" if _kind(node.this) == "DECIMAL" else None,
    "Div": lambda node: "a division of a FLOAT" if _kind(node.this) == "FLOAT" else None,
    **dict.fromkeys(("EQ", "NEQ", "GT", "GTE", "LT", "LTE", "Between"), _comparison),
}


def written(tree: Any) -> str:
    """Spark's SQL. A division is one of doubles, as DuckDB's is."""
    from sqlglot import exp

    def divided(node: Any) -> Any:
        if not isinstance(node, exp.Div):
            return node
        sides = (exp.cast(exp.paren(side.copy(), copy=False), "DOUBLE") for side in (node.this, node.expression))
        return exp.Div(**dict(zip(("this", "expression"), sides, strict=True)), typed=False, safe=False)

    return str(tree.transform(divided).sql("spark", pretty=True))
