"""The statements of the language: their registry, how one is recognised and parsed.

A file of ``mlbox/sql/statements`` registers the statements of its noun; adding a noun is adding a file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from mlbox.base.command import Command, Query, RunSql
from mlbox.base.errors import MlboxError, Where
from mlbox.base.names import Ref
from mlbox.base.registry import Registry
from mlbox.engine.catalog.commands import refuse_private
from mlbox.sql.misspelt import refuse_misspelt
from mlbox.sql.notation import Node, tree
from mlbox.sql.parser import Cursor, Scope, check_brackets, kept
from mlbox.sql.references import is_name, reference, run_id
from mlbox.sql.writing import Writer

Starts = tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class StatementSyntax:
    """A statement: its help, the words that it starts with (without OR REPLACE), and its parser."""

    name: str
    summary: str
    """One line: what it does."""
    syntax: str
    """The grammar, as the reference shows it."""
    examples: tuple[str, ...]
    starts: Starts | Callable[[], Starts]
    """First words, or how to find them once every noun is known."""
    parse: Callable[[Cursor], Command]
    """Reads a whole statement from its first word."""
    later: tuple[str, ...] = ()
    """Clauses whose text is checked, but which this version refuses to carry out."""
    prints: Mapping[type[Command], Callable[[Any, Writer], str]] = field(default_factory=dict)
    """How its commands are printed as statements."""
    claims: Callable[[Cursor], bool] | None = None
    """Where DuckDB has a statement with the same first words: whether this one is ours. The cursor is behind them."""

    @property
    def private(self) -> bool:
        """Whether credentials may stand in its text: an error then shows no line of it."""
        return any(kind.private for kind in self.prints)


@dataclass(frozen=True, slots=True)
class Noun:
    """A kind of object as statements name it."""

    kind: str
    """In the singular: ``feature set``."""
    view: str | None = None
    """The public view that SHOW reads."""
    named_by: Callable[[Cursor, str], Ref] = field(default=lambda cursor, kind: reference(cursor, kind, version=True))
    prints: Callable[[Ref, Writer], str] = field(default=lambda ref, write: write.ref(ref))
    """How a reference is printed, so that ``named_by`` reads it."""

    @property
    def words(self) -> tuple[str, ...]:
        """``("FEATURE", "SET")``."""
        return tuple(self.kind.upper().split(" "))


REGISTRY: Registry[StatementSyntax] = Registry("statement", "mlbox.sql.statements")
NOUNS: dict[str, Noun] = {}
_by_start: dict[tuple[str, ...], StatementSyntax] = {}


def statement(syntax: StatementSyntax) -> StatementSyntax:
    """Register a statement."""
    _by_start.clear()
    return REGISTRY.add(syntax.name, syntax)


def noun(found: Noun) -> Noun:
    """Register a kind of object, for SHOW, DESCRIBE and lineage."""
    NOUNS[found.kind] = found
    return found


def run_ref(cursor: Cursor, kind: str) -> Ref:
    """A run or another object that has an id: ``'id'``, or its bare name."""
    if is_name(cursor.token, "run") and cursor.peek().key == ".":
        return reference(cursor, kind)
    return Ref(cursor.scope.project, run_id(cursor, kind.upper()))


def starts() -> dict[tuple[str, ...], StatementSyntax]:
    """All first words of our statements."""
    if not _by_start:
        for syntax in [syntax for _, syntax in REGISTRY]:
            own = syntax.starts() if callable(syntax.starts) else syntax.starts
            _by_start.update(dict.fromkeys(own, syntax))
    return _by_start


def notation(syntax: StatementSyntax) -> Node:
    """The tree of the statement's notation; ``SHOW {.. | ..}`` with all words that may follow."""
    text = syntax.syntax
    verb, _, rest = text.partition(" ")
    if rest.startswith("{") and "| ..}" in rest and callable(syntax.starts):
        words = [" ".join(start[1:]) for start in syntax.starts() if "_" not in start[-1]]
        text = f"{verb} {{{' | '.join(words)}}}{rest[rest.index('| ..}') + len('| ..}') :]}"
    return tree(text)


def kinds() -> list[tuple[str, ...]]:
    """The words that name kinds of objects."""
    return [noun.words for noun in NOUNS.values()]


def recognise(cursor: Cursor) -> StatementSyntax | None:
    """The statement of ours that begins at the cursor; None means that it is plain SQL."""
    known = starts()
    keys = [cursor.token.key]
    if not keys[0]:
        return None
    ahead = 1
    if keys[0] == "CREATE" and cursor.peek(1).key == "OR" and cursor.peek(2).key == "REPLACE":
        ahead = 3
    keys += [cursor.peek(ahead).key, cursor.peek(ahead + 1).key]
    for length in (3, 2, 1):
        syntax = known.get(tuple(keys[:length]))
        if syntax is None:
            continue
        if syntax.claims is None:
            return syntax
        behind = Cursor(cursor.scope, cursor.tokens, cursor.index + ahead + length - 1, cursor.limit)
        if syntax.claims(behind):
            return syntax
    return None


def parse_statement(cursor: Cursor) -> Command:
    """The command of the statement that the cursor holds; plain SQL stays verbatim."""
    syntax = recognise(cursor)
    if syntax is None:
        query = kept(Cursor(cursor.scope, cursor.tokens, cursor.index, cursor.limit))
        refuse_misspelt(cursor, starts(), query.text)
        return RunSql(query=query, project=cursor.scope.project)
    try:
        check_brackets(cursor)
        return syntax.parse(cursor)
    except MlboxError as error:
        if syntax.private and error.where is not None:
            error.where = replace(error.where, text="")
        raise


def stored(cursor: Cursor, what: str) -> Query:
    """A statement that is kept as text and run later: checked now, parameters left as they are."""
    if cursor.accept(";") or cursor.at_end():
        cursor.fail(f"{what} is empty", "write one statement, ours or plain SQL")
    first, limit = cursor.index, cursor.limit
    if cursor.tokens[limit - 1].key == ";":
        limit -= 1
    for index in range(first, limit):
        if cursor.tokens[index].key == ";":
            cursor.fail(
                f"{what} holds one statement", "put the second one into a step of its own", cursor.tokens[index]
            )
    scope = cursor.scope
    inner = Scope(scope.source, scope.project, scope.parameters.deferred())
    command = parse_statement(Cursor(inner, cursor.tokens, first, limit))
    try:
        refuse_private(command)
    except MlboxError as error:
        error.where = replace(Where.at(scope.source, cursor.tokens[first].start), text="")
        raise
    cursor.index = cursor.limit
    return kept(Cursor(scope, cursor.tokens, first, limit))


def unwrapped(cursor: Cursor) -> Cursor:
    """A cursor over the same, without the parentheses around all of it if there are such."""
    if cursor.at("(") and cursor.closing(cursor.index) == cursor.limit - 1:
        return Cursor(cursor.scope, cursor.tokens, cursor.index + 1, cursor.limit - 1)
    return cursor
