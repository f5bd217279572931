"""A new version is compared on recorded requests also where the server has been started since they came."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import onnx_models
import pytest
from real_server import Server, wait_until

CODE = """
class Twice:
    def predict(self, inputs): return [value * 2 for value in inputs["x"]]

class Thrice:
    def predict(self, inputs):
        return [value * 3 if name == "a" else 0.0 for value, name in zip(inputs["x"], inputs["name"])]
"""
FEATURES = """
CREATE FEATURE SET customers (ENTITY customer VARCHAR, TIMESTAMP ts) STORE OFFLINE AND ONLINE AS
    SELECT * FROM (VALUES ('a', TIMESTAMPTZ '2026-01-01 00:00:00+00', 10.0)) AS t(customer, ts, f0);
CREATE FEATURE VECTOR v AS FEATURES (customers.f0);
"""


@pytest.fixture(params=[(), ("--workers", "2")], ids=["alone", "workers"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    running = Server(tmp_path / "home", *request.param)
    yield running
    running.stop()


def told(server: Server, endpoint: str) -> dict[str, Any]:
    """What the last switch has told of the comparison."""
    which = f"kind = 'endpoint.switched' AND object = '{endpoint}'"
    query = f"SELECT data::JSON::VARCHAR FROM ml.events WHERE {which} ORDER BY happened_at DESC"
    rows = server.sql(query)[-1]["rows"]
    found: dict[str, Any] = json.loads(rows[0][0]) if rows else {}
    return {name: found[name] for name in ("compared", "different", "failed", "largest_difference") if name in found}


def test_a_switch_after_a_restart_compares_with_recorded_requests(server: Server, tmp_path: Path) -> None:
    for factor in (1, 2, 3):
        (tmp_path / f"{factor}.onnx").write_bytes(onnx_models.scaled(float(factor)))
        server.sql(f"CREATE MODEL m FROM '{tmp_path}/{factor}.onnx' INPUT (f0 FLOAT, f1 FLOAT)")
    server.sql("ALTER MODEL m SET ALIAS live = 1")
    server.sql(FEATURES)
    server.sql("CREATE ENDPOINT matrix USING MODEL m@live; CREATE ENDPOINT silent USING MODEL m@live LOG NONE")
    server.sql("CREATE ENDPOINT rows USING MODEL m@live; CREATE ENDPOINT rich USING MODEL m@live ENRICH WITH v")

    def ask(endpoint: str, body: Any) -> list[float]:
        status, _, content = server.request("POST", f"/v2/models/{endpoint}/infer", body)
        assert status == 200, content
        answer = json.loads(content)
        found = answer["rows"] if "rows" in answer else [{"prediction": answer["outputs"][0]["data"][0]}]
        return [row["prediction"] for row in found]

    for number in range(20):
        tensor = {"name": "X", "shape": [1, 2], "datatype": "FP32", "data": [float(number), 1.0]}
        assert ask("matrix", {"inputs": [tensor]}) == [number + 1.0]
        assert ask("silent", {"inputs": [tensor]}) == [number + 1.0]
    assert ask("rows", {"rows": [{"f0": 5, "f1": 0.5}, {"f0": -5, "f1": 5.0}]}) == [5.5, 0.0]
    assert ask("rich", {"rows": [{"customer": "a", "f1": 1}]}) == [11.0]
    wait_until(lambda: server.sql("SELECT count(*) FROM ml.predictions")[-1]["rows"] == [[23]])
    server.stop()
    server.start()

    server.sql("ALTER MODEL m SET ALIAS live = 2")
    wait_until(lambda: all(told(server, endpoint) for endpoint in ("matrix", "rows", "rich")))
    assert told(server, "matrix") == {"compared": 16, "different": 16, "failed": 0, "largest_difference": 20.0}
    assert told(server, "rows") == {"compared": 2, "different": 1, "failed": 0, "largest_difference": 5.5}
    assert told(server, "rich") == {"compared": 1, "different": 1, "failed": 0, "largest_difference": 11.0}
    assert told(server, "silent") == {}
    assert ask("rich", {"rows": [{"customer": "a", "f1": 1}]}) == [22.0]
    server.stop()
    server.start()
    message = server.sql("ALTER ENDPOINT rows USING MODEL m@3")[-1]["message"]
    assert "on 2 recent requests 1 answers differ by up to 5.5" in message


def test_code_is_compared_after_a_restart_too(tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text(CODE)
    server = Server(tmp_path / "home")
    try:
        for name in ("Twice", "Thrice"):
            server.sql(f"CREATE FUNCTION {name} FROM '{tmp_path}/code.py' HANDLER {name}")
        server.sql("CREATE ENDPOINT e USING FUNCTION Twice")
        for number, name in enumerate("ab"):
            row = {"x": number + 1, "name": name}
            assert server.request("POST", "/v2/models/e/infer", {"rows": [row]})[0] == 200
        wait_until(lambda: server.sql("SELECT count(*) FROM ml.predictions")[-1]["rows"] == [[2]])
        server.stop()
        server.start()
        message = server.sql("CREATE OR REPLACE ENDPOINT e USING FUNCTION Thrice")[-1]["message"]
        assert "on 2 recent requests 2 answers differ by up to 4" in message
    finally:
        server.stop()
