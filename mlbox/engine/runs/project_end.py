"""What the drop of a project means for its runs: they end; and when it is gone for good, their folders and logs go."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterable
from contextlib import suppress

from mlbox.base.errors import MlboxError
from mlbox.engine.catalog.tables.runs import RunRow
from mlbox.engine.runs import lifecycle
from mlbox.engine.runs.attempts import Workshop
from mlbox.engine.runs.ledger import Ending
from mlbox.engine.runs.watches import Watches

_log = logging.getLogger(__name__)
REASON = "its project was dropped"


class ProjectEnd:
    """Can be repeated: it finds its work by the rows of the runs, which go last."""

    def __init__(self, shop: Workshop, watches: Watches) -> None:
        self._shop = shop
        self._watches = watches

    def forget(self, project: str) -> None:
        """End the runs of a project."""
        while active := [row for row in self._shop.ledger.active() if row.project == project]:
            watched = [watch for row in active if (watch := self._watches.cancel(row.id, REASON)) is not None]
            for watch in watched:
                watch.done.wait()
            for row in self._shop.ledger.active():
                if row.project == project and self._watches.get(row.id) is None:
                    self._end(row)
        for run_id in self._shop.ledger.ids_of(project):
            self._shop.calls.forget(run_id)

    def delete(self, run_ids: Iterable[str]) -> None:
        """Remove what runs have on disk."""
        for run_id in run_ids:
            with suppress(OSError):
                self._shop.output.path(run_id).unlink()
            shutil.rmtree(self._shop.home.runs / run_id, ignore_errors=True)

    def _end(self, row: RunRow) -> None:
        """A run that nobody looks after: after a crash, or without a server."""
        if row.handle is not None:
            try:
                engine = self._shop.engines.get(row.runtime)
                if engine.reattach(dict(row.handle)):
                    engine.cancel(dict(row.handle))
            except MlboxError as error:  # an engine that is away, or not there any more
                _log.warning("run %s of a dropped project could not be ended: %s", row.id, error.message)
        self._shop.ledger.finish(row.id, Ending(lifecycle.CANCELLED, REASON))
