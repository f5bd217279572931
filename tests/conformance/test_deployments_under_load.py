"""Deployments while callers ask all the time: they scale, roll, lose a replica or their engine, and no request that can
be answered fails."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from deployment_rig import Load, Members, core, deploying, leftovers, object_name, pods, predictions, slowly
from engines import docker, processes
from engines.kubernetes_metrics import has_metrics, metrics
from real_server import Server

pytestmark = [pytest.mark.engine, pytest.mark.nightly, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module", params=["docker", "kubernetes"])
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Server]]:
    """Its name, and a server that deploys on it."""
    with deploying(request.param, tmp_path_factory.mktemp(f"load-{request.param}")) as server:
        yield request.param, server


@contextmanager
def callers_of(engine: tuple[str, Server], endpoint: str, token: str, **how: Any) -> Iterator[Load]:
    """Callers of a deployment as others reach it: through the port on Docker, through the Service on Kubernetes."""
    name, server = engine
    members: Members | None = None
    if name == "kubernetes":
        members = Members(object_name(server, endpoint))
        choose = members.choose
    else:
        facts = f"SELECT address FROM ml.deployments WHERE endpoint = '{endpoint}'"
        address = str(server.sql(facts)[-1]["rows"][0][0]).removeprefix("http://")

        def choose() -> str:
            return address

    load = Load(choose, token, endpoint=endpoint, **how)
    try:
        yield load
    finally:
        load.end()
        if members is not None:
            members.end()


def deploy(engine: tuple[str, Server], endpoint: str, options: str = "replicas = 2", cpu: float = 0.2) -> str:
    """The callers' token."""
    name, server = engine
    told = server.sql(f"DEPLOY ENDPOINT {endpoint} ON {name} WITH ({options}, cpu = {cpu}, wait = 300)")
    return str(told[-1]["message"]).split()[-1]


def came_home(server: Server, endpoint: str) -> Counter[str]:
    """Ids of requests whose predictions came home, with how often."""
    found = server.sql(f"SELECT request_id FROM ml.predictions WHERE endpoint = '{endpoint}'")[-1]["rows"]
    return Counter(row[0] for row in found)


def all_once(server: Server, endpoint: str, load: Load) -> bool:
    """Whether all that callers were told is at home, each prediction once."""
    found = came_home(server, endpoint)
    assert set(found.values()) <= {1}
    assert set(found) <= set(load.answers)
    return set(found) == set(load.answers)


@pytest.mark.parametrize("engine", ["kubernetes"], indirect=True, scope="module")  # Docker has no autoscaler
def test_replicas_become_more_under_load_and_fewer_after_it(engine: tuple[str, Server]) -> None:
    name, server = engine
    from kubernetes import client

    api = core().api_client
    if not has_metrics(api) and "//127.0.0.1" not in api.configuration.host:
        pytest.skip("the cluster has no metrics server, and does not reach one here")
    server.sql("CREATE ENDPOINT scaled USING MODEL m@1")
    if not has_metrics(api):
        told = server.sql("EXPLAIN DEPLOY ENDPOINT scaled ON kubernetes WITH (replicas = 1, max_replicas = 3)")
        assert any("no metrics server" in row[2] for row in told[-1]["rows"])
    with metrics(api):
        token = deploy(engine, "scaled", "replicas = 1, max_replicas = 3", cpu=0.1)  # it is soon busy
        named = object_name(server, "scaled")
        apps, scaling = client.AppsV1Api(api), client.AutoscalingV1Api(api)

        def ready() -> int:
            return int(apps.read_namespaced_deployment(named, "default").status.ready_replicas or 0)

        def scaler() -> Any:
            found = scaling.read_namespaced_horizontal_pod_autoscaler(named, "default")
            return found.status, (found.metadata.annotations or {}).get("autoscaling.alpha.kubernetes.io/conditions")

        assert ready() == 1
        with callers_of(engine, "scaled", token, callers=6, pause=0, kept=20) as load:
            slowly(lambda: ready() == 3, 600, scaler)
            load.pause = 0.5
            slowly(lambda: ready() == 1 and len(pods(named)) == 1, 900, scaler)
        assert load.failures == []
        assert len(load.answers) > 100
        slowly(lambda: all_once(server, "scaled", load), 180, lambda: predictions(server, "scaled"))
    server.sql("UNDEPLOY ENDPOINT scaled")
    assert leftovers(name, named, server.environment) == []
    assert all_once(server, "scaled", load)


def test_versions_roll_under_load_without_a_failed_request(engine: tuple[str, Server]) -> None:
    name, server = engine
    server.sql("CREATE ENDPOINT rolled USING MODEL m@1")
    token = deploy(engine, "rolled")
    named = object_name(server, "rolled")
    with (
        callers_of(engine, "rolled", token, callers=2) as kept,
        callers_of(engine, "rolled", token, callers=2, kept=1) as new,
    ):
        for version, answer in ((2, 9.0), (1, 6.0)):
            server.sql(f"ALTER ENDPOINT rolled USING MODEL m@{version}")
            assert deploy(engine, "rolled") == token
            for load in (kept, new):
                slowly(partial(load.says, answer), 30)
    assert (kept.failures, new.failures) == ([], [])
    assert {*kept.answers.values(), *new.answers.values()} == {6.0, 9.0}
    server.sql("UNDEPLOY ENDPOINT rolled")
    assert leftovers(name, named, server.environment) == []
    assert predictions(server, "rolled") == len(kept.answers) + len(new.answers)


def test_a_replica_that_is_killed_is_replaced_while_the_other_answers(engine: tuple[str, Server]) -> None:
    """What fails is what it was asked at that moment, and what was sent to it before its engine had seen that."""
    name, server = engine
    server.sql("CREATE ENDPOINT killed USING MODEL m@1")
    token = deploy(engine, "killed")
    named = object_name(server, "killed")
    with callers_of(engine, "killed", token, kept=5) as load:
        slowly(lambda: len(load.answers) > 200, 60)
        before = restarts(name, server, named)
        kill(name, server, named)
        slowly(lambda: restarts(name, server, named) > before, 60)
        slowly(lambda: all_ready(name, server, named), 180)
        failed, answered = len(load.failures), len(load.answers)
        slowly(lambda: len(load.answers) > answered + 500, 120)
        assert len(load.failures) == failed  # once it is back, none
    told = set(load.failures)
    assert not [each for each in told if each.startswith(("4", "5"))], told
    if name == "docker":
        assert failed <= 4, load.failures  # one a caller: the port passes over who is dead
    server.sql("UNDEPLOY ENDPOINT killed")
    found = came_home(server, "killed")
    assert set(found.values()) == {1}
    lost = len(load.answers) - sum(found[name] for name in load.answers)
    print(f"{name}: {failed} failed of {len(load.answers)}, predictions of {lost} lost")
    assert lost < 400  # what it had not written yet


def containers(server: Server, named: str) -> list[Any]:
    """Of the replicas of a deployment on Docker."""
    import docker as library

    client = library.DockerClient(base_url=server.environment["MLBOX_DOCKER_HOST"])
    labels = [f"mlbox.deployment={named}", "mlbox.part=replica"]
    return list(client.containers.list(all=True, filters={"label": labels}))


def restarts(name: str, server: Server, named: str) -> int:
    """Of all replicas together."""
    if name == "docker":
        return sum(int(each.attrs["RestartCount"]) for each in containers(server, named))
    return sum(status.restart_count for pod in pods(named) for status in pod.status.container_statuses or ())


def all_ready(name: str, server: Server, named: str) -> bool:
    """By what the engine says of them."""
    if name == "docker":
        found = [each.attrs["State"].get("Health", {}).get("Status") for each in containers(server, named)]
        return found == ["healthy"] * 2
    return [all(one.ready for one in pod.status.container_statuses or ()) for pod in pods(named)] == [True] * 2


def kill(name: str, server: Server, named: str) -> None:
    """One of them, as the out-of-memory killer does."""
    if name == "docker":
        pid = containers(server, named)[0].attrs["State"]["Pid"]
    else:
        import docker as library

        known = str(pods(named)[0].status.container_statuses[0].container_id).removeprefix("docker://")
        client = library.DockerClient(base_url=docker.reachable())
        try:
            pid = client.containers.get(known).attrs["State"]["Pid"]
        except library.errors.NotFound:
            pytest.skip("the replicas are not on this machine")
    os.kill(pid, signal.SIGKILL)


def engine_process(name: str, server: Server) -> processes.Started:
    """Of the engine, where it was started here for these tests."""
    if name == "docker":
        folder = Path(server.environment["MLBOX_DOCKER_HOST"].removeprefix("unix://")).parent
        files = [folder / "pid", folder / "dockerd.pid"]
    else:
        files = [Path(os.environ["KUBECONFIG"]).parent / "apiserver.pid"]
    for file in files:
        if file.is_file():
            return processes.Started.of(file)
    pytest.skip("the engine is not of this machine alone")


def test_a_deployment_is_forgotten_by_force_while_its_engine_is_away_and_made_again(engine: tuple[str, Server]) -> None:
    name, server = engine
    server.sql("CREATE ENDPOINT left USING MODEL m@1")
    token = deploy(engine, "left", "replicas = 1")
    named = object_name(server, "left")
    process = engine_process(name, server)
    process.end()
    try:
        error = server.error("UNDEPLOY ENDPOINT left")
        assert "does not answer" in error["message"] and "FORCE" in error["hint"], error
        told = str(server.sql("UNDEPLOY ENDPOINT left FORCE")[-1]["message"])
        assert f"{named} in " in told and "may still run there" in told
        assert ("docker rm" if name == "docker" else "kubectl delete") in told
        assert server.sql("SELECT * FROM ml.deployments WHERE endpoint = 'left'")[-1]["rows"] == []
        error = server.error(f"DEPLOY ENDPOINT left ON {name} WITH (replicas = 1)")
        assert "does not answer" in error["message"]
        assert server.sql("SELECT * FROM ml.deployments WHERE endpoint = 'left'")[-1]["rows"] == []
    finally:
        process.begin()
    slowly(lambda: answers(name, server), 120)
    again = deploy(engine, "left", "replicas = 1")
    assert again != token
    with callers_of(engine, "left", again, callers=1) as load:
        slowly(lambda: len(load.answers) > 20, 60)
    assert load.failures == []
    server.sql("UNDEPLOY ENDPOINT left")
    assert leftovers(name, named, server.environment) == []
    assert all_once(server, "left", load)


def test_an_engine_that_hangs_is_not_waited_for(engine: tuple[str, Server]) -> None:
    name, server = engine
    server.sql("CREATE ENDPOINT hung USING MODEL m@1")
    deploy(engine, "hung", "replicas = 1")
    pid = int(engine_process(name, server).file.read_text())
    os.kill(pid, signal.SIGSTOP)
    try:
        told = str(server.sql("UNDEPLOY ENDPOINT hung FORCE")[-1]["message"])
    finally:
        os.kill(pid, signal.SIGCONT)
    assert "does not answer" in told and "may still run there" in told
    named = told.split(" in ")[0].rpartition(" ")[2]
    deploy(engine, "hung", "replicas = 1")
    server.sql("UNDEPLOY ENDPOINT hung")
    assert leftovers(name, named, server.environment) == []


def answers(name: str, server: Server) -> bool:
    """Whether the engine does."""
    if name == "docker":
        return docker.answers(server.environment["MLBOX_DOCKER_HOST"].removeprefix("unix://"))
    from kubernetes.client.exceptions import ApiException
    from urllib3.exceptions import HTTPError

    try:
        return bool(core().list_node().items)
    except (ApiException, HTTPError):
        return False
