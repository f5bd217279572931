"""Colours of what is typed: DuckDB's own lexer cuts it, and our statements know our keywords."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mlbox.base.errors import MlboxError

if TYPE_CHECKING:
    from prompt_toolkit.formatted_text import StyleAndTextTuples
    from prompt_toolkit.lexers import Lexer

KEYWORD, OURS, STRING, NUMBER, COMMENT, DOT = (
    "class:pygments.keyword",
    "class:pygments.keyword bold",
    "class:pygments.literal.string",
    "class:pygments.literal.number",
    "class:pygments.comment",
    "class:pygments.name.builtin",
)


def styled(text: str) -> StyleAndTextTuples:
    """The whole text in pieces with their styles."""
    if text.lstrip().startswith("."):
        word = re.match(r"\s*\S+", text)
        stop = word.end() if word else 0
        return [(DOT, text[:stop]), ("", text[stop:])]
    try:
        return _styled_sql(text)
    except MlboxError:
        return [("", text)]


def _styled_sql(text: str) -> StyleAndTextTuples:
    import duckdb

    from mlbox.sql.lexer import pieces
    from mlbox.sql.manual import keywords
    from mlbox.sql.script import split

    kinds = duckdb.token_type
    styles = {kinds.keyword: KEYWORD, kinds.string_const: STRING, kinds.numeric_const: NUMBER, kinds.comment: COMMENT}
    ours = [(statement.offset, statement.offset + len(statement.text)) for statement in split(text) if statement.ours]
    parts: StyleAndTextTuples = []
    done = 0
    cut, kinds_of = pieces(text), duckdb.tokenize(text)
    if len(cut) != len(kinds_of):  # a space of Unicode, which the two take differently
        return [("", text)]
    for piece, (_, kind) in zip(cut, kinds_of, strict=True):
        word = text[piece.start : piece.stop]
        style = styles.get(kind, "")
        if style in ("", KEYWORD) and word.upper() in keywords():
            if any(start <= piece.start < stop for start, stop in ours):
                style = OURS
        parts.append(("", text[done : piece.start]))
        parts.append((style if word != "." else "", word))
        done = piece.stop
    parts.append(("", text[done:]))
    return parts


def sql_colours() -> Lexer:
    """For the line editor."""
    from collections.abc import Callable

    from prompt_toolkit.document import Document
    from prompt_toolkit.formatted_text.utils import split_lines
    from prompt_toolkit.lexers import Lexer

    class SqlColours(Lexer):
        def lex_document(self, document: Document) -> Callable[[int], StyleAndTextTuples]:
            lines = list(split_lines(styled(document.text)))
            return lambda number: lines[number] if number < len(lines) else []

    return SqlColours()
