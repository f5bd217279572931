"""What a run keeps, shown on its page: a real handler logs it, a real server has it, a real Chromium draws it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect
from screens import DESK, PHONE

KEEP = Path(__file__).with_name("kept_by_run.py")


@pytest.fixture(scope="module")
def kept(server: Any) -> Iterator[Any]:
    """The addresses of runs by the name of their handler."""
    server.sql("CREATE PROJECT kept")

    def address(handler: str) -> str:
        server.sql(f"CREATE FUNCTION {handler} FROM '{KEEP}' HANDLER {handler}", project="kept")
        server.sql(f"RUN {handler} AS {handler}", project="kept")
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
    seen.expected = "Content Security Policy"
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
    seen.expected = "allow-scripts"  # the script of the SVG is refused
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
