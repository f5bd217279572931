"""Logs of runs as a column: ``ml.logs`` reads the file of a run when a query asks for that run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mlbox.base.ids import is_id

if TYPE_CHECKING:
    from pathlib import Path

    from duckdb import DuckDBPyConnection

FUNCTION = "_ml_log_lines"
"""``(run id) -> VARCHAR[]``: the lines of its log, without their ends; empty when it wrote none."""


def register(connection: DuckDBPyConnection, folder: Path) -> None:
    """At each open, before the views are made: a view is bound when it is made."""
    from duckdb.sqltypes import VARCHAR

    def lines(ids: Any) -> Any:
        import pyarrow

        return pyarrow.array([read(folder, run_id) for run_id in ids.to_pylist()], pyarrow.list_(pyarrow.string()))

    # The stubs of DuckDB want enumerations that the module does not export; their names work.
    options: dict[str, Any] = {"type": "arrow"}
    # Without side effects for the optimizer, so that a condition on the run is applied before its file is read.
    connection.create_function(FUNCTION, lines, [VARCHAR], connection.list_type(VARCHAR), **options)


def read(folder: Path, run_id: str | None) -> Sequence[str]:
    """The lines of a log; what is not UTF-8 is replaced."""
    if run_id is None or not is_id(run_id):
        return ()
    try:
        text = (folder / f"{run_id}.log").read_bytes().decode("utf-8", errors="replace")
    except OSError:
        return ()
    found = text.split("\n")
    return [line.removesuffix("\r") for line in (found[:-1] if not found[-1] else found)]
