"""Statements that neither we nor DuckDB have: say so in terms of the nearest one."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from difflib import SequenceMatcher

from mlbox.sql.lexer import Token
from mlbox.sql.parser import Cursor

_PLAIN = frozenset(
    """SELECT FROM WITH VALUES TABLE INSERT UPDATE DELETE MERGE TRUNCATE COPY CALL PREPARE EXECUTE DEALLOCATE PRAGMA
    BEGIN START COMMIT ROLLBACK ABORT END CHECKPOINT FORCE VACUUM ANALYZE ATTACH DETACH LOAD EXPORT IMPORT COMMENT
    SUMMARIZE PIVOT UNPIVOT RESET USE""".split()
)
"""First words that only DuckDB answers."""

_SHARED = {
    "CREATE": frozenset(
        """TABLE VIEW INDEX UNIQUE SCHEMA SEQUENCE MACRO FUNCTION TYPE SECRET PERSISTENT TEMPORARY TEMP TRIGGER
        RECURSIVE""".split()
    ),
    "DROP": frozenset(
        "TABLE VIEW INDEX SCHEMA SEQUENCE MACRO FUNCTION TYPE SECRET TRIGGER PERSISTENT TEMPORARY".split()
    ),
    "ALTER": frozenset("TABLE VIEW SEQUENCE SCHEMA DATABASE INDEX TYPE".split()),
    "SHOW": frozenset("TABLES DATABASES SCHEMAS ALL VARIABLES".split()),
    "DESCRIBE": frozenset("SELECT FROM WITH TABLE VALUES".split()),
    "DESC": frozenset("SELECT FROM WITH TABLE VALUES".split()),
    "SET": frozenset("SESSION GLOBAL LOCAL VARIABLE TIME".split()),
}
"""First words that both have, with the second words of DuckDB's."""

_HELP = {
    "HELP": "the shell has .help; all statements are in docs/reference/sql.md",
    "EXIT": "the shell is left with .quit or Ctrl-D",
    "QUIT": "the shell is left with .quit or Ctrl-D",
}
_SHOW_CREATE = (
    "DESCRIBE ENDPOINT name, and the like, tells of one; EXPORT PROJECT name TO 'name.sql' writes the statements"
)
_SHOW = "SHOW TABLES, SHOW RUNS, SHOW MODELS, SHOW FUNCTIONS, ..: .help SHOW in the shell lists all"

_TABLES_FOLLOW = frozenset("DESCRIBE DESC SHOW SET INSTALL".split())
"""Words that DuckDB lets a name follow, so that an unknown second word is no mistake of ours to tell."""


def refuse_misspelt(cursor: Cursor, known: Collection[tuple[str, ...]], text: str) -> None:
    """Raise ``StatementError`` for the plain SQL ``text`` if nobody has its first words, which ``cursor`` holds.

    ``known`` are the first words of our statements.

    DuckDB's parser is asked only where the first words are not surely its own, so this is free on the usual path.
    """
    if cursor.token.key == "EXPLAIN":
        behind = cursor.index + 1 + (cursor.peek().key == "ANALYZE")
        cursor = Cursor(cursor.scope, cursor.tokens, behind, cursor.limit)
    words = _words(cursor)
    if not words or words[0].key in _PLAIN:
        return
    if words[0].key in _HELP and (words[0].key == "HELP" or (len(words) == 1 and cursor.index + 1 >= cursor.limit)):
        raise cursor.error(f"there is no statement {words[0].key}", _HELP[words[0].key], words[0])
    if words[0].key == "SHOW" and cursor.index + 1 >= cursor.limit:
        raise cursor.error("SHOW is not complete", _SHOW, words[0])
    second = words[1].key if len(words) > 1 else ""
    if (words[0].key, second) == ("SHOW", "CREATE"):
        raise cursor.error("there is no statement SHOW CREATE", _SHOW_CREATE, words[1])
    if second in _SHARED.get(words[0].key, ()) or _parses(text):
        return
    have = {*known, *((word,) for word in _PLAIN), *((a, b) for a, seconds in _SHARED.items() for b in seconds)}
    depth = 0
    while depth < len(words) and any(_begins(start, words[: depth + 1]) for start in have):
        depth += 1
    begun = " ".join(word.key for word in words[:depth])
    longer = [start for start in have if len(start) > depth and _begins(start, words[:depth])]
    if depth == len(words):
        if longer or tuple(word.key for word in words) in known:
            at = cursor.tokens[min(cursor.index + depth, cursor.limit)]
            raise cursor.error(f"{begun} is not complete", _follows(begun, longer), at)
        return
    wrong = words[depth]
    if not longer:
        raise cursor.error(f"{begun} needs a name, found {wrong.text}", f"write {begun} name", wrong)
    close = _closest([word.key for word in words[depth:]], [start[depth:] for start in longer])
    if words[0].key in _TABLES_FOLLOW and not close:
        return
    hint = f"did you mean {' or '.join(f'{begun} {start}'.strip() for start in close)}?"
    shown = f"{begun} {wrong.text}".strip()
    raise cursor.error(f"there is no statement {shown}", hint if close else _follows(begun, longer), wrong)


def meant_noun(text: str, known: Collection[tuple[str, ...]]) -> str | None:
    """What ``SHOW name`` may have meant, of which no table has the name: a hint, or nothing."""
    words = text.strip().rstrip(";").upper().split()
    if len(words) != 2 or words[0] != "SHOW":
        return None
    nouns = [start[1:] for start in known if start[0] == "SHOW" and len(start) == 2]
    close = _closest(words[1:], [*nouns, *((word,) for word in _SHARED["SHOW"])])
    return f"did you mean {' or '.join(f'SHOW {word}' for word in close)}?" if close else None


def _closest(words: list[str], starts: list[tuple[str, ...]]) -> list[str]:
    """Of the possible first words those that resemble what was written, best first, at most three."""
    found: list[tuple[float, str]] = []
    for start in starts:
        ratio = SequenceMatcher(None, " ".join(words[: len(start)]), " ".join(start)).ratio()
        if ratio >= 0.6 and "_" not in start[-1]:
            found.append((ratio, " ".join(start)))
    found.sort(key=lambda pair: (-pair[0], pair[1]))
    return [start for ratio, start in found[:3] if ratio >= found[0][0] - 0.1]


def _words(cursor: Cursor) -> list[Token]:
    """The first words of the statement, without OR REPLACE."""
    found: list[Token] = []
    index = cursor.index
    while index < cursor.limit and len(found) < 3 and cursor.tokens[index].kind == "word":
        found.append(cursor.tokens[index])
        after = cursor.tokens[index + 1 : index + 3]
        replacing = len(found) == 1 and [token.key for token in after] == ["OR", "REPLACE"]
        index += 3 if replacing else 1
    return found


def _begins(start: tuple[str, ...], words: Sequence[Token]) -> bool:
    return start[: len(words)] == tuple(word.key for word in words)


def _parses(text: str) -> bool:
    """Whether DuckDB's parser takes ``text``."""
    import duckdb

    try:
        duckdb.extract_statements(text)
    except duckdb.ParserException:
        return False
    except duckdb.Error:
        return True
    return True


def _follows(begun: str, longer: Sequence[tuple[str, ...]]) -> str:
    if not begun:
        return (
            "statements begin with SELECT, INSERT, CREATE, ALTER, DROP, SHOW, DESCRIBE, RUN, REFRESH, USE PROJECT, .."
        )
    depth = begun.count(" ") + 1
    options = sorted({start[depth] for start in longer if "_" not in start[depth]})
    return f"{begun} is followed by {', '.join(options) or 'a name'}"
