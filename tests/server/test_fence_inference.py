"""What is broken behind an endpoint is told to members without telling them where things lie on the server."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import onnx_models
import pytest
from engines import redis
from fenced import Member, shared_server
from real_server import Server

PASSWORD = "word_of_the_upstream_4712"
CODE = """
import os, pathlib
MARK = pathlib.Path(__file__).parent

def fine(x): return x
def raises(x): raise ValueError("no such luck")
def opens(x): return open("/etc/mlbox-is-not-here").read()
def ends(x): os._exit(3)

class Late:
    def load(self): raise RuntimeError("not loaded")
    def predict(self, inputs): return inputs["x"]
"""
UPSTREAM = f"http://ann:{PASSWORD}@127.0.0.1:9/score?key={PASSWORD}"
ASK = f"steps:\n  - {{name: ask, kind: remote, url: '{UPSTREAM}', timeout_ms: 500}}\n"
TELL = f"steps:\n  - {{name: tell, kind: queue, to: '{UPSTREAM}'}}\n"
FEATURES = """
CREATE FEATURE SET customers (ENTITY customer, TIMESTAMP ts) STORE OFFLINE AND ONLINE AS
    SELECT * FROM (VALUES (1, TIMESTAMPTZ '2026-01-01 00:00:00+00', 10.0)) AS t(customer, ts, x);
CREATE FEATURE VECTOR v AS FEATURES (customers.x);
"""


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Member, Path]]:
    """Endpoints of a project whose bytes are damaged while the server does not run."""
    folder = tmp_path_factory.mktemp("broken")
    (folder / "code.py").write_text(CODE)
    (folder / "ask.yaml").write_text(ASK)
    (folder / "tell.yaml").write_text(TELL)
    for factor in (1, 2):
        (folder / f"{factor}.onnx").write_bytes(onnx_models.scaled(float(factor)))
    with shared_server(folder / "home") as (server, members):
        owner = members["owner"]
        owner.project = "open_p"
        for name, factor in (("damaged", 1), ("gone", 2)):
            owner.rows(f"CREATE MODEL {name} FROM '{folder}/{factor}.onnx'; SELECT 1")
            owner.rows(f"CREATE ENDPOINT {name} USING MODEL {name}; SELECT 1")
        for name in ("fine", "raises", "opens", "ends"):
            owner.rows(f"CREATE FUNCTION {name} FROM '{folder}/code.py' HANDLER {name}; SELECT 1")
            owner.rows(f"CREATE ENDPOINT {name} USING FUNCTION {name}; SELECT 1")
        for name in ("ask", "tell"):
            owner.rows(f"CREATE ENDPOINT {name} USING GRAPH '{folder}/{name}.yaml'; SELECT 1")
        before = set((server.home / "artifacts").rglob("*"))
        (folder / "lost.py").write_text(CODE + "# another file")
        owner.rows(
            f"CREATE FUNCTION lost FROM '{folder}/lost.py' HANDLER fine;"
            "CREATE ENDPOINT lost USING FUNCTION lost; SELECT 1"
        )
        code = [path for path in set((server.home / "artifacts").rglob("*")) - before if path.is_file()]
        digests = dict(owner.rows("SELECT name, digest FROM ml.model_versions WHERE project = 'open_p'"))
        server.stop()
        artifacts = server.home / "artifacts"
        for name in ("damaged", "gone"):
            path = artifacts / digests[name][:2] / digests[name]
            path.chmod(0o600)
            path.write_bytes(b"something else") if name == "damaged" else path.unlink()
        (lost,) = code
        lost.chmod(0o600)
        lost.write_bytes(b"no archive")
        for unpacked in list(server.home.rglob("lost.py")):
            shutil.rmtree(unpacked.parent)
        server.start()
        yield server, members["vera"], folder


def asked(member: Member, endpoint: str) -> list[tuple[int, str]]:
    """Statuses, and bodies with headers, of all that can be asked."""
    path = f"/v2/models/open_p.{endpoint}"
    answers = [member.request("GET", f"{path}{more}") for more in ("", "/ready", "/openapi.json")]
    answers.append(member.request("POST", f"{path}/infer", {"rows": [{"x": 1.0}]}))
    answers.append(member.request("POST", f"{path}/event", {"x": 1.0}))
    return [(status, content.decode() + json.dumps(headers)) for status, headers, content in answers]


@pytest.mark.parametrize("endpoint", ["damaged", "gone", "raises", "opens", "ends", "lost", "ask", "tell"])
def test_members_are_not_told_where_things_lie(broken: tuple[Server, Member, Path], endpoint: str) -> None:
    server, vera, folder = broken
    answers = asked(vera, endpoint)
    assert answers[-1][0] >= 500, answers
    for _, told in answers:
        for secret in (str(folder), str(server.home), str(Path.home()), PASSWORD, "site-packages"):
            assert secret not in told


@pytest.mark.skipif(bool(redis.why_not()), reason=redis.why_not())
def test_where_the_online_store_is_only_the_owner_is_told(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(onnx_models.scaled(1.0, 1))
    with (
        redis.running(tmp_path / "redis") as store,
        shared_server(tmp_path / "home", MLBOX_ONLINE_STORE=store.url) as (_, members),
    ):
        owner, vera = members["owner"], members["vera"]
        owner.project = "open_p"
        owner.rows(f"{FEATURES}; CREATE MODEL m FROM '{tmp_path}/m.onnx' INPUT (x FLOAT); SELECT 1")
        owner.rows("CREATE ENDPOINT e USING MODEL m ENRICH WITH FEATURE VECTOR v; SELECT 1")
        asked = (
            ("/v2/models/open_p.e/infer", {"rows": [{"customer": 1}]}),
            ("/features/open_p.v", {"keys": {"customer": 1}}),
        )
        for path, body in asked:
            status, _, content = vera.request("POST", path, body)
            assert status == 200, content
        store.stop()
        for path, body in asked:
            status, _, content = vera.request("POST", path, body)
            assert status == 503 and b"the online store does not answer" in content
            assert store.socket.encode() not in content
        assert store.socket.encode() in owner.request("POST", asked[1][0], asked[1][1])[2]
        query = "FROM ml.online('v', {'customer': 1})"
        assert store.socket not in json.dumps(vera.error(query))
        assert store.socket in json.dumps(owner.error(query))
