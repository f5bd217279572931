"""In which form rows of a set lie at a place of the user's: one file a form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from mlbox.base.names import quote
from mlbox.base.registry import Registry
from mlbox.engine.features.definition import SEQUENCE, FeatureSet

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class Job:
    """Rows of a version that are to be written: those of the sequences ``first`` to ``last``, or all up to ``last``.

    ``cursor`` sees them, ``staging`` is an empty folder for as long as the job takes. With ``anew`` they come in place
    of all that lies there; with ``erase`` nothing of what lay there may be found by any reader afterwards.
    ``store`` are the options of a profile by which an object store is asked; without them its library finds its own.
    """

    found: FeatureSet
    cursor: DuckDBPyConnection
    staging: Path
    first: int = 1
    last: int = 0
    anew: bool = False
    erase: bool = False
    store: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def rows(self, first: int | None = None) -> str:
        """A relation (SQL): the rows behind ``first``, where it is given, instead of the job's own."""
        start = self.first if first is None else first
        return f"(FROM {self.found.table} WHERE {SEQUENCE} BETWEEN {start} AND {self.last})"

    def no_rows(self) -> str:
        """A relation (SQL) without rows, with the set's columns, of which there need be no table."""
        times = [(name, "TIMESTAMP WITH TIME ZONE") for name in self.found.times]
        features = ((feature.name, feature.type) for feature in self.found.features)
        columns = (f"CAST(NULL AS {kind}) AS {quote(name)}" for name, kind in (*self.found.entities, *times, *features))
        return f"(SELECT {', '.join(columns)} LIMIT 0)"

    @property
    def address(self) -> str:
        """Where the version lies."""
        return f"{(self.found.location or '').rstrip('/')}/v{self.found.version}"


class Form(Protocol):
    """Writes rows in one form. Raises ``Unavailable`` when the place is away, ``Conflict`` for rows that do not
    fit."""

    def check(self, job: Job) -> None:
        """Whether rows of the set could be written; writes nothing. The table of the set need not be there."""
        ...

    def write(self, job: Job) -> None:
        """Write the job's rows. The same job twice leaves what it leaves once, also when the first one broke off."""
        ...


FORMS: Registry[Form] = Registry("format of a location", "mlbox.engine.features.locations")


def day_of(column: str) -> str:
    """The name by which rows are laid apart by the day of a time."""
    return f"{column}_day"


def apart(found: FeatureSet) -> tuple[list[str], Sequence[str]]:
    """Columns of rows as they are written (SQL), and names of those by which they are laid apart: of a time its day."""
    columns, names = [quote(column) for column in found.columns], []
    for column in found.partition_by:
        if column in found.times:
            names.append(day_of(column))
            columns.append(f"({quote(column)} AT TIME ZONE 'UTC')::DATE AS {quote(names[-1])}")
        else:
            names.append(column)
    return columns, names
