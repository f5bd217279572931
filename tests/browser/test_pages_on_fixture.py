"""The pages over made-up rows: every statement really runs, against tables shaped like the public views."""

from __future__ import annotations

import re
from typing import Any

import pytest
from fixture_rows import run_id
from playwright.sync_api import expect
from screens import DESK, PHONE
from waiting import wait_until

SWEEP, BEST, LIVE, FAILED = run_id(1), run_id(3), run_id(10), run_id(11)
ADDRESSES = (
    "/ui/runs",
    f"/ui/runs?fold={SWEEP}",
    f"/ui/runs/{SWEEP}",
    f"/ui/runs/{BEST}",
    f"/ui/runs/{LIVE}",
    f"/ui/runs/{FAILED}",
    "/ui/endpoints",
    "/ui/endpoints/flights/delay",
    "/ui/endpoints/flights/delay?clock=arrival&metric=ks",
    "/ui/endpoints/fraud/cards",
    "/ui/nothing/here",
)


@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
def test_every_page_fits_and_every_statement_runs(
    shared_fixture: Any, open_page: Any, viewport: dict[str, int]
) -> None:
    seen = open_page(shared_fixture.url + "/ui/", viewport, "dark" if viewport is PHONE else "light")
    for address in ADDRESSES:
        seen.page.goto(shared_fixture.url + address)
        seen.page.wait_for_selector("h1")
        seen.page.wait_for_selector("[aria-busy=true]", state="detached")
        assert [note.inner_text() for note in seen.page.query_selector_all("[role=alert]")] == [], address
        assert seen.fits(), address
    assert seen.hosts == {shared_fixture.url.removeprefix("http://")}


def test_the_list_filters_searches_folds_and_pages(shared_fixture: Any, open_page: Any) -> None:
    page = open_page(f"{shared_fixture.url}/").page
    page.wait_for_url("**/ui/")
    rows = page.locator("tbody tr")
    page.wait_for_selector("text=48 runs")
    expect(rows).to_have_count(25)
    page.get_by_role("button", name="Older").click()
    page.wait_for_selector("text=26–48 of 48")
    page.get_by_role("button", name="error 1").click()
    page.wait_for_selector("tbody tr:first-child:last-child >> text=first-try")
    page.wait_for_selector("text=1 run")
    page.get_by_role("button", name="all").click()
    page.wait_for_selector("text=48 runs")
    page.get_by_placeholder("Name, function or id").fill("FIT")
    page.wait_for_url("**search=FIT**")
    expect(rows).to_have_count(1)
    page.get_by_role("button", name="3 trials").click()
    expect(page.locator("tr.child")).to_have_text([re.compile(name) for name in ("fit-1", "fit-2", "fit-3")])
    expect(page.locator("tr.child.best")).to_contain_text("best")
    page.reload()
    page.wait_for_selector("tr.child.best")


def test_a_name_with_a_quote_is_found_not_executed(own_fixture: Any, open_page: Any) -> None:
    own_fixture.execute("UPDATE ml.runs SET name = 'o''hare; DROP' WHERE name = 'first-try'")
    page = open_page(f"{own_fixture.url}/ui/runs").page
    page.get_by_placeholder("Name, function or id").fill("o'hare; drop")
    page.wait_for_selector("tbody tr:first-child:last-child >> text=o'hare; DROP")


def test_the_project_filters_both_pages(shared_fixture: Any, open_page: Any) -> None:
    page = open_page(f"{shared_fixture.url}/ui/runs").page
    page.get_by_label("Project").select_option("flights")
    page.wait_for_selector("text=6 runs")
    page.get_by_role("link", name="Endpoints").click()
    page.wait_for_selector("text=1 endpoint")
    assert "project=flights" in page.url


def test_the_sql_button_shows_and_copies_the_exact_statement(shared_fixture: Any, open_page: Any) -> None:
    page = open_page(f"{shared_fixture.url}/ui/endpoints").page
    page.get_by_role("button", name="SQL of Endpoints").click()
    shown = page.locator("dialog pre").inner_text()
    page.get_by_role("button", name="Copy statement").click()
    page.wait_for_selector("dialog >> text=Copied")
    assert page.evaluate("navigator.clipboard.readText()") == shown
    wait_until(lambda: shown.removesuffix(";") in shared_fixture.statements)
    status, answer = shared_fixture.run_sql(shown)
    assert status == 200 and answer["results"][0]["row_count"] == 2
    page.keyboard.press("Escape")
    expect(page.locator("dialog[open]")).to_have_count(0)


def test_every_panel_has_a_sql_button(shared_fixture: Any, open_page: Any) -> None:
    for address in (f"/ui/runs/{BEST}", "/ui/endpoints/flights/delay"):
        page = open_page(shared_fixture.url + address).page
        page.wait_for_selector("text=Drift by feature" if "endpoints" in address else "text=this run")
        page.wait_for_selector("[aria-busy=true]", state="detached")
        for panel in page.locator("section.panel").all():
            heading = panel.locator("h1, h2").first.inner_text()
            if heading != "Log":  # a file, not a statement
                assert panel.locator(".sql-button").count() == 1, heading


def test_a_run_shows_what_it_was_given_and_made(shared_fixture: Any, open_page: Any) -> None:
    page = open_page(f"{shared_fixture.url}/ui/runs/{BEST}").page
    page.wait_for_selector("text=this run")
    expect(page.get_by_role("table", name="Parameters")).to_contain_text("learning_rate")
    expect(page.get_by_role("table", name="Metrics")).to_contain_text("0.7385")
    roc = page.get_by_role("img", name="Picture roc")
    roc.scroll_into_view_if_needed()
    assert roc.evaluate("async (image) => { await image.decode(); return image.naturalWidth; }") > 0
    expect(page.locator("pre.log")).to_contain_text("step  39 auc")
    with page.expect_download() as download:
        page.get_by_role("link", name="model Download").click()
    assert download.value.suggested_filename == "model.onnx"
    page.get_by_role("link", name="flights.delay", exact=True).click()
    page.wait_for_selector("text=Will this flight be late?")


def test_a_failed_run_shows_the_users_own_traceback(shared_fixture: Any, open_page: Any) -> None:
    page = open_page(f"{shared_fixture.url}/ui/runs/{FAILED[:10]}").page
    note = page.locator(".note.bad")
    expect(note).to_contain_text("ValueError")
    expect(note.locator("pre")).to_contain_text("train.py")


def test_a_running_run_is_followed_to_its_end(own_fixture: Any, open_page: Any) -> None:
    page = open_page(f"{own_fixture.url}/ui/runs/{LIVE}").page
    page.wait_for_selector("h1 ~ .panel-note >> text=running")
    page.wait_for_selector("text=still writing")
    page.get_by_text("Live", exact=True).wait_for()
    own_fixture.fixture.logs[LIVE] += "and here is the é at last\n"
    page.wait_for_selector("pre.log >> text=and here is the é at last")
    own_fixture.execute(
        "UPDATE ml.runs SET state = 'completed', finished_at = now(), duration_ms = 1e3 WHERE id = ?", [LIVE]
    )
    own_fixture.tell("run.finished", state="completed")
    page.wait_for_selector("h1 ~ .panel-note >> text=completed")
    page.wait_for_selector("text=still writing", state="detached")


def test_an_event_brings_a_new_run_into_the_list(own_fixture: Any, open_page: Any) -> None:
    page = open_page(f"{own_fixture.url}/ui/runs?project=fraud").page
    page.get_by_text("Live", exact=True).wait_for()
    page.wait_for_selector("text=42 runs")
    own_fixture.execute(
        "INSERT INTO ml.runs (project, id, name, state, created_at) "
        "VALUES ('fraud', 'new', 'brand-new', 'pending', now())"
    )
    own_fixture.tell("run.created")
    page.wait_for_selector("text=brand-new")


def test_polling_when_the_stream_breaks_and_live_again(own_fixture: Any, open_page: Any) -> None:
    seen = open_page(f"{own_fixture.url}/ui/endpoints")
    seen.expected = ("status of 503",)  # while the stream is away
    seen.page.get_by_text("Live", exact=True).wait_for()
    own_fixture.streaming = False
    own_fixture.cut_streams()
    seen.page.get_by_text("Polling", exact=True).wait_for()
    own_fixture.execute("UPDATE ml.endpoints SET requests = 424242 WHERE name = 'delay'")
    seen.page.wait_for_selector("text=424,242")
    own_fixture.streaming = True
    seen.page.get_by_text("Live", exact=True).wait_for()


def test_an_error_shows_code_message_and_hint(own_fixture: Any, open_page: Any) -> None:
    own_fixture.execute("DROP TABLE ml.endpoints")
    seen = open_page(f"{own_fixture.url}/ui/endpoints")
    seen.expected = ("status of 400",)
    note = seen.page.get_by_role("alert")
    for part in ("statement", "endpoints", "this is the statement which the page has sent"):
        expect(note).to_contain_text(part)


def test_the_endpoint_tells_traffic_drift_and_what_was_done(shared_fixture: Any, open_page: Any) -> None:
    page = open_page(f"{shared_fixture.url}/ui/endpoints/flights/delay").page
    requests = page.get_by_role("img", name="Requests over time. 3,000 requests")
    expect(requests).to_contain_text("champion v2")
    expect(page.locator("dl.facts div").filter(has_text="Lost by the log")).to_contain_text("12")
    feeds = page.get_by_role("table", name="Feeds")
    expect(feeds).to_contain_text("source flights.departures")
    expect(feeds).to_contain_text("2,396")
    expect(page.locator("main")).to_contain_text("scoring does not go on: Redis at localhost:6379 cannot be reached")
    page.get_by_role("button", name="Arrival").click()
    page.wait_for_selector("text=by 1 minute, UTC")
    grid = page.get_by_role("grid", name="psi by feature and window")
    expect(grid.locator("tbody tr")).to_have_count(11)
    page.get_by_role("button", name="ks", exact=True).click()
    page.get_by_role("grid", name="ks by feature and window").wait_for()
    expect(page.get_by_role("table", name="Alerts raised")).to_contain_text("psi = 0.3391 > 0.2")
    expect(page.locator("ol.steps .step-head b")).to_have_text(["fit", "compare", "promote", "tell"])


def test_the_endpoint_is_called_from_its_page(shared_fixture: Any, open_page: Any) -> None:
    seen = open_page(f"{shared_fixture.url}/ui/endpoints/flights/delay", PHONE)
    page = seen.page
    request = page.locator("pre[aria-label='A request']")
    expect(request).to_contain_text(f"curl -s '{shared_fixture.url}/v2/models/flights.delay/infer'")
    expect(request).to_contain_text('"dep_hour":23')  # as it was asked last
    page.get_by_role("button", name="tritonclient").click()
    expect(request).to_contain_text('("dep_hour", "FP64", np.array([23], np.float64)),')
    expect(page.locator("main")).to_contain_text("dep_hour FP64, temp FP32 (optional)")
    page.get_by_role("button", name="Send").click()
    answer = page.locator("pre[aria-label='The answer']")
    expect(answer).to_contain_text('"prediction": 0.25')
    seen.expected = ("400",)
    page.get_by_label("Try it").fill('{"rows": [{}]}')
    page.get_by_role("button", name="Send").click()
    expect(answer).to_contain_text("the request has no input 'dep_hour'")
    expect(page.locator(".call .bad-text")).to_contain_text("400")
    page.get_by_role("button", name="Start again").click()
    expect(page.get_by_label("Try it")).to_have_value(re.compile('"dep_hour": 23'))
    assert seen.fits()


def test_predictions_are_shown_by_model_and_one_by_one(shared_fixture: Any, open_page: Any) -> None:
    page = open_page(f"{shared_fixture.url}/ui/endpoints/flights/delay").page
    arms = page.get_by_role("table", name="Requests by model").locator("tbody tr")
    expect(arms).to_have_count(2)
    expect(arms.first).to_contain_text("delay@1")
    rows = page.get_by_role("table", name="Predictions").locator("tbody tr")
    expect(rows).to_have_count(10)
    expect(rows.first).to_contain_text("r2999")
    expect(rows.first).to_contain_text("dep_hour 23")
    page.get_by_role("button", name="Failed").click()
    expect(rows.first).to_contain_text("input dep_hour is missing")
    suspended = open_page(f"{shared_fixture.url}/ui/endpoints/fraud/cards").page
    suspended.wait_for_selector("text=No predictions logged yet")
    expect(suspended.get_by_role("button", name="Send")).to_have_count(0)


def test_charts_and_heat_map_answer_to_keys(shared_fixture: Any, open_page: Any) -> None:
    page = open_page(f"{shared_fixture.url}/ui/endpoints/flights/delay").page
    chart = page.get_by_role("img", name="Latency over time")
    chart.focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    readout = page.locator(".readout")
    expect(readout).to_contain_text("2013-07-02")
    expect(readout).to_contain_text("p99")
    page.keyboard.press("Escape")
    expect(readout).to_have_count(0)
    first = page.get_by_role("gridcell").first
    first.focus()
    page.keyboard.press("End")
    expect(page.locator(".heat-readout")).to_contain_text("2013-07-31")
    page.keyboard.press("ArrowDown")
    expect(page.locator(".heat-readout")).to_contain_text("temp")


def test_empty_pages_teach_the_next_statement(empty_fixture: Any, open_page: Any) -> None:
    page = open_page(f"{empty_fixture.url}/ui/runs").page
    page.wait_for_selector("text=RUN train FROM")
    page.get_by_role("link", name="Endpoints").click()
    page.wait_for_selector("text=CREATE ENDPOINT")


def test_the_theme_follows_the_system_until_one_is_chosen(shared_fixture: Any, open_page: Any) -> None:
    page = open_page(f"{shared_fixture.url}/ui/endpoints", DESK, "dark").page
    body = page.locator("body")
    expect(body).to_have_css("background-color", "rgb(14, 17, 21)")
    page.get_by_role("button", name="System theme").click()
    expect(body).to_have_css("background-color", "rgb(245, 246, 248)")
    page.reload()
    page.get_by_role("button", name="Light theme").wait_for()
    expect(body).to_have_css("background-color", "rgb(245, 246, 248)")


CONTRAST = """() => {
  const parse = (text) => (text.match(/[\\d.]+/g) ?? []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const [r, g, b, a = 1] = parse(getComputedStyle(at).backgroundColor);
      if (a > 0.99) return [r, g, b];
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    const skipped = element.closest("button:disabled, option, noscript, script, style");
    if (!own || skipped || !element.checkVisibility()) continue;
    const style = getComputedStyle(element);
    const svg = element.ownerSVGElement !== undefined && element.ownerSVGElement !== null;
    const [a, b] = [light(parse(svg ? style.fill : style.color)), light(ground(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) found.push(`${ratio.toFixed(2)} ${element.outerHTML.slice(0, 90)}`);
  }
  return found;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("address", [f"/ui/runs?fold={SWEEP}", f"/ui/runs/{FAILED}", "/ui/endpoints/flights/delay"])
def test_text_can_be_read(shared_fixture: Any, open_page: Any, address: str, scheme: str) -> None:
    page = open_page(shared_fixture.url + address, DESK, scheme).page
    page.wait_for_selector("td, figure")
    page.wait_for_selector("[aria-busy=true]", state="detached")
    assert page.evaluate(CONTRAST) == []


def test_everything_that_acts_has_a_name_and_takes_the_focus(shared_fixture: Any, open_page: Any) -> None:
    page = open_page(f"{shared_fixture.url}/ui/runs?fold={SWEEP}").page
    page.wait_for_selector("tr.child")
    nameless = page.evaluate(
        """() => [...document.querySelectorAll("a, button, input, select")].filter((element) =>
             !(element.textContent.trim() || element.getAttribute("aria-label") || element.closest("label")))
             .map((element) => element.outerHTML)"""
    )
    assert nameless == []
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the page"
    for _ in range(3):
        page.keyboard.press("Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
