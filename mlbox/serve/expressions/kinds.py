"""What an expression gives, and which columns it takes for texts, as far as it tells itself: for who asks an endpoint
what it takes before there was any request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mlbox.serve.expressions.casts import CASTS
from mlbox.serve.expressions.library import FUNCTIONS

Node = Mapping[str, Any]

_FIRST = frozenset(("nullif", "ifnull", "greatest", "least", "abs"))
"""Functions that give what their arguments are."""


def kind_of(node: Node) -> str | None:
    """double, bigint, boolean, varchar or timestamp; None when only the request tells."""
    match node["class"]:
        case "CONSTANT":
            return _constant(node["literal"]["kind"])
        case "CAST":
            return CASTS.get(_target(node))
        case "COMPARISON" | "CONJUNCTION" | "BETWEEN":
            return "boolean"
        case "OPERATOR":
            coalesce = node["type"] == "OPERATOR_COALESCE"
            return _common(node["children"]) if coalesce else "boolean"
        case "CASE":
            return _common([*(check["then_expr"] for check in node["case_checks"]), node["else_expr"]])
        case "FUNCTION":
            name = str(node["function_name"]).lower()
            if name in FUNCTIONS and FUNCTIONS[name].gives is not None:
                return FUNCTIONS[name].gives
            if name in _FIRST:
                return _common(_arguments(node))
            if name == "if":
                return _common(_arguments(node)[1:])
            if name == "concat":
                return "varchar"
    return None


def texts_in(node: Node) -> Iterator[str]:
    """Names, in lower case, of the columns that must be texts for it to be computed."""
    for child in _texts_below(node):
        if child["class"] == "COLUMN_REF":
            yield ".".join(map(str, child["column_names"])).lower()
    for child in _children(node):
        yield from texts_in(child)


def _texts_below(node: Node) -> Sequence[Node]:
    match node["class"]:
        case "CAST" if CASTS.get(_target(node)) == "timestamp":
            return [node["child"]]
        case "COMPARISON":
            sides = [node["left"], node["right"]]
            return sides if any(kind_of(side) == "varchar" for side in sides) else ()
        case "OPERATOR" if node["type"] == "COMPARE_IN":
            children: Sequence[Node] = node["children"]
            return children if any(kind_of(child) == "varchar" for child in children) else ()
        case "FUNCTION":
            known = FUNCTIONS.get(str(node["function_name"]).lower())
            return _arguments(node)[: known.texts] if known is not None else ()
    return ()


def _children(node: Node) -> Iterator[Node]:
    for name in ("child", "left", "right", "input", "lower", "upper", "else_expr"):
        if isinstance(node.get(name), Mapping):
            yield node[name]
    yield from node.get("children", ())
    yield from _arguments(node)
    for check in node.get("case_checks", ()):
        yield check["when_expr"]
        yield check["then_expr"]


def _arguments(node: Node) -> list[Node]:
    return [each["expression"] for each in node.get("arguments", ())]


def _target(node: Node) -> str:
    return str(node["type_expr"].get("type_name", "")).upper()


def _constant(kind: str) -> str | None:
    return {"STRING": "varchar", "BOOLEAN": "boolean", "INTEGER": "bigint", "NUMERIC": "double"}.get(kind)


def _common(nodes: Sequence[Node]) -> str | None:
    """Of what may stand for each other. A number that is no whole one wins; beside what is not known a whole one tells
    nothing."""
    known = [kind_of(node) for node in nodes if not _is_null(node)]
    if "double" in known:
        return "double"
    told = [kind for kind in known if kind is not None]
    return None if not told or ("bigint" in told and None in known) else told[0]


def _is_null(node: Node) -> bool:
    return bool(node["class"] == "CONSTANT" and node["literal"]["kind"] == "NULL_LITERAL")
