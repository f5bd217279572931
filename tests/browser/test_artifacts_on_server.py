"""What a run keeps, shown on its page: a real handler logs it, a real server has it, a real Chromium draws it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from playwright.sync_api import expect
from screens import DESK, PHONE
from test_pages_on_server import write_model

KEEP = Path(__file__).with_name("kept_by_run.py")


@pytest.fixture(scope="module")
def kept(server: Any) -> Iterator[Any]:
    """``kept(handler)`` runs it and gives the address of the run's page."""
    server.sql("CREATE PROJECT kept")

    def address(handler: str, clauses: str = "") -> str:
        server.sql(f"CREATE FUNCTION {handler} FROM '{KEEP}' HANDLER {handler}", project="kept")
        server.sql(f"RUN {handler} {clauses} AS {handler}", project="kept")
        found = server.sql(f"SELECT id FROM ml.runs WHERE name = '{handler}'", project="kept")
        return f"{server.url}/ui/runs/{found[0]['rows'][0][0]}"

    yield address


@pytest.fixture(scope="module")
def plots(kept: Any) -> str:
    """The page of a run with plots of all kinds."""
    return str(kept("plots"))


def test_plots_are_drawn_and_reach_nothing(plots: str, open_page: Any) -> None:
    seen = open_page(plots)
    page = seen.page
    title = page.title()
    page.locator("figure").last.scroll_into_view_if_needed()
    for name, text in (("curve", "Of Plotly"), ("lite", "Of Vega-Lite"), ("vega", "three is 3")):
        frame = page.frame_locator(f"iframe[title='Plot {name}']")
        frame.get_by_text(text).first.wait_for()
    page.frame_locator("iframe[title='Plot heat']").locator(".heatmaplayer image").wait_for(state="attached")
    expect(page.get_by_text("Not drawn: pictures from elsewhere")).to_be_visible()
    expect(page.get_by_text("Not loaded: https://elsewhere.example/cars.json")).to_be_visible()
    expect(page.get_by_text("The plot cannot be drawn: maps (scattermap) need")).to_be_visible()
    expect(page.get_by_text("The plot cannot be drawn: Invalid specification")).to_be_visible()
    assert seen.hosts == {plots.split("/")[2]}
    assert page.title() == title


def test_a_plot_is_in_a_frame_that_is_shut_off(plots: str, open_page: Any) -> None:
    seen = open_page(plots)
    seen.expected = ("Content Security Policy",)
    seen.page.wait_for_selector("iframe[title='Plot curve'][data-drawn=true]")
    frame = seen.page.query_selector("iframe[title='Plot curve']").content_frame()
    assert frame.evaluate("self.origin") == "null"
    attempts = (
        "fetch('/sql').then(() => 'out', error => error.name)",
        "fetch('https://elsewhere.example/').then(() => 'out', error => error.name)",
        "(() => { try { return String(parent.document.title) } catch (error) { return error.name } })()",
        "(() => { try { return String(localStorage.length) } catch (error) { return error.name } })()",
        "new Promise(tell => { setTimeout('self.ran = 1', 0); setTimeout(() => tell(String(self.ran)), 100) })",
    )
    assert [frame.evaluate(attempt) for attempt in attempts] == [
        "TypeError", "TypeError", "SecurityError", "SecurityError", "undefined",
    ]  # fmt: skip
    assert seen.hosts == {plots.split("/")[2]}


def test_pictures_are_pictures(plots: str, open_page: Any) -> None:
    seen = open_page(plots)
    seen.expected = ("allow-scripts",)  # the script of the SVG is refused
    page = seen.page
    for name in ("svg", "png"):
        picture = page.get_by_role("img", name=f"Picture {name}")
        picture.scroll_into_view_if_needed()
        page.wait_for_function("picture => picture.complete && picture.naturalWidth > 0", arg=picture.element_handle())
    page.goto(f"http://{plots.split('/')[2]}{page.get_by_role('img', name='Picture svg').get_attribute('src')}")
    assert "owned" not in page.title()


@pytest.mark.parametrize(("viewport", "scheme"), [(DESK, "dark"), (PHONE, "light")], ids=["desk", "phone"])
def test_plots_fit(plots: str, open_page: Any, viewport: dict[str, int], scheme: str) -> None:
    seen = open_page(plots, viewport, scheme)
    for name in ("curve", "lite"):
        seen.page.locator(f"iframe[title='Plot {name}']").scroll_into_view_if_needed()
        seen.page.wait_for_selector(f"iframe[title='Plot {name}'][data-drawn=true]")
        frame = seen.page.query_selector(f"iframe[title='Plot {name}']").content_frame()
        assert frame.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), name
    assert seen.fits()


@pytest.fixture(scope="module")
def files(kept: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of a run with rows, a model, texts, a page and a folder."""
    model = tmp_path_factory.mktemp("models") / "model.onnx"
    write_model(model)
    return str(kept("files", f"WITH (model = '{model}')"))


def test_artifacts_are_opened_by_name_and_have_addresses(files: str, open_page: Any) -> None:
    page = open_page(files).page
    page.get_by_role("button", name="settings").click()
    opened = page.get_by_role("region", name="Artifact settings")
    expect(opened.get_by_label("Text of settings")).to_contain_text('"text": "\u00e4\u00f6\u00fc"')
    assert page.url.endswith("?artifact=settings")
    page.reload()
    opened.get_by_role("button", name="Close").click()
    expect(opened).to_have_count(0)
    expect(page.get_by_role("table", name="Artifacts").get_by_role("button", name="blob")).to_have_count(0)


def test_rows_are_shown_with_their_statistics(files: str, open_page: Any) -> None:
    page = open_page(f"{files}?artifact=flights").page
    opened = page.get_by_role("region", name="Artifact flights")
    expect(opened).to_contain_text("300 rows 3 columns")
    expect(opened.get_by_role("grid", name="First rows").get_by_role("gridcell", name="UA").first).to_be_visible()
    columns = opened.get_by_role("table", name="Columns of flights").locator("tbody tr")
    expect(columns).to_have_count(3)
    expect(columns.nth(2)).to_contain_text("27030")  # values and missing ones
    expect(columns.nth(1)).to_contain_text("4 values")
    expect(opened.get_by_role("img", name="distance: 20 bins")).to_be_visible()
    expect(opened.get_by_role("img", name="carrier: 4 values, most (86) at")).to_be_visible()
    opened.get_by_role("link", name="Rows in the SQL page").click()
    page.wait_for_url("**/ui/sql?*")
    assert "ml.dataset('kept.flights@1')" in unquote(page.url)


def test_rows_of_a_file_are_read_by_the_server(files: str, open_page: Any) -> None:
    page = open_page(f"{files}?artifact=given").page
    expect(page.get_by_role("grid", name="First rows").get_by_role("gridcell", name="y")).to_be_visible()


def test_rows_that_sql_does_not_read_are_not_offered_there(files: str, open_page: Any) -> None:
    page = open_page(f"{files}?artifact=feathers").page
    opened = page.get_by_role("region", name="Artifact feathers")
    expect(opened.get_by_role("grid", name="First rows")).to_be_visible()
    expect(opened.get_by_role("link", name="Rows in the SQL page")).to_have_count(0)


def test_csv_is_shown_as_rows(files: str, open_page: Any) -> None:
    page = open_page(f"{files}?artifact=rows.csv").page
    expect(page.get_by_role("grid", name="rows.csv").get_by_role("gridcell").first).to_have_text("a, b")
    page.goto(f"{files}?artifact=large.csv")
    expect(page.get_by_role("region", name="Artifact large.csv")).to_contain_text("of 660 kB; download it to have all")
    page.goto(f"{files}?artifact=empty.txt")
    expect(page.get_by_text("It is empty.")).to_be_visible()


def test_a_model_shows_its_signature_and_features(files: str, open_page: Any) -> None:
    page = open_page(f"{files}?artifact=model").page
    signature = page.get_by_role("table", name="Signature of model").locator("tbody tr")
    expect(signature).to_have_text(["inputxtensor(float)any \u00d7 2", "outputptensor(float)any \u00d7 1"])
    expect(page.get_by_role("table", name="Features of model").locator("tbody tr")).to_have_count(2)


def test_a_folder_shows_its_files(files: str, open_page: Any) -> None:
    page = open_page(f"{files}?artifact=made").page
    expect(page.get_by_text("deep/leaf.txt")).to_be_visible()


def test_markdown_is_set_and_its_markup_stays_text(files: str, open_page: Any) -> None:
    page = open_page(f"{files}?artifact=README.md").page
    card = page.locator(".prose")
    expect(card.get_by_role("heading", name="Model card")).to_be_visible()
    expect(card.get_by_role("cell", name="mile")).to_be_visible()
    expect(card).to_contain_text("<b>markup</b> stays text")
    assert [link.get_attribute("href") for link in card.get_by_role("link").all()] == [
        "https://elsewhere.example/paper"
    ]
    page.get_by_role("button", name="Source").click()
    expect(page.get_by_label("Text of README.md")).to_contain_text("# Model card")


def test_a_page_is_shown_and_does_nothing(files: str, open_page: Any) -> None:
    seen = open_page(f"{files}?artifact=report.html")
    seen.expected = ("Blocked script execution in", 'Content Security Policy directive: "img-src data:"')
    frame = seen.page.frame_locator("iframe[title='Page report.html']")
    expect(frame.locator("h1")).to_have_css("color", "rgb(1, 2, 3)")
    expect(frame.locator("#said")).to_have_text("as written")
    for _ in range(300):  # the browser tells of it when it likes
        if seen.refused:
            break
        seen.page.wait_for_timeout(100)
    assert seen.refused == {"https://elsewhere.example/logo.png": "csp"}  # asked for, not sent
    assert seen.hosts <= {files.split("/")[2], "elsewhere.example"}
    seen.page.get_by_role("button", name="Source").click()
    expect(seen.page.get_by_label("Text of report.html")).to_contain_text("<script>")


@pytest.mark.parametrize(("viewport", "scheme"), [(DESK, "dark"), (PHONE, "light")], ids=["desk", "phone"])
def test_what_is_open_fits(files: str, open_page: Any, viewport: dict[str, int], scheme: str) -> None:
    seen = open_page(files, viewport, scheme)
    for name in ("flights", "model", "README.md", "settings", "large.csv"):
        seen.page.goto(f"{files}?artifact={name}")
        seen.page.get_by_role("region", name=f"Artifact {name}").wait_for()
        seen.page.wait_for_selector(".opened .waiting", state="detached")
        assert seen.fits(), name


@pytest.fixture(scope="module")
def sweep(kept: Any) -> str:
    """The page of a sweep over three parameters."""
    values = "rate IN (0.001, 0.01, 0.03, 0.1, 0.3), depth IN (3, 6), loss IN ('log', 'exp')"
    return str(kept("tuned", f"SWEEP ({values}) MAXIMIZE auc LIMIT 12 PARALLEL 3"))


@pytest.mark.parametrize(("viewport", "scheme"), [(DESK, "light"), (PHONE, "dark")], ids=["desk", "phone"])
def test_a_sweep_draws_its_trials_and_what_mattered(
    sweep: str, open_page: Any, viewport: dict[str, int], scheme: str
) -> None:
    seen = open_page(sweep, viewport, scheme)
    page = seen.page
    chart = page.get_by_role("img", name="Parameters and metrics of the trials")
    expect(chart.locator("g.series")).to_have_count(12)
    expect(chart.locator(".axis-name")).to_have_text(["depth", "loss", "rate", "auc", "seconds"])
    chart.focus()
    page.keyboard.press("Home")
    expect(page.locator(".parallel-readout")).to_contain_text("loss log")
    shares = page.get_by_role("list", name="Shares of the parameters").get_by_role("listitem")
    expect(shares).to_have_count(3)
    expect(shares.first).to_contain_text("rate")
    assert seen.fits()
