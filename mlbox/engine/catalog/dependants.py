"""What stands on models, functions and feature vectors: endpoints, the monitors that watch them, the alerts on those;
collections whose vectors they make, which keep them.

A DROP is refused while something stands on what it drops; with CASCADE all of that goes too, in the same transaction.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlbox.base.command import Step
from mlbox.base.errors import Conflict
from mlbox.base.events import Event
from mlbox.engine.catalog.tables import alerts, collections, dropped, endpoints, feeds, monitors

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class Dependants:
    """Endpoints with what watches them; lists without the endpoint itself are what DROP ENDPOINT asks about."""

    endpoints: tuple[endpoints.EndpointRow, ...] = ()
    monitors: tuple[monitors.MonitorRow, ...] = ()
    alerts: tuple[alerts.AlertRow, ...] = ()
    collections: tuple[collections.CollectionRow, ...] = ()
    feeds: tuple[feeds.FeedRow, ...] = ()

    def refuse(self, what: str) -> None:
        """Raise ``Conflict`` that names the endpoints that use ``what``, collections, or feeds and monitors on it."""
        if self.endpoints:
            refuse_used(self.endpoints, what)
        refuse_embedding(self.collections, what)
        if self.feeds:
            names = ", ".join(f"{row.project}.{row.name}" for row in self.feeds)
            raise Conflict(
                f"{what} is asked by feed{'s' if len(self.feeds) > 1 else ''} {names}",
                hint="drop or change them first, or add CASCADE to a DROP",
            )
        if self.monitors:
            names = ", ".join(f"{row.project}.{row.name}" for row in self.monitors)
            raise Conflict(
                f"{what} is watched by monitor{'s' if len(self.monitors) > 1 else ''} {names}",
                hint="drop or change them first, or add CASCADE to a DROP",
            )

    def steps(self) -> tuple[Step, ...]:
        """What a plan says of a DROP with CASCADE."""
        return (
            *(Step("drop", f"endpoint {row.project}.{row.name}", "its prediction log stays") for row in self.endpoints),
            *(Step("drop", f"feed {row.project}.{row.name}", "what it has written stays") for row in self.feeds),
            *(Step("drop", f"monitor {row.project}.{row.name}", "its results stay") for row in self.monitors),
            *(Step("drop", f"alert {row.project}.{row.name}", "its activations stay") for row in self.alerts),
            *(
                Step("keep", f"collection {row.project}.{row.name}", "its vectors stay, and none are made any more")
                for row in self.collections
            ),
        )

    def delete(self, cursor: DuckDBPyConnection, by: str) -> None:
        """All of it, inside the transaction of the DROP; RESTORE brings each back."""
        for alert in self.alerts:
            dropped.bury_named(cursor, "alert", alert.project, alert.name, by)
            alerts.delete(cursor, alert.project, alert.name)
        for monitor in self.monitors:
            dropped.bury_named(cursor, "monitor", monitor.project, monitor.name, by)
            monitors.delete(cursor, monitor.project, monitor.name)
        for feed in self.feeds:
            dropped.bury_named(cursor, "feed", feed.project, feed.name, by)
            feeds.delete(cursor, feed.project, feed.name)
        for endpoint in self.endpoints:
            dropped.bury_named(cursor, "endpoint", endpoint.project, endpoint.name, by)
            endpoints.delete(cursor, endpoint.id)

    def events(self) -> list[Event]:
        """What to tell after the transaction."""
        return [
            *(Event("alert.dropped", row.project, row.name) for row in self.alerts),
            *(Event("monitor.dropped", row.project, row.name) for row in self.monitors),
            *(Event("feed.dropped", row.project, row.name) for row in self.feeds),
            *(Event("endpoint.dropped", row.project, row.name) for row in self.endpoints),
        ]

    def __str__(self) -> str:
        """What went too, for a message: `` and 1 endpoint and 2 monitors``."""
        counts = {
            "endpoint": len(self.endpoints),
            "feed": len(self.feeds),
            "monitor": len(self.monitors),
            "alert": len(self.alerts),
        }
        return "".join(f" and {count} {kind}{'s' if count > 1 else ''}" for kind, count in counts.items() if count)


def watching(cursor: DuckDBPyConnection, rows: Iterable[endpoints.EndpointRow]) -> Dependants:
    """The feeds that ask these endpoints, the monitors on them, and the alerts on the monitors."""
    rows = tuple(rows)
    asking = [feed for row in rows for feed in feeds.of_endpoint(cursor, row.project, row.name)]
    found = [watch for row in rows for watch in monitors.watching(cursor, "endpoint", row.project, row.name)]
    also = [alert for watch in found for alert in alerts.on(cursor, watch.project, watch.name)]
    return Dependants((), tuple(found), tuple(also), feeds=tuple(asking))


def of_endpoints(cursor: DuckDBPyConnection, rows: Iterable[endpoints.EndpointRow]) -> Dependants:
    """These endpoints and all that watches them."""
    rows = tuple(rows)
    watched = watching(cursor, rows)
    return Dependants(rows, watched.monitors, watched.alerts, feeds=watched.feeds)


def of_vectors(cursor: DuckDBPyConnection, vectors: Iterable[tuple[str, str]]) -> Dependants:
    """The endpoints that enrich requests with one of the feature vectors (project, name), and all that watches them."""
    found = [row for project, name in vectors for row in endpoints.enriched(cursor, project, name)]
    return of_endpoints(cursor, found)


def refuse_used(rows: Iterable[endpoints.EndpointRow], what: str) -> None:
    """Raise ``Conflict`` that names the endpoints, when there are any."""
    names = [f"{row.project}.{row.name}" for row in rows]
    if names:
        raise Conflict(
            f"{what} is used by endpoint{'s' if len(names) > 1 else ''} {', '.join(names)}",
            hint="drop or change them first, or add CASCADE to a DROP",
        )


def refuse_embedding(rows: Iterable[collections.CollectionRow], what: str) -> None:
    """Raise ``Conflict`` that names the collections whose vectors ``what`` makes, when there are any."""
    names = [f"{row.project}.{row.name}" for row in rows]
    if names:
        raise Conflict(
            f"{what} makes the vectors of collection{'s' if len(names) > 1 else ''} {', '.join(names)}",
            hint=f"first DROP COLLECTION {names[0]}; with CASCADE it keeps its vectors, and none are made any more",
        )
