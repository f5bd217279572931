"""What all parts of an import share: where from, where to, and how much came."""

from __future__ import annotations

import mimetypes
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mlbox.base.clock import now
from mlbox.base.command import Caller
from mlbox.base.counted import counted
from mlbox.base.errors import Cancelled, MlboxError
from mlbox.base.ids import new_id
from mlbox.base.underway import current
from mlbox.engine.catalog.tables.artifacts import ArtifactRow
from mlbox.engine.runs.mlflow_stores.base import Store
from mlbox.engine.storage.artifacts import ArtifactStore

if TYPE_CHECKING:
    from mlbox.engine.catalog.database import Catalog

_MOST_TOLD = 5


@dataclass
class Brought:
    """How much came in, and what did not."""

    experiments: int = 0
    runs: int = 0
    points: int = 0
    artifacts: int = 0
    versions: int = 0
    left_out: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        told = (
            f"{counted(self.runs, 'run')} of {counted(self.experiments, 'new experiment')}, "
            f"{counted(self.points, 'point')} of metrics, {counted(self.artifacts, 'artifact')}, "
            f"{counted(self.versions, 'version')} of models"
        )
        if not self.left_out:
            return told
        shown = "; ".join(self.left_out[:_MOST_TOLD])
        more = len(self.left_out) - _MOST_TOLD
        return f"{told}. Left out: {shown}{f'; and {more:,} more' if more > 0 else ''}"


@dataclass(kw_only=True)
class Importing:
    """One import into one project. ``names``: what runs of an experiment have in their column, by its id there."""

    catalog: Catalog
    artifacts: ArtifactStore
    store: Store
    project: str
    caller: Caller
    names: dict[str, str | None] = field(default_factory=dict)
    done: Brought = field(default_factory=Brought)

    def keep_files(self, run_id: str | None, location: str, folder: str, told: str) -> list[ArtifactRow]:
        """The bytes are stored, the rows not yet entered. What is out of reach is left out, and told."""
        found: list[ArtifactRow] = []
        if not location:
            return found
        try:
            for path, opener in self.store.files(location):
                with opener() as content:
                    blob = self.artifacts.put_stream(content)
                media_type = mimetypes.guess_type(path)[0] or "application/octet-stream"
                row = ArtifactRow(
                    id=new_id(),
                    project=self.project,
                    run_id=run_id,
                    name=f"{folder}{path}",
                    kind="plot" if media_type.startswith("image/") else "file",
                    digest=blob.digest,
                    size=blob.size,
                    media_type=media_type,
                    file_name=path.rpartition("/")[2],
                    created_at=now(),
                )
                found.append(row)
        except (MlboxError, OSError) as error:
            self.done.left_out.append(f"{told}: {error}")
        return found


def moment(milliseconds: int | None) -> datetime | None:
    """Milliseconds since 1970 as a time."""
    return None if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, UTC)


def check_going_on() -> None:
    """Raise ``Cancelled`` when the statement was."""
    under_way = current()
    if under_way is not None and under_way.cancelled:
        raise Cancelled("the import was cancelled; what has come in stays", hint="the same statement goes on with it")
