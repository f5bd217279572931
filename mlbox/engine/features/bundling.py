"""Many small files of a source as one piece: a statement for each costs more than what stands in it.

Files are read together where this surely gives what each alone would give: CSV files with the same first line, by the
types that the set declares, and Parquet files with the same schema. What then goes wrong all the same is read again one
by one, so that errors say which file and which row it was.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlbox.base.names import RESERVED_COLUMNS
from mlbox.engine.features.copying import numbered
from mlbox.engine.features.definition import FeatureSet
from mlbox.engine.features.sources.base import ROW, Part
from mlbox.engine.features.streaming.rows import typed_columns

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

FILES = 2_000
"""Parts that are read together, at most."""
FILE = f"{RESERVED_COLUMNS}file"
_PLAIN = (
    *("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "FLOAT"),
    *("DOUBLE", "DECIMAL", "BOOLEAN", "VARCHAR", "DATE", "TIMESTAMP WITH TIME ZONE"),
)
"""Types that a text means the same for, whether it is read so or converted later."""


class OneByOne(Exception):
    """Files cannot be read together, or something in them is wrong."""


@dataclass(frozen=True, slots=True)
class Together:
    """Parts whose rows ``select`` gives, numbered through; ``counts`` are those of each part."""

    parts: tuple[Part, ...]
    counts: tuple[int, ...]
    select: str


def runs_of(feature_set: FeatureSet, parts: Iterable[Part]) -> Iterator[list[Part]]:
    """Parts in their order, those together that may be read so; others alone."""
    plain = all(kind.upper().startswith(_PLAIN) and not kind.endswith("]") for _, kind in typed_columns(feature_set))
    run: list[Part] = []
    for part in parts:
        bundle = part.rows.bundle if part.rows is not None and not part.again and not part.replaces else None
        if bundle is not None and not bundle.typed and not plain:
            bundle = None
        if run and (bundle is None or _bundle(run[-1]) != bundle.key or len(run) == FILES):
            yield run
            run = []
        if bundle is None:
            yield [part]
        else:
            run.append(part)
    if run:
        yield run


def _bundle(part: Part) -> str | None:
    return part.rows.bundle.key if part.rows is not None and part.rows.bundle is not None else None


def together(cursor: DuckDBPyConnection, feature_set: FeatureSet, run: Sequence[Part]) -> Together:
    """The rows of a run of parts, read once; raises :class:`OneByOne`."""
    import duckdb

    try:
        return _read(cursor, feature_set, run)
    except duckdb.Error as error:
        raise OneByOne from error


def _read(cursor: DuckDBPyConnection, feature_set: FeatureSet, parts: Sequence[Part]) -> Together:
    bundles = [part.rows.bundle for part in parts if part.rows is not None and part.rows.bundle is not None]
    options = {} if bundles[0].typed else _form(cursor, feature_set, [bundle.path for bundle in bundles])
    text = bundles[0].select([bundle.path for bundle in bundles], FILE, options)
    cursor.execute(f"CREATE OR REPLACE TEMP TABLE _together AS {text}")
    select = numbered(cursor, "temp._together")
    found = {
        path: (first, last, count)
        for path, first, last, count in cursor.execute(
            f"SELECT {FILE}, min({ROW}), max({ROW}), count(*) FROM ({select}) GROUP BY 1"
        ).fetchall()
    }
    counts, before = [], 0
    for bundle in bundles:
        begins, ends, count = found.pop(bundle.path, (before + 1, before, 0))
        if (begins, ends) != (before + 1, before + count):  # not in the order of the files
            raise OneByOne
        counts.append(count)
        before = ends
    if found:
        raise OneByOne
    return Together(tuple(parts), tuple(counts), select)


def _form(cursor: DuckDBPyConnection, feature_set: FeatureSet, paths: list[str]) -> dict[str, Any]:
    """What DuckDB finds out of the largest CSV file, for all of them, and the types of the set: it guesses no more."""
    ((delim, quote, escape, skip, header, comment, columns),) = cursor.execute(
        "SELECT Delimiter, Quote, Escape, SkipRows, HasHeader, Comment, Columns FROM sniff_csv(?)",
        [max(paths, key=os.path.getsize)],
    ).fetchall()
    if skip or not header or _sign(comment):
        raise OneByOne
    declared = {name.lower(): kind for name, kind in typed_columns(feature_set)}
    types = {column["name"]: declared.get(column["name"].lower(), "VARCHAR") for column in columns}
    signs = {"delim": delim, "quote": _sign(quote), "escape": _sign(escape) or _sign(quote)}
    return {"auto_detect": False, "header": True, "columns": types, **{key: sign or '"' for key, sign in signs.items()}}


def _sign(found: str | None) -> str:
    """One character, or none."""
    return found if found is not None and len(found) == 1 and found != "\0" else ""
