"""The page of an endpoint that is a graph: its steps are drawn, also where the screen is narrow or dark."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect
from screens import DESK, PHONE

GRAPH = """
on_error: sorry
steps:
  - {name: clean, kind: map, set: {euros: cents / 100}}
  - {name: big, kind: filter, where: euros > 1}
  - {name: level, kind: choice, field: "CASE WHEN euros > 80 THEN 'high' ELSE 'low' END", cases: {high: ask, low: done}}
  - {name: ask, kind: map, set: {check: "'asked'"}}
  - {name: done, kind: map, set: {check: "'none'"}}
  - {name: both, kind: merge, mode: union, after: [ask, done]}
  - {name: answer, kind: respond}
  - {name: keep_what_was_scored_in_the_table, kind: queue, to: "table:scored"}
  - {name: sorry, kind: map, set: {sorry: "'no'"}}
"""


@pytest.fixture(scope="module")
def project(server: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """An endpoint with some traffic."""
    file = tmp_path_factory.mktemp("graph") / "graph.yaml"
    file.write_text(GRAPH)
    server.sql("CREATE PROJECT drawn")
    server.sql(f"CREATE ENDPOINT fraud USING GRAPH '{file}' PATH '/drawn/fraud'", project="drawn")
    for cents in (200, 12050, 900):
        status, _, body = server.request("POST", "/drawn/fraud", {"cents": cents})
        assert status == 200, body
    yield server


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
def test_the_steps_of_a_graph_are_drawn(project: Any, open_page: Any, viewport: dict[str, int], scheme: str) -> None:
    seen = open_page(f"{project.url}/ui/endpoints/drawn/fraud", viewport, scheme)
    picture = seen.page.get_by_role("img", name="Steps of the graph of drawn.fraud")
    picture.scroll_into_view_if_needed()
    expect(picture).to_be_visible()
    seen.page.wait_for_function("image => image.complete && image.naturalWidth > 0", arg=picture.element_handle())
    assert seen.fits()
    # at its own size, so that it can be read; what does not fit is scrolled to
    assert picture.evaluate("image => image.clientWidth === image.naturalWidth && image.clientWidth > 1200")
    last = seen.page.get_by_role("region", name="Drawing of the graph")
    assert last.evaluate("box => { box.scrollLeft = 9999; return box.scrollLeft > 0 }")
    last.evaluate("box => { box.scrollLeft = 0 }")
    if folder := os.environ.get("MLBOX_SHOTS"):
        seen.page.wait_for_selector("[aria-busy=true]", state="detached")
        seen.page.screenshot(path=str(Path(folder) / f"graph-{viewport['width']}-{scheme}.png"), full_page=True)
