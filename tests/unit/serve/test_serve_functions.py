"""Endpoints of user code, over HTTP: real processes, which raise, hang and die."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from serving_house import House, Live, served, tensors
from waiting import wait_until

from mlbox.base.command import Caller
from mlbox.base.errors import Invalid, MlboxError, NotFound
from mlbox.base.names import Ref
from mlbox.engine.runs.commands import StartRun
from mlbox.serve.commands import CreateEndpoint

PLAIN = "def score(x, y=1.0):\n    return x * 10 + y\n"
TWO = "def score(inputs):\n    return {'prediction': [v > 1 for v in inputs['x']], 'why': ['a'] * len(inputs['x'])}\n"
SLOW = """
import os, sys, time
def score(x):
    if x == 666: time.sleep(60)
    if x == 13: os._exit(7)
    if x == 14: raise ValueError("no " + str(x))
    if x == 15: return {"a": object()}
    if x == 16: return None
    print("said", x, flush=True)
    time.sleep(0.02)
    return x
"""
MODEL = """
from mlbox import BadInput

class Model:
    features = ("amount", "hour")
    def __init__(self, threshold=0.5): self.threshold = threshold
    def load(self, context): self.loaded = context.parameters
    def preprocess(self, inputs):
        if min(inputs["amount"]) < 0: raise BadInput("an amount is below 0", "send what was paid")
        return {name: [v * 2 for v in values] for name, values in inputs.items()}
    def predict(self, inputs): return [a + h for a, h in zip(inputs["amount"], inputs["hour"])]
    def postprocess(self, scores): return {"prediction": scores, "over": [s > self.threshold for s in scores]}
    def explain(self, inputs): return {"amount": list(inputs["amount"]), "hour": [0.0] * len(inputs["hour"])}
"""
ASYNC = """
import asyncio
class Model:
    async def load(self): self.inside, self.all = 0, asyncio.Event()
    async def predict(self, inputs):
        hangs = max(inputs["hangs"]) > 0
        self.inside += not hangs
        if self.inside == 19: self.all.set()
        await (asyncio.sleep(600) if hangs else self.all.wait())
        return inputs["hangs"]
"""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """One house and server for all of this file."""
    house = House(tmp_path_factory.mktemp("functions"))
    with served(house) as live:
        yield live


def _one(live: Live, endpoint: str, **values: Any) -> httpx.Response:
    return live.rows(endpoint, {name: [value] for name, value in values.items()})


def _pids(house: House, function: str) -> list[int]:
    found = house.endpoints.pools.processes()
    return next((pids for name, pids in found.items() if f".{function}@" in name), [])


def test_a_plain_function_is_called_for_each_row_and_recorded(shared: Live) -> None:
    shared.house.function("plain", PLAIN)
    shared.house.endpoint("plain", function="plain")
    told = shared.http.get("/v2/models/plain").json()
    assert told["platform"] == "mlbox_function" and [i["name"] for i in told["inputs"]] == ["x", "y"]
    reply = shared.rows("plain", {"x": [1.0, 2.0], "y": [5.0, 6.0]}, id="r").json()
    assert reply["outputs"] == [{"name": "prediction", "datatype": "FP64", "shape": [2], "data": [15.0, 26.0]}]
    assert _one(shared, "plain", x=1.0).json()["outputs"][0]["data"] == [11.0]  # y has a default
    missing = _one(shared, "plain", y=1.0)
    assert missing.status_code == 400 and "'x'" in missing.json()["error"]
    rows = shared.house.predictions("request_id = 'r'")
    assert [row["prediction"] for row in rows] == [15.0, 26.0] and rows[0]["model"] == "plain"
    assert rows[1]["features"] == {"x": 2.0, "y": 6.0} and rows[0]["model_version"] == 1


def test_a_function_of_columns_gives_several_outputs(shared: Live) -> None:
    shared.house.function("two", TWO)
    shared.house.endpoint("two", function="two")
    by_name = {o["name"]: o for o in shared.rows("two", {"x": [1.0, 2.0]}).json()["outputs"]}
    assert by_name["prediction"]["data"] == [0.0, 1.0]
    assert by_name["why"] == {"name": "why", "datatype": "BYTES", "shape": [2], "data": ["a", "a"]}


def test_a_class_is_loaded_once_prepares_explains_and_refuses(shared: Live) -> None:
    shared.house.function("model", MODEL, "Model")
    shared.house.endpoint("model", function="model", options={"parameters": {"threshold": 6}})
    reply = shared.rows("model", {"amount": [1.0, 5.0], "hour": [1.0, 1.0]}).json()
    by_name = {o["name"]: o["data"] for o in reply["outputs"]}
    assert by_name == {"prediction": [4.0, 12.0], "over": [False, True]}
    body = {"inputs": [{"name": n, "shape": [1], "datatype": "FP64", "data": [3]} for n in ("amount", "hour")]}
    told = shared.http.post("/v2/models/model/explain", json=body).json()
    assert {o["name"]: o["data"] for o in told["outputs"]} == {"amount": [6.0], "hour": [0.0]}
    refused = _one(shared, "model", amount=-1.0, hour=0.0)
    assert refused.status_code == 400
    assert refused.json() == {"error": "an amount is below 0", "code": "invalid", "hint": "send what was paid"}
    shared.house.function("bare", PLAIN)
    shared.house.endpoint("bare", function="bare")
    no = shared.http.post("/v2/models/bare/explain", json={"inputs": [{**body["inputs"][0], "name": "x"}]})
    assert no.status_code == 400 and "has no explain" in no.json()["error"]


def test_what_raises_dies_hangs_or_is_nonsense_touches_no_other_request(shared: Live) -> None:
    shared.house.function("slow", SLOW)
    shared.house.endpoint("slow", function="slow", options={"timeout_ms": 5000, "processes": 3})
    # one hangs and one is started again, which takes long on a full machine
    wait_until(lambda: len(_pids(shared.house, "slow")) == 3)
    wrong: dict[float, httpx.Response] = {}

    def bad(value: float) -> None:
        with httpx.Client(base_url=shared.server.url, timeout=60) as client:
            wrong[value] = Live(shared.house, shared.server, client).rows("slow", {"x": [value]})

    def good(value: float) -> float:
        with httpx.Client(base_url=shared.server.url, timeout=60) as client:
            reply = Live(shared.house, shared.server, client).rows("slow", {"x": [value]})
            assert reply.status_code == 200, reply.text
            return float(reply.json()["outputs"][0]["data"][0])

    with ThreadPoolExecutor(8) as threads:
        threads.map(bad, (13.0, 14.0, 15.0, 16.0, 666.0))
        assert list(threads.map(good, range(1000, 1040))) == [float(x) for x in range(1000, 1040)]
    assert wrong[13.0].status_code == 503 and "exit status 7" in wrong[13.0].json()["error"]
    assert wrong[14.0].status_code == 500 and "ValueError: no 14.0 (slow.py, line 6)" in wrong[14.0].json()["error"]
    assert wrong[14.0].json()["code"] == "code_failed"
    assert wrong[15.0].status_code == 500 and "holds a value of type object" in wrong[15.0].json()["error"]
    assert wrong[16.0].json()["outputs"][0]["data"] == [None]
    late = wrong[666.0].json()
    assert late["code"] == "deadline_exceeded" and "time limit of 5000 ms" in late["error"]
    wait_until(lambda: len(_pids(shared.house, "slow")) == 3)
    log = shared.house.catalog.rows("SELECT text FROM catalog.ml.logs WHERE endpoint = 'slow'")
    texts = [row["text"] for row in log]
    assert "said 1000.0" in texts and any("ValueError: no 14.0" in text for text in texts)
    wait_until(
        lambda: any(
            event.kind == "serving.process_ended" and "time limit" in str(event.data) for event in shared.house.events
        )
    )


def test_a_caller_without_patience_ends_no_process(shared: Live) -> None:
    shared.house.function("patient", "import time\ndef score(x):\n    time.sleep(x)\n    return x\n")
    shared.house.endpoint("patient", function="patient", options={"timeout_ms": 5000})
    (process,) = _pids(shared.house, "patient")
    gone = shared.infer("patient", {"inputs": tensors({"x": [0.4]})}, headers={"x-request-timeout-ms": "50"})
    assert gone.json()["code"] == "deadline_exceeded"
    after = _one(shared, "patient", x=0.0)
    assert after.status_code == 200, after.text
    assert _pids(shared.house, "patient") == [process]


def test_a_killed_process_is_replaced_and_its_children_end_with_it(shared: Live) -> None:
    shared.house.function("killed", PLAIN)
    shared.house.endpoint("killed", function="killed")
    (first,) = _pids(shared.house, "killed")
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: _pids(shared.house, "killed") not in ([], [first]))
    assert _one(shared, "killed", x=2.0).json()["outputs"][0]["data"] == [21.0]


def test_asynchronous_code_serves_many_at_once_and_a_slow_one_is_cancelled(shared: Live) -> None:
    shared.house.function("later", ASYNC, "Model")
    shared.house.endpoint("later", function="later", options={"timeout_ms": 60_000})
    (before,) = _pids(shared.house, "later")
    slot = shared.house.endpoints.directory.find("later")
    assert slot.runtime is not None
    predictor = slot.runtime.arms[0].predictor

    def ask(hangs: float) -> int:
        return _one(shared, "later", hangs=hangs).status_code

    with ThreadPoolExecutor(20) as threads:  # each of the 19 waits in the code for all others
        predictor.seconds = 2.0
        late = threads.submit(ask, 1.0)
        wait_until(lambda: predictor._lease.pool._processes[0].busy or late.done())
        predictor.seconds = 60.0
        assert list(threads.map(ask, [0.0] * 19)) == [200] * 19
        assert late.result() == 503
    assert _pids(shared.house, "later") == [before]


def test_code_that_cannot_be_loaded_is_refused_and_nothing_is_written(shared: Live) -> None:
    house = shared.house
    house.function("broken", "import nosuchmodule\ndef score(x): return x\n")
    with pytest.raises(MlboxError, match="No module named 'nosuchmodule'"):
        house.endpoint("broken", function="broken")
    assert house.catalog.rows("SELECT * FROM catalog.ml.endpoints WHERE name = 'broken'") == []
    house.function("empty", "class Model:\n    def other(self): ...\n", "Model")
    with pytest.raises(Invalid, match="class Model of function 'empty' has no method predict"):
        house.endpoint("empty", function="empty")
    takes = "class M:\n    def __init__(self, factor=2): ...\n    def predict(self, inputs): return inputs['x']\n"
    house.function("takes", takes, "M")
    with pytest.raises(MlboxError, match="class M takes no parameter 'faktor'") as slip:
        house.endpoint("takes", function="takes", options={"parameters": {"faktor": 3}})
    assert "its __init__ takes: factor" in str(slip.value.hint)
    with pytest.raises(NotFound, match="there is no function 'nosuch'"):
        house.endpoint("nosuch", function="nosuch")
    with pytest.raises(Invalid, match="processes = 0"):
        house.endpoint("zero", function="plain", options={"processes": 0})


def test_a_plan_starts_nothing(shared: Live) -> None:
    shared.house.function("planned", PLAIN)
    command = CreateEndpoint(ref=Ref("default", "planned"), using="function", function=Ref("default", "planned"))
    steps = shared.house.endpoints.plan_create(command, Caller()).steps
    assert [(step.action, step.object) for step in steps] == [
        ("read", "function default.planned@1"),
        ("create", "default.planned"),
    ]
    assert "score of planned.py in a process of its own" in steps[0].detail
    assert _pids(shared.house, "planned") == []


def test_a_new_version_takes_over_without_a_failed_request(shared: Live) -> None:
    house = shared.house
    house.function("moving", "import time\ndef score(x):\n    time.sleep(0.01)\n    return 1\n")
    house.endpoint("moving", function="moving")
    first = _pids(house, "moving")
    stop, seen = threading.Event(), []

    def ask() -> None:
        with httpx.Client(base_url=shared.server.url, timeout=60) as client:
            while not stop.is_set():
                reply = Live(house, shared.server, client).rows("moving", {"x": [1.0]})
                seen.append((reply.status_code, reply.json().get("model_version"), reply.text))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    wait_until(lambda: seen)
    house.function("moving", "def score(x):\n    return 2\n")
    house.endpoint("moving", function="moving", replace=True)
    wait_until(lambda: any(version == "2" for _, version, _ in seen))
    stop.set()
    for thread in threads:
        thread.join()
    assert {code for code, _, _ in seen} == {200}, [text for code, _, text in seen if code != 200][:1]
    assert {version for _, version, _ in seen} == {"1", "2"}
    wait_until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in first))  # nobody serves it any more
    house.endpoints.flush()
    edges = house.catalog.rows("SELECT from_ref FROM catalog.ml.lineage WHERE to_ref = 'default.moving'")
    assert {"default.moving@1", "default.moving@2"} <= {edge["from_ref"] for edge in edges}


def test_a_class_is_not_run(tmp_path: Path, shared: Live) -> None:
    from mlbox.base.settings import Settings
    from mlbox.engine.runs.artifacts import Artifacts
    from mlbox.engine.runs.engines import Engines
    from mlbox.engine.runs.frames import Frames
    from mlbox.engine.runs.functions import Functions
    from mlbox.engine.runs.ledger import Ledger
    from mlbox.engine.runs.planning import Planner, table_query
    from mlbox.engine.security.secrets import Secrets

    house = shared.house
    house.function("served", MODEL, "Model")
    functions = Functions(house.catalog, house.models.artifacts, Secrets(house.catalog))
    artifacts = Artifacts(house.catalog, house.bus, Ledger(house.catalog, house.bus))
    planner = Planner(Frames(house.catalog), functions, Engines(house.home, Settings()), table_query, artifacts)
    with pytest.raises(Invalid, match="is a class: it answers requests and is not run"):
        planner.plan(StartRun(function=Ref("default", "served")))


def test_processes_end_with_the_house(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.function("plain", PLAIN)
    house.endpoint("plain", function="plain")
    (pid,) = _pids(house, "plain")
    house.close()
    wait_until(lambda: not os.path.exists(f"/proc/{pid}"))


def test_a_new_version_of_code_is_warmed_and_compared_on_recent_requests(shared: Live) -> None:
    shared.house.function("judged", "def score(x):\n    return x\n")
    shared.house.endpoint("judged", function="judged")
    for number in range(4):
        assert shared.rows("judged", {"x": [float(number)]}).status_code == 200
    shared.house.function("judged", "def score(x):\n    if x == 3: raise ValueError('no')\n    return x * 1.5\n")
    facts = shared.house.endpoint("judged", function="judged", replace=True).facts
    assert facts["compared"] == 4 and facts["different"] == 2 and facts["failed"] == 1
    assert facts["largest_difference"] == 1.0


def test_texts_of_a_function_are_told_by_its_annotations_and_defaults(shared: Live) -> None:
    code = "def price(amount, carrier: str, country='de', hour=1): return amount + len(carrier) + len(country) + hour"
    shared.house.function("price", code, "price")
    shared.house.endpoint("price", function="price")
    told = shared.http.get("/v2/models/price").json()["inputs"]
    kinds = {one["name"]: (one["datatype"], "parameters" in one) for one in told}
    assert kinds == {
        "amount": ("FP64", False), "carrier": ("BYTES", False), "country": ("BYTES", True), "hour": ("FP64", True),
    }  # fmt: skip
    rows = [{"amount": 1, "carrier": "AA"}, {"amount": 2, "carrier": "A"}]
    answer = shared.http.post("/v2/models/price/infer", json={"rows": rows}).json()
    assert [row["prediction"] for row in answer["rows"]] == [6.0, 6.0]
