"""Parameters of runs, one row each: what ``ml.params`` is searched in. The run's own VARIANT says the same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def insert(cursor: DuckDBPyConnection, project: str, run_id: str, params: Mapping[str, Any]) -> None:
    """Add the parameters of a run that has none yet."""
    if not params:
        return
    cursor.execute(
        "INSERT INTO catalog.main.params (project, run_id, name, value, number) "
        "SELECT $project, $run_id, unnest($names), unnest($values)::VARCHAR, unnest($numbers)::DOUBLE",
        {
            "project": project,
            "run_id": run_id,
            "names": list(params),
            "values": [_text(value) for value in params.values()],
            "numbers": [_number(value) for value in params.values()],
        },
    )


def replace(cursor: DuckDBPyConnection, project: str, run_id: str, params: Mapping[str, Any]) -> None:
    """The parameters of a run, whatever it had before."""
    cursor.execute("DELETE FROM catalog.main.params WHERE run_id = ?", [run_id])
    insert(cursor, project, run_id, params)


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, default=str, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:  # a whole number beyond a double
        return None
