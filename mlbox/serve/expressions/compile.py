"""From the text of expressions to functions over columns, by the tree of DuckDB's own parser."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlbox.base.command import Query
from mlbox.base.errors import Invalid, StatementError
from mlbox.base.suggest import did_you_mean
from mlbox.serve.expressions.casts import CASTS, cast
from mlbox.serve.expressions.kinds import kind_of, texts_in
from mlbox.serve.expressions.library import FUNCTIONS
from mlbox.serve.expressions.operators import (
    Columns,
    Compute,
    chosen,
    coalesced,
    compared,
    concatenated,
    conjunction,
    distinct,
    is_null,
    negated,
)
from mlbox.serve.expressions.values import Vector, constant

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_HEAD = "SELECT "
_COMPARE = {
    "COMPARE_EQUAL": "equal",
    "COMPARE_NOTEQUAL": "not_equal",
    "COMPARE_LESSTHAN": "less",
    "COMPARE_GREATERTHAN": "greater",
    "COMPARE_LESSTHANOREQUALTO": "less_equal",
    "COMPARE_GREATERTHANOREQUALTO": "greater_equal",
}


@dataclass(frozen=True, slots=True)
class Expression:
    """One of a list: what it is called, the columns that it reads (in lower case), and how it is computed; what it
    gives and which of these columns are texts, as far as its own text tells."""

    name: str
    reads: frozenset[str]
    compute: Compute
    kind: str | None = None
    texts: frozenset[str] = frozenset()


def compile_all(query: Query, *, nested: bool = False) -> tuple[Expression, ...]:
    """``expr [AS name], ..``; an expression without a name must be a column. With ``nested`` a name may be a way into
    objects, ``check.score``, which is read as a column of that name. Raises ``StatementError`` at the place of what is
    not understood, with what there is."""
    import duckdb

    connection = duckdb.connect(":memory:")
    try:
        row = connection.execute(
            "SELECT json_serialize_sql(?, skip_null := true, skip_empty := true, skip_default := true)",
            [_HEAD + query.text],
        ).fetchone()
        body: dict[str, Any] = json.loads(row[0]) if row else {"error": True}
        if body.get("error"):
            place = max(0, int(body.get("position") or len(_HEAD)) - len(_HEAD))
            hint = _reserved(connection, query.text, place)
            message = f"this is no expression: {body.get('error_message')}"
            raise StatementError(message, hint=hint, where=query.where(place))
    finally:
        connection.close()
    node = body["statements"][0].get("node", {})
    listed = node.get("select_list")
    if len(body["statements"]) != 1 or not listed or _more(node):
        raise StatementError("only expressions stand here, no query", hint="x + 1 AS y, ..", where=query.where(0))
    return tuple(_Compiler(query, nested).named(each) for each in listed)


_WORD_AT = re.compile(r"[A-Za-z_]\w*")
_WORD_BEFORE = re.compile(r"([A-Za-z_]\w*)\s*$")


def _reserved(connection: DuckDBPyConnection, text: str, place: int) -> str | None:
    """How a column is written whose name is a word of the language, when one stands where the parser gave up."""
    found = (_WORD_AT.match(text, place), _WORD_BEFORE.search(text, 0, place))
    for match, kinds in zip(found, (("reserved",), ("type_function", "column_name")), strict=True):
        if match is None:
            continue
        word = match.group().strip()
        asked = "SELECT keyword_category FROM duckdb_keywords() WHERE keyword_name = lower(?)"
        kind = connection.execute(asked, [word]).fetchone()
        if kind is not None and kind[0] in kinds:
            return f'{word} is a word of SQL; a column of that name is written "{word}"'
    return None


def _more(node: Mapping[str, Any]) -> bool:
    """Whether it has a FROM, a WHERE or another part of a query."""
    table = node.get("from_table") or {}
    known = ("where_clause", "having", "qualify", "group_expressions", "modifiers", "cte_map")
    return table.get("type", "EMPTY") not in ("EMPTY", "EMPTY_FROM") or any(node.get(name) for name in known)


class _Compiler:
    """Compiles one expression of a list."""

    def __init__(self, query: Query, nested: bool = False) -> None:
        self._query = query
        self._nested = nested
        self._reads: dict[str, str] = {}

    def named(self, node: Mapping[str, Any]) -> Expression:
        compute = self._node(node)
        name = node.get("alias") or (node["column_names"][-1] if node["class"] == "COLUMN_REF" else None)
        if not name:
            raise self._wrong(node, "an expression needs a name", "write expr AS name")
        return Expression(str(name), frozenset(self._reads), compute, kind_of(node), frozenset(texts_in(node)))

    def _wrong(self, node: Mapping[str, Any], message: str, hint: str | None) -> StatementError:
        place = int(node.get("query_location", len(_HEAD))) - len(_HEAD)
        before = self._query.text.encode()[: max(0, place)].decode(errors="ignore")
        return StatementError(message, hint=hint, where=self._query.where(len(before)))

    def _node(self, node: Mapping[str, Any]) -> Compute:
        match node["class"]:
            case "COLUMN_REF":
                return self._column(node)
            case "CONSTANT":
                return self._constant(node)
            case "FUNCTION":
                return self._call(node)
            case "OPERATOR":
                return self._operator(node)
            case "COMPARISON":
                return self._comparison(node)
            case "CONJUNCTION":
                children = [self._node(child) for child in node["children"]]
                return conjunction(children, node["type"] == "CONJUNCTION_AND")
            case "BETWEEN":
                value, low, high = (self._node(node[part]) for part in ("input", "lower", "upper"))
                one = compared("greater_equal", value, low)
                return conjunction([one, compared("less_equal", value, high)], True)
            case "CASE":
                checks = [
                    (self._node(each["when_expr"]), self._node(each["then_expr"])) for each in node["case_checks"]
                ]
                return chosen(checks, self._node(node["else_expr"]))
            case "CAST":
                return self._cast(node)
        raise self._wrong(
            node,
            f"{str(node['class']).lower()} is not computed for requests",
            "columns, constants, operators, CASE, CAST, IN, BETWEEN and functions are",
        )

    def _column(self, node: Mapping[str, Any]) -> Compute:
        names = node["column_names"]
        if len(names) != 1 and not self._nested:
            raise self._wrong(node, f"{'.'.join(names)} has a qualifier", f"write {names[-1]}")
        written = ".".join(map(str, names))
        name = written.lower()
        self._reads.setdefault(name, written)

        def read(columns: Columns, rows: int) -> Vector:
            found = columns.get(name)
            if found is None:
                absent = ", ".join(repr(sent) for key, sent in self._reads.items() if key not in columns)
                known = did_you_mean(name, columns)
                raise Invalid(f"the request has no input {absent}, which an expression needs", hint=known)
            return found

        return read

    def _constant(self, node: Mapping[str, Any]) -> Compute:
        literal = node["literal"]
        text = literal.get("text", "")
        value: Any
        match literal["kind"]:
            case "NULL_LITERAL":
                value = None
            case "BOOLEAN":
                value = text.lower() == "true"
            case "STRING":
                value = text
            case "INTEGER" if abs(int(text.replace("_", ""))) < 2**63:
                value = int(text.replace("_", ""))
            case "INTEGER" | "NUMERIC":
                value = float(text.replace("_", ""))
            case other:
                raise self._wrong(node, f"a constant of kind {other} is not computed for requests", None)
        return lambda columns, rows: constant(value, rows)

    def _call(self, node: Mapping[str, Any]) -> Compute:
        name = str(node["function_name"]).lower()
        arguments = [self._node(each["expression"]) for each in node.get("arguments", ())]
        if name in ("concat", "if", "ifnull"):
            return self._special(name, arguments, node)
        known = FUNCTIONS.get(name)
        if known is None or node.get("distinct") or node.get("filter"):
            told = did_you_mean(name, FUNCTIONS) or ""
            listed = ", ".join(sorted(each for each in FUNCTIONS if each[0].isalpha()))
            raise self._wrong(node, f"{name} is not computed for requests", f"{told} there are: {listed}".strip())
        call, least, most, *_ = known
        if not least <= len(arguments) <= most:
            raise self._wrong(node, f"{name} takes {least} to {most} arguments, not {len(arguments)}", None)
        if not arguments:
            return lambda columns, rows: constant(call().data[0].item(), rows)
        return lambda columns, rows: call(*(each(columns, rows) for each in arguments))

    def _special(self, name: str, arguments: list[Compute], node: Mapping[str, Any]) -> Compute:
        if name == "if" and len(arguments) == 3:
            return chosen([(arguments[0], arguments[1])], arguments[2])
        if name == "ifnull" and len(arguments) == 2:
            return coalesced(arguments)
        if name == "concat" and arguments:
            return lambda columns, rows: concatenated([each(columns, rows) for each in arguments])
        raise self._wrong(node, f"{name} does not take {len(arguments)} arguments", None)

    def _operator(self, node: Mapping[str, Any]) -> Compute:
        children = [self._node(child) for child in node["children"]]
        match node["type"]:
            case "OPERATOR_IS_NULL":
                return lambda columns, rows: is_null(children[0](columns, rows), True)
            case "OPERATOR_IS_NOT_NULL":
                return lambda columns, rows: is_null(children[0](columns, rows), False)
            case "OPERATOR_NOT":
                return lambda columns, rows: negated(children[0](columns, rows))
            case "OPERATOR_COALESCE":
                return coalesced(children)
            case "COMPARE_IN":
                first, *others = children
                return conjunction([compared("equal", first, other) for other in others], False)
        raise self._wrong(node, f"{node['type'].lower()} is not computed for requests", None)

    def _comparison(self, node: Mapping[str, Any]) -> Compute:
        kind = node["type"]
        left, right = self._node(node["left"]), self._node(node["right"])
        if kind in _COMPARE:
            return compared(_COMPARE[kind], left, right)
        if kind in ("COMPARE_DISTINCT_FROM", "COMPARE_NOT_DISTINCT_FROM"):
            return distinct(left, right, kind == "COMPARE_DISTINCT_FROM")
        raise self._wrong(node, f"{kind.lower()} is not computed for requests", None)

    def _cast(self, node: Mapping[str, Any]) -> Compute:
        child, target = self._node(node["child"]), str(node["type_expr"].get("type_name", "")).upper()
        if target not in CASTS:
            listed = ", ".join(dict.fromkeys(name.upper() for name in CASTS.values()))
            raise self._wrong(node, f"a cast to {target or 'this type'} is not computed for requests", listed)
        kind, attempt = CASTS[target], bool(node.get("try_cast"))
        bits = 32 if target in ("INTEGER", "INT", "INT4") else 64
        return lambda columns, rows: cast(child(columns, rows), kind, attempt, bits)
