"""How feeds are told of, in answers and in lineage."""

from __future__ import annotations

from mlbox.base.clock import now
from mlbox.engine.catalog.tables.feeds import FeedRow
from mlbox.engine.catalog.tables.lineage import Edge
from mlbox.serve.feeds import definition


def noun(row: FeedRow) -> str:
    """What it reads from."""
    return "table" if row.kind == "table" else "source"


def told(row: FeedRow) -> str:
    """From where to where it goes."""
    origin = f"{noun(row)} {row.source}" if row.source else f"a query, first at {row.next_run:%Y-%m-%d %H:%M:%S} UTC"
    target = f" → {row.target.removeprefix(definition.TABLE)}" if row.target else ""
    return f"{origin} → endpoint {row.endpoint}{target}"


def edges(row: FeedRow) -> list[Edge]:
    """Its lineage."""
    project, feed, moment = row.project, f"{row.project}.{row.name}", now()
    edges = [Edge(project, "endpoint", f"{project}.{row.endpoint}", "feed", feed, moment)]
    if row.source:
        edges.append(Edge(project, noun(row), row.source, "feed", feed, moment))
    if row.target and row.target.startswith(definition.TABLE):
        name = row.target.removeprefix(definition.TABLE)
        edges.append(Edge(project, "feed", feed, "table", f"{project}.{name}", moment))
    return edges
