"""Manifests of a deployment, its options, and what DEPLOY refuses."""

from __future__ import annotations

import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx_models
import pytest
import yaml

from mlbox.base.clock import now
from mlbox.base.command import Caller
from mlbox.base.errors import Invalid, MlboxError, NotFound, Unavailable
from mlbox.base.home import Home
from mlbox.base.ids import new_id
from mlbox.base.settings import Settings
from mlbox.engine.catalog.tables import deployments
from mlbox.engine.catalog.tables.deployments import DeploymentRow
from mlbox.serve.deploy import ending
from mlbox.serve.deploy.manifests import Described, as_yaml, manifests
from mlbox.serve.deploy.on_docker import DockerTarget
from mlbox.serve.deploy.on_kubernetes import KubernetesTarget
from mlbox.serve.deploy.options import DeployOptions
from mlbox.serve.workers.fleet import LEAVE_SECONDS

GOLDEN = Path(__file__).parent / "manifests" / "scaled.yaml"


def described(**options: Any) -> Described:
    return Described(
        name="mlbox-shop-score-1a2b3c4d",
        namespace="serving",
        home="0123456789abcdef",
        deployment="0" * 32,
        endpoint="shop.score",
        version="fedcba9876543210",
        url="http://10.0.0.7:7075",
        token="replica",
        callers="caller",
        options=DeployOptions.read({"image": "shop/mlbox:1", **options}, "kubernetes"),
    )


def test_manifests_are_as_they_were() -> None:
    made = as_yaml(manifests(described(replicas=2, max_replicas=6, cpu=0.5, memory="512MiB", port=80)))
    assert made == GOLDEN.read_text()


def test_without_a_maximum_the_deployment_says_how_many_and_nothing_scales() -> None:
    made = {entry["kind"]: entry for entry in yaml.safe_load_all(as_yaml(manifests(described(replicas=3))))}
    assert list(made) == ["Secret", "Deployment", "Service"]
    assert made["Deployment"]["spec"]["replicas"] == 3


@pytest.mark.parametrize("request_seconds", [1.0, 30.0, 120.0, 3600.0])
def test_an_engine_waits_longer_than_a_replica_takes_to_end(request_seconds: float) -> None:
    what = replace(described(replicas=2), request_seconds=request_seconds)
    pod = manifests(what)[1]["spec"]["template"]["spec"]
    inside = ending.inside_seconds(request_seconds)
    assert inside >= ending.DRAIN_SECONDS + min(request_seconds, 600) + ending.DELIVER_SECONDS
    assert pod["terminationGracePeriodSeconds"] >= inside + ending.SPARE_SECONDS
    assert ending.DELIVER_SECONDS >= LEAVE_SECONDS  # as long as a worker has for the same
    compose = DockerTarget(Settings()).objects(what)[0]["services"]["replica"]
    assert compose["stop_grace_period"] == f"{pod['terminationGracePeriodSeconds']}s"


def test_a_cluster_without_the_newer_autoscaler_gets_the_older_one() -> None:
    scaler = manifests(described(replicas=2, max_replicas=6), "v1")[-1]
    assert scaler["apiVersion"] == "autoscaling/v1"
    assert scaler["spec"]["targetCPUUtilizationPercentage"] == 70
    assert "metrics" not in scaler["spec"]


def test_another_bundle_rolls_the_pods_and_the_same_one_does_not() -> None:
    first, again = manifests(described()), manifests(described())
    assert first == again
    annotations = first[1]["spec"]["template"]["metadata"]["annotations"]
    assert annotations["mlbox/bundle"] == "fedcba9876543210"


@pytest.mark.parametrize(
    ("engine", "given", "told"),
    [
        ("kubernetes", {"replica": 2}, "no option 'replica'"),
        ("kubernetes", {"replicas": 0}, "a whole number from 1"),
        ("kubernetes", {"replicas": 4, "max_replicas": 2}, "less than replicas"),
        ("kubernetes", {"memory": "much"}, "is no size"),
        ("kubernetes", {"cpu": -1}, "a number above 0"),
        ("kubernetes", {"namespace": "Not A Name"}, "lower-case letters"),
        ("kubernetes", {"dry_run": "yes"}, "true or false"),
        ("docker", {"features": "stroe"}, "features = 'stroe'"),
        ("docker", {"max_replicas": 2}, "belongs to ON KUBERNETES"),
    ],
)
def test_options_that_make_no_sense_are_refused(engine: str, given: dict[str, Any], told: str) -> None:
    with pytest.raises(Invalid, match=told):
        DeployOptions.read(given, engine)


def test_deploy_refuses_what_replicas_cannot_reach(tmp_path: Path) -> None:
    from mlbox.app.house import House

    (tmp_path / "m.onnx").write_bytes(onnx_models.scaled(2.0))
    house = House.open(Home(tmp_path / "home"), Settings())
    try:

        def run(text: str) -> Any:
            command = house.parser.parse_one(text, "default", {})
            return house.dispatcher.dispatch(command, Caller())

        run(f"CREATE MODEL m FROM '{tmp_path / 'm.onnx'}'")
        run("CREATE ENDPOINT e USING MODEL m@1")
        run("CREATE ENDPOINT paid USING MODEL m@1 WITH (durable = true)")
        run("CREATE ENDPOINT resting USING MODEL m@1")
        run("ALTER ENDPOINT resting SUSPEND")
        dry = "ON KUBERNETES WITH (image = 'x', dry_run = true)"
        for text, kind, told in (
            ("DEPLOY ENDPOINT e ON KUBERNETES WITH (dry_run = true)", Invalid, "no image"),
            (f"DEPLOY ENDPOINT f {dry}", NotFound, "no endpoint"),
            (f"DEPLOY ENDPOINT paid {dry}", Invalid, "durable"),
            (f"DEPLOY ENDPOINT resting {dry}", Invalid, "suspended"),
            ("UNDEPLOY ENDPOINT e", NotFound, "not deployed"),
        ):
            with pytest.raises(MlboxError, match=told) as caught:
                run(text)
            assert isinstance(caught.value, kind)
            assert caught.value.hint is not None or kind is NotFound
        result = run(f"DEPLOY ENDPOINT e {dry}")
        kinds = [entry["kind"] for entry in yaml.safe_load_all(result.facts["manifests"])]
        assert kinds == ["Secret", "Deployment", "Service"]
        run("CREATE ENDPOINT told USING MODEL m@1 WITH (stream_seconds = 200)")
        made = list(yaml.safe_load_all(run(f"DEPLOY ENDPOINT told {dry}").facts["manifests"]))
        grace = made[1]["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
        assert grace == ending.grace_seconds(200.0) > ending.grace_seconds(30.0)
        assert house.catalog.row("SELECT count(*) AS n FROM catalog.ml.deployments") == {"n": 0}
    finally:
        house.close()


def kubeconfig(folder: Path, server: str) -> Path:
    config = folder / "kubeconfig"
    config.write_text(
        "{apiVersion: v1, kind: Config, current-context: c, contexts: [{name: c, context: {cluster: c, user: u}}],"
        f" clusters: [{{name: c, cluster: {{server: '{server}'}}}}], users: [{{name: u, user: {{}}}}]}}"
    )
    return config


def deployed_on(engine: str, place: str) -> DeploymentRow:
    return DeploymentRow(
        project="default", endpoint="e", engine=engine, id=new_id(), name="mlbox-default-e-1a2b3c4d", place=place,
        image="x", replicas=1, max_replicas=1, address="", state="ready", deployed_at=now(), deployed_by="local",
        bundle="{}",
    )  # fmt: skip


@pytest.mark.parametrize("engine", ["docker", "kubernetes"])
def test_an_engine_that_takes_a_connection_and_says_nothing_is_not_waited_for(tmp_path: Path, engine: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        target: DockerTarget | KubernetesTarget = DockerTarget(Settings(docker_host=f"tcp://{address}"))
        if engine == "kubernetes":
            target = KubernetesTarget(Settings(kubernetes_config=str(kubeconfig(tmp_path, f"http://{address}"))))
        with pytest.raises(Unavailable, match="does not answer"):
            target.check(0.2)


@pytest.mark.parametrize("engine", ["docker", "kubernetes"])
def test_a_deployment_whose_engine_is_gone_is_forgotten_by_force(tmp_path: Path, engine: str) -> None:
    from mlbox.app.house import House

    (tmp_path / "m.onnx").write_bytes(onnx_models.scaled(2.0))
    gone = "tcp://127.0.0.1:9"
    config = kubeconfig(tmp_path, "http://127.0.0.1:9")
    house = House.open(Home(tmp_path / "home"), Settings(docker_host=gone, kubernetes_config=str(config)))
    try:

        def run(text: str) -> Any:
            return house.dispatcher.dispatch(house.parser.parse_one(text, "default", {}), Caller())

        run(f"CREATE MODEL m FROM '{tmp_path / 'm.onnx'}'")
        run("CREATE ENDPOINT e USING MODEL m@1")
        row = deployed_on(engine, gone)
        house.catalog.write(lambda cursor: deployments.put(cursor, row))
        with pytest.raises(Unavailable) as caught:
            run("UNDEPLOY ENDPOINT e")
        assert f"UNDEPLOY ENDPOINT default.e ON {engine.upper()} FORCE" in str(caught.value.hint)
        assert house.catalog.row("SELECT count(*) AS n FROM catalog.ml.deployments") == {"n": 1}
        told = run("UNDEPLOY ENDPOINT e FORCE").message
        assert f"{row.name} in {gone} is forgotten and may still run there" in told
        assert {"docker": "docker rm -f", "kubernetes": "kubectl delete"}[engine] in told
        assert house.catalog.row("SELECT count(*) AS n FROM catalog.ml.deployments") == {"n": 0}
        assert run("DROP ENDPOINT e").message == "dropped endpoint default.e"
    finally:
        house.close()
