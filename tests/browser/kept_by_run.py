"""Handlers that keep one of each: what the page of a run has to show."""

from __future__ import annotations

from pathlib import Path
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


CARD = b"""# Model card

A *small* model of **delays**, see [the paper](https://elsewhere.example/paper) and [this](javascript:alert(1)).

- one
- two

| column | unit |
| --- | --- |
| distance | mile |

<b>markup</b> stays text
"""
PAGE = b"""<!doctype html><title>Report</title><h1 style="color: rgb(1, 2, 3)">Report</h1><p id="said">as written</p>
<script>document.getElementById("said").textContent = "owned"</script><img src="https://elsewhere.example/logo.png">"""


def files(ctx: Any, model: str, rows: int = 300) -> None:
    """Rows, a model, texts, a page, a folder."""
    long = "a_rather_long_column_name_that_nobody_would_want_to_type_twice"
    frame = {
        "distance": [float(row * 37 % 4000) for row in range(rows)],
        "carrier": [("UA", "AA", "DL", "B6")[row % 7 % 4] for row in range(rows)],
        long: [None if row % 10 == 0 else row / 7 for row in range(rows)],
    }
    ctx.log_dataset("flights", frame)
    ctx.log_table("by_carrier", [{"carrier": "UA", "late": 0.25}, {"carrier": "AA", "late": 0.5}])
    inputs = {"temp": frame["distance"], "wind": [row / rows for row in range(rows)]}
    ctx.log_model("model", model, training_set=inputs, metrics={"auc": 0.75})
    ctx.log_artifact("report.html", PAGE)
    ctx.log_artifact("README.md", CARD)
    ctx.log_artifact("settings", {"depth": 3, "nested": {"list": [1, 2], "text": "\u00e4\u00f6\u00fc"}})
    ctx.log_artifact("rows.csv", b'name,value\n"a, b",1\nc,2\n')
    ctx.log_artifact("large.csv", b"name,value\n" + b"abcdefgh,1\n" * 60_000)
    ctx.log_artifact("empty.txt", b"")
    ctx.log_artifact("blob", bytes(range(256)))
    folder = Path("made")
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "leaf.txt").write_text("leaf")
    ctx.log_artifact("made", folder)
    Path("given.csv").write_text("a,b\n1,x\n2,y\n")
    ctx.log_dataset("given", "given.csv")
    ctx.log_dataset("feathers", {"a": [1, 2]}, "feather")


def tuned(ctx: Any, rate: float = 0.1, depth: int = 3, loss: str = "log") -> dict[str, float]:
    """A trial whose outcome the rate decides nearly alone."""
    import math

    auc = 0.9 - 0.08 * abs(math.log10(rate) + 1.5) + 0.002 * depth + (0.001 if loss == "exp" else 0)
    for step in range(5):
        ctx.log_metric("auc", auc * (1 - 0.5 ** (step + 1)), step=step)
    ctx.log_metric("auc", auc, step=5)
    return {"seconds": 3.0 + depth}
