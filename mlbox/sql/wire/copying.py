"""``COPY (query | table) TO STDOUT``: the only form of COPY that is the wire's; files are DuckDB's."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlbox.base.errors import Invalid, NotExecuted, StatementError, Where
from mlbox.sql.lexer import Token, string_value, tokenize
from mlbox.sql.script import Statement
from mlbox.sql.wire.answers import Answer
from mlbox.sql.wire.columns import encoded, joined
from mlbox.sql.wire.types import field_of

if TYPE_CHECKING:
    import pyarrow

_COPY = re.compile(r"\s*COPY\b", re.I)
_PORTION = 10_000


@dataclass(frozen=True, slots=True)
class Options:
    """How rows are written."""

    csv: bool = False
    header: bool = False
    delimiter: str = "\t"
    null: str = "\\N"
    quote: str = '"'


@dataclass(frozen=True, slots=True)
class CopyOut:
    """The query behind a COPY and how its rows are written."""

    query: Statement
    options: Options


@dataclass(frozen=True, slots=True)
class CopyAnswer(Answer):
    """``lines`` go out as CopyData."""

    lines: Callable[[], Iterator[tuple[memoryview, int]]] = lambda: iter(())
    """Bytes and the number of rows in them."""
    columns: int = 0


def recognise(statement: Statement) -> CopyOut | None:
    """The COPY to or from the client; None for every other statement."""
    if not _COPY.match(statement.text):
        return None
    tokens = tokenize(statement.text)
    at = _direction(tokens)
    if at is None:
        return None
    if tokens[at].key == "FROM":
        raise NotExecuted(
            "COPY FROM STDIN is not offered",
            hint="INSERT INTO … VALUES, or read a file: INSERT INTO t SELECT * FROM read_csv('file.csv')",
            where=Where.at(statement.source, statement.offset + tokens[at].start),
        )
    start, stop = tokens[1].start, tokens[at - 1].stop
    text = statement.text[start:stop]
    if tokens[1].key == "(" and tokens[at - 1].key == ")" and at > 2:
        start, stop = tokens[1].stop, tokens[at - 1].start
        inner = statement.text[start:stop].strip()
        start += len(statement.text[start:stop]) - len(statement.text[start:stop].lstrip())
        query = Statement(inner, statement.offset + start, statement.source, ours=False)
    else:
        query = _of_table(tokens[1:at], text, statement)
    return CopyOut(query, _options(tokens[at + 2 :], statement))


def _of_table(tokens: Sequence[Token], text: str, statement: Statement) -> Statement:
    opened = next((token for token in tokens if token.key == "("), None)
    if opened is None:
        query = f"SELECT * FROM {text}"
    else:
        at = opened.start - tokens[0].start
        query = f"SELECT {text[at + 1 : -1]} FROM {text[:at]}"
    return Statement(query, 0, query, ours=False)


def _direction(tokens: Sequence[Token]) -> int | None:
    """The index of TO or FROM before STDOUT or STDIN, outside brackets."""
    depth = 0
    for index, token in enumerate(tokens[:-1]):
        depth += (token.key == "(") - (token.key == ")")
        if depth == 0 and (token.key, tokens[index + 1].key) in (("TO", "STDOUT"), ("FROM", "STDIN")) and index > 1:
            return index
    return None


def _options(tokens: Sequence[Token], statement: Statement) -> Options:
    given: dict[str, str] = {}
    rest = [token for token in tokens if token.key not in ("WITH", "(", ")", ",", "AS", "=")]
    while rest:
        token, *rest = rest
        name = token.key
        if name in ("CSV", "TEXT", "BINARY"):
            given["FORMAT"] = name
        elif name == "HEADER":
            given[name] = "TRUE"
            if rest and rest[0].key in ("TRUE", "FALSE", "ON", "OFF"):
                given[name] = rest.pop(0).key
        elif name in ("FORMAT", "DELIMITER", "NULL", "QUOTE", "ENCODING", "ESCAPE") and rest:
            value = rest.pop(0)
            given[name] = string_value(value.text) if value.kind == "string" else value.text
        else:
            where = Where.at(statement.source, statement.offset + token.start)
            raise StatementError(
                f"COPY has no option {token.text}", hint="FORMAT, HEADER, DELIMITER, NULL, QUOTE", where=where
            )
    return _checked(given)


def _checked(given: dict[str, str]) -> Options:
    form = given.get("FORMAT", "TEXT").upper()
    if form not in ("CSV", "TEXT"):
        raise NotExecuted(f"COPY in format {form.lower()} is not offered", hint="FORMAT csv or FORMAT text")
    csv = form == "CSV"
    options = Options(
        csv=csv,
        header=given.get("HEADER", "FALSE").upper() in ("TRUE", "ON", "1"),
        delimiter=given.get("DELIMITER", "," if csv else "\t"),
        null=given.get("NULL", "" if csv else "\\N"),
        quote=given.get("QUOTE", '"'),
    )
    for name, value in (("DELIMITER", options.delimiter), ("QUOTE", options.quote)):
        if len(value) != 1 or value in "\r\n":
            raise Invalid(f"{name} must be one character, not {value!r}")
    return options


def answer(copied: CopyOut, rows: Answer, zone: str) -> Answer:
    """The answer of COPY for the answer of its query."""
    if rows.schema is None:
        raise StatementError("COPY TO STDOUT needs a query with rows")
    schema = rows.schema
    return CopyAnswer(
        "COPY", close=rows.close, lines=lambda: _lines(schema, rows, copied.options, zone), columns=len(schema)
    )


def _lines(schema: pyarrow.Schema, rows: Answer, options: Options, zone: str) -> Iterator[tuple[memoryview, int]]:
    import pyarrow
    import pyarrow.compute as compute

    separator, end = options.delimiter.encode(), pyarrow.scalar(b"\n", pyarrow.binary())
    if options.header:
        names = [_written(pyarrow.array([column.name.encode()]), options)[0].as_py() for column in schema]
        yield memoryview(separator.join(names) + b"\n"), 0
    for batch in rows.batches:
        for start in range(0, batch.num_rows, _PORTION):
            part = batch.slice(start, _PORTION)
            columns = [
                _written(encoded(column, field_of(told), zone), options)
                for column, told in zip(part.columns, schema, strict=True)
            ]
            body = compute.binary_join_element_wise(*columns, separator)
            yield joined(compute.binary_join_element_wise(body, end, b"")), part.num_rows


def _written(values: pyarrow.Array, options: Options) -> pyarrow.Array:
    """Values escaped or quoted, NULL as its word."""
    import pyarrow
    import pyarrow.compute as compute

    null = pyarrow.scalar(options.null.encode(), pyarrow.binary())
    texts = compute.cast(values, pyarrow.string())
    if options.csv:
        quote = options.quote
        special = re.escape(options.delimiter) + re.escape(quote) + "\\r\\n"
        needs = compute.or_(compute.match_substring_regex(texts, f"[{special}]"), compute.equal(texts, options.null))
        doubled = compute.replace_substring(texts, quote, quote * 2)
        wrapped = compute.binary_join_element_wise(quote, doubled, quote, "")
        texts = compute.if_else(needs, wrapped, texts)
    else:
        for found, told in (("\\", "\\\\"), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t")):
            texts = compute.replace_substring(texts, found, told)
        if options.delimiter != "\t":
            texts = compute.replace_substring(texts, options.delimiter, "\\" + options.delimiter)
    return compute.fill_null(compute.cast(texts, pyarrow.binary()), null)
