"""Health of the inference protocol: alive at once, ready when the code of endpoints is loaded."""

from __future__ import annotations

import json
from typing import Any

from real_server import wait_until

CODE = """
import pathlib, time

class Model:
    def load(self):
        while not pathlib.Path("GATE").exists(): time.sleep(0.02)
    def predict(self, inputs): return [value * 2 for value in inputs["x"]]
"""


def test_a_server_is_ready_when_the_code_of_its_endpoints_is(own_server: Any) -> None:
    file = own_server.home.parent / "late.py"
    gate = own_server.home.parent / "gate"
    gate.touch()
    file.write_text(CODE.replace("GATE", str(gate)))
    own_server.sql(f"CREATE FUNCTION late FROM '{file}' HANDLER Model; CREATE ENDPOINT late USING FUNCTION late")
    assert own_server.request("GET", "/v2/health/ready")[0] == 200
    own_server.stop()
    gate.unlink()
    own_server.start()
    assert own_server.request("GET", "/v2/health/live")[0] == 200
    status, _, body = own_server.request("GET", "/v2/health/ready")
    assert (status, json.loads(body)) == (503, {"ready": False})
    gate.touch()
    wait_until(lambda: own_server.request("GET", "/v2/health/ready")[0] == 200)
    status, _, body = own_server.request("POST", "/v2/models/late/infer", {"rows": [{"x": 4}]})
    assert status == 200 and json.loads(body)["rows"] == [{"prediction": 8.0}]
