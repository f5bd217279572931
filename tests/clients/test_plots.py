"""Charts of the libraries that people draw with, logged to a real server and read as a browser reads them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from real_server import Server

import mlbox

VEGA_LITE = "application/vnd.vegalite.v"
PLOTLY = "application/vnd.plotly.v1+json"


def matplotlib_figure() -> Any:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2, 2))
    figure.subplots().plot([0, 1, 2], [0, 1, 4])
    return figure


def matplotlib_axes() -> Any:
    return matplotlib_figure().axes[0]


def altair_chart() -> Any:
    import altair
    import pandas

    return altair.Chart(pandas.DataFrame({"x": [1, 2], "y": [3, 4]})).mark_line().encode(x="x", y="y")


def altair_layers() -> Any:
    return altair_chart() + altair_chart()


def plotly_figure() -> Any:
    import plotly.graph_objects as graphs

    return graphs.Figure(graphs.Scatter(x=[1, 2], y=[3, 4]), layout={"title": {"text": "two"}})


def is_png(data: bytes) -> bool:
    return data.startswith(b"\x89PNG\r\n\x1a\n") and len(data) > 500


def is_svg(data: bytes) -> bool:
    return b"<svg" in data and b"</svg>" in data


def is_line(data: bytes) -> bool:
    drawn = json.loads(data)
    one = drawn["layer"][0] if "layer" in drawn else drawn
    return "vega-lite" in drawn["$schema"] and one["mark"]["type"] == "line" and bool(drawn["datasets"])


def is_scatter(data: bytes) -> bool:
    drawn = json.loads(data)
    return drawn["data"][0]["type"] == "scatter" and drawn["layout"]["title"]["text"] == "two"


CHARTS: dict[str, tuple[Callable[[], Any], str | None, str, str, Callable[[bytes], bool]]] = {
    "matplotlib": (matplotlib_figure, None, "image/png", ".png", is_png),
    "axes": (matplotlib_axes, "png", "image/png", ".png", is_png),
    "matplotlib_svg": (matplotlib_figure, "svg", "image/svg+xml", ".svg", is_svg),
    "matplotlib_pdf": (matplotlib_figure, "pdf", "application/pdf", ".pdf", lambda data: data.startswith(b"%PDF")),
    "altair": (altair_chart, None, VEGA_LITE, ".json", is_line),
    "altair_layers": (altair_layers, "json", VEGA_LITE, ".json", is_line),
    "altair_html": (altair_chart, "html", "text/html", ".html", lambda data: b"vegaEmbed" in data),
    "plotly": (plotly_figure, None, PLOTLY, ".json", is_scatter),
    "plotly_html": (plotly_figure, "html", "text/html", ".html", lambda data: b"Plotly.newPlot" in data),
}


@pytest.fixture(scope="module")
def drawn(server: Server) -> Iterator[mlbox.Run]:
    server.sql("CREATE PROJECT drawn")
    connection = mlbox.connect(server.url, project="drawn")
    with mlbox.start_run("draw", connection=connection) as run:
        for name, (make, form, *_) in CHARTS.items():
            run.log_plot(name, make(), form)
    yield mlbox.Run(connection, run.run_id)


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_is_a_plot_of_its_media_type(drawn: mlbox.Run, name: str) -> None:
    _, _, media, ending, check = CHARTS[name]
    (row,) = [row for row in drawn.artifacts if row["name"] == name]
    assert row["kind"] == "plot"
    assert row["media_type"].startswith(media)
    assert row["file_name"] == name + ending
    assert check(drawn.artifact(name))


def test_a_returned_chart_is_a_plot(server: Server) -> None:
    from mlbox.client.returned import keep

    connection = mlbox.connect(server.url, project="drawn")
    with mlbox.start_run("returned", connection=connection) as run:
        keep(run, "f", (matplotlib_figure(), altair_chart(), plotly_figure()), ["a", "b", "c:plot:json"])
    found = {row["name"]: row["media_type"] for row in mlbox.Run(connection, run.run_id).artifacts}
    assert (found["a"], found["b"][: len(VEGA_LITE)], found["c"]) == ("image/png", VEGA_LITE, PLOTLY)


@pytest.mark.parametrize(
    ("make", "form", "told"),
    [
        (matplotlib_figure, "html", r"this figure has no format 'html' \(it has png, svg, pdf\)"),
        (plotly_figure, "svg", r"this figure has no format 'svg' \(it has json, html\)"),
        (altair_chart, "png", r"this figure has no format 'png' \(it has json, html\)"),
    ],
)
def test_a_format_that_a_library_does_not_write(server: Server, make: Any, form: str, told: str) -> None:
    with (
        mlbox.start_run("no_format", connection=mlbox.connect(server.url, project="drawn")) as run,
        pytest.raises(mlbox.MlboxClientError, match=told),
    ):
        run.log_plot("chart", make(), form)
