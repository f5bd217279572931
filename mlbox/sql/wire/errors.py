"""Errors as PostgreSQL's clients read them: SQLSTATE, message, hint and the place in the text."""

from __future__ import annotations

from mlbox.base.errors import (
    AlreadyExists,
    Cancelled,
    Conflict,
    Forbidden,
    HomeError,
    Internal,
    Invalid,
    MlboxError,
    NotExecuted,
    NotFound,
    RunFailed,
    StatementError,
    Unauthorized,
    Unavailable,
)
from mlbox.sql.wire.messages import ProtocolError, report


class InFailedTransaction(Conflict):
    """The transaction has failed and waits for its ROLLBACK."""

    code = "in_failed_transaction"


class InTransaction(Conflict):
    """What cannot be undone may not stand between BEGIN and COMMIT."""

    code = "in_transaction"


class TooManyConnections(Unavailable):
    """The limit of connections is reached."""

    code = "too_many_connections"


SQLSTATES: dict[type[MlboxError], str] = {
    ProtocolError: "08P01",
    InFailedTransaction: "25P02",
    InTransaction: "25001",
    StatementError: "42601",
    Invalid: "22023",
    NotFound: "42704",
    AlreadyExists: "42710",
    Conflict: "55000",
    Unauthorized: "28P01",
    Forbidden: "42501",
    NotExecuted: "0A000",
    RunFailed: "38000",
    HomeError: "55000",
    Cancelled: "57014",
    TooManyConnections: "53300",
    Unavailable: "57P03",
    Internal: "XX000",
}
"""By class; the nearest ancestor counts. Classes are those of the SQL standard and PostgreSQL's appendix A."""

_BY_WORDS = (
    (NotFound, "there is no function", "42883"),
    (NotFound, "there is no table function", "42883"),
    (NotFound, "there is no table", "42P01"),
    (NotFound, "there is no view", "42P01"),
    (NotFound, "there is no schema", "3F000"),
    (NotFound, "there is no project", "3F000"),
    (NotFound, "already exists", "42P07"),
    (StatementError, "there is no column", "42703"),
    (StatementError, "has no column", "42703"),
    (StatementError, "is no table of this from", "42P01"),
    (StatementError, "no function matches", "42883"),
    (StatementError, "does not take (", "42883"),
    (StatementError, "does not go between", "42883"),
    (StatementError, "ambiguous reference", "42702"),
    (StatementError, "must appear in the group by", "42803"),
    (Invalid, "duplicate key", "23505"),
    (Invalid, "primary key or unique", "23505"),
    (Invalid, "not null constraint", "23502"),
    (Invalid, "check constraint", "23514"),
    (Invalid, "foreign key constraint", "23503"),
    (Invalid, "could not convert", "22P02"),
    (Invalid, "invalid date field", "22007"),
    (Invalid, "invalid timestamp", "22007"),
    (Invalid, "out of range", "22003"),
    (Invalid, "division by zero", "22012"),
    (Conflict, "conflict", "40001"),
)
"""Messages of queries (``engine.catalog.advice``, DuckDB) that have a state of their own; the first that fits."""


def sqlstate(error: MlboxError) -> str:
    """Five characters that programs look at."""
    folded = error.message.lower()
    for kind, words, state in _BY_WORDS:
        if isinstance(error, kind) and words in folded:
            return state
    return next((SQLSTATES[kind] for kind in type(error).__mro__ if kind in SQLSTATES), "XX000")


def error_response(error: MlboxError, severity: str = "ERROR") -> bytes:
    """ErrorResponse."""
    fields = {"S": severity, "V": severity, "C": sqlstate(error), "M": error.message}
    traceback = error.details.get("traceback")
    if traceback:
        fields["D"] = str(traceback)
    if error.hint:
        fields["H"] = error.hint
    if error.where is not None:
        fields["P"] = str(error.where.offset + 1)
    return report(b"E", fields)
