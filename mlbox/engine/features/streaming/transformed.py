"""Micro-batches of a stream through a function of the user, before they are converted and checked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from mlbox.engine.features.definition import FeatureSet
from mlbox.engine.features.streaming.batch import Refused
from mlbox.engine.features.streaming.rows import JSON, PART
from mlbox.engine.features.transforming import Passage, Transforms, needed_columns

if TYPE_CHECKING:
    import pyarrow


class StreamTransform:
    """The function of one set. Rows that it fails at are refused, as others of a stream are; a function that has failed
    at each of many rows and at no other is wrong itself, and nothing is taken until it is mended."""

    def __init__(self, transforms: Transforms, feature_set: FeatureSet, source: str) -> None:
        self._transforms = transforms
        self._feature_set = feature_set
        self._passage = Passage(
            label=str(feature_set.transform_ref),
            name=f"source {source}",
            needed=needed_columns(feature_set),
            lenient=True,
        )

    def apply(self, rows: pyarrow.Table) -> tuple[pyarrow.Table, list[Refused]]:
        """What the function makes of the rows, part by part, and what was refused on the way."""
        import pyarrow

        made: list[pyarrow.Table] = []
        refused: list[Refused] = []
        with self._transforms.open(self._feature_set) as transform:
            for part, own in _parts(rows):
                given = _decoded(own, refused)
                for result in self._passage.results(transform, given.to_batches()):
                    refused += [_refused(failed.reason, failed.row.to_pylist()[0]) for failed in result.failed]
                    made += [_of_part(table, part) for table in result.rows]
        if not made:
            names = [*self._passage.needed, *([PART] if PART in rows.column_names else [])]
            made = [pyarrow.table({name: pyarrow.array([], pyarrow.string()) for name in names})]
        # places of rows that the function was given mean nothing among those that it gave
        numbered = [Refused(-1 - place, one.reason, one.text) for place, one in enumerate(refused)]
        return _united(made), numbered


def _parts(rows: pyarrow.Table) -> Iterator[tuple[str | None, pyarrow.Table]]:
    """Rows by their part of the stream, without that column."""
    import pyarrow.compute as pc

    if PART not in rows.column_names:
        yield None, rows
        return
    column = rows.column(PART)
    for part in column.unique().to_pylist():
        yield part, rows.filter(pc.equal(column, part)).drop_columns([PART])


def _of_part(table: pyarrow.Table, part: str | None) -> pyarrow.Table:
    import pyarrow

    if part is None:
        return table
    return table.append_column(PART, pyarrow.array([part] * len(table), pyarrow.string()))


def _decoded(rows: pyarrow.Table, refused: list[Refused]) -> pyarrow.Table:
    """Rows with columns; of objects in JSON the union of their names, each of one type or as text."""
    import pyarrow

    if JSON not in rows.column_names:
        return rows
    objects: list[dict[str, Any]] = []
    for text in rows.column(JSON).to_pylist():
        try:
            value = json.loads(text)
        except (TypeError, ValueError):
            refused.append(Refused(0, "the row is not JSON", text))
            continue
        if isinstance(value, dict):
            objects.append(value)
        else:
            refused.append(Refused(0, "the row is not a JSON object", text))
    names = dict.fromkeys(name for value in objects for name in value)
    return pyarrow.table({name: _column([value.get(name) for value in objects]) for name in names})


def _column(values: list[Any]) -> Any:
    import pyarrow

    try:
        return pyarrow.array(values)
    except (pyarrow.ArrowInvalid, pyarrow.ArrowTypeError, OverflowError):  # of several types
        return pyarrow.array([None if value is None else _text(value) for value in values], pyarrow.string())


def _united(tables: list[pyarrow.Table]) -> pyarrow.Table:
    """One below the other; a column of several types as text, which the set reads by its own."""
    import pyarrow

    try:
        return pyarrow.concat_tables(tables, promote_options="permissive")
    except pyarrow.ArrowTypeError:
        pass
    kinds: dict[str, set[str]] = {}
    for table in tables:
        for field in table.schema:
            kinds.setdefault(field.name, set()).add(str(field.type))
    mixed = {name for name, found in kinds.items() if len(found) > 1}
    alike = [
        pyarrow.table(
            {
                name: _column([None if value is None else _text(value) for value in table.column(name).to_pylist()])
                if name in mixed
                else table.column(name)
                for name in table.column_names
            }
        )
        for table in tables
    ]
    return pyarrow.concat_tables(alike, promote_options="permissive")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _refused(reason: str, row: dict[str, Any]) -> Refused:
    return Refused(0, reason, json.dumps(row, default=str))
