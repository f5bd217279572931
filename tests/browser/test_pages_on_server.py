"""The pages over a real server and what a real project leaves behind: runs, a model, predictions, drift, an alert."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect
from screens import DESK, PHONE
from waiting import wait_until

WORK = """
import math

def train(ctx, rate=0.1, steps=20):
    for step in range(steps):
        auc = 0.75 - 0.25 * math.exp(-rate * 3 * step)
        ctx.log_metrics({"auc": auc, "loss": 1 - auc}, step=step)
        print(f"step {step} auc {auc:.4f}", flush=True)
    ctx.log_plot("roc", b'<svg xmlns="http://www.w3.org/2000/svg" width="200" height="200"><path d="M0 9L9 0"/></svg>')
    ctx.log_artifact("notes", b"hello")

def slow(ctx, gate):
    import pathlib, time
    print("waiting for the gate", flush=True)
    while not pathlib.Path(gate).exists():
        time.sleep(0.05)
    print("through the gate", flush=True)

def fail(ctx):
    raise ValueError("three infinite values")
"""
START = datetime(2013, 7, 1, tzinfo=UTC)
DAYS = 8


def write_model(path: Path) -> None:
    """A logistic regression of two inputs."""
    numpy = pytest.importorskip("numpy")
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper, numpy_helper

    weights = numpy_helper.from_array(numpy.array([[0.8], [-0.5]], dtype=numpy.float32), "w")
    nodes = [helper.make_node("MatMul", ["x", "w"], ["z"]), helper.make_node("Sigmoid", ["z"], ["p"])]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 2])]
    outputs = [helper.make_tensor_value_info("p", TensorProto.FLOAT, [None, 1])]
    graph = helper.make_graph(nodes, "g", inputs, outputs, [weights])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), str(path))


def predict(server: Any) -> None:
    """A request of fifty rows a day; from the fifth day on it is warmer."""
    chance = random.Random(3)
    for day in range(DAYS):
        times = [START + timedelta(days=day, minutes=20 * row) for row in range(50)]
        columns = {
            "temp": [chance.gauss(0 if day < 4 else 3, 1) for _ in times],
            "wind": [chance.gauss(0, 1) for _ in times],
        }
        inputs = [{"name": k, "shape": [50], "datatype": "FP64", "data": v} for k, v in columns.items()]
        body = {"inputs": inputs, "parameters": {"event_time": [time.isoformat() for time in times]}}
        status, _, answer = server.request("POST", "/v2/models/pages.late/infer", body)
        assert status == 200, answer
    status, _, _ = server.request("POST", "/v2/models/pages.late/infer", {"inputs": []})
    assert status == 400


@pytest.fixture(scope="module")
def project(server: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A project with one of each thing that the pages show."""
    folder = tmp_path_factory.mktemp("work")
    (folder / "work.py").write_text(WORK)
    write_model(folder / "model.onnx")
    server.sql("CREATE PROJECT pages")
    server.sql(
        f"""
        CREATE FUNCTION train FROM '{folder}/work.py' HANDLER train;
        CREATE FUNCTION slow FROM '{folder}/work.py' HANDLER slow;
        CREATE FUNCTION fail FROM '{folder}/work.py' HANDLER fail;
        RUN train SWEEP (rate IN (0.05, 0.1, 0.2)) MAXIMIZE auc AS fit;
        CREATE MODEL late FROM '{folder}/model.onnx' INPUT (temp DOUBLE, wind DOUBLE) ALIAS champion;
        CREATE ENDPOINT late USING MODEL late@champion LOG ALL;
        CREATE TABLE usual AS SELECT sin(range * 0.7) AS temp, cos(range * 0.9) AS wind FROM range(500);
        CREATE MONITOR late_watch ON ENDPOINT late BASELINE usual METRICS (psi, ks) WINDOW INTERVAL 1 DAY;
        CREATE WORKFLOW retrain AS (STEP fit AS (RUN train WITH (rate = 0.3)), STEP tell AFTER fit AS (SELECT 'kept'));
        CREATE ALERT drifted ON MONITOR late_watch WHEN psi > 0.25 COOLDOWN INTERVAL 90 DAYS THEN RUN WORKFLOW retrain;
        """,
        project="pages",
    )
    server.error("RUN fail AS oops", project="pages")
    predict(server)
    logged = "SELECT count(*), count(DISTINCT request_id) FROM ml.predictions WHERE endpoint = 'late'"
    wait_until(lambda: server.sql(logged, project="pages")[0]["rows"][0] == [DAYS * 50 + 1, DAYS + 1])
    server.sql("REFRESH MONITOR late_watch", project="pages")
    finished = "SELECT count(*) FROM ml.workflow_runs WHERE workflow = 'retrain' AND state = 'completed'"
    wait_until(lambda: server.sql(finished, project="pages")[0]["rows"][0][0])
    yield server


def first(server: Any, sql: str) -> Any:
    """One value."""
    return server.sql(sql, project="pages")[0]["rows"][0][0]


def test_every_page_fits_and_every_statement_runs(project: Any, open_page: Any) -> None:
    sweep = first(project, "SELECT id FROM ml.runs WHERE name = 'fit'")
    best = first(project, "SELECT best_trial FROM ml.runs WHERE name = 'fit'")
    failed = first(project, "SELECT id FROM ml.runs WHERE name = 'oops'")
    addresses = [
        *(f"/ui/runs/{run}" for run in (sweep, best, failed)), f"/ui/runs?project=pages&fold={sweep}",
        "/ui/runs", "/ui/endpoints", "/ui/endpoints/pages/late", "/ui/endpoints/pages/late?clock=arrival&metric=ks",
    ]  # fmt: skip
    for viewport, scheme in ((DESK, "light"), (PHONE, "dark")):
        seen = open_page(f"{project.url}/", viewport, scheme)
        for address in addresses:
            seen.page.goto(project.url + address)
            seen.page.wait_for_selector("h1")
            seen.page.wait_for_selector("[aria-busy=true]", state="detached")
            assert [note.inner_text() for note in seen.page.query_selector_all("[role=alert]")] == [], address
            assert seen.fits(), address
        assert seen.hosts == {project.url.removeprefix("http://")}


def test_the_sweep_shows_its_trials_and_their_curves(project: Any, open_page: Any) -> None:
    page = open_page(f"{project.url}/ui/runs?project=pages").page
    page.get_by_role("button", name="3 trials").click()
    page.wait_for_selector("tr.child.best")
    page.get_by_role("link", name="fit", exact=True).click()
    page.get_by_role("img", name="auc by step").wait_for()
    expect(page.get_by_role("table", name="Trials").locator("tbody tr")).to_have_count(3)
    page.get_by_role("table", name="Trials").get_by_role("link").last.click()
    page.get_by_role("img", name="Picture roc").wait_for()
    page.wait_for_selector("pre.log >> text=step 19 auc")


def test_the_failed_run_shows_the_users_frames_only(project: Any, open_page: Any) -> None:
    page = open_page(f"{project.url}/ui/runs?project=pages&state=error").page
    page.get_by_role("link", name="oops").click()
    note = page.locator(".note.bad")
    expect(note).to_contain_text("ValueError")
    expect(note).to_contain_text("work.py")
    assert "bootstrap" not in note.inner_text()


def test_a_run_is_followed_live(project: Any, open_page: Any, tmp_path: Path) -> None:
    page = open_page(f"{project.url}/ui/runs?project=pages").page
    page.get_by_text("Live", exact=True).wait_for()
    gate = tmp_path / "gate"
    project.sql(f"RUN slow WITH (gate = '{gate}') AS watched ASYNC", project="pages")
    page.get_by_role("link", name="watched").click()
    page.wait_for_selector("pre.log >> text=waiting for the gate")
    page.wait_for_selector("h1 ~ .panel-note >> text=running")
    gate.touch()
    page.wait_for_selector("pre.log >> text=through the gate")
    page.wait_for_selector("h1 ~ .panel-note >> text=completed")


def test_the_endpoint_shows_traffic_drift_alert_and_workflow(project: Any, open_page: Any) -> None:
    page = open_page(f"{project.url}/ui/endpoints").page
    page.get_by_role("link", name="pages.late").click()
    page.get_by_role("img", name="Requests over time. 9 requests").wait_for()
    grid = page.get_by_role("grid", name="psi by feature and window")
    expect(grid.locator("tbody th").first).to_have_text("temp")
    page.get_by_role("table", name="Alerts raised").wait_for()
    expect(page.locator("ol.steps .step-head")).to_have_text(
        [re.compile("^fit completed"), re.compile("^tell completed")]
    )
    page.get_by_role("button", name="Arrival").click()
    page.get_by_text(re.compile(r"by \d+ (second|minute)s?, UTC")).wait_for()  # as long as the requests took
