"""SHOW LINEAGE: all that an object was made from and all that was made from it, as a tree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlbox.base.names import Ref

if TYPE_CHECKING:
    import pyarrow

    from mlbox.engine.catalog.database import Catalog

DEEPEST = 30
Object = tuple[str, str]
"""Kind and reference."""


@dataclass(frozen=True, slots=True)
class Edge:
    """An edge of ``ml.lineage``."""

    source: Object
    target: Object
    detail: str | None
    recorded_at: Any


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the tree; ``distance`` is negative for what the object was made from."""

    distance: int
    shown: Object
    edge: Edge
    again: bool = False
    """What is below it stands elsewhere already."""


def tree(catalog: Catalog, kind: str, ref: Ref) -> pyarrow.Table:
    """Rows (distance, tree, kind, ref, detail, recorded_at); first upwards, then downwards, each below its parent."""
    import pyarrow

    lines = [*_walk(catalog, kind, ref, upwards=True), *_walk(catalog, kind, ref, upwards=False)]
    arrow = {True: "<- ", False: "-> "}
    shown = [
        "   " * (abs(line.distance) - 1)
        + arrow[line.distance < 0]
        + " ".join(line.shown)
        + (" (above)" if line.again else "")
        for line in lines
    ]
    return pyarrow.table(
        {
            "distance": pyarrow.array([line.distance for line in lines], "int32"),
            "tree": pyarrow.array(shown, "string"),
            "kind": pyarrow.array([line.shown[0] for line in lines], "string"),
            "ref": pyarrow.array([line.shown[1] for line in lines], "string"),
            "detail": pyarrow.array([line.edge.detail for line in lines], "string"),
            "recorded_at": pyarrow.array([line.edge.recorded_at for line in lines], pyarrow.timestamp("us", tz="UTC")),
        }
    )


def _walk(catalog: Catalog, kind: str, ref: Ref, *, upwards: bool) -> list[Line]:
    edges = _edges(catalog, upwards=upwards)
    lines: list[Line] = []
    seen: set[Object] = set()

    def follow(here: Object, depth: int) -> None:
        for edge in edges(here):
            other = edge.source if upwards else edge.target
            again = other in seen
            lines.append(Line(-depth if upwards else depth, other, edge, again))
            if not again and depth < DEEPEST:
                seen.add(other)
                follow(other, depth + 1)

    for start in _starts(catalog, kind, ref):
        follow(start, 1)
    return lines


def _edges(catalog: Catalog, *, upwards: bool) -> Callable[[Object], Sequence[Edge]]:
    near, far = ("to", "from") if upwards else ("from", "to")

    def edges(here: Object) -> Sequence[Edge]:
        rows = catalog.rows(
            f"SELECT {far}_kind AS kind, {far}_ref AS ref, detail, recorded_at FROM catalog.ml.lineage "
            f"WHERE {near}_kind = ? AND {near}_ref = ? ORDER BY recorded_at, {far}_kind, {far}_ref",
            list(here),
        )
        found = []
        for row in rows:
            other = (str(row["kind"]), str(row["ref"]))
            source, target = (other, here) if upwards else (here, other)
            found.append(Edge(source, target, row["detail"], row["recorded_at"]))
        return found

    return edges


def _starts(catalog: Catalog, kind: str, ref: Ref) -> list[Object]:
    """The object as edges name it: a run by its id, an alias by its version, no version by all of them."""
    if kind in ("run", "artifact"):
        return [(kind, ref.name)]
    name = str(ref.at(None))
    if ref.version is not None and not ref.version.isdigit():
        row = catalog.row(
            "SELECT version FROM catalog.ml.model_versions WHERE project = ? AND lower(name) = lower(?) "
            "AND list_contains(aliases, ?)",
            [ref.project, ref.name, ref.version],
        )
        return [(kind, f"{name}@{row['version']}" if row else str(ref))]
    if ref.version is not None:
        return [(kind, str(ref))]
    rows = catalog.rows(
        "SELECT DISTINCT ref FROM (SELECT from_kind AS kind, from_ref AS ref FROM catalog.ml.lineage "
        "UNION ALL SELECT to_kind, to_ref FROM catalog.ml.lineage) "
        "WHERE kind = ? AND (lower(ref) = lower(?) OR starts_with(lower(ref), lower(?))) ORDER BY ref",
        [kind, name, name + "@"],
    )
    return [(kind, str(row["ref"])) for row in rows]
