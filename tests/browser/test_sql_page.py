"""The SQL page over a real server: writing, running, cancelling, looking at rows, importing a file."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from real_server import wait_until
from screens import DESK, PHONE

ENDLESS = "SELECT count(*) FROM range(100_000_000_000) t(i) WHERE i % 7 = 3"


@pytest.fixture(scope="module")
def shop(server: Any) -> Iterator[Any]:
    """A project with tables."""
    server.sql(
        """
        CREATE PROJECT sqlpage; USE PROJECT sqlpage;
        CREATE TABLE orders AS SELECT i AS id, 'customer ' || i % 997 AS customer, (i * 37 % 10000) / 100 AS amount,
            CASE WHEN i % 7 = 0 THEN NULL ELSE {'city': 'Bern', 'zip': i} END AS address FROM range(100000) t(i);
        """
    )
    yield server


@pytest.fixture
def sql_page(shop: Any, open_page: Any) -> Any:
    """``sql_page(text)``: the page with a text in its editor, which has the focus."""

    def open_one(text: str = "", viewport: dict[str, int] = DESK, project: str = "sqlpage") -> Any:
        watched = open_page(f"{shop.url}/ui/sql?project={project}&q={quote(text)}", viewport)
        watched.page.locator(".cm-content").click()
        watched.page.keyboard.press("Control+Home")
        return watched

    return open_one


def expect() -> Any:
    """Playwright's waiting assertions."""
    return pytest.importorskip("playwright.sync_api").expect


def results(page: Any) -> Any:
    """The cards of the statements that were run."""
    return page.get_by_role("list", name="Results").locator("> li")


def cells(page: Any, row: int, number: int = 1) -> list[str]:
    """A row of a grid, counted from 1; waits for it."""
    line = page.get_by_role("grid", name=f"Rows of statement {number}").locator(f'[aria-rowindex="{row + 1}"]')
    line.wait_for()
    found: list[str] = line.get_by_role("gridcell").all_inner_texts()
    return found


def test_runs_what_is_under_the_cursor_the_selection_and_all(sql_page: Any) -> None:
    """Each statement has its result; the project in use goes on."""
    page = sql_page("SELECT 1 AS one;\n\nSELECT 'a;b' AS two;\nSELECT 3 AS three;").page
    page.keyboard.press("Control+Enter")
    expect()(results(page)).to_have_count(1)
    assert cells(page, 1) == ["1"]
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Control+Enter")
    expect()(results(page)).to_contain_text("two")
    assert cells(page, 1) == ["a;b"]
    page.keyboard.press("Home")
    page.keyboard.press("Shift+Control+End")
    page.keyboard.press("Control+Enter")
    expect()(results(page)).to_have_count(2)
    assert (cells(page, 1, 1), cells(page, 1, 2)) == (["a;b"], ["3"])
    page.get_by_role("button", name="Run all").click()
    expect()(results(page)).to_have_count(3)
    assert cells(page, 1, 3) == ["3"]


def test_the_project_in_use_is_the_one_chosen(sql_page: Any) -> None:
    """``USE PROJECT`` moves the choice at the side, and names are looked up there."""
    page = sql_page("USE PROJECT default; USE PROJECT sqlpage;\nSELECT count(*) AS n FROM orders;", project="").page
    page.keyboard.press("Control+Shift+Enter")
    assert cells(page, 1, 3) == ["100000"]
    expect()(page.get_by_role("combobox", name="Project")).to_have_value("sqlpage")
    expect()(page.get_by_text("in project sqlpage")).to_be_visible()


def test_an_error_is_shown_at_its_place(sql_page: Any) -> None:
    """In the editor, with message and hint; what follows is not run, and a change of mind takes the mark away."""
    watched = sql_page("SELECT 'ß🙂';\nSELECT id,\n  amuont FROM orders;\nSELECT 3;")
    watched.expected = ("400",)
    page = watched.page
    page.keyboard.press("Control+Shift+Enter")
    expect()(page.get_by_role("alert")).to_contain_text("amuont")
    expect()(page.locator(".cm-lintRange-error")).to_have_text("amuont")
    expect()(results(page)).to_have_count(3)
    expect()(results(page).nth(2)).to_contain_text("cancelled")
    page.locator(".cm-lintRange-error").hover()
    expect()(page.locator(".cm-diagnostic")).to_contain_text("amount")
    page.keyboard.press("Control+Home")
    page.keyboard.press("Control+Enter")
    expect()(page.locator(".cm-lintRange-error")).to_have_count(0)


def test_a_statement_is_cancelled(sql_page: Any, shop: Any) -> None:
    """By its button; the server has nothing under way afterwards, and the page goes on."""
    watched = sql_page(f"{ENDLESS};\nSELECT 1;")
    watched.expected = ("409",)
    page = watched.page
    page.keyboard.press("Control+Shift+Enter")
    expect()(results(page).first).to_contain_text("running")
    expect()(page.get_by_role("progressbar", name="Progress")).to_be_visible(timeout=30_000)
    page.get_by_role("button", name="Cancel").click()
    expect()(results(page).first).to_contain_text("the statement was cancelled")
    expect()(results(page).nth(1)).to_contain_text("cancelled")
    page.locator(".cm-content").click()
    page.keyboard.press("Control+End")
    page.keyboard.press("Control+Enter")
    assert cells(page, 1) == ["1"]
    assert not [one for one in under_way(shop) if one["sql"] == ENDLESS]


def under_way(server: Any) -> list[dict[str, Any]]:
    """``GET /sql``."""
    listed: list[dict[str, Any]] = json.loads(server.request("GET", "/sql")[2])["statements"]
    return listed


def test_leaving_the_page_ends_its_statement(sql_page: Any, shop: Any) -> None:
    """To another page of the dashboard, and by closing."""
    for way in ("link", "close"):
        watched = sql_page(ENDLESS)
        watched.expected = ("409",)
        watched.page.keyboard.press("Control+Enter")
        wait_until(lambda: [one for one in under_way(shop) if one["sql"] == ENDLESS])
        if way == "link":
            watched.page.get_by_role("link", name="Runs").click()
        else:
            watched.page.close()
        wait_until(lambda: not [one for one in under_way(shop) if one["sql"] == ENDLESS])


def test_a_hundred_thousand_rows(sql_page: Any) -> None:
    """Only those in sight are drawn; arrows and keys reach all, a header sorts, a cell shows its whole value."""
    page = sql_page("FROM orders ORDER BY id").page
    page.get_by_role("combobox", name="Rows").select_option("100000")
    page.keyboard.press("Escape")
    page.locator(".cm-content").click()
    page.keyboard.press("Control+Enter")
    grid = page.get_by_role("grid", name="Rows of statement 1")
    expect()(grid).to_have_attribute("aria-rowcount", "100001", timeout=30_000)
    assert cells(page, 1)[:3] == ["0", "customer 0", "0"]
    grid.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Control+End")
    assert cells(page, 100_000)[:2] == ["99999", "customer 299"]
    assert grid.get_by_role("row").count() < 60
    expect()(page.get_by_text("address, row 100,000")).to_be_visible()
    expect()(page.locator(".grid-value pre")).to_contain_text('"zip": 99999')
    head = grid.get_by_role("columnheader", name="amount")
    head.get_by_role("button").click()
    expect()(head).to_have_attribute("aria-sort", "ascending")
    page.keyboard.press("Control+Home")
    grid.focus()
    page.keyboard.press("Control+Home")
    assert cells(page, 1)[2] == "0"
    head.get_by_role("button").click()
    expect()(head).to_have_attribute("aria-sort", "descending")
    expect()(grid.locator('[aria-rowindex="2"]')).to_contain_text("99.99")
    address = grid.get_by_role("columnheader", name="address")
    address.get_by_role("button").click()
    expect()(address).to_have_attribute("aria-sort", "ascending")
    expect()(grid.locator('[aria-rowindex="2"]')).to_contain_text("Bern")  # NULL comes last


def test_rows_are_copied_and_downloaded_as_csv(sql_page: Any) -> None:
    """What is shown; and of a result that was cut, all of it."""
    page = sql_page("SELECT id, customer, CASE WHEN id > 0 THEN 'a,\"b\"' END AS t FROM orders ORDER BY id").page
    page.get_by_role("combobox", name="Rows").select_option("1000")
    page.locator(".cm-content").click()
    page.keyboard.press("Control+Enter")
    expect()(results(page)).to_contain_text("the first 1,000 rows")
    page.get_by_role("button", name="Copy CSV").click()
    expect()(page.get_by_role("button", name="Copied")).to_be_visible()
    copied = list(csv.reader(io.StringIO(page.evaluate("navigator.clipboard.readText()"))))
    assert (len(copied), copied[:3]) == (
        1001,
        [["id", "customer", "t"], ["0", "customer 0", ""], ["1", "customer 1", 'a,"b"']],
    )
    with page.expect_download() as shown:
        page.get_by_role("button", name="CSV", exact=True).click()
    assert list(csv.reader(io.StringIO(Path(shown.value.path()).read_text()))) == copied
    with page.expect_download() as whole:
        page.get_by_role("button", name="All rows").click()
    lines = list(csv.reader(io.StringIO(Path(whole.value.path()).read_text())))
    assert (len(lines), lines[:1001]) == (100_001, copied)


def test_integers_are_exact(sql_page: Any) -> None:
    """Also those that a browser's numbers cannot hold."""
    page = sql_page(
        "SELECT 9007199254740993::BIGINT AS a, 170141183460469231731687303715884105727::HUGEINT AS b, 0.5 AS c"
    ).page
    page.keyboard.press("Control+Enter")
    assert cells(page, 1) == ["9007199254740993", "170141183460469231731687303715884105727", "0.5"]


def test_completion(sql_page: Any) -> None:
    """Words of our statements, tables of the project, columns behind a dot."""
    page = sql_page().page
    page.keyboard.press("Control+A")
    page.keyboard.press("Delete")
    options = page.locator(".cm-tooltip-autocomplete li")
    page.keyboard.type("CREATE MOD")
    expect()(options.first).to_contain_text("MODEL")
    page.keyboard.press("Escape")
    page.keyboard.press("Control+A")
    page.keyboard.type("FROM orde")
    expect()(options.first).to_contain_text("orders")
    options.first.click()
    expect()(page.locator(".cm-content")).to_have_text("FROM orders")


def test_text_and_history_stay_in_the_browser(sql_page: Any, shop: Any) -> None:
    """After a reload; a link carries a text to others, and does not run it."""
    page = sql_page("SELECT 41 + 1 AS answer").page
    page.keyboard.press("Control+Enter")
    assert cells(page, 1) == ["42"]
    page.keyboard.press("Control+End")
    page.keyboard.type(" -- kept")
    page.get_by_role("button", name="Copy link").click()
    expect()(page.get_by_role("button", name="Copied")).to_be_visible()
    link = page.evaluate("navigator.clipboard.readText()")
    page.goto(f"{shop.url}/ui/sql?project=sqlpage")
    expect()(page.locator(".cm-content")).to_contain_text("-- kept")
    page.get_by_role("button", name="History").click()
    dialog = page.get_by_role("dialog", name="History")
    dialog.get_by_role("button", name="SELECT 41 + 1 AS answer;").click()
    expect()(dialog).to_be_hidden()
    expect()(page.locator(".cm-content")).to_have_text("SELECT 41 + 1 AS answer;")
    page.goto(link)
    expect()(page.locator(".cm-content")).to_have_text("SELECT 41 + 1 AS answer -- kept")
    expect()(page.get_by_text("Results come here")).to_be_visible()


def test_the_schema_beside_the_editor(sql_page: Any) -> None:
    """Tables with their columns, the views of ml with what the columns mean; names go into the text."""
    page = sql_page("SELECT ").page
    page.keyboard.press("Control+End")
    side = page.get_by_role("complementary", name="Tables")
    side.get_by_text("orders", exact=True).click()
    side.get_by_role("button", name="amount").click()
    expect()(page.locator(".cm-content")).to_have_text("SELECT amount")
    side.get_by_role("searchbox").fill("duration_ms")
    side.get_by_text("runs", exact=True).wait_for()
    expect()(side.get_by_text("orders", exact=True)).to_have_count(0)
    expect()(side.locator("dd").first).to_be_visible()
    side.get_by_role("searchbox").fill("")
    side.get_by_text("orders", exact=True).click()
    side.get_by_role("button", name="Show rows of orders").click()
    expect()(results(page)).to_contain_text("FROM orders LIMIT 100")
    assert cells(page, 1)[1] == "customer 0"
    page.locator(".cm-content").click()
    page.keyboard.press("Control+A")
    page.keyboard.type("CREATE OR REPLACE TABLE made_here AS SELECT 1 AS a")
    page.keyboard.press("Escape")
    page.keyboard.press("Control+Enter")
    expect()(side.get_by_text("made_here", exact=True)).to_be_visible()


def test_the_statement_of_a_panel_opens_here(shop: Any, open_page: Any) -> None:
    """From every page's SQL button, with the project that is chosen."""
    page = open_page(f"{shop.url}/ui/runs?project=sqlpage").page
    page.get_by_role("button", name="SQL of Runs").click()
    page.get_by_role("dialog").get_by_role("link", name="Open in the SQL page").first.click()
    expect()(page.locator(".cm-content")).to_contain_text("FROM ml.runs AS r")
    page.get_by_role("button", name="Run", exact=True).click()
    expect()(results(page)).to_contain_text(re.compile(r"\d rows?|No rows"))


DROP = """([name, text]) => {
  const files = new DataTransfer();
  files.items.add(new File([text], name));
  const target = document.querySelector(".cm-content") ?? document.querySelector(".editor");
  for (const kind of ["dragenter", "dragover", "drop"])
    target.dispatchEvent(new DragEvent(kind, { dataTransfer: files, bubbles: true, cancelable: true, composed: true }));
}"""


def test_a_dropped_file_becomes_a_table(sql_page: Any, shop: Any) -> None:
    """Uploaded, shown as the server reads it, and made a table of by a statement that is shown."""
    page = sql_page("-- mine").page
    page.evaluate(DROP, ["Late flights.csv", "carrier,late\nUA,1.5\nB6,\n"])
    form = page.get_by_role("region", name="Import of Late flights.csv")
    preview = form.get_by_role("grid", name="Preview of Late flights.csv")
    expect()(preview.locator('[aria-rowindex="2"]')).to_contain_text("UA")
    form.get_by_label("Table").fill("late_flights_2")
    statement = form.locator("pre").last
    expect()(statement).to_contain_text("CREATE TABLE late_flights_2 AS FROM read_csv('")
    form.get_by_role("button", name="Create the table").click()
    expect()(results(page)).to_have_count(2)
    assert cells(page, 1, 2) == ["UA", "1.5"]
    expect()(form).to_have_count(0)
    assert shop.sql("FROM sqlpage.late_flights_2")[0]["rows"] == [["UA", 1.5], ["B6", None]]
    expect()(page.locator(".cm-content")).to_have_text("-- mine")


def test_a_file_of_another_kind_is_refused(sql_page: Any, tmp_path: Path) -> None:
    """Before anything is sent; one that cannot be read is told as the server tells it."""
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 no")
    watched = sql_page()
    watched.expected = ("400",)
    page = watched.page
    page.get_by_label("File to upload").set_input_files(tmp_path / "picture.png")
    expect()(page.get_by_role("alert")).to_contain_text("of no known format")
    page.get_by_label("File to upload").set_input_files(tmp_path / "broken.parquet")
    expect()(page.get_by_role("alert")).to_contain_text("arquet")
    expect()(page.get_by_role("button", name="Create the table")).to_be_disabled()


@pytest.mark.parametrize("viewport", [DESK, PHONE])
def test_the_page_fits_and_the_keyboard_suffices(sql_page: Any, viewport: dict[str, int]) -> None:
    """It does not scroll sideways; Tab leads out of the editor to its buttons and on to the rows."""
    watched = sql_page("FROM orders LIMIT 50", viewport)
    page = watched.page
    page.keyboard.press("Control+Enter")
    assert cells(page, 1)[1] == "customer 0"
    assert watched.fits()
    assert watched.hosts == {watched.page.url.split("/")[2]}
    page.keyboard.press("Tab")
    expect()(page.get_by_role("button", name="Run", exact=True)).to_be_focused()
    for _ in range(12):
        if page.evaluate("document.activeElement?.getAttribute('role')") == "grid":
            break
        page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect()(page.get_by_text("customer, row 1")).to_be_visible()
