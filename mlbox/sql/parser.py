"""The toolkit of our grammar: a cursor over tokens, clauses in any order, errors that say what was expected."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from mlbox.base.command import Query
from mlbox.base.errors import Invalid, StatementError, Where
from mlbox.base.suggest import nearest
from mlbox.sql.lexer import Token, string_closed, tokenize
from mlbox.sql.parameters import Parameters, as_literal

Reader = Callable[["Cursor", str], Any]
"""Reads what follows a clause's keywords; the second argument names the clause in errors."""

_CLOSING = {"(": ")", "[": "]", "{": "}"}


@dataclass(frozen=True, slots=True)
class Scope:
    """What a statement is read with."""

    source: str
    """The whole text that positions point into."""
    project: str
    """For names without a project."""
    parameters: Parameters = field(default_factory=Parameters)


class Cursor:
    """A place in the tokens of a statement; nothing is read beyond ``limit``."""

    def __init__(self, scope: Scope, tokens: Sequence[Token], index: int = 0, limit: int | None = None) -> None:
        self.scope = scope
        self.tokens = tokens
        self.index = index
        self.limit = len(tokens) - 1 if limit is None else limit

    @classmethod
    def over(cls, scope: Scope, text: str, offset: int = 0) -> Cursor:
        """A cursor at the start of ``text``, which stands at ``offset`` of the source."""
        tokens = tokenize(text, offset)
        stop = offset + len(text.rstrip())
        return cls(scope, [*tokens, Token("end", "", stop, stop, "")])

    @property
    def token(self) -> Token:
        """The token here; at the end one of kind ``end``."""
        if self.index < self.limit:
            return self.tokens[self.index]
        start = self.tokens[self.limit].start
        return Token("end", "", start, start, "")

    def at_end(self) -> bool:
        """Whether all is read."""
        return self.index >= self.limit

    def peek(self, distance: int = 1) -> Token:
        """The token ``distance`` further."""
        index = min(self.index + distance, self.limit)
        return self.tokens[index] if index < self.limit else Token("end", "", self.tokens[index].start, 0, "")

    def advance(self) -> Token:
        """The token here, and step over it."""
        token = self.token
        self.index = min(self.index + 1, self.limit)
        return token

    def at(self, *keys: str) -> bool:
        """Whether the next tokens are these words or operators, in this order."""
        if self.index + len(keys) > self.limit:
            return False
        return all(self.tokens[self.index + distance].key == key for distance, key in enumerate(keys))

    def accept(self, *keys: str) -> bool:
        """Step over these words or operators if they are next."""
        if not self.at(*keys):
            return False
        self.index += len(keys)
        return True

    def expect(self, *keys: str, hint: str | None = None) -> None:
        """Step over these words or operators; an error says which one is missing."""
        for key in keys:
            if not self.accept(key):
                close = nearest(self.token.text, [key]) if self.token.kind == "word" else []
                default = f"did you mean {key}?" if close else f"write {key} here"
                shown = "a comma" if key == "," else key
                self.fail(f"expected {shown}, found {self.found()}", hint or default)

    def found(self) -> str:
        """What stands here, for a message."""
        token = self.token
        if token.kind != "end":
            return token.text if len(token.text) <= 40 else token.text[:37] + "..."
        closed_by = self.tokens[self.limit]
        return "the end" if closed_by.kind == "end" else closed_by.text

    def error(self, message: str, hint: str | None = None, at: Token | None = None) -> StatementError:
        """An error that points at ``at``, else at the token here."""
        where = Where.at(self.scope.source, (at or self.token).start)
        return StatementError(message, hint=hint, where=where)

    def fail(self, message: str, hint: str | None = None, at: Token | None = None) -> NoReturn:
        """Raise :meth:`error`."""
        raise self.error(message, hint, at)

    def enter(self, what: str, hint: str | None = None) -> Cursor:
        """A cursor over what the parentheses here hold; this one steps behind them."""
        if not self.at("("):
            self.fail(f"{what} needs parentheses, found {self.found()}", hint or f"write {what} (..)")
        closing = self.closing(self.index)
        inner = Cursor(self.scope, self.tokens, self.index + 1, closing)
        self.index = closing + 1
        return inner

    def closing(self, index: int) -> int:
        """The index of the bracket that closes the one at ``index`` (brackets are known to match)."""
        depth = 0
        for position in range(index, self.limit):
            key = self.tokens[position].key
            depth += (key in _CLOSING) - (key in _CLOSING.values())
            if depth == 0:
                return position
        opened = self.tokens[index]
        self.fail(f"{opened.text} is never closed", f"a {_CLOSING[opened.text]} is missing", opened)

    def split(self, stop: Callable[[Cursor], bool]) -> Cursor:
        """A cursor over what comes before the first place, outside brackets and CASE, where ``stop`` holds."""
        first, cases = self.index, 0
        while not self.at_end():
            key = self.token.key
            if not cases and stop(self):
                break
            if key in _CLOSING:
                self.index = self.closing(self.index)
            cases += (key == "CASE") - (key == "END" and cases > 0)
            self.index += 1
        return Cursor(self.scope, self.tokens, first, self.index)


def check_brackets(cursor: Cursor) -> None:
    """Raise for a text, quoted name or bracket without its end, at the place where it begins."""
    open_ones: list[Token] = []
    for token in cursor.tokens[cursor.index : cursor.limit]:
        if token.kind == "string" and not string_closed(token.text):
            dollar = token.text.startswith("$")
            hint = (
                "a closing $$ is missing" if dollar else "a closing ' is missing; one inside a text is doubled: 'it''s'"
            )
            cursor.fail("the text in quotes is never closed", hint, token)
        if token.kind == "quoted" and not (len(token.text) > 1 and token.text.endswith('"')):
            cursor.fail("the name in quotes is never closed", 'a closing " is missing', token)
        if token.key in _CLOSING:
            open_ones.append(token)
        elif token.key in (")", "]", "}"):
            if not open_ones:
                cursor.fail(f"{token.key} closes nothing", f"take this {token.key} away or open it before", token)
            opened = open_ones.pop()
            if _CLOSING[opened.key] != token.key:
                cursor.fail(f"{opened.key} is closed by {token.key}", f"expected {_CLOSING[opened.key]}", token)
    if open_ones:
        opened = open_ones[-1]
        cursor.fail(f"{opened.key} is never closed", f"a {_CLOSING[opened.key]} is missing", opened)


def verbatim(cursor: Cursor) -> Query:
    """All that ``cursor`` still holds, as the user wrote it; parameters in it become literals."""
    first, last = cursor.index, cursor.limit - 1
    tokens = cursor.tokens[first : last + 1]
    cursor.index = cursor.limit
    source = cursor.scope.source
    start, stop = tokens[0].start, tokens[-1].stop
    if not any(token.kind == "parameter" for token in tokens):
        return Query(source[start:stop], start, source)
    text, done, replaced = "", start, []
    for token in tokens:
        if token.kind == "parameter":
            text += source[done : token.start]
            value = checked(cursor, token, as_literal, bound(cursor, token))
            replaced.append((len(text), len(value), token.stop - token.start))
            text += value
            done = token.stop
    return Query(text + source[done:stop], start, source, tuple(replaced))


def kept(cursor: Cursor) -> Query:
    """All that ``cursor`` still holds, as the user wrote it, parameters included."""
    start, stop = cursor.token.start, cursor.tokens[cursor.limit - 1].stop
    cursor.index = cursor.limit
    return Query(cursor.scope.source[start:stop], start, cursor.scope.source)


def bound(cursor: Cursor, token: Token) -> Any:
    """The value of a parameter token."""
    return checked(cursor, token, cursor.scope.parameters.take, token)


def checked(cursor: Cursor, token: Token, check: Callable[[Any], Any], given: Any) -> Any:
    """``check(given)``; what it finds wrong is told with the place of ``token``."""
    try:
        return check(given)
    except Invalid as error:
        raise cursor.error(error.message, error.hint or "choose another", token) from None


def unquoted(cursor: Cursor) -> str:
    """What stands here up to the next blank, comma or parenthesis: a path without quotes is many tokens."""
    if cursor.at_end():
        return cursor.found()
    stop = cursor.index + 1
    while stop < cursor.limit:
        token = cursor.tokens[stop]
        if token.start != cursor.tokens[stop - 1].stop or token.key in (",", "(", ")", ";"):
            break
        stop += 1
    return cursor.scope.source[cursor.token.start : cursor.tokens[stop - 1].stop]


def one_of(cursor: Cursor, what: str, allowed: Iterable[str], hint: str | None = None) -> str:
    """One of the allowed words or pairs of words, in capitals."""
    known = list(allowed)
    for words in known:
        if cursor.accept(*words.split(" ")):
            return words
    close = nearest(cursor.token.text, known) if cursor.token.kind == "word" else []
    if close:
        hint = "did you mean " + " or ".join(close) + "?"
    listed = ", ".join(known[:-1]) + " or " + known[-1]
    cursor.fail(f"{what}: expected {listed}, found {cursor.found()}", hint or f"for example {what} {known[0]}")


class Clauses(dict[str, Any]):
    """What was read, by clause; ``places`` are the clauses' first words."""

    def __init__(self) -> None:
        super().__init__()
        self.places: dict[str, Token] = {}


def clauses(cursor: Cursor, statement: str, table: Mapping[str, Reader]) -> Clauses:
    """Read clauses in any order, each once, until the end. Keys of ``table`` are the clauses' keywords."""
    found = Clauses()
    by_length = sorted(table, key=lambda clause: -clause.count(" "))
    while not cursor.at_end():
        token = cursor.token
        clause = next((clause for clause in by_length if cursor.at(*clause.split(" "))), None)
        if clause is None:
            _no_clause(cursor, statement, table, found)
        if clause in found:
            cursor.fail(f"{clause} is given twice", "keep one of them", token)
        cursor.accept(*clause.split(" "))
        found.places[clause] = token
        found[clause] = table[clause](cursor, clause)
    return found


def _no_clause(cursor: Cursor, statement: str, table: Mapping[str, Reader], found: Mapping[str, Any]) -> NoReturn:
    token = cursor.token
    left = [clause for clause in table if clause not in found]
    close = nearest(token.text, [clause.split(" ")[0] for clause in left]) if token.kind == "word" else []
    close = [clause for clause in left if clause.split(" ")[0] in close]
    if close:
        hint = "did you mean " + " or ".join(close) + "?"
    else:
        hint = "here may follow: " + ", ".join(left) if left else "nothing more may follow"
    before = cursor.tokens[cursor.index - 1]
    if before.key in left and token.kind != "word":
        hint = f"{before.text} was taken for the name: write the name before it"
    elif "WITH" in left and cursor.peek().key == "=":
        hint = f"write WITH ({token.text} = ..)"
    elif "WITH" in left and token.key == "(" and cursor.peek(2).key == "=":
        hint = "write WITH before the parentheses"
    if token.key == ";":
        cursor.fail("a second statement begins here", "one statement was expected", token)
    if token.kind == "word" and table:
        cursor.fail(f"{statement} has no clause {token.text}", hint)
    cursor.fail(f"{cursor.found()} is not expected here", hint)


def finish(cursor: Cursor, statement: str) -> None:
    """Raise unless all is read."""
    clauses(cursor, statement, {})
