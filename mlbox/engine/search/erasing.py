"""DELETE ENTITY reaches collections: the documents that name somebody, and their vectors, go with their files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mlbox.engine.search.definition import KEY, TEXT, Collection

if TYPE_CHECKING:
    import pyarrow

ROWS_AT_ONCE = 10_000


def names_entity(collection: Collection, entity: Mapping[str, Any]) -> bool:
    """Whether its documents have all the columns of the entity."""
    return {name.lower() for name in entity} <= {name.lower() for name, _ in collection.columns}


def keys_of(collection: Collection, table: Any, entity: Mapping[str, Any]) -> set[str]:
    """Keys of the documents that name the entity; ``table`` is the collection's of LanceDB."""
    own = {name.lower(): TEXT if name == collection.text else name for name, _ in collection.columns}
    wanted = {own[name.lower()]: value for name, value in entity.items()}
    found: set[str] = set()
    for batch in _batches(table, [KEY, *wanted]):
        columns = [batch[name].to_pylist() for name in wanted]
        keys = batch[KEY].to_pylist()
        for key, *values in zip(keys, *columns, strict=True):
            if all(_same(value, given) for value, given in zip(values, wanted.values(), strict=True)):
                found.add(key)
    return found


def without(table: Any, keys: set[str]) -> Iterator[pyarrow.Table]:
    """Tables of Arrow with all rows but those of ``keys``."""
    import pyarrow
    import pyarrow.compute as pc

    gone = pyarrow.array(sorted(keys), pyarrow.string())
    for batch in _batches(table, None):
        kept = batch.filter(pc.invert(pc.is_in(batch[KEY], gone)))
        if kept.num_rows:
            yield kept


def _batches(table: Any, columns: Sequence[str] | None) -> Iterator[pyarrow.Table]:
    import pyarrow

    query = table.search()
    if columns is not None:
        query = query.select(list(columns))
    for batch in query.to_batches(ROWS_AT_ONCE):
        yield pyarrow.Table.from_batches([batch])


def _same(value: Any, given: Any) -> bool:
    """7, 7.0 and "7" are one, as elsewhere."""
    if value is None:
        return False
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return float(value) == float(given)
        except (TypeError, ValueError):
            return False
    return str(value) == str(given)
