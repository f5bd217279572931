"""DuckDB's errors as ours, pointing into the user's text."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mlbox.base.errors import (
    AlreadyExists,
    Conflict,
    Forbidden,
    Invalid,
    MlboxError,
    NotFound,
    StatementError,
    SystemError,
    Unavailable,
)
from mlbox.engine.catalog.advice import Told, advise
from mlbox.engine.catalog.file_errors import file_error
from mlbox.engine.catalog.missing_files import missing_file

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from mlbox.base.command import Query

_KINDS: dict[str, type[MlboxError]] = {
    "Parser": StatementError,
    "Syntax": StatementError,
    "Binder": StatementError,
    "Catalog": NotFound,
    "Conversion": Invalid,
    "Constraint": Invalid,
    "Invalid Input": Invalid,
    "Out of Range": Invalid,
    "Not implemented": Invalid,
    "Permission": Invalid,
    "IO": Invalid,
    "Dependency": Conflict,
    "Transaction": Conflict,
    "Out of Memory": Unavailable,
    "Interrupt": Conflict,
}
_OURS = re.compile(r"mlbox-error:(\{.*\})", re.S)


def _details(error: Exception) -> dict[str, Any]:
    text = str(error)
    start = text.find("{")
    if start >= 0:
        try:
            body: dict[str, Any] = json.loads(text[start:])
            if "exception_message" in body:
                return body
        except ValueError:
            pass
    kind, _, message = text.partition(" Error: ")
    return {"exception_type": kind, "exception_message": message or text}


def _hint(message: str) -> tuple[str, str | None]:
    """DuckDB appends its suggestion to the message; it is a hint."""
    for mark in ("\nDid you mean", "\nCandidate bindings:", "\nCandidate tables:", "\nLINE ", "\nHint:"):
        head, found, rest = message.partition(mark)
        if found:
            hint = (mark.strip() + rest).split("\nLINE ")[0].strip()
            return head.strip(), None if mark == "\nLINE " else hint[0].lower() + hint[1:]
    return message.strip(), None


def translate(error: Exception, query: Query | None = None) -> MlboxError:
    """Our error for one of DuckDB; ``query`` is what it was sent, verbatim."""
    from mlbox.base.errors import from_dict

    body = _details(error)
    message = str(body["exception_message"])
    ours = _OURS.search(message)
    if ours:  # raised by one of our functions inside the query
        try:
            body = json.loads(ours.group(1))
            found = from_dict(body)
            return found.kept_from_others(*body["public"]) if "public" in body else found
        except ValueError:
            pass
    about = file_error(message)
    text, hint = (about.message, about.hint) if about else _hint(message)
    if "single transaction can only write to a single attached database" in text:
        return Forbidden(
            "the catalog is changed by mlbox's own statements only",
            hint="views of ml are read-only; docs/reference/sql.md lists the statements",
            where=query.where(0) if query is not None else None,
        )
    missing = missing_file(message, query.text if query is not None else "")
    if missing:
        where = query.where(missing.position) if query is not None and missing.position is not None else None
        return Invalid(missing.message, hint=missing.hint, where=where)
    where = position = None
    if query is not None and body.get("position") is not None:
        raw = query.text.encode()
        position = len(raw[: int(body["position"])].decode(errors="ignore"))
        where = query.where(position)
    table = text.startswith("Table with name ")
    if not about:
        text, hint = advise(Told(text, hint, query.text if query is not None else "", position))
    candidates = body.get("candidates")
    if hint is None and candidates:
        hint = f"known here: {candidates.replace(',', ', ')}"
    kind = _KINDS.get(str(body.get("exception_type")), SystemError)
    if kind is NotFound and " already exists" in text:
        kind = AlreadyExists
    details = {"kind": "table"} if kind is NotFound and table else None
    if about:
        return Invalid(about.message, hint=hint, details=about.details)
    message = (text[0].lower() + text[1:] if text[1:2].islower() else text) or "the query failed"
    return kind(message, hint=hint, where=where, details=details)


def located(cursor: DuckDBPyConnection, error: Exception, query: Query, parameters: Any = None) -> MlboxError:
    """As :func:`translate`, with the place where there is one.

    DuckDB's relations, from which rows are taken without a copy, tell none in their errors; binding the text does.
    The transaction of ``cursor`` is over afterwards.
    """
    import duckdb

    told = translate(error, query)
    if told.where is not None or query.text.lstrip()[:7].upper() == "EXPLAIN":  # nothing explains an EXPLAIN
        return told
    prefix = "EXPLAIN "
    shifted = replace(query, source=query.source or query.text).within(prefix)
    with suppress(duckdb.Error):
        cursor.execute("ROLLBACK")
    try:
        cursor.execute("BEGIN TRANSACTION READ ONLY")
        cursor.execute(shifted.text, parameters)
    except duckdb.Error as again:
        found = translate(again, shifted)
        return found if found.where is not None else told
    finally:
        with suppress(duckdb.Error):
            cursor.execute("ROLLBACK")
    return told


def wrap(error: MlboxError) -> str:
    """The text that carries one of our errors through DuckDB out of a function; ``translate`` unwraps it."""
    body = error.to_dict()
    if error.public is not error:
        body["public"] = [error.public.message, error.public.hint]
    return "mlbox-error:" + json.dumps(body)
