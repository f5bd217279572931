"""Parameters of macros with their types and defaults.

``duckdb_functions()`` has no defaults. What DuckDB says when a macro is called with too many arguments has them: the
candidates as it keeps them, one a line, with names that are not quoted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mlbox.base.names import quote

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_CANDIDATES = "Candidate macros:\n"
_QUOTED = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*\"""")


def signatures(
    cursor: DuckDBPyConnection, place: str, name: str, forms: Sequence[Sequence[str]], *, table: bool
) -> list[str]:
    """What stands in the brackets of each form of the macro at ``place``, as ``CREATE MACRO`` takes it; bare names
    where DuckDB does not tell more."""
    bare = [", ".join(map(quote, form)) for form in forms]
    if not any(forms):
        return bare
    too_many = ", ".join(["NULL"] * (max(map(len, forms)) + 1))
    said = _said(cursor, f"{'FROM' if table else 'SELECT'} data.{place}({too_many})")
    _, found, text = said.partition(_CANDIDATES)
    heads, at = [], 0
    for form in forms:
        begin = next((f"\t{each}(" for each in (name, quote(name)) if text.startswith(f"\t{each}(", at)), "\t")
        read = _parameters(text, at + len(begin), form) if found and text.startswith(begin, at) else None
        if read is None:
            return bare
        head, at = read
        heads.append(head)
    return heads


def _said(cursor: DuckDBPyConnection, sql: str) -> str:
    """The error of a statement, which is only bound; on a cursor of its own, since it ends a transaction."""
    import duckdb

    with cursor.cursor() as own:
        try:
            own.execute(f"EXPLAIN {sql}")
        except duckdb.Error as error:
            said = str(error)
            try:
                return str(json.loads(said[said.index("{") :])["exception_message"])
            except (ValueError, KeyError):  # this cursor does not say them as JSON
                return said
    return ""


def _parameters(text: str, at: int, names: Sequence[str]) -> tuple[str, int] | None:
    """``name [TYPE] [:= default], ..)`` from ``at`` on with the names in quotes, and the begin of the next line."""
    found = []
    for place, name in enumerate(names):
        last = place == len(names) - 1
        if not text.startswith(name, at):
            return None
        at += len(name)
        end = _end(text, at, ")\n" if last else f", {names[place + 1]}")
        if end is None:
            return None
        found.append(quote(name) + text[at:end])
        at = end if last else end + 2
    return (", ".join(found), at + 2) if text.startswith(")", at) else None


def _end(text: str, at: int, stop: str) -> int | None:
    """Where ``stop`` stands outside of brackets and quotes; at the end of the text a line's end is not asked for."""
    depth = 0
    while at < len(text):
        if depth == 0 and (text.startswith(stop, at) or (stop == ")\n" and text[at:] == ")")):
            return at
        quoted = _QUOTED.match(text, at)
        if quoted is not None:
            at = quoted.end()
            continue
        depth += (text[at] in "([{") - (text[at] in ")]}")
        at += 1
    return None
