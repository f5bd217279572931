"""Queries on PostgreSQL's catalog in words that DuckDB understands. Only such queries come here."""

from __future__ import annotations

from collections.abc import Sequence

from mlbox.sql.lexer import Token, tokenize

_CASTS = {
    "REGCLASS": ("_regclass", "_regclass_text"),
    "REGTYPE": ("_regtype", "_regtype_text"),
    "REGNAMESPACE": ("_regnamespace", "_regnamespace_text"),
    "REGPROC": ("", ""),
    "REGPROCEDURE": ("", ""),
    "REGROLE": ("pg_get_userbyid", "pg_get_userbyid"),
}
_WORDS = {
    "CURRENT_USER": "_session_user()",
    "SESSION_USER": "_session_user()",
    "CURRENT_ROLE": "_session_user()",
    "CURRENT_CATALOG": "current_database()",
}
_CALLS = {"JSON_BUILD_OBJECT": "json_object", "JSONB_BUILD_OBJECT": "json_object"}


def rewritten(text: str) -> str:
    """``pg_catalog.`` goes, ``OPERATOR(pg_catalog.~)`` is ``~``, a cast to ``regclass`` is a function."""
    pieces = _unqualified(text, tokenize(text))
    words = [piece.strip() for piece in pieces]
    keys = [word.upper() for word in words]
    at = 0
    while at < len(words):
        if keys[at] == "::" and at + 1 < len(words) and keys[at + 1] in _CASTS:
            at = _cast(pieces, words, keys, at)
        elif keys[at] == "CAST" and at + 1 < len(words) and keys[at + 1] == "(":
            _call(pieces, words, keys, at)
        at += 1
    return "".join(pieces)


def _unqualified(text: str, tokens: Sequence[Token]) -> list[str]:
    """The tokens, each with the blanks before it; without what only PostgreSQL has."""
    pieces: list[str] = []
    end = at = 0
    while at < len(tokens):
        token = tokens[at]
        gap = " " if token.start > end and pieces else ""
        end = token.stop
        keys = [each.key for each in tokens[at : at + 6]] + [""] * 6
        if keys[0] == "OPERATOR" and keys[1] == "(" and keys[2] == "PG_CATALOG":
            close = next((i for i in range(at, len(tokens)) if tokens[i].key == ")"), at)
            pieces.append(" " + text[tokens[at + 4].start : tokens[close].start] + " ")
            at, end = close + 1, tokens[close].stop
        elif keys[0] == "COLLATE":
            skip = 4 if keys[2] == "." else 2
            end = tokens[min(at + skip, len(tokens)) - 1].stop
            at += skip
        elif (keys[0] == "PG_CATALOG" or token.text == '"pg_catalog"') and keys[1] == ".":
            end = tokens[at + 1].stop
            at += 2
            if at < len(tokens):
                following = tokens[at]
                pieces.append(gap + _word(following, "", tokens[at - 3].key if at > 2 else ""))
                end = following.stop
                at += 1
        elif keys[0] == "INFORMATION_SCHEMA" and keys[1] == ".":
            pieces.append(gap + "_information")
            at += 1
        else:
            called = tokens[at + 1].key if at + 1 < len(tokens) else ""
            before = tokens[at - 1].key if at else ""
            pieces.append(gap + (token.text if before == "." else _word(token, called, before)))
            at += 1
    return pieces


def _word(token: Token, following: str, before: str) -> str:
    if token.key in _WORDS and following != "(":
        return _WORDS[token.key]
    if token.key in _CALLS:
        return _CALLS[token.key]
    if token.key == "OID" and before == "::":
        return "UINTEGER"  # which nothing else is here
    if token.key == "CURRENT_SCHEMA" and following != "(":
        return "current_schema()"
    return token.text


def _operand(words: Sequence[str], end: int) -> int:
    """Where the expression that stops before ``end`` starts: a name, a literal, a call or something in brackets."""
    at = end - 1
    closing = {")": "(", "]": "["}
    while at >= 0 and words[at] in closing:
        opening, depth = closing[words[at]], 0
        close = words[at]
        while at >= 0:
            depth += (words[at] == close) - (words[at] == opening)
            if depth == 0:
                break
            at -= 1
        if at > 0 and (words[at - 1].isidentifier() or words[at - 1] in closing):
            at -= 1
        else:
            return max(at, 0)
    while at > 1 and words[at - 1] == ".":
        at -= 2
    return max(at, 0)


def _cast(pieces: list[str], words: list[str], keys: list[str], at: int) -> int:
    """``x::regclass`` in place; returns where to go on."""
    start = _operand(words, at)
    literal = words[start][:1] in ("'", "$", "?") or words[start].upper().startswith("E'")
    to_number, to_text = _CASTS[keys[at + 1]]
    number = literal or (keys[at + 2 : at + 4] == ["::", "UINTEGER"] and not words[start][:1].isdigit())
    function = to_number if number else to_text
    gap = pieces[start][: len(pieces[start]) - len(pieces[start].lstrip())]
    inner = "".join(pieces[start:at]).strip()
    made = f"{gap}{function}({inner})" if function else f"{gap}({inner})"
    pieces[start : at + 2] = [made]
    words[start : at + 2] = [made.strip()]
    keys[start : at + 2] = [made.strip().upper()]
    return start


def _call(pieces: list[str], words: list[str], keys: list[str], at: int) -> None:
    """``CAST(x AS regclass)`` in place."""
    depth = 0
    for close in range(at + 1, len(words)):
        depth += (words[close] == "(") - (words[close] == ")")
        if depth == 0:
            break
    else:
        return
    if keys[close - 1] == "OID" and keys[close - 2] == "AS":
        pieces[close - 1] = " UINTEGER"
    elif keys[close - 1] in _CASTS and keys[close - 2] == "AS":
        literal = words[at + 2][:1] in ("'", "$")
        function = _CASTS[keys[close - 1]][0 if literal else 1]
        inner = "".join(pieces[at + 2 : close - 2]).strip()
        made = f" {function}({inner})"
        pieces[at : close + 1] = [made]
        words[at : close + 1] = [made.strip()]
        keys[at : close + 1] = [made.strip().upper()]
