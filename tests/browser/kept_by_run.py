"""Handlers that keep one of each: what the page of a run has to show."""

from __future__ import annotations

from typing import Any

ELSEWHERE = "https://elsewhere.example/"
LITE = "https://vega.github.io/schema/vega-lite/v5.json"
VEGA = "https://vega.github.io/schema/vega/v5.json"
SVG = b"""<svg xmlns="http://www.w3.org/2000/svg" width="90" height="40" onload="document.title='owned'">
<script>parent.document.title = 'owned'; document.title = 'owned'</script><rect width="90" height="40"/></svg>"""
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154"
    "08d763f8cfc0000003010100c9fe92ef0000000049454e44ae426082"
)


def plots(ctx: Any) -> None:
    """Figures of Plotly, charts of Vega, pictures; some want what stands elsewhere."""
    place = {"xref": "paper", "yref": "paper", "x": 0, "y": 1, "sizex": 1, "sizey": 1}
    layout = {"title": {"text": "Of Plotly"}, "width": 2500, "images": [{"source": f"{ELSEWHERE}logo.png", **place}]}
    lines = [{"y": [1, float("nan"), 2], "type": "scatter", "name": "auc"}, {"y": [2, 2, 1]}]
    ctx.log_plot("curve", {"data": lines, "layout": layout})
    ctx.log_plot("heat", {"data": [{"z": [[1, 2], [3, 4]], "type": "heatmap"}], "layout": {}})
    ctx.log_plot("world", {"data": [{"type": "scattermap", "lat": [1], "lon": [1]}], "layout": {}})

    axes = {"x": {"field": "a", "type": "nominal"}, "y": {"field": "b", "type": "quantitative"}}
    rows = {"values": [{"a": "north", "b": 2}, {"a": "south", "b": 5}]}
    bars = {"$schema": LITE, "mark": "bar", "encoding": axes}
    ctx.log_plot("lite", {**bars, "title": "Of Vega-Lite", "data": rows, "width": 2500})
    ctx.log_plot("away", {**bars, "data": {"url": f"{ELSEWHERE}cars.json"}})
    ctx.log_plot("broken", {"$schema": LITE, "data": rows, "encoding": {}})
    words = {"text": {"signal": "'three is ' + (1 + 2)"}, "y": {"value": 20}}
    marks = [{"type": "text", "encode": {"enter": words}}]
    ctx.log_plot("vega", {"$schema": VEGA, "width": 200, "height": 90, "marks": marks})

    ctx.log_plot("svg", SVG)
    ctx.log_plot("png", PNG)
