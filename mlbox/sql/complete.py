"""Completion: what may stand at a place of a text, from the grammar, the catalog and DuckDB.

``complete("CREATE MODEL m FROM RU", 22, lookup)`` gives ``RUN``; the caller replaces the text from ``start`` up to the
position by a candidate's text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from mlbox.base.names import quote
from mlbox.sql.complete_plain import plain_candidates, plain_starts
from mlbox.sql.expected import FREE, Expected, expected
from mlbox.sql.grammar import NOUNS, REGISTRY, StatementSyntax, kinds, notation, recognise, starts
from mlbox.sql.lexer import Token, pieces, string_closed, tokenize
from mlbox.sql.lookup import DROPPED, Lookup, Named
from mlbox.sql.parser import Cursor, Scope
from mlbox.sql.references import is_name
from mlbox.sql.times import FULL_UNITS


class Candidate(NamedTuple):
    """``kind``: keyword, object, version, table, column, function, setting, value."""

    text: str
    kind: str
    detail: str = ""


class Completions(NamedTuple):
    """Candidates for the text from ``start`` (characters) to the position asked for, the likely ones first."""

    start: int
    candidates: list[Candidate]


SLOT_KINDS = {
    "function": "function",
    "vector": "feature vector",
    "set": "feature set",
    "model": "model",
    "endpoint": "endpoint",
    "monitor": "monitor",
    "run": "run",
    "workflow": "workflow",
    "project": "project",
    "source": "source",
    "table": "table",
}
"""Slots that are names of objects."""
_AFTER_FUNCTION = {"predict": "model", "evaluate": "model", "features": "feature vector", "online": "feature vector"}
_AFTER_FUNCTION["features_at"] = "feature vector"


_TABLES_FOLLOW = frozenset(("DESCRIBE", "DESC", "SHOW", "SUMMARIZE", "FROM", "SET"))
"""First words that both have, behind which DuckDB lets a name stand."""


class _Place(NamedTuple):
    """Where candidates are wanted."""

    dotted: str
    """``a.b`` when ``a.b.`` stands right before it."""
    after: list[Token]
    """The rest of the statement: FROM comes behind the columns."""
    lookup: Lookup

    def objects(self, kind: str) -> Iterable[Named]:
        """Names of a kind; tables too."""
        return self.lookup.tables() if kind == "table" else self.lookup.objects(kind)


def complete(text: str, position: int, lookup: Lookup) -> Completions:
    """What may stand at ``position`` of ``text``, which may hold several statements."""
    before = text[:position]
    if _in_comment(before):
        return Completions(position, [])
    tokens = _of_statement(tokenize(before))
    if tokens and tokens[-1].kind == "string" and not string_closed(tokens[-1].text):
        return _in_string(tokens, lookup)
    start = position
    if tokens and tokens[-1].stop == position and tokens[-1].kind in ("word", "quoted", "number"):
        start = tokens.pop().start
    part = before[start:]
    after = tokenize(text[position:])
    ends = next((index for index, token in enumerate(after) if token.key == ";"), len(after))
    place = _Place(_dotted_before(tokens), after[:ends], lookup)
    found = _unique(_statement(tokens, place))
    fitting = [entry for entry in found if _fits(entry.text, part)]
    return Completions(start, fitting)


def _fits(candidate: str, part: str) -> bool:
    return candidate.lower().lstrip('"').startswith(part.lower().lstrip('"'))


def _unique(candidates: Iterable[Candidate]) -> list[Candidate]:
    found: dict[str, Candidate] = {}
    for entry in candidates:
        found.setdefault(entry.text, entry)
    return list(found.values())


def _in_comment(text: str) -> bool:
    cut = pieces(text)
    if not cut or cut[-1].label != "comment":
        return False
    last = text[cut[-1].start :]
    return "\n" not in last if last.startswith("--") else not last.rstrip().endswith("*/")


def _of_statement(tokens: list[Token]) -> list[Token]:
    """The tokens of the last statement."""
    ends = [index for index, token in enumerate(tokens) if token.key == ";"]
    return tokens[ends[-1] + 1 :] if ends else tokens


def _dotted_before(tokens: Sequence[Token]) -> str:
    """``a.b.`` if that stands right before the place, without the last dot."""
    parts: list[str] = []
    index = len(tokens) - 1
    while index >= 1 and tokens[index].key == "." and tokens[index - 1].kind in ("word", "quoted"):
        parts.insert(0, tokens[index - 1].text)
        index -= 2
    return ".".join(parts)


def _statement(tokens: list[Token], place: _Place) -> Iterator[Candidate]:
    """Candidates behind the beginning of a statement."""
    syntax = _recognised(tokens)
    if syntax is None:
        begun = [] if place.dotted else list(_statement_starts(tokens))
        yield from begun
        if tokens and (not begun or tokens[0].key in _TABLES_FOLLOW):
            yield from _plain(tokens, place)
        return
    walked = tokens[: -2 * (place.dotted.count(".") + 1)] if place.dotted else tokens
    found = expected(notation(syntax), tokens, kinds())
    if place.dotted:
        reached = expected(notation(syntax), walked, kinds())
        found.slots |= {slot for slot in reached.slots if slot[0] not in FREE}
    else:
        yield from _words(found)
        yield from _statement_starts(tokens)  # RUN is a statement, and so is RUN WORKFLOW
    yield from _slots(found, walked, place)


def _recognised(tokens: Sequence[Token]) -> StatementSyntax | None:
    if not tokens:
        return None
    if tokens[0].key == "EXPLAIN":  # of plain SQL too: what follows is a statement
        return REGISTRY.get("EXPLAIN")
    stop = tokens[-1].stop
    for more in ([], [Token("word", "x", stop, stop, "X")]):  # DESCRIBE MODEL is ours as soon as a name follows
        known = [*tokens, *more]
        syntax = recognise(Cursor(Scope("", ""), [*known, Token("end", "", stop, stop, "")], 0, len(known)))
        if syntax is not None:
            return syntax
    return None


def _statement_starts(tokens: Sequence[Token]) -> Iterator[Candidate]:
    """First words of statements that begin with the words that are there."""
    keys = tuple(token.key for token in tokens)
    if keys[:3] == ("CREATE", "OR", "REPLACE"):
        keys = ("CREATE", *keys[3:])
    known = {**{start: syntax.summary for start, syntax in starts().items()}, **plain_starts()}
    for start, summary in sorted(known.items()):
        if start[: len(keys)] == keys and len(start) > len(keys) and "_" not in start[-1]:
            yield Candidate(" ".join(start[len(keys) :]), "keyword", summary)
    if keys == ("CREATE",):
        yield Candidate("OR REPLACE", "keyword", "in place of what is there")


def _words(found: Expected) -> Iterator[Candidate]:
    for keys in sorted(found.words):
        yield Candidate(" ".join(keys), "keyword")
    if "time" in found.texts:
        yield Candidate("TIMESTAMP", "keyword", "TIMESTAMP '2026-01-31 12:00:00'")
    for sign in sorted(found.signs & {"("}):
        yield Candidate(sign, "keyword")


def _slots(found: Expected, tokens: list[Token], place: _Place) -> Iterator[Candidate]:
    for name, at in sorted(found.slots):
        if name == "statement":
            yield from _statement(tokens[at:], place)
        elif name in FREE:
            yield from _plain(tokens[at:], place)
        elif name in ("interval", "unit"):
            shown = "INTERVAL '1 hour'" if name == "interval" else ""
            yield from (Candidate(unit.upper(), "value") for unit in FULL_UNITS if not shown)
            yield from [Candidate("INTERVAL", "keyword", shown)] if shown else []
        elif name == "kind":
            yield from (Candidate(noun.kind.upper(), "keyword") for noun in NOUNS.values())
        elif name == "version":
            yield from _named(place.lookup.versions(_name_before_at(tokens)), "version", "")
        else:
            kind = _kind(name, tokens, at)
            if kind is not None:
                yield from _named(place.objects(kind), "table" if kind == "table" else "object", place.dotted, kind)
            elif name in ("column", "feature", "name") and place.dotted:
                yield from _named(place.lookup.columns(place.dotted), "column", "")


def _kind(slot: str, tokens: Sequence[Token], at: int) -> str | None:
    """The kind of object whose name begins at token ``at``; the words before it tell, else the slot's word."""
    keys = [token.key for token in tokens[:at]]
    for words in (("IF", "EXISTS"), ("IF", "NOT", "EXISTS")):
        if tuple(keys[-len(words) :]) == words:
            keys = keys[: -len(words)]
    for noun in NOUNS.values():
        if len(keys) > len(noun.words) and tuple(keys[-len(noun.words) :]) == noun.words:
            creates = keys[:1] == ["CREATE"] and len(keys) - len(noun.words) in (1, 3)
            if creates and "REPLACE" not in keys:
                return None
            return f"{DROPPED}{noun.kind}" if keys[0] == "RESTORE" else noun.kind
    return SLOT_KINDS.get(slot)


def _name_before_at(tokens: Sequence[Token]) -> str:
    keep = tokens[:-1]
    if len(keep) > 2 and keep[-2].key == ".":
        return "".join(token.text for token in keep[-3:])
    return keep[-1].text if keep else ""


def _named(names: Iterable[Named], kind: str, dotted: str, detail: str = "") -> Iterator[Candidate]:
    """Names; behind ``project.`` those of the project, without it."""
    prefix = f"{dotted}.".lower() if dotted else ""
    for name, told in names:
        if name.lower().startswith(prefix):
            parts = name[len(prefix) :].split(".")
            shown = ".".join(_quoted(part) for part in parts)
            yield Candidate(shown, kind, ", ".join(filter(None, (detail, told))))


def _quoted(name: str) -> str:
    if name.isidentifier() and name.isascii():
        token = Token("word", name, 0, len(name), name.upper())
        return name if is_name(token) else quote(name)
    return name if name.isdigit() else quote(name)


def _plain(tokens: list[Token], place: _Place) -> Iterator[Candidate]:
    for kind, found in plain_candidates(tokens, place.after, place.dotted, place.lookup):
        if kind in ("keyword", "function"):
            yield from (Candidate(name, kind, detail) for name, detail in found)
        else:
            yield from _named(found, kind, place.dotted if kind in ("table", "object") else "")


def _in_string(tokens: list[Token], lookup: Lookup) -> Completions:
    """Names in the first argument of our functions, tables in the second: ``ml.features('v', 't')``."""
    opened = tokens[-1]
    start, part = opened.start + 1, opened.text[1:]
    keys = [token.key for token in tokens[:-1]]
    if len(keys) >= 4 and keys[-4:-2] == ["ML", "."] and keys[-1] == "(":
        kind = _AFTER_FUNCTION.get(keys[-2].lower())
    elif len(keys) >= 6 and keys[-6:-4] == ["ML", "."] and keys[-3] == "(" and keys[-1] == ",":
        kind = "table" if keys[-4].lower() in _AFTER_FUNCTION else None
    else:
        kind = None
    names = _Place("", [], lookup).objects(kind) if kind else ()
    found = [Candidate(name, "table" if kind == "table" else "object", detail) for name, detail in names]
    return Completions(start, [entry for entry in found if _fits(entry.text, part)])
