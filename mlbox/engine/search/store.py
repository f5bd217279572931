"""The tables of collections in LanceDB, under the folder ``vectors`` of the home.

A reader holds one version of a table; a writer makes later ones that nobody sees until the catalog names the last.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlbox.base.errors import Conflict, Invalid, Unavailable
from mlbox.base.names import literal
from mlbox.engine.search.commands import Metric
from mlbox.engine.search.definition import HASH, KEY, PART, TEXT, VECTOR

if TYPE_CHECKING:
    import pyarrow

INDEX_FROM = 50_000
"""Rows from which on vectors get an index; fewer are looked at one by one, which is exact and takes milliseconds."""
DELETED_AT_ONCE = 1000
KEPT = timedelta(hours=1)
"""How long versions stay that a search under way may still read."""


class VectorStore:
    """Opens, fills and searches the tables."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._database: Any = None
        self._readers: dict[str, tuple[int, Any]] = {}
        self._lock = threading.Lock()

    def create(self, name: str, schema: pyarrow.Schema) -> CollectionTable:
        """A new table; what a crash left under the name is replaced."""
        return CollectionTable(self._open().create_table(name, schema=schema, mode="overwrite"))

    def writer(self, name: str, version: int) -> CollectionTable:
        """A table to be changed, as it was at ``version``: what an interrupted writer did after it is undone."""
        table = self._table(name)
        if table.version != version:
            table.checkout(version)
            table.restore()
        return CollectionTable(table)

    def reader(self, name: str, version: int) -> Any:
        """A table at a version, to be read."""
        with self._lock:
            known = self._readers.get(name)
            if known is None or known[0] != version:
                table = self._table(name)
                table.checkout(version)
                known = self._readers[name] = (version, table)
        return known[1]

    def drop(self, name: str) -> None:
        """Forget a table and remove its files."""
        with self._lock:
            self._readers.pop(name, None)
        shutil.rmtree(self._folder / f"{name}.lance", ignore_errors=True)

    def drop_others(self, known: Iterable[str]) -> None:
        """Remove tables that no collection has: a crash left them."""
        if self._folder.is_dir():
            for name in {entry.stem for entry in self._folder.glob("*.lance")} - set(known):
                self.drop(name)

    def _table(self, name: str) -> Any:
        if not (self._folder / f"{name}.lance").is_dir():
            raise Unavailable(
                "the vectors of the collection are not in the home",
                hint="bring the folder vectors back from a backup, or REFRESH COLLECTION … FULL makes them again",
            )
        return self._open().open_table(name)

    def _open(self) -> Any:
        if self._database is None:
            os.environ.setdefault("LANCE_LOG", "error")  # its notes on standard error are not for our users
            os.environ.setdefault("LANCEDB_LOG", "error")
            try:
                import lancedb
            except ImportError:
                raise Conflict(
                    "collections need the library lancedb", hint="pip install 'mlbox[vectors]'; the executable has it"
                ) from None
            self._folder.mkdir(parents=True, exist_ok=True)
            self._database = lancedb.connect(str(self._folder))
        return self._database


class CollectionTable:
    """A table that one writer changes."""

    def __init__(self, table: Any) -> None:
        self._table = table

    def hashes(self) -> dict[str, str]:
        """What is known of each key."""
        found = self._table.search().select([KEY, HASH]).where(f"{PART} = 0").to_arrow()
        return dict(zip(found[KEY].to_pylist(), found[HASH].to_pylist(), strict=True))

    def add(self, rows: pyarrow.Table) -> None:
        """Rows of new keys."""
        if rows.num_rows:
            self._table.add(rows)

    def remove(self, keys: Sequence[str]) -> None:
        """All rows of these keys."""
        for start in range(0, len(keys), DELETED_AT_ONCE):
            some = ", ".join(literal(key) for key in keys[start : start + DELETED_AT_ONCE])
            self._table.delete(f"{KEY} IN ({some})")

    def finish(self, metric: Metric | None, *, text: bool) -> tuple[int, int, bool]:
        """Bring indexes up to date, tidy up; version, rows, and whether there is an index of vectors."""
        from lancedb.index import FTS, IvfFlat

        rows = int(self._table.count_rows())
        present = {column for index in self._table.list_indices() for column in index.columns}
        if text and TEXT not in present and rows:
            self._table.create_index(TEXT, config=FTS())
        indexed = VECTOR in present
        if metric is not None and not indexed and rows >= INDEX_FROM:
            self._table.create_index(VECTOR, config=IvfFlat(distance_type=metric))
            indexed = True
        self._table.optimize(cleanup_older_than=KEPT)
        return int(self._table.version), rows, indexed


def search(
    table: Any, *, text: str | None, vector: Any, metric: Metric, limit: int, where: str | None
) -> tuple[pyarrow.Table, str]:
    """The nearest rows and the column that orders them; ``Invalid`` for a filter that does not fit."""
    if text is not None and vector is not None:
        query = table.search(query_type="hybrid", vector_column_name=VECTOR, fts_columns=TEXT)
        query, order = query.vector(vector).text(text).distance_type(metric), "_relevance_score"
    elif vector is not None:
        query, order = table.search(vector, vector_column_name=VECTOR).distance_type(metric), "_distance"
    else:
        query, order = table.search(text, query_type="fts", fts_columns=TEXT), "_score"
    if where:
        query = query.where(where, prefilter=True)
    try:
        return query.limit(limit).to_arrow(), order
    except (ValueError, RuntimeError) as error:
        told = str(error).removeprefix("lance error: ").removeprefix("Invalid input, ").split(". Valid fields")[0]
        names = ", ".join(name for name in table.schema.names if not name.startswith("_"))
        raise Invalid(
            f"the search failed: {told}", hint=f"filter takes a condition over the collection's columns: {names}"
        ) from None
