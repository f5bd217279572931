"""Scripts: from text to statements, from a statement to its command."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

from mlbox.base.command import Command, Query, RunSql
from mlbox.base.errors import StatementError, Where
from mlbox.sql.grammar import parse_statement, recognise, starts
from mlbox.sql.lexer import Piece, Token, pieces, tokenize
from mlbox.sql.misspelt import refuse_misspelt
from mlbox.sql.parameters import Given, Parameters, used
from mlbox.sql.parser import Cursor, Scope

_HEAD = 16
"""So many tokens tell whether a statement is ours,"""
_HEAD_CHARACTERS = 400
"""and so many characters whether it is misspelt."""
REMEMBERED = 256
"""Texts of which it is remembered what they are: programs and pages send the same ones again and again,"""
REMEMBERED_CHARACTERS = 4_096
"""each at most so long."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a script: its text without the semicolon, where it starts, and whether it is ours."""

    text: str
    offset: int
    source: str = field(repr=False)
    """The whole script."""
    ours: bool


def split(text: str) -> list[Statement]:
    """The statements of a script. Comments and semicolons between them vanish."""
    return list(_split_again(text)) if len(text) <= REMEMBERED_CHARACTERS else _split(text)


@lru_cache(REMEMBERED)
def _split_again(text: str) -> tuple[Statement, ...]:
    return tuple(_split(text))


def _split(text: str) -> list[Statement]:
    single = _single_plain(text)
    if single is not None:
        return [single]
    found: list[Statement] = []
    cut = [piece for piece in pieces(text) if piece.label != "comment"]
    index = 0
    while index < len(cut):
        if _is(text, cut[index], ";"):
            index += 1
            continue
        ours = _is_ours(text, cut, index, 0)
        # DuckDB's lexer makes one operator of ";" and an odd character behind it: a statement has a piece at least
        stop = max(_end(text, cut, index, nested=ours), index + 1)
        start = cut[index].start
        found.append(Statement(text[start : cut[stop - 1].stop], start, text, ours))
        index = stop
    return found


def _single_plain(text: str) -> Statement | None:
    """The statement of a text that is surely one plain statement; a long INSERT is not cut into all its tokens."""
    stripped = text.strip().removesuffix(";").rstrip()
    if not stripped or ";" in stripped or "--" in stripped or "/*" in stripped:
        return None
    offset = text.index(stripped)
    if _is_ours(text, pieces(stripped[:_HEAD_CHARACTERS]), 0, offset):
        return None
    return Statement(stripped, offset, text, ours=False)


def _is(text: str, piece: Piece, operator: str) -> bool:
    return piece.label == "operator" and text[piece.start : piece.stop] == operator


def _is_ours(text: str, cut: list[Piece], index: int, offset: int) -> bool:
    head = cut[index : index + _HEAD]
    if not head:  # nothing but characters that DuckDB's lexer passes over
        return False
    start, stop = offset + head[0].start, offset + head[-1].stop
    tokens = tokenize(text[start:stop], start)
    limit = next((number for number, token in enumerate(tokens) if token.key == ";"), len(tokens))
    scope = Scope(text, "")
    return recognise(Cursor(scope, [*tokens, Token("end", "", stop, stop, "")], 0, limit)) is not None


def _end(text: str, cut: list[Piece], index: int, *, nested: bool) -> int:
    """The index behind the last piece of the statement; ``nested``: semicolons in brackets belong to it."""
    depth, first = 0, None
    for position in range(index, len(cut)):
        start, stop, label = cut[position]
        if label != "operator":
            continue
        for character in text[start:stop]:
            if character == ";":
                if depth <= 0 or not nested:
                    return position
                first = position if first is None else first
            depth += (character in "([{") - (character in ")]}")
    # A bracket that is never closed must not swallow the statements that follow.
    return first if depth > 0 and first is not None else len(cut)


def parse(statement: Statement, project: str, parameters: Given = None, *, tolerant: bool = False) -> Command:
    """The command of a statement; plain SQL becomes ``RunSql`` with its text as it is.

    With ``tolerant``, parameters without a value are accepted: the statement is only being checked.
    Raises ``StatementError``.
    """
    if statement.ours:
        scope = Scope(statement.source, project, Parameters(parameters, tolerant=tolerant))
        try:
            return parse_statement(Cursor.over(scope, statement.text, statement.offset))
        except RecursionError:
            where = Where.at(statement.source, statement.offset)
            raise StatementError("too deeply nested", hint="take some brackets or EXPLAINs away", where=where) from None
    (_check_again if len(statement.source) <= REMEMBERED_CHARACTERS else _check)(statement)
    query = Query(statement.text, statement.offset, statement.source)
    return RunSql(query=query, project=project, parameters=used(statement.text, parameters))


def _check(statement: Statement) -> None:
    """Raise ``StatementError`` for a plain statement whose first words nobody has."""
    head = Cursor.over(Scope(statement.source, ""), statement.text[:_HEAD_CHARACTERS], statement.offset)
    refuse_misspelt(head, starts(), statement.text)


_check_again = lru_cache(REMEMBERED)(_check)


class SqlParser:
    """The language as ``base.command.Parser``."""

    def parse_one(self, text: str, project: str, parameters: Given = None) -> Command:
        """The command of one statement; raises ``StatementError``, also when there is none or more than one."""
        found = split(text)
        if not found:
            raise StatementError("there is no statement", hint="write one, ours or plain SQL", where=Where.at(text, 0))
        if len(found) > 1:
            where = Where.at(text, found[1].offset)
            raise StatementError("a second statement begins here", hint="one statement was expected", where=where)
        return parse(found[0], project, parameters)
