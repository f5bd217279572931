"""What a replica takes with it: stored features, graphs with their code, models of other frameworks, secrets."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx_models
import pytest
from engines import redis
from real_server import Server, wait_until
from replica_rig import Deployed, Replica, prepare, value
from tiny_wheel import WHEEL, make_wheel

from mlbox.base.clock import now
from mlbox.base.errors import Invalid
from mlbox.base.ids import new_id
from mlbox.base.settings import Settings
from mlbox.client import artifacts as logged
from mlbox.engine.catalog.tables import artifacts

CODE = """
import os
class Clean:
    def load(self): self.secret = os.environ["KEY"]
    def do(self, event): return {**event, "f1": event["f1"] + 1, "with": self.secret}
"""
GRAPH = """
steps:
  - {name: stored, kind: enrich, vector: v, impute: {f0: 9}}
  - {name: clean, kind: map, function: clean, handler: Clean}
  - {name: score, kind: model, model: m@champion, result: score}
  - {name: keep, kind: queue, to: "table:scored"}
"""
FEATURES = """CREATE FEATURE SET s (ENTITY id, TIMESTAMP ts) STORE OFFLINE AND ONLINE AS
    SELECT i AS id, TIMESTAMPTZ '2026-01-01' AS ts, i * 10.0 AS f0 FROM range(1, 6) r(i)"""


class Doubler:
    """A model of no framework."""

    def predict(self, matrix: Any) -> Any:
        import numpy

        return numpy.asarray(matrix).sum(axis=1) * 2


def _statements(folder: Path) -> list[str]:
    (folder / "m.onnx").write_bytes(onnx_models.scaled(2.0))
    (folder / "clean.py").write_text(CODE)
    (folder / "g.yaml").write_text(GRAPH)
    return [
        f"CREATE MODEL m FROM '{folder / 'm.onnx'}' ALIAS champion",
        FEATURES,
        "CREATE FEATURE VECTOR v AS FEATURES (s.f0)",
        "SET SECRET key = 'word'",
        f"CREATE FUNCTION clean FROM '{folder / 'clean.py'}' HANDLER Clean SECRETS (KEY)",
        "CREATE ENDPOINT enriched USING MODEL m@champion ENRICH WITH v",
        f"CREATE ENDPOINT flow USING GRAPH '{folder / 'g.yaml'}'",
    ]


def _log_pickle(house: Any) -> None:
    import cloudpickle

    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    payload = logged.model("kept", Doubler(), feature_names=["a", "b"])
    content = payload.content
    assert isinstance(content, bytes)
    row = artifacts.ArtifactRow(
        id=new_id(),
        project="default",
        run_id=None,
        name="kept",
        kind="model",
        digest=house.artifacts.put_bytes(content).digest,
        size=len(content),
        created_at=now(),
        metadata=payload.metadata,
    )
    house.catalog.write(lambda cursor: artifacts.insert(cursor, row))
    from mlbox.base.command import Caller
    from mlbox.base.names import Ref
    from mlbox.engine.models.commands import CreateModel

    house.dispatcher.dispatch(CreateModel(ref=Ref("default", "kept"), artifact_id=row.id), Caller())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bundles")


@pytest.fixture(scope="module")
def deployed(folder: Path) -> dict[str, Deployed]:
    made = [*_statements(folder), "CREATE ENDPOINT kept USING MODEL kept@1"]
    return prepare(folder, made, ["enriched", "flow", "kept"], before=_log_pickle)


@pytest.fixture(scope="module")
def central(folder: Path, deployed: dict[str, Deployed]) -> Iterator[Server]:
    server = Server(folder / "home")
    yield server
    server.stop()


def test_features_are_asked_for_and_remembered_while_the_home_is_away(
    central: Server, deployed: dict[str, Deployed], tmp_path: Path
) -> None:
    replica = Replica(tmp_path / "replica", central.url, deployed["enriched"])
    try:
        assert replica.outputs(id=3, f1=1.0)["prediction"] == 62.0
        assert replica.outputs(id=77, f1=1.0)["prediction"] is None
        port = central.url.rpartition(":")[2]
        central.stop()
        assert replica.outputs(id=3, f1=2.0)["prediction"] == 64.0
        status, answer = replica.infer(id=4, f1=1.0)
        assert status == 503 and "does not answer" in answer["error"]
        central.flags = ("--port", port)
        central.start()
        wait_until(lambda: replica.infer(id=4, f1=1.0)[0] == 200)
        assert replica.outputs(id=4, f1=1.0)["prediction"] == 82.0
    finally:
        replica.end()
    where = "endpoint = 'enriched' AND features.f0 = 40"
    wait_until(lambda: value(central, f"SELECT count(*) FROM ml.predictions WHERE {where}") == 2)


def test_a_graph_with_its_code_answers_and_writes_into_tables_of_the_home(
    central: Server, deployed: dict[str, Deployed], tmp_path: Path
) -> None:
    replica = Replica(tmp_path / "replica", central.url, deployed["flow"])
    try:
        status, answer = replica.call("/v2/models/default.flow/event", {"id": 2, "f1": 1})
        assert status == 200, answer
        assert (answer["score"], answer["with"]) == (44.0, "word")
        assert value(central, "SELECT event->>'$.score' FROM \"default\".scored") == "44.0"
        server = "ALTER MODEL m SET ALIAS champion = 1"
        central.sql(server)
        assert replica.call("/v2/models/default.flow/event", {"id": 77, "f1": 1})[1]["score"] == 22.0
    finally:
        replica.end()


@pytest.mark.nightly
def test_a_model_of_another_framework_is_computed_in_a_process_of_the_replica(
    central: Server, deployed: dict[str, Deployed], tmp_path: Path
) -> None:
    replica = Replica(tmp_path / "replica", central.url, deployed["kept"])
    try:
        assert replica.outputs(a=1.0, b=2.0)["prediction"] == 6.0
    finally:
        replica.end()


@pytest.mark.nightly
def test_features_come_from_an_online_store_that_replicas_reach(tmp_path: Path) -> None:
    if reason := redis.why_not():
        pytest.skip(reason)
    with redis.running(tmp_path / "redis", password="a word") as store:
        settings = Settings(online_store=store.url, online_store_password="a word")
        made = prepare(tmp_path, _statements(tmp_path), ["enriched"], settings=settings, by="store")
        told = {"MLBOX_ONLINE_STORE": store.url, "MLBOX_ONLINE_STORE_PASSWORD": "a word"}
        server = Server(tmp_path / "home", environment=told)
        try:
            replica = Replica(tmp_path / "replica", server.url, made["enriched"])
            server.stop()  # nobody but the store can tell now
            assert replica.outputs(id=5, f1=0.0)["prediction"] == 100.0
            replica.kill()
        finally:
            server.stop()
        kept = (tmp_path / "home" / "catalog.duckdb").read_bytes()
        assert b"a word" not in kept


def test_what_cannot_leave_the_home_is_refused_with_the_reason(tmp_path: Path) -> None:
    statements = [
        *_statements(tmp_path),
        "CREATE ENDPOINT paid USING MODEL m@1 WITH (durable = true)",
        "CREATE COLLECTION words KEY (id) TEXT body AS SELECT 1 AS id, 'a word' AS body",
        """CREATE ENDPOINT seeks USING GRAPH '{"steps": [{"kind": "search", "collection": "words", "field": "q"}]}'""",
    ]
    for name, told in (("paid", "durable"), ("seeks", "collection default.words")):
        with pytest.raises(Invalid, match=told) as caught:
            prepare(tmp_path / name, statements, [name])
        assert caught.value.hint


def test_wheels_of_the_home_reach_the_environments_of_replicas(tmp_path: Path) -> None:
    """No index is asked: the home's folder of wheels is all that there is."""
    wheels = make_wheel(tmp_path).parent
    (tmp_path / "f.py").write_text(
        "import os, tiny_thing\n\n"
        "def f(x):\n"
        "    return {'prediction': x + tiny_thing.ANSWER, 'told': ' '.join(os.environ.values())}\n"
    )
    (tmp_path / "m.onnx").write_bytes(onnx_models.scaled(2.0))
    made = [
        f"CREATE FUNCTION f FROM '{tmp_path / 'f.py'}' REQUIREMENTS ('tiny-thing==1.0')",
        f"CREATE MODEL m FROM '{tmp_path / 'm.onnx'}'",
        "CREATE ENDPOINT e USING FUNCTION f",
        "CREATE ENDPOINT plain USING MODEL m",
    ]
    offline = {"MLBOX_PACKAGE_WHEELHOUSE": str(wheels), "MLBOX_PACKAGE_OFFLINE": "true"}
    settings = Settings(package_wheelhouse=str(wheels), package_offline=True)
    deployed = prepare(tmp_path, made, ["e", "plain"], settings=settings)
    server = Server(tmp_path / "home", environment=offline)
    try:
        replica = Replica(tmp_path / "replica", server.url, deployed["e"])
        try:
            told = replica.outputs(x=1.0)
        finally:
            replica.end()
        assert told["prediction"] == 43.0
        assert deployed["e"].token not in told["told"]  # what opens the door of the home is not for the code

        def ask(name: str, path: str, token: str) -> tuple[int, bytes]:
            url = f"/replica-api/{deployed[name].id}/wheels{path}"
            status, _, body = server.request("GET", url, None, {"Authorization": f"Bearer {token}"})
            return status, body

        token = deployed["e"].token
        assert ask("e", f"/{WHEEL}", token) == (200, (wheels / WHEEL).read_bytes())
        assert ask("e", "/..%2Fm.onnx", token)[0] == 404
        assert ask("e", "", "wrong")[0] == 401
        assert ask("plain", "", token)[0] == 401
        assert ask("plain", "", deployed["plain"].token)[0] == 404  # it builds no environment
    finally:
        server.stop()
