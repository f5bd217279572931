"""Replicas of an endpoint on real engines: they answer, roll without a failed request, go back from what does not
answer, hand in what they have predicted, and leave nothing behind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from deployment_rig import Load, addresses, ask, core, deploying, leftovers, object_name, predictions
from real_server import Server, wait_until

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module", params=["docker", "kubernetes"])
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Server]]:
    """Its name, and a server that deploys on it."""
    with deploying(request.param, tmp_path_factory.mktemp(f"deploy-{request.param}")) as server:
        server.sql("CREATE ENDPOINT e USING MODEL m@1")
        yield request.param, server


def deploy(engine: tuple[str, Server], more: str = "") -> tuple[list[str], str]:
    """Addresses and the callers' token."""
    name, server = engine
    many = 2 if name == "kubernetes" else 1
    text = f"DEPLOY ENDPOINT e ON {name} WITH (replicas = {many}, cpu = 0.2, wait = 300{more})"
    told = str(server.sql(text)[-1]["message"]).split()
    found = server.sql("SELECT name, address, state, problem FROM ml.deployments")[-1]["rows"]
    assert found[0][2:] == ["ready", None]
    return addresses(name, {"name": found[0][0], "address": found[0][1]}), told[-1]


def test_scenario_of_a_deployment(engine: tuple[str, Server]) -> None:
    name, server = engine
    many = 2 if name == "kubernetes" else 1
    replicas, token = deploy(engine)
    assert len(replicas) == many
    assert [ask(address, token) for address in replicas] == [6.0] * many
    wait_until(lambda: predictions(server) == many)
    server.stop()
    assert [ask(address, token) for address in replicas] == [6.0] * many
    server.start()
    wait_until(lambda: predictions(server) == 2 * many, 60)
    assert deploy(engine) == (replicas, token)  # nothing has changed, so nothing rolls
    server.sql("ALTER ENDPOINT e USING MODEL m@2")
    before = replicas[0]
    load = Load(lambda: before.removeprefix("http://"), token) if name == "docker" else None
    replicas, again = deploy(engine)
    if load is not None:
        wait_until(lambda: load.says(9.0))
        load.end()
        assert load.failures == []
        assert set(load.answers.values()) == {6.0, 9.0}
    assert again == token
    assert [ask(address, token) for address in replicas] == [9.0] * many
    asked = 3 * many + (len(load.answers) if load is not None else 0)
    goes_back(engine, replicas, token)
    asked += many
    if name == "kubernetes":
        scales(server)
    named = object_name(server)
    server.sql("UNDEPLOY ENDPOINT e")
    assert server.sql("SELECT count(*) FROM ml.deployments")[-1]["rows"] == [[0]]
    assert predictions(server) == asked
    assert leftovers(name, named, server.environment) == []


def goes_back(engine: tuple[str, Server], replicas: list[str], token: str) -> None:
    """A version that does not come up is told with its reason, and the one before answers on."""
    name, server = engine
    before = server.sql("SELECT version, image FROM ml.deployments")[-1]["rows"]
    sized = f"replicas = {len(replicas)}, cpu = 0.2, memory = '7MB', wait = 60"
    error = server.error(f"DEPLOY ENDPOINT e ON {name} WITH ({sized})")
    assert "does not answer" in error["message"], error
    assert "answers on as before" in error["hint"]
    assert any(word in error["message"] for word in ("137", "memory", "OOM", "ended", "Warning", "minimum")), error
    assert [ask(address, token) for address in replicas] == [9.0] * len(replicas)
    found = server.sql("SELECT version, image, state, problem FROM ml.deployments")[-1]["rows"]
    assert found[0][:2] == before[0] and found[0][2] == "ready" and found[0][3]
    if name == "kubernetes":
        error = server.error("DEPLOY ENDPOINT e ON kubernetes WITH (replicas = 2, image = 'nobody/has-this:1')")
        assert "nobody/has-this:1" in error["message"] and "mage" in error["message"], error
        assert sorted(addresses(name, {"name": object_name(server)})) == sorted(replicas)


def scales(server: Server) -> None:
    """The autoscaler is written in a version that the cluster has, changed, and taken away."""
    from kubernetes import client

    api = client.AutoscalingV1Api(core().api_client)
    name = object_name(server)
    for most in (3, 4):
        server.sql(f"DEPLOY ENDPOINT e ON kubernetes WITH (replicas = 2, max_replicas = {most}, cpu = 0.2, wait = 300)")
        spec = api.read_namespaced_horizontal_pod_autoscaler(name, "default").spec
        assert (spec.min_replicas, spec.max_replicas, spec.scale_target_ref.name) == (2, most, name)
        assert spec.target_cpu_utilization_percentage == 70
    told = server.sql("EXPLAIN DEPLOY ENDPOINT e ON kubernetes WITH (replicas = 2, max_replicas = 4)")[-1]["rows"]
    written = {row[1].split()[0]: row[2] for row in told if row[0] == "write"}
    assert list(written) == ["Secret", "Deployment", "Service", "HorizontalPodAutoscaler"]
    known = client.ApisApi(api.api_client).get_api_versions().groups
    versions = {one.version for group in known if group.name == "autoscaling" for one in group.versions}
    assert f"autoscaling/{'v2' if 'v2' in versions else 'v1'}" in written["HorizontalPodAutoscaler"]
    server.sql("DEPLOY ENDPOINT e ON kubernetes WITH (replicas = 2, cpu = 0.2, wait = 300)")
    assert api.list_namespaced_horizontal_pod_autoscaler("default").items == []
