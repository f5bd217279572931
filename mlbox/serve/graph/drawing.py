"""A graph as SVG: steps in columns from left to right, by the longest way to them."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from mlbox.base.errors import NotFound
from mlbox.serve.graph.plan import Plan, edges

if TYPE_CHECKING:
    from mlbox.serve.endpoint import Runtime

WIDTH, HEIGHT, ACROSS, DOWN, EDGE = 150, 44, 60, 26, 20
_COLOURS = {"then": "#64748b", "choice": "#2563eb", "error": "#dc2626"}


def draw(plan: Plan) -> str:
    """One ``<svg>``, without scripts or references to elsewhere."""
    columns: dict[str, int] = {}
    for node in plan.nodes:
        columns[node.name] = max((columns[name] + 1 for name in node.waits_for), default=0)
    rows: dict[int, int] = {}
    places: dict[str, tuple[int, int]] = {}
    for node in plan.nodes:
        column = columns[node.name]
        row = rows.get(column, 0)
        rows[column] = row + 1
        places[node.name] = (EDGE + column * (WIDTH + ACROSS), EDGE + row * (HEIGHT + DOWN))
    width = 2 * EDGE + (max(columns.values()) + 1) * (WIDTH + ACROSS) - ACROSS
    height = 2 * EDGE + max(rows.values()) * (HEIGHT + DOWN) - DOWN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'font-family="system-ui, sans-serif" font-size="12" role="img">'
    ]
    for start, end, how in edges(plan.nodes):
        parts.append(_edge(places[start], places[end], how))
    for node in plan.nodes:
        x, y = places[node.name]
        middle, name = x + WIDTH // 2, escape(_short(node.name))
        fill = "#dcfce7" if node.built.responds else "#f1f5f9"
        parts.append(
            f"<g><title>{escape(node.name)}: {escape(node.spec.kind)}</title>"
            f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="8" fill="{fill}" stroke="#94a3b8"/>'
            f'<text x="{middle}" y="{y + 18}" text-anchor="middle" fill="#0f172a">{name}</text>'
            f'<text x="{middle}" y="{y + 34}" text-anchor="middle" fill="#64748b" font-size="10">'
            f"{escape(node.spec.kind)}</text></g>"
        )
    return "".join([*parts, "</svg>"])


def drawing_of(runtime: Runtime) -> bytes:
    """The graph of an endpoint; raises ``NotFound`` for one that has none."""
    plan = getattr(runtime, "plan", None)
    if not isinstance(plan, Plan):
        raise NotFound(f"endpoint {runtime.row.project}.{runtime.row.name} has no graph", hint="USING GRAPH makes one")
    return draw(plan).encode()


def _edge(start: tuple[int, int], end: tuple[int, int], how: str) -> str:
    x, y = start[0] + WIDTH, start[1] + HEIGHT // 2
    to_x, to_y = end[0], end[1] + HEIGHT // 2
    middle = (x + to_x) // 2
    dashes = ' stroke-dasharray="4 3"' if how == "error" else ""
    colour = _COLOURS[how]
    return (
        f'<path d="M{x} {y} C{middle} {y} {middle} {to_y} {to_x - 6} {to_y}" fill="none" stroke="{colour}"{dashes}/>'
        f'<path d="M{to_x - 7} {to_y - 4} L{to_x} {to_y} L{to_x - 7} {to_y + 4} Z" fill="{colour}"/>'
    )


def _short(name: str) -> str:
    return name if len(name) <= 20 else name[:19] + "…"
