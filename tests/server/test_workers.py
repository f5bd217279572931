"""A server with workers: several processes answer inference on its port, and nobody can tell them apart."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import onnx_models
import pytest
from fenced import shared_server
from real_server import Server, wait_until

FEATURES = """
CREATE FEATURE SET customers (ENTITY customer, TIMESTAMP ts) STORE OFFLINE AND ONLINE AS
    SELECT * FROM (VALUES (1, TIMESTAMPTZ '2026-01-01 00:00:00+00', 10.0), (2, TIMESTAMPTZ '2026-01-01', 20.0))
    AS t(customer, ts, f0);
CREATE FEATURE VECTOR v AS FEATURES (customers.f0);
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models that multiply by 1 to 3: ``1.onnx`` and so on."""
    made = tmp_path_factory.mktemp("workers")
    for factor in (1, 2, 3):
        (made / f"{factor}.onnx").write_bytes(onnx_models.scaled(float(factor)))
    return made


@pytest.fixture(scope="module")
def shared(folder: Path) -> Iterator[Server]:
    """A server with two workers, for tests that kill nobody."""
    running = Server(folder / "home", "--workers", "2")
    yield running
    running.stop()


def prepare(server: Server, folder: Path, project: str, versions: int = 2, endpoint: str = "USING MODEL m@live") -> str:
    """A project with model ``m``, whose version k multiplies by k, and endpoint ``e``; the path that infers."""
    if project != "default":
        server.sql(f"CREATE PROJECT {project}")
    for factor in range(1, versions + 1):
        server.sql(f"CREATE MODEL m FROM '{folder}/{factor}.onnx'", project)
    server.sql(f"ALTER MODEL m SET ALIAS live = 1; CREATE ENDPOINT e {endpoint}", project)
    return f"/v2/models/{project}.e/infer"


def request(*values: float, **more: Any) -> dict[str, Any]:
    tensors = [{"name": "X", "shape": [1, 2], "datatype": "FP32", "data": list(values or (1.0, 2.0))}]
    return {"inputs": tensors, **more}


def ask(server: Server, path: str, body: dict[str, Any] | None = None, **headers: str) -> tuple[int, dict[str, Any]]:
    """With a connection of its own, which the system gives to one of the workers."""
    status, _, content = server.request("POST", path, body or request(), headers)
    return status, json.loads(content)


def workers(server: Server) -> list[int]:
    return list(json.loads((server.home / "server.json").read_text())["workers"])


def counters(server: Server, name: str) -> dict[str, float]:
    """Of ``/metrics``, by labels."""
    text = server.request("GET", "/metrics")[2].decode()
    return {labels: float(value) for labels, value in re.findall(rf"^{name}(?:{{(.*)}})? (.+)$", text, re.MULTILINE)}


def logged(server: Server, project: str) -> list[Any]:
    """Rows and distinct requests of a project in the log, failed ones aside."""
    query = "SELECT count(*), count(DISTINCT request_id) FROM ml.predictions WHERE project = $p AND status = 'ok'"
    return list(server.sql(query, parameters={"p": project})[-1]["rows"][0])


class Load:
    """Threads that ask all the time, each over one connection that it keeps while it can."""

    def __init__(self, server: Server, path: str, threads: int = 6, body: Callable[[], dict[str, Any]] = request):
        self.answers: list[tuple[float, float, httpx.Response]] = []
        """When each was asked and answered, and the answer."""
        self.broken: list[httpx.TransportError] = []
        self._stop = threading.Event()
        self._server, self._path, self._body = server, path, body
        self._threads = [threading.Thread(target=self._ask) for _ in range(threads)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        wait_until(lambda: len(self.answers) > 20)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        with httpx.Client(base_url=self._server.url, timeout=60) as client:
            while not self._stop.is_set():
                asked = time.monotonic()
                try:
                    answer = client.post(self._path, json=self._body())
                except httpx.TransportError as error:
                    self.broken.append(error)
                    continue
                self.answers.append((asked, time.monotonic(), answer))


# -- what is answered -------------------------------------------------------------------------------------------------


def test_both_answer_and_all_is_recorded_once(shared: Server, folder: Path) -> None:
    path = prepare(shared, folder, "two")
    for number in range(40):
        status, answer = ask(shared, path, request(1.0, 2.0, id=f"r{number}"))
        assert (status, answer["outputs"][0]["data"], answer["id"]) == (200, [3.0], f"r{number}")
    assert ask(shared, path, {"inputs": []})[0] == 400
    wait_until(lambda: logged(shared, "two") == [40, 40])
    of_e = 'project="two",endpoint="e"'
    assert counters(shared, "mlbox_endpoint_requests_total")[of_e] == 41
    assert counters(shared, "mlbox_endpoint_errors_total")[of_e] == 1
    assert counters(shared, "mlbox_endpoint_latency_seconds_count")[of_e] == 41
    assert counters(shared, "mlbox_model_latency_seconds_count")[f'{of_e},model="m",version="1"'] == 40
    shares = counters(shared, "mlbox_worker_requests_total")
    assert set(shares) == {'worker="0"', 'worker="1"'}
    assert min(shares.values()) > 0
    traffic = "SELECT requests, errors FROM ml.endpoints WHERE name = 'e' AND project = 'two'"
    wait_until(lambda: shared.sql(traffic, "two")[-1]["rows"] == [[41, 1]])


def test_everything_else_is_the_servers_whoever_accepts(shared: Server) -> None:
    for _ in range(8):
        assert json.loads(shared.request("GET", "/health")[2])["status"] == "ok"
        assert shared.sql("SELECT 42 AS answer")[-1]["rows"] == [[42]]
        assert shared.error("SELECT nonsense FROM nowhere")["code"]
        assert shared.request("GET", "/ui/")[0] == 200
        status, body = ask(shared, "/v2/models/nothing/infer")
        assert (status, body["code"]) == (404, "not_found")
        assert shared.request("GET", "/v2/health/ready")[0] == 200
        status, headers, body_ = shared.request("POST", "/sql", {"sql": "FROM range(3)"}, {"Accept": "text/csv"})
        assert (status, body_.split()) == (200, [b"range", b"0", b"1", b"2"])


def test_a_large_upload_and_a_large_result_go_through(shared: Server) -> None:
    content = os.urandom(3_000_000)
    status, _, body = shared.request(
        "POST", "/files?name=big.bin", content, {"Content-Type": "application/octet-stream"}
    )
    assert status in (200, 201), body
    query = {"sql": "SELECT range AS n, repeat('x', 100) AS text FROM range(50000)"}
    _, _, body = shared.request("POST", "/sql", query, {"Accept": "application/x-ndjson"})
    assert body.count(b"\n") >= 50_000


@pytest.mark.parametrize("path", ["/sql", "/v2/models/nothing/infer", "/v2/models/chunks.e/infer"])
def test_a_body_that_is_none_is_the_senders_mistake(shared: Server, folder: Path, path: str) -> None:
    if "chunks" in path:
        prepare(shared, folder, "chunks")
    host, port = shared.url.removeprefix("http://").split(":")
    head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked"
    for _ in range(4):
        with socket.create_connection((host, int(port)), timeout=60) as connection:
            connection.sendall(head.encode() + b"\r\n\r\nzz\r\n{}")
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            body = answer.read()
        assert answer.status == 400 and b'"broken_body"' in body, body


def test_events_stream_through_a_worker_until_the_caller_goes(shared: Server) -> None:
    with httpx.stream("GET", shared.url + "/stream", timeout=30) as events:
        assert events.headers["content-type"].startswith("text/event-stream")
        shared.sql("CREATE PROJECT streamed")
        seen = next(line for line in events.iter_lines() if "streamed" in line)
    assert seen.startswith("data:")


def test_a_foreign_page_and_a_foreign_host_are_refused_by_workers_too(shared: Server, folder: Path) -> None:
    path = prepare(shared, folder, "stranger")
    for _ in range(6):
        assert ask(shared, path, Origin="https://evil.example")[0] == 403
        assert ask(shared, path, Host="evil.example")[0] == 403
        assert shared.request("POST", path, request(), {"Content-Type": "text/plain"})[0] == 403


def test_what_changes_an_endpoint_reaches_all(shared: Server, folder: Path) -> None:
    path = prepare(shared, folder, "changes")

    def everywhere(check: Callable[[int, dict[str, Any]], bool], path: str = path) -> bool:
        return all(check(*ask(shared, path)) for _ in range(8))

    assert everywhere(lambda status, _: status == 200)
    shared.sql("ALTER ENDPOINT e SUSPEND", "changes")
    assert everywhere(lambda status, _: status == 503)
    shared.sql("ALTER ENDPOINT e RESUME", "changes")
    assert everywhere(lambda _, body: body["model_version"] == "1")
    shared.sql("ALTER ENDPOINT e USING MODEL m@2", "changes")
    assert everywhere(lambda _, body: body["outputs"][0]["data"] == [6.0])
    shared.sql("CREATE OR REPLACE ENDPOINT e USING MODEL m@1 POSTPROCESS (prediction + 100 AS more)", "changes")
    assert everywhere(lambda _, body: body["outputs"][-1]["data"] == [103.0])
    shared.sql("ALTER ENDPOINT e RENAME TO other; ALTER ENDPOINT other RENAME TO third", "changes")
    assert everywhere(lambda status, _: status == 404)
    assert everywhere(lambda status, _: status == 200, path.replace("changes.e", "changes.third"))
    shared.sql("DROP ENDPOINT third", "changes")
    assert everywhere(lambda status, _: status == 404)
    shared.sql("CREATE ENDPOINT e USING MODEL m@1 PATH '/changes/here'", "changes")
    for _ in range(6):
        assert ask(shared, "/changes/here", {"f0": 1.0, "f1": 2.0})[1]["prediction"] == 3.0
    shared.sql("DROP PROJECT changes CASCADE")
    assert everywhere(lambda status, _: status == 404)


def test_features_come_from_the_memory_mapped_store(shared: Server, folder: Path) -> None:
    shared.sql("CREATE PROJECT enriched")
    shared.sql(FEATURES, "enriched")
    shared.sql(f"CREATE MODEL m FROM '{folder}/1.onnx' INPUT (f0 FLOAT, f1 FLOAT)", "enriched")
    shared.sql("CREATE ENDPOINT e USING MODEL m ENRICH WITH FEATURE VECTOR v", "enriched")
    path = "/v2/models/enriched.e/infer"
    rows = {"rows": [{"customer": 2, "f1": 1.0}]}

    def says() -> set[float]:
        return {ask(shared, path, rows)[1]["rows"][0]["prediction"] for _ in range(8)}

    assert says() == {21.0}
    shared.sql("INSERT INTO customers VALUES (2, TIMESTAMPTZ '2026-02-01', 50.0)", "enriched")
    assert says() == {51.0}  # who asks after the statement reads what it wrote
    shared.sql("CREATE OR REPLACE FEATURE VECTOR v AS FEATURES (customers.f0 AS f1)", "enriched")
    rows = {"rows": [{"customer": 1, "f0": 1.0}]}
    assert says() == {11.0}


def test_a_key_keeps_its_arm_whichever_worker_answers(shared: Server, folder: Path) -> None:
    path = prepare(shared, folder, "sticky", endpoint="TRAFFIC (m@1 50%, m@2 50%) WITH (sticky = 'request_id')")
    arms: dict[str, set[str]] = {}
    for number in range(120):
        key = f"k{number % 20}"
        arms.setdefault(key, set()).add(ask(shared, path, request(id=key))[1]["model_version"])
    assert all(len(versions) == 1 for versions in arms.values())
    assert set.union(*arms.values()) == {"1", "2"}
    shared.sql("CREATE OR REPLACE ENDPOINT e TRAFFIC (m@1 20%, m@2 80%)", "sticky")
    drawn = [ask(shared, path)[1]["model_version"] for _ in range(200)]
    assert 110 < drawn.count("2") < 195


def test_what_has_a_process_of_its_own_is_answered_by_the_server(shared: Server, folder: Path) -> None:
    prepare(shared, folder, "own")
    shared.sql("CREATE ENDPOINT once USING MODEL m@2 WITH (workers = 1)", "own")
    (folder / "graph.yaml").write_text("steps:\n  - {name: double, kind: map, set: {y: x * 2}}\n")
    shared.sql(f"CREATE ENDPOINT g USING GRAPH '{folder}/graph.yaml' PATH '/own/graph'", "own")
    for _ in range(6):
        assert ask(shared, "/v2/models/own.once/infer")[1]["outputs"][0]["data"] == [6.0]
        assert ask(shared, "/own/graph", {"x": 4})[1]["y"] == 8
    shares = counters(shared, "mlbox_endpoint_requests_total")
    assert shares['project="own",endpoint="once"'] == 6


# -- switching --------------------------------------------------------------------------------------------------------


def _moves_under_load(server: Server, folder: Path, project: str, moves: int) -> None:
    """Version k multiplies by k, so that an answer tells which version has computed it."""
    path = prepare(server, folder, project)
    moved: list[tuple[float, float, int]] = []
    with Load(server, path) as load:
        for number in range(moves):
            version = 1 + (number + 1) % 2
            begun = time.monotonic()
            server.sql(f"ALTER MODEL m SET ALIAS live = {version}", project)
            moved.append((begun, time.monotonic(), version))
            for _ in range(2):  # who asks after the move gets the new version
                assert ask(server, path)[1]["model_version"] == str(version)
    assert load.broken == []
    for asked, answered, answer in load.answers:
        assert answer.status_code == 200, answer.text
        told = answer.json()
        version = int(told["model_version"])
        assert told["outputs"][0]["data"] == [3.0 * version]
        # it is one that stood between question and answer
        stood = {1} if asked < moved[0][1] else set()
        for number, (begun, _, moved_to) in enumerate(moved):
            until = moved[number + 1][1] if number + 1 < len(moved) else float("inf")
            if begun <= answered and asked <= until:
                stood.add(moved_to)
        assert version in stood
    wait_until(lambda: logged(server, project) == [len(load.answers) + 2 * moves] * 2)


def test_an_alias_moves_under_load_without_a_failed_or_mixed_answer(shared: Server, folder: Path) -> None:
    _moves_under_load(shared, folder, "moves", 20)


@pytest.mark.nightly
def test_an_alias_moves_200_times_under_load(shared: Server, folder: Path) -> None:
    _moves_under_load(shared, folder, "many_moves", 200)


# -- ends -------------------------------------------------------------------------------------------------------------


def test_a_killed_worker_is_replaced_while_the_others_answer(tmp_path: Path, folder: Path) -> None:
    server = Server(tmp_path / "home", "--workers", "2", environment={"MLBOX_LOG_FLUSH_MS": "100"})
    try:
        path = prepare(server, folder, "default")
        killed: list[float] = []
        with Load(server, path) as load:
            for victim in (0, 1, 0):
                before, known = len(load.answers), workers(server)
                broken = len(load.broken)
                killed.append(time.monotonic())
                os.kill(known[victim], signal.SIGKILL)
                wait_until(lambda known=known: len(set(workers(server)) - set(known)) == 1)
                wait_until(lambda before=before: len(load.answers) > before + 100)
                # each of the six connections has one request under way at most
                assert len(load.broken) - broken <= 6
            wait_until(lambda: sum(answered > killed[-1] + 2 for _, answered, _ in list(load.answers)) > 150)
        assert [answer.text for _, _, answer in load.answers if answer.status_code != 200] == []
        # a crash may lose what came since the last interval of the log, and nothing else; a busy machine stretches
        # that, and lets this process see an answer late
        safe = {
            answer.json()["id"]
            for _, answered, answer in load.answers
            if not any(-2 <= at - answered < 5 for at in killed)
        }
        assert len(safe) > 100
        wait_until(lambda: safe <= {row[0] for row in server.sql("SELECT request_id FROM ml.predictions")[-1]["rows"]})
        rows, distinct = logged(server, "default")
        assert rows == distinct
        assert counters(server, "mlbox_workers_ended_total") == {"": 3}
        assert server.sql("SELECT count(*) FROM ml.events WHERE kind = 'worker.ended'")[-1]["rows"] == [[3]]
    finally:
        server.stop()


@pytest.mark.nightly
def test_durable_answers_survive_a_killed_worker(tmp_path: Path, folder: Path) -> None:
    server = Server(tmp_path / "home", "--workers", "2", environment={"MLBOX_LOG_FLUSH_MS": "60000"})
    try:
        path = prepare(server, folder, "default", endpoint="USING MODEL m@live WITH (durable = true)")
        with Load(server, path) as load:
            known = workers(server)
            os.kill(known[0], signal.SIGKILL)
            wait_until(lambda: len(set(workers(server)) - set(known)) == 1)
            count = len(load.answers)
            wait_until(lambda: len(load.answers) > count + 50)
        acknowledged = [answer.json()["id"] for _, _, answer in load.answers if answer.status_code == 200]
        kept = {row[0] for row in server.sql("SELECT request_id FROM ml.predictions")[-1]["rows"]}
        assert set(acknowledged) <= kept
        assert len(acknowledged) > 70
    finally:
        server.stop()


@pytest.mark.nightly
def test_workers_end_with_their_server_and_leave_the_port(tmp_path: Path, folder: Path) -> None:
    server = Server(tmp_path / "home", "--workers", "2")
    try:
        path = prepare(server, folder, "default")
        assert ask(server, path)[0] == 200
        wait_until(lambda: logged(server, "default") == [1, 1])
        pids, port = workers(server), int(server.url.rpartition(":")[2])
        server.kill()
        wait_until(lambda: not any(Path(f"/proc/{pid}/cmdline").exists() for pid in pids))
        with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), timeout=5):
            pass
        server.start()
        assert ask(server, path)[1]["model_version"] == "1"
        wait_until(lambda: logged(server, "default") == [2, 2])
    finally:
        server.stop()


@pytest.mark.nightly
def test_a_normal_stop_keeps_all_predictions(tmp_path: Path, folder: Path) -> None:
    server = Server(tmp_path / "home", "--workers", "2", environment={"MLBOX_LOG_FLUSH_MS": "60000"})
    path = prepare(server, folder, "default")
    for _ in range(20):
        assert ask(server, path)[0] == 200
    server.stop()
    server.flags = ()  # and a server alone reads on what workers have left
    server.start()
    try:
        assert logged(server, "default") == [20, 20]
        assert "workers" not in json.loads((server.home / "server.json").read_text())
    finally:
        server.stop()


@pytest.mark.nightly
def test_an_endpoint_asks_for_workers(tmp_path: Path, folder: Path) -> None:
    server = Server(tmp_path / "home")
    try:
        path = prepare(server, folder, "default", endpoint="USING MODEL m@live WITH (workers = 2)")
        message = server.sql("CREATE OR REPLACE ENDPOINT e USING MODEL m@live WITH (workers = 3)")[-1]["message"]
        assert "it asks for 3 workers, the server has 1" in message
        server.stop()
        server.start()
        assert len(workers(server)) == 3
        assert ask(server, path)[0] == 200
    finally:
        server.stop()


def test_members_and_their_tokens_at_workers(tmp_path: Path, folder: Path) -> None:
    with shared_server(tmp_path / "home", MLBOX_WORKERS="2") as (server, members):
        owner, vera = members["owner"], members["vera"]
        for project in ("open_p", "closed"):
            owner.project = project
            owner.rows(f"CREATE MODEL m FROM '{folder}/1.onnx'; CREATE ENDPOINT e USING MODEL m; SELECT 1")

        def statuses(token: str, path: str) -> set[int]:
            return {ask(server, path, Authorization=f"Bearer {token}")[0] for _ in range(8)}

        here, there = "/v2/models/open_p.e/infer", "/v2/models/closed.e/infer"
        assert statuses(owner.token, here) == statuses(owner.token, there) == statuses(vera.token, here) == {200}
        assert statuses(vera.token, there) == {404}
        assert statuses("nonsense", here) == {401}
        assert {ask(server, here)[0] for _ in range(8)} == {401}
        assert statuses(vera.token, "/v2/models/e/infer") == {404}  # members write the project
        owner.rows("REVOKE viewer ON PROJECT open_p FROM 'vera'; SELECT 1")
        assert statuses(vera.token, here) == {404}
        owner.rows("GRANT viewer ON PROJECT open_p TO 'vera'; SELECT 1")
        assert statuses(vera.token, here) == {200}
        brief = owner.rows("CREATE TOKEN FOR 'vera' WITH (expires = INTERVAL 12 SECOND)")[0][2]
        assert statuses(brief, here) == {200}
        wait_until(lambda: statuses(brief, here) == {401})


def test_workers_share_the_weights_of_a_large_model(shared: Server, folder: Path) -> None:
    content = onnx_models.wide()
    (folder / "wide.onnx").write_bytes(content)
    shared.sql("CREATE PROJECT large")
    shared.sql(f"CREATE MODEL m FROM '{folder}/wide.onnx'; CREATE ENDPOINT e USING MODEL m", "large")
    path = "/v2/models/large.e/infer"
    said = {ask(shared, path)[1]["outputs"][0]["data"][0] for _ in range(10)}
    assert len(said) == 1
    wait_until(lambda: ask(shared, path) and all(_maps(pid) for pid in workers(shared)))


def _maps(pid: int) -> bool:
    return "weights.bin" in Path(f"/proc/{pid}/maps").read_text()


@pytest.mark.parametrize("flags", [(), ("--workers", "2")], ids=["alone", "workers"])
def test_a_request_that_is_under_way_is_recorded_under_the_new_name(
    tmp_path: Path, folder: Path, flags: tuple[str, ...]
) -> None:
    """They have begun, half of their bodies lacks when the endpoint is renamed, and a batch gathers what is left."""
    server = Server(tmp_path / "home", *flags, environment={"MLBOX_LOG_FLUSH_MS": "50"})
    try:
        options = "WITH (batch = 64, batch_delay_ms = 300)"
        path = prepare(server, folder, "default", endpoint=f"USING MODEL m@live {options}")
        assert ask(server, path)[0] == 200
        host, port = server.url.removeprefix("http://").split(":")
        content = json.dumps(request()).encode()
        head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(content)}\r\n\r\n".encode()
        asking = [socket.create_connection((host, int(port)), timeout=60) for _ in range(8)]
        for connection in asking:
            connection.sendall(head + content[:9])
        wait_until(lambda: sum(counters(server, "mlbox_endpoint_in_flight").values()) == 8)
        server.sql("ALTER ENDPOINT e RENAME TO later")
        for connection in asking:
            connection.sendall(content[9:])
        for connection in asking:
            with connection, http.client.HTTPResponse(connection) as answer:
                answer.begin()
                assert answer.status == 200, answer.read()
        names = "SELECT endpoint, count(*) FROM ml.predictions GROUP BY ALL"
        wait_until(lambda: server.sql(names)[-1]["rows"] == [["later", 9]])
        assert server.sql("SELECT requests FROM ml.endpoints WHERE name = 'later'")[-1]["rows"] == [[9]]
    finally:
        server.stop()
