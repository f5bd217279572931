"""A graph as SVG: steps in columns from left to right, by the longest way to them."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from mlbox.base.errors import NotFound
from mlbox.serve.graph.plan import Plan, edges

if TYPE_CHECKING:
    from mlbox.serve.endpoint import Runtime

WIDTH, HEIGHT, ACROSS, DOWN, EDGE = 150, 44, 46, 30, 12
_STYLE = (
    ".step{fill:#f1f5f9;stroke:#94a3b8}.answer{fill:#dcfce7;stroke:#22a559}.name{fill:#0f172a}.kind{fill:#5b6779}"
    ".then,.choice,.error{fill:none;stroke-width:1.4}.then{stroke:#64748b}.choice{stroke:#2563eb}"
    ".error{stroke:#dc2626;stroke-dasharray:4 3;opacity:.65}.tip{stroke:none;opacity:1}"
    ".then.tip{fill:#64748b}.choice.tip{fill:#2563eb}.error.tip{fill:#dc2626}"
    "@media (prefers-color-scheme:dark){.step{fill:#1e2733;stroke:#4b5a70}.answer{fill:#123524;stroke:#2f9e62}"
    ".name{fill:#e6edf5}.kind{fill:#9aa8ba}.then{stroke:#8fa0b5}.then.tip{fill:#8fa0b5;stroke:none}"
    ".choice{stroke:#6c9bff}.choice.tip{fill:#6c9bff;stroke:none}.error{stroke:#f87171}"
    ".error.tip{fill:#f87171;stroke:none}}"
)


def draw(plan: Plan) -> str:
    """One ``<svg>``, without scripts or references to elsewhere; it is dark where it is looked at in the dark."""
    places = _places(plan)
    width = max(x for x, _ in places.values()) + WIDTH + EDGE
    height = max(y for _, y in places.values()) + HEIGHT + EDGE
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'font-family="system-ui, sans-serif" font-size="12" role="img"><style>{_STYLE}</style>'
    ]
    for start, end, how in edges(plan.nodes):
        parts.append((_down if how == "error" else _across)(places[start], places[end], how))
    for node in plan.nodes:
        x, y = places[node.name]
        middle, name = x + WIDTH // 2, escape(_short(node.name))
        kind = "answer" if node.built.responds else "step"
        parts.append(
            f"<g><title>{escape(node.name)}: {escape(node.spec.kind)}</title>"
            f'<rect class="{kind}" x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="8"/>'
            f'<text class="name" x="{middle}" y="{y + 18}" text-anchor="middle">{name}</text>'
            f'<text class="kind" x="{middle}" y="{y + 34}" text-anchor="middle" font-size="10">'
            f"{escape(node.spec.kind)}</text></g>"
        )
    return "".join([*parts, "</svg>"])


def _places(plan: Plan) -> dict[str, tuple[int, int]]:
    """Of each step the upper left corner. Steps for failures, and what follows those alone, lie below the others."""
    columns: dict[str, int] = {}
    below: dict[str, int] = {}
    for node in plan.nodes:
        if node.after and all(name in below for name in node.after):
            below[node.name] = max(below[name] for name in node.after) + 1
        elif node.handles and not node.after:
            handled = sorted(columns.get(name, below.get(name, 0)) for name in node.handles)
            below[node.name] = handled[len(handled) // 2]
        else:
            columns[node.name] = max((columns[name] + 1 for name in node.after if name in columns), default=0)
    rows: dict[int, int] = {}
    found: dict[str, tuple[int, int]] = {}
    for lane in (columns, below):
        top = max(rows.values(), default=0)
        rows = dict.fromkeys(range(len(plan.nodes) + 1), top)
        for name, column in lane.items():
            found[name] = (EDGE + column * (WIDTH + ACROSS), EDGE + rows[column] * (HEIGHT + DOWN))
            rows[column] += 1
    return found


def drawing_of(runtime: Runtime) -> bytes:
    """The graph of an endpoint; raises ``NotFound`` for one that has none."""
    plan = getattr(runtime, "plan", None)
    if not isinstance(plan, Plan):
        raise NotFound(f"endpoint {runtime.row.project}.{runtime.row.name} has no graph", hint="USING GRAPH makes one")
    return draw(plan).encode()


def _across(start: tuple[int, int], end: tuple[int, int], how: str) -> str:
    """From the right side of a step to the left side of another."""
    x, y = start[0] + WIDTH, start[1] + HEIGHT // 2
    to_x, to_y = end[0], end[1] + HEIGHT // 2
    middle = (x + to_x) // 2
    return (
        f'<path class="{how}" d="M{x} {y} C{middle} {y} {middle} {to_y} {to_x - 6} {to_y}"/>'
        f'<path class="{how} tip" d="M{to_x - 7} {to_y - 4} L{to_x} {to_y} L{to_x - 7} {to_y + 4} Z"/>'
    )


def _down(start: tuple[int, int], end: tuple[int, int], how: str) -> str:
    """From below a step to above another."""
    x, y = start[0] + WIDTH // 2, start[1] + HEIGHT
    to_x, to_y = end[0] + WIDTH // 2, end[1]
    bend = DOWN + 8
    return (
        f'<path class="{how}" d="M{x} {y} C{x} {y + bend} {to_x} {to_y - bend} {to_x} {to_y - 6}"/>'
        f'<path class="{how} tip" d="M{to_x - 4} {to_y - 7} L{to_x} {to_y} L{to_x + 4} {to_y - 7} Z"/>'
    )


def _short(name: str) -> str:
    return name if len(name) <= 20 else name[:19] + "…"
