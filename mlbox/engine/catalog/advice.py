"""DuckDB's messages in plain words, and what to do next, told from the text that was sent."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from mlbox.base.suggest import nearest

ELSEWHERE = {
    "charindex": "strpos(text, part)",
    "convert": "CAST(value AS type)",
    "date_format": "strftime(time, '%d.%m.%Y')",
    "dateadd": "time + INTERVAL 3 DAYS",
    "from_unixtime": "to_timestamp(seconds)",
    "getdate": "now()",
    "iif": "if(condition, then, otherwise)",
    "isnull": "coalesce(value, other), or value IS NULL",
    "newid": "uuid()",
    "nvl": "coalesce(value, other)",
    "rand": "random()",
    "regexp_like": "regexp_matches(text, pattern)",
    "str_to_date": "strptime(text, '%d.%m.%Y')",
    "substring_index": "split_part(text, separator, number)",
    "sysdate": "now()",
    "to_char": "strftime(time, '%d.%m.%Y')",
    "to_date": "strptime(text, '%d.%m.%Y')",
    "to_number": "CAST(text AS DOUBLE)",
    "unix_timestamp": "epoch(time)",
}
"""Functions of other databases, and how it is written here."""

_MISSING = re.compile(r'^([A-Z][A-Za-z ]*?) with name "?(.+?)"? does not exist', re.S)
_NO_COLUMN = re.compile(r'^Referenced (?:update )?column "?(.+?)"? (?:was )?not found')
_NO_TABLE_HERE = re.compile(r'^Referenced table "(.+?)" not found')
_NO_COLUMN_OF = re.compile(r'^Table "(.+?)" does not have a column (?:named|with name) "(.+?)"')
_NO_COLUMN_OF_SPINE = re.compile(r'^[Vv]alues list "_spine" does not have a column (?:named|with name) "(.+?)"')
_TAKES = re.compile(r"'(.+?)\((.*)\)'\.|function call \"(.+?)\((.*)\)\"\.", re.S)
_NAMES = re.compile(r'"([^"]+)"')
_TOKEN = re.compile(r"'(?:[^']|'')*'?|\"(?:[^\"]|\"\")*\"?|[A-Za-z_]\w*|\d[\w.]*|--[^\n]*|\S", re.S)
_CLAUSES = ("SELECT", "FROM", "WHERE", "GROUP", "HAVING", "QUALIFY", "ORDER", "LIMIT")
_WORDS = (*_CLAUSES, "JOIN", "LEFT", "INNER", "USING", "AND", "VALUES", "SET", "INTO", "UNION", "BETWEEN", "OFFSET")
_NAMES_FOLLOW = ("FROM", "JOIN", "INTO", "TABLE", "UPDATE", "VIEW", "EXISTS")
_RESERVED = frozenset(
    """ALL AND ANY AS ASC CASE CHECK COLUMN CREATE DEFAULT DESC DISTINCT ELSE END FOR FROM GROUP HAVING IN INTO LIMIT
    NOT NULL OFFSET ON OR ORDER PRIMARY REFERENCES SELECT TABLE THEN TO UNION UNIQUE USING WHEN WHERE WITH""".split()
)


@dataclass(frozen=True, slots=True)
class Told:
    """What DuckDB said: ``message`` without its suggestion, ``hint`` the suggestion, ``sql`` what it was sent."""

    message: str
    hint: str | None
    sql: str
    position: int | None

    def around(self) -> tuple[list[str], str, list[str]]:
        """The tokens before the place, the one there, and those behind it."""
        if self.position is None:
            return [], "", []
        found = [match for match in _TOKEN.finditer(self.sql) if not match[0].startswith("--")]
        before = [match[0] for match in found if match.end() <= self.position]
        rest = [match[0] for match in found if match.end() > self.position]
        return before, rest[0] if rest else "", rest[1:]


def advise(told: Told) -> tuple[str, str | None]:
    """Message and hint for a person who knows SQL, and not DuckDB."""
    for rule in _RULES:
        found = rule(told)
        if found is not None:
            return found
    message = told.message[:-1] if told.message.endswith("!") else told.message
    return message, told.hint


def _missing(told: Told) -> tuple[str, str | None] | None:
    found = _MISSING.match(told.message)
    if found is None:
        return None
    kind = {"Scalar Function": "function", "Aggregate Function": "function"}.get(found[1], found[1].lower())
    hint = _plain_names(told.hint)
    if "function" in kind and found[2].lower() in ELSEWHERE:
        hint = f"here it is {ELSEWHERE[found[2].lower()]}"
    return f"there is no {kind} {found[2]}", hint


def _spine(told: Told) -> tuple[str, str | None] | None:
    """Of a CTE the columns are not known when the statement is bound."""
    found = _NO_COLUMN_OF_SPINE.match(told.message)
    if found is None:
        return None
    wanted = "its time event_time" if found[1] == "event_time" else f"the entity {found[1]}"
    return f"the spine has no column {found[1]}", f"a CTE as a spine must call {wanted}"


def _column(told: Told) -> tuple[str, str | None] | None:
    found, of = _NO_COLUMN.match(told.message), _NO_COLUMN_OF.match(told.message)
    if of:
        return f"table {of[1]} has no column {of[2]}", _closest(of[2], told.hint)
    if found is None:
        return None
    name = found[1]
    before, here, behind = told.around()
    close = _closest(name, told.hint, exact=True)
    text = f"a text stands in single quotes: '{name}'"
    operand = bool(before) and before[-1].upper() in ("=", ">", "<", "LIKE", "ILIKE", "(", ",") and behind[:1] != ["."]
    if here.startswith('"') and operand:
        close = f"{close} Or a text? It stands in single quotes: '{name}'" if close else text
    elif not close and operand and before[-1] in ("=", ">", "<") and _stands_alone(told.sql, name):
        close = text
    missing_from = "FROM clause is missing" in told.message
    if missing_from and not close:
        close = (
            "a number or a text belongs there" if before[-1:] and before[-1].upper() == "LIMIT" else "write FROM table"
        )
    return f"there is no column {name}", close or _closest(name, told.hint)


def _stands_alone(sql: str, name: str) -> bool:
    """Whether no dot is beside the name, which would make it one of a table."""
    return re.search(rf"\.\s*{re.escape(name)}\b|\b{re.escape(name)}\s*\.", sql) is None


def _table_here(told: Told) -> tuple[str, str | None] | None:
    found = _NO_TABLE_HERE.match(told.message)
    if found is None:
        return None
    names = _NAMES.findall(told.hint or "")
    return f"{found[1]} is no table of this FROM", f"tables here: {', '.join(names)}" if names else told.hint


def _arguments(told: Told) -> tuple[str, str | None] | None:
    if "andidate functions" not in told.message:
        return None
    head, _, listed = told.message.partition("\n\tCandidate functions:")
    found = _TAKES.search(head)
    if found is None:
        return None
    name, kinds = (found[1], found[2]) if found[1] else (found[3], found[4])
    kinds = kinds.replace("_LITERAL", "").replace("STRING", "VARCHAR")
    forms = [line.strip().split(" -> ")[0].replace(", /", "").replace('"', "") for line in listed.strip().splitlines()]
    if name.isidentifier():
        message = f"{name} does not take ({kinds})"
        hint = f"it takes {' or '.join(forms[:4])}" if len(forms) <= 4 else f"cast what is given: {name}(value::DOUBLE)"
    else:
        message = f"{name} does not go between {kinds.replace(', ', ' and ')}"
        hint = "cast one of them: value::DOUBLE is a number, value::VARCHAR a text, and || joins texts"
    return message, hint


def _values(told: Told) -> tuple[str, str | None] | None:
    found = re.search(
        r"[Cc]ould not convert string '(.*?)' to ([A-Z]\w*)|field format: \"(.*?)\", expected", told.message
    )
    if found is None:
        return None
    value, kind = found[1] if found[1] is not None else found[3], found[2] or "TIMESTAMP"
    if kind in ("DATE", "TIMESTAMP") or found[3]:
        form = "%m/%d/%Y" if "/" in value else "%d.%m.%Y" if "." in value else "%Y-%m-%d"
        return told.message, f"times are written '2025-12-31 18:00:00'; others: strptime('{value}', '{form}')"
    if re.fullmatch(r"[-+]?[\d.]*,\d+", value):
        return told.message, "a comma is no decimal point: replace(replace(value, '.', ''), ',', '.')::DOUBLE"
    return told.message, f"TRY_CAST(value AS {_named(kind)}) gives NULL where it is none"


def _named(kind: str) -> str:
    return {"INT64": "BIGINT", "INT32": "INTEGER", "INT16": "SMALLINT", "INT8": "TINYINT"}.get(kind, kind)


def _fixed(told: Told) -> tuple[str, str | None] | None:
    message = told.message.rstrip("!")
    if message.startswith("unterminated string"):
        return message, "a text ends with a single quote; one inside of it is written twice: 'O''Brien'"
    if message.startswith("unterminated quoted"):
        return message, "a name in double quotes ends with one"
    if "clause cannot contain aggregates" in message:
        return message, "conditions on sums and counts stand in HAVING, behind GROUP BY"
    if "must appear in the GROUP BY clause" in message:
        head, _, rest = message.partition("\n")
        return head.rstrip("."), rest[:1].lower() + rest[1:] or told.hint
    if message.endswith("already exists"):
        kind = message.partition(" with name")[0].upper()
        other = f"CREATE OR REPLACE {kind} takes its place, CREATE {kind} IF NOT EXISTS leaves it"
        return message, told.hint or (other if kind in ("TABLE", "VIEW") else None)
    found = re.search(r'^Existing object "(.+)" is of type (\w+), trying to (\w+) type', message)
    if found:
        return f"{found[1]} is a {found[2].lower()}", f"write {found[3].upper()} {found[2].upper()} {found[1]}"
    if re.match(r"[Cc]an(not| only) \w+ (from |in )?base table", message):
        return "only tables can be changed, and this is a view", "objects in ml are changed by statements: DROP RUN, .."
    if message.startswith("* expression without FROM"):
        return "there is no FROM, so * has nothing to stand for", "write SELECT * FROM table"
    return None


def _syntax(told: Told) -> tuple[str, str | None] | None:
    if not told.message.startswith("syntax error at or near"):
        return None
    before, here, behind = told.around()
    for rule in _SYNTAX:
        hint = rule(before, here, behind)
        if hint:
            return told.message, hint
    return told.message, told.hint


def _pairs(before: list[str], here: str, behind: list[str]) -> str | None:
    """What is wrong between two words."""
    last, word = before[-1].upper() if before else "", here.upper()
    if not before and word == "EXPLAIN":
        return "EXPLAIN is followed by a statement"
    if here == "." and not before:
        return "commands with a dot are the shell's; SHOW TABLES and DESCRIBE name work everywhere"
    if here == "\\":
        return "\\ begins a command of psql; here they begin with a dot: .tables, .schema NAME, .help"
    if last == "TOP":
        return f"write LIMIT {here} at the end"
    if last in ("GROUP", "ORDER", "PARTITION") and word != "BY":
        return f"write {last} BY"
    if last == "SORT" and word == "BY":
        return "write ORDER BY"
    if last == "INSERT" or (last == "DELETE" and word != "FROM"):
        return f"write {last} {'INTO' if last == 'INSERT' else 'FROM'} {here}"
    if last == "IS":
        return "IS goes with NULL, TRUE, FALSE and DISTINCT FROM; values are compared with ="
    if last == "AS" and word in ("SELECT", "FROM", "VALUES"):
        return f"a query behind AS stands in parentheses: AS ({word} ..)"
    return None


def _commas(before: list[str], here: str, behind: list[str]) -> str | None:
    opened = before.count("(") - before.count(")")
    last, word = before[-1] if before else "", here.upper()
    if here == ")" and opened <= 0:
        return "no parenthesis is open here"
    if here == "," and last == ",":
        return "one of the two commas is too many"
    if opened > 0 and (word in _CLAUSES or not here or here == ";"):
        return "a parenthesis before it is not closed"
    if last == "," and (word in _CLAUSES or here in (")", "")):
        return "something is missing behind the comma, or it is too many"
    return None


def _misspelt(before: list[str], here: str, behind: list[str]) -> str | None:
    tokens = [*before, here]
    for index in range(max(len(tokens) - 2, 0), len(tokens)):
        word, ahead = tokens[index], tokens[index - 1].upper() if index else ""
        if ahead in (*_NAMES_FOLLOW, ",", ".", "AS"):
            continue
        if word.isidentifier() and len(word) > 2 and word.upper() not in {*_WORDS, *_RESERVED}:
            close = [known for known in nearest(word, _WORDS, 1) if abs(len(known) - len(word)) <= 1]
            if close and (sorted(close[0].lower()) == sorted(word.lower()) or len(close[0]) != len(word)):
                return f"did you mean {close[0]}?"
    return None


def _order(before: list[str], here: str, behind: list[str]) -> str | None:
    """A clause that stands too late, or a word of SQL where a name is meant."""
    word, last = here.upper(), before[-1].upper() if before else ""
    if last in _NAMES_FOLLOW and word in _RESERVED and word not in ("SELECT", "WITH", "NOT"):
        return f'{here} is a word of SQL; as a name it stands in double quotes: "{here}"'
    if word in _CLAUSES[1:]:
        words = [token.upper() for token in before]
        start = len(words) - words[::-1].index("SELECT") if "SELECT" in words else 0
        if any(later in words[start:] for later in _CLAUSES[_CLAUSES.index(word) + 1 :]):
            return "the order is SELECT, FROM, WHERE, GROUP BY, HAVING, QUALIFY, ORDER BY, LIMIT"
    if last == "JOIN" and here.isidentifier():
        return "JOIN needs a condition: ON a.id = b.id, or USING (id)"
    if before and _is_name(before[-1]) and _is_name(here) and "FROM" not in [token.upper() for token in before]:
        return f"is a comma missing before {here}?"
    return None


def _is_name(token: str) -> bool:
    return (token.isidentifier() or token[:1] == '"') and token.upper() not in {*_WORDS, *_RESERVED}


def _closest(name: str, hint: str | None, *, exact: bool = False) -> str | None:
    """The names that DuckDB suggests, those alone that resemble ``name`` if any does (``exact``: else none)."""
    names = [known.rpartition(".")[2] for known in _NAMES.findall(hint or "")]
    close = nearest(name, names)
    if close or exact:
        return f"did you mean {' or '.join(close)}?" if close else None
    return f"known here: {', '.join(names)}" if names else hint


def _plain_names(hint: str | None) -> str | None:
    """A suggestion without DuckDB's quotes around names that need none."""
    return re.sub(r'"(?:main\.)?([A-Za-z_][\w.]*)"', r"\1", hint) if hint else hint


_SYNTAX = (_pairs, _commas, _misspelt, _order)
_RULES: tuple[Callable[[Told], tuple[str, str | None] | None], ...] = (
    _missing,
    _spine,
    _column,
    _table_here,
    _arguments,
    _values,
    _fixed,
    _syntax,
)
