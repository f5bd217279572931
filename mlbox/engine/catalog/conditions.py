"""Conditions: SQL boolean expressions over named facts and nothing else (``fit.auc > champion.auc + 0.001``).

DuckDB's own parser finds the names and DuckDB evaluates, in an instance of its own that holds no table and may open no
file. Every name is looked up among the facts first, so a condition never sees anything by accident; an unknown name is
an error that points at it.
"""

from __future__ import annotations

import atexit
import json
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from mlbox.base.command import Query
from mlbox.base.errors import StatementError
from mlbox.base.suggest import did_you_mean

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_HEAD = "SELECT ("
_REFUSED = {
    "SUBQUERY": "a subquery",
    "WINDOW": "a window function",
    "LAMBDA": "a lambda",
    "STAR": "*",
    "POSITIONAL_REFERENCE": "a positional reference",
}
_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class Reference:
    """A name in a condition: ``("fit", "auc")``; ``start`` and ``end`` are characters of the condition's text."""

    path: tuple[str, ...]
    start: int
    end: int

    def __str__(self) -> str:
        return ".".join(self.path)


@dataclass(frozen=True, slots=True)
class Condition:
    """A parsed condition. Make it with :func:`parse`."""

    query: Query
    references: tuple[Reference, ...]
    parameters: tuple[str, ...] = ()

    def check(self, known: Collection[str], what: str) -> None:
        """Raise ``StatementError`` at the first reference whose first word is not ``known`` (case does not count)."""
        folded = {name.lower() for name in known}
        for reference in self.references:
            if reference.path[0].lower() not in folded:
                raise self._unknown(reference, reference.path[0], known, what)

    def evaluate(self, facts: Mapping[str, Any], parameters: Mapping[str, Any] | None = None) -> bool | None:
        """The truth of the condition; ``None`` when it is NULL (something it needs is not known).

        ``facts`` may nest; a mapping may hold its own value under ``""`` (``psi`` beside ``psi.temp``).
        """
        text, values, marks = self._bound(facts)
        given = {**(parameters or {})}
        for name in self.parameters:
            if name not in given:
                raise StatementError(
                    f"the condition needs the parameter ${name}",
                    hint=did_you_mean(name, given, kind="parameter"),
                    where=self.query.where(max(0, self.query.text.find(f"${name}"))),
                )
            values[name] = given[name]
        columns = ", ".join(f"${name} AS {name}" for name in values if name.startswith("_fact_"))
        sql = f"{_HEAD}{text}\n)::BOOLEAN" + (f" FROM (SELECT {columns})" if columns else "")
        outcome = _execute(sql, values, lambda position: self.query.where(self._place(position, marks)))
        return None if outcome is None else bool(outcome)

    def _bound(self, facts: Mapping[str, Any]) -> tuple[str, dict[str, Any], list[tuple[int, int]]]:
        """The text with every reference replaced by a column, the columns' values, and where the text moved."""
        pieces: list[str] = []
        values: dict[str, Any] = {}
        marks: list[tuple[int, int]] = []
        at = length = 0
        for index, reference in enumerate(self.references):
            name = f"_fact_{index}"
            values[name] = self.value(reference, facts)
            piece = self.query.text[at : reference.start]
            pieces += [piece, name]
            marks.append((length + len(piece), reference.start))
            length += len(piece) + len(name)
            at = reference.end
            marks.append((length, at))
        return "".join(pieces) + self.query.text[at:], values, marks

    @staticmethod
    def _place(position: int, marks: list[tuple[int, int]]) -> int:
        """The character of the original text that became character ``position``."""
        moved, original = 0, 0
        for new, old in marks:
            if new <= position:
                moved, original = new, old
        return original + position - moved

    def value(self, reference: Reference, facts: Mapping[str, Any]) -> Any:
        """What ``reference`` is among the facts; raises ``StatementError`` at it when there is no such fact."""
        value: Any = facts
        for depth, word in enumerate(reference.path):
            known = {str(name).lower(): name for name in value} if isinstance(value, Mapping) else {}
            if word.lower() not in known:
                prefix = ".".join(reference.path[:depth])
                names = [f"{prefix}.{name}" if prefix else str(name) for name in known.values() if name]
                raise self._unknown(reference, str(reference), names, "fact")
            value = value[known[word.lower()]]
        if isinstance(value, Mapping):
            if "" not in value:
                inner = ", ".join(f"{reference}.{name}" for name in list(value)[:12])
                raise StatementError(
                    f"{reference} is not one value",
                    hint=f"name one of its facts: {inner}" if inner else "it has no facts",
                    where=self.query.where(reference.start),
                )
            value = value[""]
        return value

    def _unknown(self, reference: Reference, word: str, known: Collection[str], what: str) -> StatementError:
        return StatementError(
            f"there is no {what} {word!r} here",
            hint=did_you_mean(word, known, kind=what) or "known: " + ", ".join(sorted(known)[:12]),
            where=self.query.where(reference.start),
        )


def parse(query: Query) -> Condition:
    """Read a condition; raises ``StatementError`` when it is no expression or asks for more than facts."""
    references: list[Reference] = []
    parameters: list[str] = []
    text, added = _with_quoted_keywords(query.text)

    def character(position: int) -> int:
        position -= len(_HEAD)
        position -= sum(1 for quote in added if quote < position)
        return len(query.text.encode()[: max(0, position)].decode(errors="ignore"))

    for node in _nodes(_tree(query, text, character)):
        kind = node.get("class")
        start = character(int(node.get("query_location", 0)))
        if kind in _REFUSED:
            raise StatementError(
                f"a condition may not hold {_REFUSED[str(kind)]}",
                hint="compute it in a step before, and name its result",
                where=query.where(start),
            )
        if kind == "COLUMN_REF":
            end = character(int(node["query_location"]) + int(node["query_location_length"]))
            references.append(Reference(tuple(node["column_names"]), start, end))
        elif kind == "PARAMETER":
            parameters.append(str(node["identifier"]))
    references.sort(key=lambda reference: reference.start)
    return Condition(query, tuple(references), tuple(dict.fromkeys(parameters)))


def _with_quoted_keywords(text: str) -> tuple[str, list[int]]:
    """``text`` with reserved words before a dot in quotes (a step may be called ``check``); bytes that were added."""
    import duckdb

    raw = text.encode()
    pieces: list[bytes] = []
    added: list[int] = []
    at = 0
    tokens = duckdb.tokenize(text)
    for (start, kind), (end, _) in zip(tokens, [*tokens[1:], (len(raw), None)], strict=True):
        word = raw[start:end].rstrip()
        if kind == duckdb.token_type.keyword and raw[start + len(word) : start + len(word) + 1] == b".":
            pieces += [raw[at:start], b'"', word, b'"']
            added += [start + len(added), start + len(word) + len(added) + 1]
            at = start + len(word)
    return b"".join([*pieces, raw[at:]]).decode(), added


def _tree(query: Query, text: str, character: Callable[[int], int]) -> dict[str, Any]:
    """The syntax tree of the expression, from DuckDB's own parser."""
    # The line break keeps a trailing comment from swallowing the parenthesis.
    whole = f"{_HEAD}{text}\n)"
    body = json.loads(_execute("SELECT json_serialize_sql($text::VARCHAR)", {"text": whole}, lambda _: query.where(0)))
    if body["error"]:
        raise StatementError(
            f"this is not a condition: {body['error_message']}",
            hint="a condition is one SQL expression that is true or false, as fit.auc > 0.9",
            where=query.where(character(int(body.get("position") or 0))),
        )
    node = body["statements"][0]["node"]
    expressions = node.get("select_list", [])
    if len(body["statements"]) != 1 or len(expressions) != 1 or node["from_table"]["type"] != "EMPTY":
        raise StatementError("a condition is one expression", where=query.where(0))
    found: dict[str, Any] = expressions[0]
    return found


def _nodes(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if "class" in value:
            yield value
            if value["class"] in _REFUSED:
                return
        for child in value.values():
            yield from _nodes(child)
    elif isinstance(value, list):
        for child in value:
            yield from _nodes(child)


@lru_cache(maxsize=1)
def _instance() -> DuckDBPyConnection:
    import duckdb

    config: dict[str, Any] = {
        "threads": 1,
        "memory_limit": "256MB",
        "enable_external_access": "false",
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "python_enable_replacements": "false",
    }
    connection = duckdb.connect(":memory:", config=config)
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET errors_as_json = true")
    connection.execute("SET lock_configuration = true")
    atexit.register(connection.close)
    return connection


def _execute(sql: str, values: Mapping[str, Any], where: Callable[[int], Any]) -> Any:
    """The single value of ``sql``; DuckDB's errors become ``StatementError``."""
    import duckdb

    with _lock:
        try:
            row = _instance().execute(sql, dict(values)).fetchall()
        except duckdb.Error as error:
            message, position = _details(error)
            at = len(sql.encode()[:position].decode(errors="ignore")) - len(_HEAD) if position else 0
            raise StatementError(f"the condition cannot be evaluated: {message}", where=where(max(0, at))) from None
    return row[0][0]


def _details(error: Exception) -> tuple[str, int]:
    text = str(error)
    try:
        body = json.loads(text[text.index("{") :])
    except ValueError:
        return text.splitlines()[0], 0
    return str(body.get("exception_message", text)).split("\n")[0], int(body.get("position") or 0)


def values_of(query: Query, parameters: Mapping[str, Any]) -> list[Any]:
    """The values of a list of expressions (``1, 2, $x``), as ``FOR EACH`` has them."""
    used = {name: value for name, value in parameters.items() if f"${name}" in query.text}
    head = " " * (len(_HEAD) - 1)  # the same length, so that errors point to the right place
    found = _execute(f"SELECT{head[6:]}[{query.text}\n]", used, query.where)
    return list(found)
