"""Tokens of a text, cut by DuckDB's own lexer, with offsets in characters."""

from __future__ import annotations

from typing import Literal, NamedTuple

from mlbox.base.errors import StatementError, Where

Kind = Literal["word", "quoted", "string", "number", "parameter", "operator", "end"]

# Words that DuckDB does not take as a name without quotes (``duckdb_keywords()``, category reserved).
RESERVED = frozenset(
    """ALL ANALYSE ANALYZE AND ANY ARRAY AS ASC ASYMMETRIC BOTH CASE CAST CHECK COLLATE COLUMN CONSTRAINT CREATE
    DEFAULT DEFERRABLE DESC DESCRIBE DISTINCT DO ELSE END EXCEPT FALSE FETCH FOR FOREIGN FROM GROUP HAVING IN
    INITIALLY INTERSECT INTO LAMBDA LATERAL LEADING LIMIT NOT NULL OFFSET ON ONLY OR ORDER PIVOT PIVOT_LONGER
    PIVOT_WIDER PLACING PRIMARY QUALIFY REFERENCES RETURNING SELECT SHOW SOME SUMMARIZE SYMMETRIC TABLE THEN TO
    TRAILING TRUE UNION UNIQUE UNPIVOT USING VARIADIC WHEN WHERE WINDOW WITH""".split()
)

_TOGETHER = frozenset(("::", ":=", "=>", "->", "->>", "<=", ">=", "<>", "!=", "||", "**", "//"))
_SPACES = dict.fromkeys(
    (*range(0x2000, 0x200B), 0x85, 0xA0, 0x1680, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000, 0xFEFF), " "
)


class Token(NamedTuple):
    """A piece of the text from ``start`` to ``stop`` (characters, end exclusive)."""

    kind: Kind
    text: str
    start: int
    stop: int
    key: str
    """What grammar compares: a word in capitals, an operator as it is, else nothing."""


class Piece(NamedTuple):
    """A token as DuckDB cuts it: where it starts and stops, and whether it is a comment, string or operator."""

    start: int
    stop: int
    label: Literal["comment", "string", "operator", "other"]


def pieces(text: str) -> list[Piece]:
    """All tokens of ``text``, comments too; an unclosed string or comment reaches to the end of the text.

    Raises ``StatementError`` for a text that is not valid Unicode.
    """
    import duckdb

    types = duckdb.token_type
    labels = {id(types.comment): "comment", id(types.string_const): "string", id(types.operator): "operator"}
    ascii_only = text.isascii()
    # Unicode spaces are blanks to DuckDB's parser and letters to its lexer.
    blanked = text if ascii_only else text.translate(_SPACES)
    try:
        cut = duckdb.tokenize(blanked)
    except TypeError:  # half of a surrogate pair
        at = next(place for place, character in enumerate(text) if "\ud800" <= character <= "\udfff")
        hint = "send the text as UTF-8"
        raise StatementError("the text is not valid Unicode", hint=hint, where=Where.at(text, at)) from None
    starts = [start for start, _ in cut]
    if not ascii_only:
        starts = _characters(blanked, starts)
    found: list[Piece] = []
    stop = len(text)
    for index in range(len(cut) - 1, -1, -1):
        start = starts[index]
        end = start + len(text[start:stop].rstrip())
        if end > start:  # DuckDB takes some blanks of Unicode for a token
            found.append(Piece(start, end, labels.get(id(cut[index][1]), "other")))  # type: ignore[arg-type]
        stop = start
    found.reverse()
    return found


def _characters(text: str, offsets: list[int]) -> list[int]:
    """Byte offsets (ascending) as character offsets."""
    data = text.encode()
    found: list[int] = []
    bytes_done = characters_done = 0
    for offset in offsets:
        characters_done += len(data[bytes_done:offset].decode())
        bytes_done = offset
        found.append(characters_done)
    return found


def tokenize(text: str, offset: int = 0) -> list[Token]:
    """The tokens of ``text`` without comments; ``offset`` is added to every position."""
    tokens: list[Token] = []
    cut = pieces(text)
    index = 0
    while index < len(cut):
        start, stop, label = cut[index]
        index += 1
        if label == "comment":
            continue
        piece = text[start:stop]
        if piece == "$" and index < len(cut) and cut[index].start == stop and cut[index].label == "other":
            stop = cut[index].stop
            index += 1
            tokens.append(Token("parameter", text[start:stop], offset + start, offset + stop, ""))
        elif label == "operator":
            tokens.extend(_operators(piece, offset + start))
        else:
            kind = "string" if label == "string" else _kind(piece)
            key = piece.upper() if kind == "word" else "." if kind == "operator" else ""
            tokens.append(Token(kind, piece, offset + start, offset + stop, key))
    return tokens


def _kind(piece: str) -> Kind:
    first = piece[0]
    if first == '"':
        return "quoted"
    if piece == ".":  # DuckDB's lexer calls it a number
        return "operator"
    return "number" if first.isdigit() or first == "." else "word"


def _operators(piece: str, start: int) -> list[Token]:
    """DuckDB's lexer takes a run of operator characters as one token; grammar wants the single ones."""
    texts = [piece] if len(piece) == 1 or piece in _TOGETHER else list(piece)
    return [
        Token("parameter" if text == "?" else "operator", text, start + index, start + index + len(text), text)
        for index, text in enumerate(texts)
    ]


def string_closed(text: str) -> bool:
    """Whether the string token ``text`` has its closing quote."""
    if text.startswith("$"):
        tag = text[: text.index("$", 1) + 1] if "$" in text[1:] else text
        return len(text) >= 2 * len(tag) and text.endswith(tag)
    opening = text.index("'")
    return len(text) > opening + 1 and text.endswith("'")


def string_value(text: str) -> str:
    """The characters that a string token stands for: quoted, dollar-quoted or with escapes (``E``)."""
    if text.startswith("$"):
        tag = text.index("$", 1) + 1
        return text[tag:-tag]
    opening = text.index("'")
    inner = text[opening + 1 : -1].replace("''", "'")
    return _unescape(inner) if text[:opening] in ("e", "E") else inner


_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}


def _unescape(text: str) -> str:
    parts = text.split("\\")
    found = [parts[0]]
    rest = iter(parts[1:])
    for part in rest:
        if not part:  # two backslashes
            found.append("\\" + next(rest, ""))
        else:
            found.append(_ESCAPES.get(part[0], part[0]) + part[1:])
    return "".join(found)


def quoted_name(text: str) -> str:
    """The name that a quoted token stands for; doubled quotes are one."""
    return text[1:-1].replace('""', '"')
