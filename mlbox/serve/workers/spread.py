"""Where endpoints are answered beside the server itself: by the workers, where there are some."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from mlbox.base.errors import MlboxError
from mlbox.serve.workers.counting import Counted, merged

if TYPE_CHECKING:
    from mlbox.engine.catalog.tables.endpoints import EndpointRow
    from mlbox.serve.workers.fleet import Fleet


class Spread:
    """Passes on to the ``fleet``, if any. ``failed`` is told of an endpoint that workers cannot answer, and why."""

    def __init__(self, failed: Callable[[EndpointRow, str], None]) -> None:
        self.fleet: Fleet | None = None
        self._failed = failed

    def begin(self, fleet: Fleet, rows: Iterable[EndpointRow]) -> None:
        """Let workers answer for these, and for all that come."""
        self.fleet = fleet
        for row in rows:
            self.offer(row)

    def serves(self, row: EndpointRow) -> bool:
        """Whether workers answer for an endpoint."""
        return self.fleet is not None and self.fleet.serves(row)

    def offer(self, row: EndpointRow, compared: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Workers answer by this row when this returns; what they, and the server, have compared."""
        own = dict(compared or {})
        if self.fleet is None:
            return own
        try:
            return merged((own, self.fleet.offer(row)))
        except MlboxError as error:  # the server answers, as it does without workers
            self.fleet.withdraw(row.project, row.name)
            self._failed(row, error.message)
            return own

    def short(self, row: EndpointRow) -> str:
        """In words, to be put behind a message: that an endpoint asks for more workers than there are."""
        wanted, there = int(row.options.get("workers") or 1), self.fleet.size if self.fleet is not None else 1
        if wanted <= there:
            return ""
        return f"; it asks for {wanted} workers, the server has {there} until it is started anew (--workers {wanted})"

    def withdraw(self, project: str, name: str, renamed: EndpointRow | None = None) -> None:
        """An endpoint is gone, or has another name now."""
        if self.fleet is not None:
            self.fleet.withdraw(project, name, renamed)

    def withdraw_project(self, project: str) -> None:
        """All endpoints of a project are gone."""
        if self.fleet is not None:
            self.fleet.withdraw_project(project)

    def flush(self) -> None:
        """Take what workers have recorded by now."""
        if self.fleet is not None:
            self.fleet.flush()

    def counted(self) -> Counted:
        """What they have counted."""
        return self.fleet.counted() if self.fleet is not None else Counted()
