"""What a source of rows is: where they come from, how they are read, and how far a feature set has read them.

A source has *parts*: a file is one, a partition of a topic, a table as a whole. What has been read of a part is its
*position*, which only the kind of source understands: of a file its size and hash, of a partition the next offset. The
positions of a feature set are committed in one transaction with the rows that were read, so nothing is read twice.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from mlbox.base.errors import Invalid
from mlbox.base.names import RESERVED_COLUMNS, Ref
from mlbox.base.registry import Registry
from mlbox.base.suggest import did_you_mean

if TYPE_CHECKING:
    import pyarrow

ID, POSITION = "_id", "_position"
"""Columns of a :class:`StreamBatch` that name each row, and the position behind it."""
ARROW = "_arrow"
"""The name by which the SQL of :class:`Rows` reads its Arrow batches."""

ROW = f"{RESERVED_COLUMNS}row"
"""The column of :class:`Rows` that are ``numbered``: the row's place, from 1."""

Position = Mapping[str, Any]
"""How far a part was read; what JSON can hold."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a kind of source gives: rows that stand somewhere (``batch``), rows that keep coming (``stream``).

    Those of a stream are read, or with ``push`` brought by whoever has them.
    """

    batch: bool = False
    stream: bool = False
    push: bool = False


@dataclass(frozen=True, slots=True)
class Source:
    """A source as it is declared; either ``uri`` or ``query``. ``options`` may hold secrets by name."""

    id: str
    project: str
    name: str
    type: str
    uri: str | None = None
    query: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    suspended: bool = False
    owner: str | None = None
    comment: str | None = None
    created_at: datetime | None = None

    @property
    def ref(self) -> Ref:
        """Its reference."""
        return Ref(self.project, self.name)


@dataclass(frozen=True, slots=True)
class Bundle:
    """A small file that may be read together with others of the same ``key``. ``select`` makes the SELECT of several
    paths, with a column of that name for the path, and further options; ``typed``: files tell their own types."""

    path: str
    key: str
    typed: bool
    select: Callable[[list[str], str, Mapping[str, Any]], str]


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows as a SELECT of DuckDB, which may read the Arrow batches that ``arrow`` opens as the table ``_arrow``."""

    sql: str
    arrow: Callable[[], pyarrow.RecordBatchReader] | None = None
    copy: Path | None = None
    """A copy of what stands elsewhere, made for reading; it goes when the rows are read."""
    stable: bool = False
    """Whether ``sql`` gives the same rows in the same order each time, as a file does."""
    bundle: Bundle | None = None
    retyped: Callable[[Mapping[str, str]], str] | None = None
    """Where the types are guessed from texts: ``sql`` with these types by column, whatever the texts look like."""
    numbered: bool = False
    """Whether ``sql`` gives the column ``ROW`` too: where it comes for nothing, rows need not be counted, which
    would keep DuckDB from reading them with all cores."""
    copied: bool = False
    """Whether the rows are numbered in a copy: DuckDB reads them with all cores as long as nobody counts them."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a source with what is to be read of it.

    ``rows`` is None when there is nothing to read and the position alone is to be remembered. Rows of which some were
    read before (``again``) are wanted for the span alone: those newer than what the set has, or those of a backfill's
    range; the others are taken whole. With ``replaces`` the part has changed, so that what came from it before must go.
    """

    name: str
    position: Position
    rows: Rows | None
    again: bool = False
    replaces: bool = False
    settle: Callable[[], Position] | None = None
    """What the position says too, known when the rows are read; it may have to be waited for."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a reader is asked for: the parts' positions so far, whether what was read before is wanted too, and what a
    reader may need: ``ask`` carries out SQL in the source's project, ``staging`` is a folder for files meanwhile."""

    positions: Mapping[str, Position]
    again: bool
    ask: Callable[[str], list[tuple[Any, ...]]]
    staging: Path
    lenient: bool = False
    """Whether rows that cannot be read are to be told of instead of ending the reading, where the reader can do it."""


class BatchSource(Protocol):
    """Rows that stand somewhere and can be read anew. Options with secrets come with their values."""

    capabilities: Capabilities

    def claims(self, uri: str) -> bool:
        """Whether a URI without a TYPE is of this kind."""
        ...

    def check(self, source: Source) -> None:
        """Raise ``Invalid`` for a declaration that cannot work. Opens nothing."""
        ...

    def shape(self, source: Source, request: Request) -> Rows | None:
        """Rows (none are needed) with the columns that the source has now; None while it has none."""
        ...

    def read(self, source: Source, request: Request) -> Iterable[Part]:
        """What is there now and was not read before; with ``request.again`` the rest too."""
        ...


@dataclass(frozen=True, slots=True)
class StreamBatch:
    """Rows that have come, and the positions of their parts behind them.

    Columns by name, or one column ``_json`` (VARCHAR) with an object a row, which the set reads by its types. A column
    ``_part`` names the part of each row, where their orders have nothing to do with each other. ``lag`` is how many
    rows were there behind these, where it is known. Of a stream whose rows have names of their own, columns ``_id``
    and ``_position`` (JSON: the part's position behind the row) say them: who reads may then tell others which row he
    means, and stop in the midst of a batch.
    """

    rows: pyarrow.Table
    positions: Mapping[str, Position]
    lag: int | None = None


class StreamSource(Protocol):
    """Rows that keep coming, each with a position in its part, so that they can be read again from there."""

    capabilities: Capabilities

    def claims(self, uri: str) -> bool:
        """Whether a URI without a TYPE is of this kind."""
        ...

    def check(self, source: Source) -> None:
        """Raise ``Invalid`` for a declaration that cannot work. Opens nothing."""
        ...

    def consume(self, source: Source, positions: Mapping[str, Position]) -> Generator[StreamBatch]:
        """Batches behind ``positions``, as they come; an empty one after some time without any. Ends when closed.

        Raises ``Unavailable`` while the other side cannot be reached; it is then asked again.
        """
        ...


AnySource = BatchSource | StreamSource
SOURCES: Registry[AnySource] = Registry("source type", "mlbox.engine.features.sources")


def check_options(source: Source, known: Sequence[str]) -> None:
    """Raise ``Invalid`` with the nearest names for an option that the kind of source does not have."""
    for name in source.options:
        if name.lower() not in known:
            raise Invalid(
                f"a source of type {source.type} has no option {name!r}",
                hint=did_you_mean(name, known) or f"options: {', '.join(known)}",
            ).of_option(name)
