"""CREATE, DROP and ALTER of tables and views, as far as members may send them.

DuckDB gives no syntax tree of these. So their heads are matched whole, their queries are read like any other, and of
what stands in brackets only plain columns, types and expressions are taken.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from mlbox.engine.security.syntax import Path

_NAME = r'(?:"(?:[^"]|"")+"|[A-Za-z_]\w*)'
_PATH = rf"{_NAME}(?:\s*\.\s*{_NAME}){{0,2}}"
_COLUMNS = rf"(?:\(\s*{_NAME}(?:\s*,\s*{_NAME})*\s*\)\s*)?"
_CREATE = re.compile(
    rf"\s*CREATE\s+(?:OR\s+REPLACE\s+)?(?:TABLE|VIEW)\s+(?:IF\s+NOT\s+EXISTS\s+)?({_PATH})\s*(?:{_COLUMNS}AS\b|(?=\())",
    re.I,
)
_DROP = re.compile(rf"\s*DROP\s+(?:TABLE|VIEW)\s+(?:IF\s+EXISTS\s+)?({_PATH})\s*(?:CASCADE|RESTRICT)?\s*;?\s*\Z", re.I)
_ALTER = re.compile(rf"\s*ALTER\s+(?:TABLE|VIEW)\s+(?:IF\s+EXISTS\s+)?({_PATH})(?=\s)", re.I)
_STRINGS = re.compile(r"'(?:[^']|'')*'")
_CALLS = re.compile(rf"({_NAME})\s*\(")
_DOTTED = re.compile(r'[\w"]\s*\.\s*[A-Za-z_"]')
_WORDS = re.compile(r"[A-Za-z_]+")


@dataclass(frozen=True, slots=True)
class Definition:
    """``target`` is what is made, dropped or changed; ``rest`` what follows, from character ``start`` on."""

    target: Path
    rest: str = ""
    start: int = 0
    is_query: bool = False


def read_definition(text: str) -> Definition | None:
    """None when the statement is not of a form that members may send."""
    found = _CREATE.match(text)
    if found:
        is_query = text[found.start() : found.end()].rstrip()[-2:].upper() == "AS"
        return Definition(path_of(found[1]), text[found.end() :], found.end(), is_query)
    found = _DROP.match(text)
    if found:
        return Definition(path_of(found[1]))
    found = _ALTER.match(text)
    if found:
        return Definition(path_of(found[1]), text[found.end() :], found.end())
    return None


def path_of(text: str) -> Path:
    """``a."b c"`` as its parts."""
    parts = re.findall(_NAME, text)
    return tuple(part[1:-1].replace('""', '"') if part.startswith('"') else part for part in parts)


def words_and_calls(rest: str) -> tuple[set[str], set[str]] | None:
    """Words in upper case and names of functions in lower case; None for text that is more than plain definitions."""
    if any(sign in rest for sign in ("$", "\\", "--", "/*", ";")):
        return None
    bare = _STRINGS.sub("''", rest)
    if "'" in bare.replace("''", "") or _DOTTED.search(bare):
        return None
    calls = {path_of(name)[0].lower() for name in _CALLS.findall(bare)}
    return {word.upper() for word in _WORDS.findall(bare)}, calls
