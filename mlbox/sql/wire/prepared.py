"""Prepared statements and portals of the extended query."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from mlbox.base.command import Query
from mlbox.sql.plain import READING, statement_kind
from mlbox.sql.script import Statement
from mlbox.sql.wire import describing
from mlbox.sql.wire.answers import Answer, Delivery
from mlbox.sql.wire.bound import Bound
from mlbox.sql.wire.messages import Field, ProtocolError

if TYPE_CHECKING:
    from mlbox.sql.wire.statements import Statements


@dataclass(slots=True)
class Prepared:
    """A prepared statement; ``statement`` is None for an empty text."""

    statement: Statement | None
    declared: list[int]
    oids: list[int] | None = None
    fields: list[Field] | None = None
    described: bool = False

    def parameters(self, statements: Statements) -> list[int]:
        """Types of its parameters."""
        if self.oids is None:
            statement = self.statement
            self.oids = describing.parameters(statements, statement, self.declared) if statement else self.declared
        return self.oids

    def columns(self, statements: Statements) -> list[Field] | None:
        """Columns of its result, told without running it; from now on they are promised."""
        if not self.described:
            if self.statement is not None:
                self.fields = describing.columns(statements, self.statement, self.parameters(statements))
            self.described = True
        return self.fields

    def reads(self, statements: Statements) -> bool:
        """Whether running it early does no harm."""
        statement = self.statement
        if statement is None or statements.own(statement) or statements.asks_catalog(statement):
            return True
        return statement_kind(Query(statement.text, statement.offset, statement.source)) in READING


@dataclass(slots=True)
class Portal:
    """A prepared statement with its values, and its rows once it runs."""

    prepared: Prepared
    bound: list[Bound] = field(default_factory=list)
    formats: list[int] = field(default_factory=list)
    answer: Answer | None = None
    delivery: Delivery | None = None
    silent: bool = False
    """Its rows were told not to exist."""

    def formatted(self, answer: Answer) -> list[Field]:
        """Columns of the answer in the formats that Bind asked for."""
        return in_formats((self.prepared.fields if self.prepared.described else answer.fields) or [], self.formats)


def in_formats(fields: Sequence[Field], formats: list[int]) -> list[Field]:
    """Columns with the formats of a Bind message: none is text, one is for all."""
    if len(formats) not in (0, 1, len(fields)):
        raise ProtocolError(f"bind message has {len(formats)} result formats but the query has {len(fields)} columns")
    codes = formats * len(fields) if len(formats) == 1 else formats or [0] * len(fields)
    return [replace(each, format=code) for each, code in zip(fields, codes, strict=True)]
