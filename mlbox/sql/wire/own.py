"""Statements that the wire answers itself: transactions, settings of the connection, and what tidies a connection up.

They are told by their first words; whatever is not on this list goes on to the session as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from mlbox.base.errors import Conflict, NotExecuted, StatementError, Where
from mlbox.sql.lexer import Token, string_value, tokenize
from mlbox.sql.script import Statement
from mlbox.sql.wire.answers import Answer, of_texts
from mlbox.sql.wire.session_settings import SessionSettings

if TYPE_CHECKING:
    from mlbox.sql.wire.statements import Statements

_HEAD_CHARACTERS = 1000
_BEGINS, _ENDS = ("BEGIN", "START"), ("COMMIT", "END", "ROLLBACK", "ABORT")


class OwnStatements:
    """Answers them for one connection."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements
        self._settings = statements.settings
        self._by_word: dict[str, Callable[[list[Token], Statement], Answer | None]] = {
            **dict.fromkeys(_BEGINS, self._begin),
            **dict.fromkeys(_ENDS, self._end),
            **dict.fromkeys(("SAVEPOINT", "RELEASE"), self._savepoint),
            "SET": self._set,
            "SHOW": self._show,
            "RESET": self._reset,
            "DISCARD": self._discard,
            "DEALLOCATE": self._deallocate,
            "CLOSE": self._tidy,
            "UNLISTEN": self._tidy,
            "LISTEN": self._notifications,
            "NOTIFY": self._notifications,
            "DECLARE": self._cursor,
            "FETCH": self._cursor,
            "MOVE": self._cursor,
        }

    def find(self, statement: Statement) -> Callable[[], Answer] | None:
        """What answers the statement; None when it is not one of these."""
        tokens = tokenize(statement.text[:_HEAD_CHARACTERS])
        method = self._by_word.get(tokens[0].key) if tokens and not statement.ours else None
        if method is None:
            return None
        if tokens[0].key in ("SET", "SHOW") and not _names_setting(tokens):
            return None
        return lambda: method(tokens, statement) or Answer(tokens[0].key)

    def ends_transaction(self, statement: Statement) -> bool:
        """Whether the statement is allowed in a failed transaction."""
        head = tokenize(statement.text[:40])
        return bool(head) and head[0].key in _ENDS and not statement.ours

    def _begin(self, tokens: list[Token], statement: Statement) -> Answer:
        words = [token.key for token in tokens]
        pairs = list(zip(words, words[1:], strict=False))
        warning = self._statements.begin(read_only=("READ", "ONLY") in pairs)
        return Answer("BEGIN" if words[0] == "BEGIN" else "START TRANSACTION", warning=warning)

    def _end(self, tokens: list[Token], statement: Statement) -> Answer:
        words = [token.key for token in tokens]
        if "TO" in words or "PREPARED" in words:
            return self._savepoint(tokens, statement)
        if words[0] in ("COMMIT", "END"):
            done, warning = self._statements.commit()
            return Answer(done, warning=warning)
        return Answer("ROLLBACK", warning=self._statements.rollback())

    def _savepoint(self, tokens: list[Token], statement: Statement) -> Answer:
        """SAVEPOINT, RELEASE and ROLLBACK TO."""
        transaction = self._statements.transaction
        words = [token.key for token in tokens]
        if transaction is None or "PREPARED" in words:
            raise Conflict(
                f"{words[0]} can only be used in transaction blocks",
                hint="BEGIN",
                where=Where.at(statement.source, statement.offset),
            )
        name = _value(tokens[-1])
        if words[0] == "SAVEPOINT":
            transaction.savepoint(name)
            return Answer("SAVEPOINT")
        if words[0] == "RELEASE":
            transaction.release(name)
            return Answer("RELEASE")
        transaction.rollback_to(name)
        return Answer("ROLLBACK")

    def _notifications(self, tokens: list[Token], statement: Statement) -> Answer:
        raise NotExecuted(
            f"{tokens[0].key} is not offered",
            hint="GET /stream of the HTTP server tells events as they happen",
            where=Where.at(statement.source, statement.offset),
        )

    def _cursor(self, tokens: list[Token], statement: Statement) -> Answer:
        raise NotExecuted(
            f"{tokens[0].key} is not offered",
            hint="results are streamed; a driver's fetch size takes them in portions",
            where=Where.at(statement.source, statement.offset),
        )

    def _set(self, tokens: list[Token], statement: Statement) -> Answer:
        name, rest = _setting_name(tokens)
        if name == "transaction":
            return Answer("SET")
        value: str | None = ", ".join(_value(token) for token in rest if token.key != ",")
        if not rest:
            where = Where.at(statement.source, statement.offset)
            raise StatementError("SET needs a value", hint=f"SET {name} = 'value'", where=where)
        if rest[0].key in ("DEFAULT", "LOCAL") and len(rest) == 1:
            value = None
        self._statements.report(self._settings.set(name, value))
        return Answer("SET")

    def _show(self, tokens: list[Token], statement: Statement) -> Answer:
        name, _ = _setting_name(tokens)
        if name == "all":
            rows = [(key, value, "") for key, value in self._settings.all()]
            return of_texts(("name", "setting", "description"), rows)
        if name == "transaction":
            name = "transaction_isolation"
        value = self._statements.search_path if name.lower() == "search_path" else self._settings.get(name)
        return of_texts((name,), [(value,)])

    def _reset(self, tokens: list[Token], statement: Statement) -> Answer:
        name, _ = _setting_name(tokens)
        if name.lower() == "all":
            self._statements.report(*self._settings.reset())
        else:
            self._statements.report(self._settings.set(name, None))
        return Answer("RESET")

    def _discard(self, tokens: list[Token], statement: Statement) -> Answer:
        what = tokens[1].key if len(tokens) > 1 else ""
        if what == "ALL":
            self._statements.forget()
            self._statements.report(*self._settings.reset())
        return Answer(f"DISCARD {what}".strip())

    def _deallocate(self, tokens: list[Token], statement: Statement) -> Answer:
        names = [token for token in tokens[1:] if token.key != "PREPARE"]
        if names:
            self._statements.forget(None if names[0].key == "ALL" else _value(names[0]))
        return Answer("DEALLOCATE ALL" if names and names[0].key == "ALL" else "DEALLOCATE")

    def _tidy(self, tokens: list[Token], statement: Statement) -> Answer:
        return Answer("CLOSE CURSOR" if tokens[0].key == "CLOSE" else tokens[0].key)


def _setting_name(tokens: Sequence[Token]) -> tuple[str, list[Token]]:
    """The setting that SET, SHOW or RESET names, and the tokens of its value."""
    rest = list(tokens[1:])
    if rest and rest[0].key in ("SESSION", "LOCAL") and len(rest) > 1 and rest[1].key not in ("=", "TO"):
        rest = rest[1:]
    words = [token.key for token in rest[:3]]
    if words[:2] == ["TIME", "ZONE"]:
        return "TimeZone", rest[2:]
    if words[:1] in (["TRANSACTION"], ["CHARACTERISTICS"]):
        return "transaction", rest[1:]
    if words[:1] == ["NAMES"]:
        return "client_encoding", rest[1:]
    if words[:2] == ["SESSION", "AUTHORIZATION"]:
        return "session_authorization", rest[2:]
    if not rest:
        return "", []
    name, at = _value(rest[0]), 1
    while at + 1 < len(rest) and rest[at].key == ".":
        name += "." + _value(rest[at + 1])
        at += 2
    return name, [token for token in rest[at:] if token.key not in ("=", "TO")]


def _names_setting(tokens: Sequence[Token]) -> bool:
    name, _ = _setting_name(tokens)
    if tokens[0].key == "SHOW" and name.lower() == "all":
        return True
    return name == "transaction" or SessionSettings.knows(name)


def _value(token: Token) -> str:
    if token.kind == "string":
        return string_value(token.text)
    if token.kind == "quoted":
        return token.text[1:-1].replace('""', '"')
    return token.text
