"""What a run was given to read: rows as Parquet or CSV, and artifacts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from mlbox.base.errors import NotFound
from mlbox.engine.catalog.tables import runs
from mlbox.engine.catalog.tables.runs import RunRow
from mlbox.engine.runs.csv_inputs import as_csv, column_types
from mlbox.engine.storage.artifacts import ArtifactStore

if TYPE_CHECKING:
    from mlbox.engine.catalog.database import Catalog


class RunInputs:
    """Finds them. ``NotFound`` for a run or an input that there is not."""

    def __init__(self, catalog: Catalog, artifacts: ArtifactStore) -> None:
        self._catalog = catalog
        self._artifacts = artifacts

    def run(self, run_id: str) -> RunRow:
        """The run."""
        with self._catalog.read() as cursor:
            row = runs.get(cursor, run_id)
        if row is None:
            raise NotFound(f"there is no run {run_id!r}")
        return row

    def told(self, row: RunRow) -> dict[str, Any]:
        """What the process of a run needs to know of each."""
        frames = {
            name: {
                "format": "parquet",
                "rows": frame["rows"],
                "types": column_types(self._catalog.home.path / frame["path"]),
            }
            for name, frame in row.request.get("frames", {}).items()
        }
        return {**frames, **{name: {"artifact": known} for name, known in row.request.get("artifacts", {}).items()}}

    def artifact(self, run_id: str, name: str) -> tuple[BinaryIO, Mapping[str, Any]] | None:
        """The bytes of an input that is an artifact, and what is known of it; None for another input."""
        known = self.run(run_id).request.get("artifacts", {}).get(name)
        return None if known is None else (self._artifacts.open(known["digest"]), known)

    def path(self, run_id: str, name: str) -> Path:
        """The Parquet file of an input."""
        frames = self.run(run_id).request.get("frames", {})
        if name not in frames:
            known = ", ".join(frames) or "none"
            raise NotFound(f"run {run_id[:16]} has no input {name!r}", hint=f"its inputs: {known}")
        return self._catalog.home.path / str(frames[name]["path"])

    def csv_path(self, run_id: str, name: str) -> Path:
        """The same as CSV, for environments without pyarrow."""
        parquet = self.path(run_id, name)
        target = parquet.with_suffix(".csv")
        if not target.is_file():
            as_csv(parquet, target)
        return target
