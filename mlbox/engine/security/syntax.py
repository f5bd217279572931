"""What a statement of a member names, read off the syntax tree that DuckDB's own parser makes.

Another parser would see another statement. DuckDB writes the tree of a SELECT as JSON (``json_serialize_sql``), and of
INSERT, UPDATE and DELETE when they stand inside a CTE. Whatever is not known here is refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Path = tuple[str, ...]
"""A name with its qualifiers, as written, without quotes."""

RELATIONS = frozenset(
    "BASE_TABLE SUBQUERY JOIN TABLE_FUNCTION EXPRESSION_LIST EMPTY PIVOT SHOW_REF "
    "SELECT_NODE SET_OPERATION_NODE RECURSIVE_CTE_NODE CTE_NODE ASCENDING DESCENDING".split()
)
CHANGES = {"INSERT_QUERY_NODE": "INSERT", "UPDATE_QUERY_NODE": "UPDATE", "DELETE_QUERY_NODE": "DELETE"}
_WRITTEN = "WITH _written AS (\n{}\n) FROM _written"


@dataclass
class Names:
    """All that a statement names, with the character where it stands (-1: unknown)."""

    tables: list[tuple[Path, int]] = field(default_factory=list)
    table_functions: list[tuple[Path, int]] = field(default_factory=list)
    functions: list[tuple[Path, int]] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)
    """Function calls as DuckDB's tree has them, for rules on arguments."""
    others: list[tuple[Path, int]] = field(default_factory=list)
    """Types, collations and whatever else has a qualified name."""
    ctes: set[str] = field(default_factory=set)
    changes: list[tuple[str, Path]] = field(default_factory=list)
    """What is written to, as (kind, name)."""
    strange: str | None = None
    """A part of a statement that is not known here."""


def read_names(cursor: DuckDBPyConnection, text: str) -> Names | None:
    """Of a SELECT; None when DuckDB does not take ``text`` as one."""
    return _names(cursor, text, 0)


def change_names(cursor: DuckDBPyConnection, text: str) -> Names | None:
    """Of one INSERT, UPDATE or DELETE; ``text`` alone must be a statement of that kind (its brackets match then)."""
    return _names(cursor, _WRITTEN.format(text), _WRITTEN.index("{"))


def _names(cursor: DuckDBPyConnection, text: str, shift: int) -> Names | None:
    row = cursor.execute(
        "SELECT json_serialize_sql(?, skip_null := true, skip_empty := true, skip_default := true)", [text]
    ).fetchone()
    tree: dict[str, Any] = json.loads(row[0]) if row else {"error": True}
    if tree["error"] or len(tree.get("statements", ())) != 1:
        return None
    names = Names()
    raw = text.encode()
    try:
        for node in _nodes(tree["statements"]):
            _note(names, node, raw, shift)
    except RecursionError:
        return None
    names.ctes.discard("_written")
    names.tables = [entry for entry in names.tables if entry[0] != ("_written",)] if shift else names.tables
    return names


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    waiting = [tree]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            yield value
            if value.get("type") == "TABLE_FUNCTION":  # its call is no scalar function, its arguments may hold some
                value = {**value, "function": (value.get("function") or {}).get("arguments")}
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)


def _note(names: Names, node: dict[str, Any], raw: bytes, shift: int) -> None:
    kind, path = node.get("type"), _path(node)
    place = node.get("query_location")
    at = -1 if place is None else len(raw[:place].decode(errors="ignore")) - shift
    for entry in (node.get("cte_map") or {}).get("map", ()):
        names.ctes.add(str(entry["key"]).lower())
    if "cte_name" in node:
        names.ctes.add(str(node["cte_name"]).lower())
    if kind == "RECURSIVE_CTE_NODE" and node.get("ctename"):
        names.ctes.add(str(node["ctename"]).lower())
    if "class" in node:
        if "function_name" in node or node["class"] in ("FUNCTION", "WINDOW"):
            names.functions.append((path or _loose_path(node), at))
            names.calls.append(node)
        elif path:
            names.others.append((path, at))
        return
    if isinstance(kind, str):
        _note_relation(names, node, kind, path, at)
    elif path:
        names.others.append((path, at))


def _note_relation(names: Names, node: dict[str, Any], kind: str, path: Path, at: int) -> None:
    if kind in CHANGES:
        table = node.get("table")
        target = _path(table) if isinstance(table, dict) else path
        names.changes.append((CHANGES[kind], target))
    elif kind == "BASE_TABLE":
        names.tables.append((path, at))
    elif kind == "TABLE_FUNCTION":
        function = node.get("function") or {}
        names.table_functions.append((_path(function) or _loose_path(function), at))
    elif kind == "SHOW_REF":
        if "query" not in node:
            names.tables.append((("show", *path), at))
    elif kind not in RELATIONS and not kind.endswith("_MODIFIER") and not kind.startswith("ORDER_"):
        names.strange = kind.removesuffix("_NODE").replace("_", " ").lower()


def _path(node: dict[str, Any]) -> Path:
    found = (node.get("qualified_name") or {}).get("path") or ()
    return tuple(str(part) for part in found)


def _loose_path(node: dict[str, Any]) -> Path:
    parts = (node.get("catalog"), node.get("schema"), node.get("function_name"))
    return tuple(str(part) for part in parts if part)
