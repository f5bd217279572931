"""Opens what a feed needs: where its events come from, whom they are brought to, where the answers go."""

from __future__ import annotations

import threading
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlbox.base.errors import Conflict, Forbidden, MlboxError, Unavailable
from mlbox.engine.features.sinks.base import Target, open_sink
from mlbox.engine.security.secret_names import options_of, with_values
from mlbox.serve.feeds import definition
from mlbox.serve.feeds.asking import Asker, Outcome
from mlbox.serve.feeds.inlets import ColumnInlet, InboxInlet, Inlet, StreamInlet, TableInlet
from mlbox.serve.feeds.outlets import TYPES, NoOutlet, Outlet, SinkOutlet, TableOutlet
from mlbox.serve.feeds.worker import Way

if TYPE_CHECKING:
    from mlbox.base.access import Access
    from mlbox.engine.catalog.database import Catalog
    from mlbox.engine.catalog.tables.feeds import FeedRow
    from mlbox.engine.features.service import Features
    from mlbox.engine.features.sources.base import Source
    from mlbox.serve.directory import Slot
    from mlbox.serve.feeds.events import Event
    from mlbox.serve.service import Endpoints


@dataclass(frozen=True, slots=True)
class Ways:
    """Opens ways of feeds, one by one."""

    catalog: Catalog
    features: Features
    endpoints: Endpoints
    access: Callable[[str], Access | None]
    _signals: dict[str, threading.Event] = field(default_factory=dict)

    def signal(self, feed_id: str) -> threading.Event:
        """Set when rows were brought to a feed."""
        return self._signals.setdefault(feed_id, threading.Event())

    def opener(self, row: FeedRow) -> Callable[[threading.Event], Way]:
        """Opens the way of a feed; the event is set when it is to end."""

        def opened(stopping: threading.Event) -> Way:
            self._allow(row)
            own = definition.own_options(options_of(row.options))
            return Way(
                inlet=self._inlet(row, stopping),
                outlet=self._outlet(row),
                ask=self._ask(row),
                allowed=lambda: self._allow(row),
                size=own["batch"],
                retries=own["retries"],
                inputs=own[definition.INPUTS],
            )

        return opened

    def _allow(self, row: FeedRow) -> None:
        """A feed of a member works for as long as he may have it."""
        access = self.access(row.owner)
        if access is None:
            return
        read = (row.source or row.project).partition(".")[0]
        if not access.allows("editor", row.project) or not access.sees(read):
            raise Forbidden(
                f"{row.owner}, who has made the feed, may not have it any more",
                hint="CREATE OR REPLACE FEED by somebody who may goes on where it is",
            )

    def _inlet(self, row: FeedRow, stopping: threading.Event) -> Inlet:
        if row.kind == "stream":
            return StreamInlet(self.features.streams.reader, lambda: self._source(row))
        if row.kind == "table":
            found: Inlet = (ColumnInlet if row.column else TableInlet)(self.catalog, row, stopping)
            return found
        return InboxInlet(self.catalog, row, self.signal(row.id))

    def _source(self, row: FeedRow) -> Source:
        found = self.features.sources.by_id(row.source_id or "")
        if found is None:
            raise Conflict(f"source {row.source} was dropped", hint="CREATE OR REPLACE FEED … FROM SOURCE another")
        if found.suspended:
            raise Conflict(f"source {found.ref} is suspended", hint=f"ALTER SOURCE {found.ref} RESUME")
        return found

    def _slot(self, row: FeedRow) -> Slot:
        slot = self.endpoints.directory.get(row.project, row.endpoint)
        if slot is None:
            raise Unavailable(
                f"endpoint {row.project}.{row.endpoint} was dropped", hint="the feed goes on when it is there again"
            )
        return slot

    def _ask(self, row: FeedRow) -> Callable[[Sequence[Event]], Coroutine[Any, Any, list[Outcome]]]:
        asker = Asker(self.endpoints.recorder, self.endpoints.ensure)

        async def ask(events: Sequence[Event]) -> list[Outcome]:
            return await asker.ask(self._slot(row), events)

        return ask

    def _outlet(self, row: FeedRow) -> Outlet:
        if row.target is None:
            return NoOutlet()
        if row.target.startswith(definition.TABLE):
            made_by = f"answers of feed {row.id}"
            name = row.target.removeprefix(definition.TABLE)
            return TableOutlet(self.catalog, row.project, name, made_by, self._types(row))
        options = {k: v for k, v in options_of(row.options).items() if k.lower() not in definition.KNOWN}
        given = with_values(options, lambda names: self.endpoints.shop.secrets.values(row.project, names))
        return SinkOutlet(open_sink(Target(row.target, row.project, self.catalog, given)))

    def _types(self, row: FeedRow) -> dict[str, str]:
        """Types of the endpoint's inputs, where it says them."""
        try:
            runtime = self.endpoints.ensure(self._slot(row))
        except MlboxError:
            return {}
        return {need.name.lower(): TYPES.get(need.datatype, "BIGINT") for need in runtime.needs}
