"""What the server knows of a run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Dict, List, Optional

from mlbox.client.failures import MlboxClientError

if TYPE_CHECKING:
    from mlbox.client.connection import Connection

_TRIALS = """SELECT t.id, t.state, t.params, t.metrics, coalesce(t.id = p.best_trial, false) AS best
FROM catalog.ml.runs t JOIN catalog.ml.runs p ON p.id = t.parent_id WHERE t.parent_id = $id ORDER BY t.id"""


class Recorded:
    """A run as the server has it. All is read when it is asked for."""

    def __init__(self, connection: Connection, run_id: str) -> None:
        self._connection = connection
        self.id = run_id

    @property
    def row(self) -> Dict[str, Any]:
        """The row of ``ml.runs``."""
        rows = self._connection.sql("SELECT * FROM catalog.ml.runs WHERE id = ?", [self.id]).rows()
        if not rows:
            raise MlboxClientError(f"there is no run {self.id}")
        return rows[0]

    @property
    def state(self) -> str:
        """pending, preparing, running, completed, error, cancelled or interrupted."""
        return str(self.row["state"])

    @property
    def metrics(self) -> Dict[str, float]:
        """The latest value of each metric."""
        return dict(_parsed(self.row["metrics"]))

    @property
    def params(self) -> Dict[str, Any]:
        """Parameters, given and logged."""
        return dict(_parsed(self.row["params"]))

    @property
    def trials(self) -> List[Dict[str, Any]]:
        """Of a sweep, its trials in their order: id, state, the parameters and the latest metrics of each, and whether
        it is the best. This is what a plot of parallel coordinates is drawn from."""
        found = self._connection.sql(_TRIALS, {"id": self.id}).rows()
        swept = _swept([_parsed(row["params"]) for row in found])
        return [
            {
                "id": row["id"],
                "state": row["state"],
                "best": row["best"],
                **{name: _parsed(row["params"]).get(name) for name in swept},
                **_parsed(row["metrics"]),
            }
            for row in found
        ]

    @property
    def artifacts(self) -> List[Dict[str, Any]]:
        """Rows of ``ml.artifacts``."""
        columns = "id, name, version, aliases, kind, size, media_type, file_name"
        text = f"SELECT {columns} FROM catalog.ml.artifacts WHERE run_id = ? ORDER BY id"
        return self._connection.sql(text, [self.id]).rows()

    @property
    def url(self) -> str:
        """The run's page."""
        return f"{self._connection.url}/ui/runs/{self.id}"

    @property
    def tags(self) -> Dict[str, Any]:
        """Labels."""
        return dict(_parsed(self.row["labels"]))

    @property
    def note(self) -> Optional[str]:
        """What somebody wrote about it; can be set."""
        found = self.row["note"]
        return None if found is None else str(found)

    @note.setter
    def note(self, text: Optional[str]) -> None:
        self._connection.sql(f"ALTER RUN '{self.id}' SET (note = $note)", {"note": text})

    def _repr_html_(self) -> str:
        from mlbox.client.card import html

        row = self.row
        return html(row, _parsed(row["params"]), _parsed(row["metrics"]), self.url)

    def __repr__(self) -> str:
        from mlbox.client.card import short

        row = self.row
        metrics = ", ".join(f"{name}={short(value)}" for name, value in _parsed(row["metrics"]).items())
        return f"<run {row['name'] or self.id[:16]} {row['state']}{': ' + metrics if metrics else ''}>"


def _swept(params: List[Dict[str, Any]]) -> List[str]:
    """Names of parameters that are not the same in all trials; all of them where nothing differs."""
    names = list(dict.fromkeys(name for given in params for name in given))
    differing = [name for name in names if len({json.dumps(given.get(name), default=str) for given in params}) > 1]
    return differing or names


def _parsed(value: Any) -> Dict[str, Any]:
    return dict(json.loads(value)) if isinstance(value, str) else dict(value or {})
