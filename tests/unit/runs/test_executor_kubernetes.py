"""What only the Kubernetes executor does: options, reasons of a pod that does not start, a cluster that is away."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from engines import kubernetes as fixture
from real_server import Server
from waiting import wait_until

from mlbox.base.errors import Invalid, Unavailable
from mlbox.base.home import Home
from mlbox.base.settings import Settings
from mlbox.engine.runs.commands import Resources
from mlbox.engine.runs.executors.base import EXECUTORS, Wish
from mlbox.engine.runs.executors.kubernetes_options import KubernetesOptions, resources

NOWHERE = """
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "https://127.0.0.1:9"}}]
users: [{name: u, user: {token: t}}]
contexts: [{name: c, context: {cluster: c, user: u}}]
current-context: c
"""


def executor(folder: Path, **settings: Any) -> Any:
    return EXECUTORS.get("kubernetes")(home=Home(folder), settings=Settings(**settings))


def test_a_cluster_that_is_away_is_told_with_what_was_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    with pytest.raises(Unavailable, match="no cluster is configured") as caught:
        executor(tmp_path, kubernetes_config=str(tmp_path / "none")).call_home_host()
    assert str(tmp_path / "none") in caught.value.message and "KUBECONFIG" in str(caught.value.hint)
    (tmp_path / "config").write_text(NOWHERE)
    handle = {"job": "j", "namespace": "default", "folder": str(tmp_path / "run"), "deadline": None}
    with pytest.raises(Unavailable, match="cluster at https://127.0.0.1:9 does not answer"):
        executor(tmp_path, kubernetes_config=str(tmp_path / "config")).poll(handle)


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "kubernetes", None)  # as if it were not installed
    with pytest.raises(Unavailable) as caught:
        executor(tmp_path).call_home_host()
    assert caught.value.hint == "install mlbox[kubernetes]"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"namespce": "x"}, "no option 'namespce'"),
        ({"node_selector": "ssd"}, "names and values"),
        ({"tolerations": 5}, "list of texts"),
        ({"volumes": ["pvc:data"]}, "'pvc:data' is not a volume"),
        ({"volumes": ["nfs:a:/b"]}, "is not a volume"),
        ({"security_context": {"runAsUsr": 7}}, "no 'runAsUsr'"),
        ({"affinity": {"nodeAfinity": {}}}, "no 'nodeAfinity'"),
    ],
)
def test_options_that_it_does_not_know_are_refused(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=message):
        executor(tmp_path).foresee(Wish(image="i", options=options))


def test_options_become_the_pods() -> None:
    options = KubernetesOptions.read(
        {
            "service_account": "trainer",
            "node_selector": {"disk": "ssd"},
            "tolerations": [{"key": "gpu", "operator": "Exists"}],
            "volumes": ["pvc:claim:/data:ro", "host:/mnt/x:/x", "empty::/scratch"],
            "image_pull_secrets": "registry",
            "env_secrets": ["keys"],
            "priority_class": "high",
            "security_context": {"runAsUser": 1000, "runAsNonRoot": True, "fsGroup": 7},
            "affinity": {"podAffinity": {}},
        }
    )
    ours = {"allowPrivilegeEscalation": False}
    pod = options.pod({"name": "run", "envFrom": [{"secretRef": {"name": "ours"}}], "securityContext": ours})
    assert (pod["serviceAccountName"], pod["automountServiceAccountToken"], pod["priorityClassName"]) == (
        "trainer",
        True,
        "high",
    )
    assert pod["securityContext"] == {"fsGroup": 7} and pod["affinity"] == {"podAffinity": {}}
    assert pod["containers"][0]["securityContext"] == {**ours, "runAsUser": 1000, "runAsNonRoot": True}
    assert pod["nodeSelector"] == {"disk": "ssd"} and pod["tolerations"] == [{"key": "gpu", "operator": "Exists"}]
    assert pod["imagePullSecrets"] == [{"name": "registry"}]
    (container,) = pod["containers"]
    assert container["envFrom"] == [{"secretRef": {"name": "keys"}}, {"secretRef": {"name": "ours"}}]  # ours wins
    assert [(mount["mountPath"], mount["readOnly"]) for mount in container["volumeMounts"]] == [
        ("/data", True),
        ("/x", False),
        ("/scratch", False),
    ]
    assert pod["volumes"][0]["persistentVolumeClaim"] == {"claimName": "claim"}
    assert resources(Resources(cpu=0.5, memory=10**9, gpu=1))["limits"] == {
        "cpu": "500m",
        "memory": "1000000000",
        "nvidia.com/gpu": "1",
    }


@pytest.fixture(scope="module")
def cluster_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Any, Path]]:
    reason = fixture.why_not()
    if reason:
        pytest.skip(reason)
    from kubernetes import client, config

    folder = tmp_path_factory.mktemp("kubernetes")
    with fixture.engine(folder) as variables:
        config.load_kube_config(variables["MLBOX_KUBERNETES_CONFIG"])
        server = Server(folder / "home", environment=variables)
        try:
            yield server, client, folder
        finally:
            server.stop()


def make(place: tuple[Server, Any, Path], name: str, code: str, clauses: str = "") -> None:
    server, _, folder = place
    (folder / f"{name}.py").write_text(textwrap.dedent(code))
    body = {"sql": f"CREATE FUNCTION {name} FROM '{name}.py' RUNTIME kubernetes {clauses}", "folder": str(folder)}
    status, _, answer = server.request("POST", "/sql", body)
    assert status == 200, answer


def row(server: Server, run: str) -> dict[str, Any]:
    (result,) = server.sql(f"SELECT state, reason, error FROM ml.runs WHERE id = '{run}'")
    return dict(zip(("state", "reason", "error"), result["rows"][0], strict=True))


def log_of(server: Server, run: str) -> str:
    return server.request("GET", f"/runs/{run}/log")[2].decode()


@pytest.mark.engine
def test_why_a_pod_does_not_start_reaches_the_user(cluster_server: Any) -> None:
    server, client, _ = cluster_server
    make(cluster_server, "large", "def handler(ctx): pass\n", "RESOURCES (memory = '900TB')")
    run = server.sql("RUN large ASYNC")[0]["rows"][0][0]
    wait_until(lambda: "nsufficient memory" in str(row(server, run)["reason"]), 60)
    assert row(server, run)["state"] == "running" and "nsufficient memory" in log_of(server, run)
    server.sql(f"CANCEL RUN '{run}'")
    assert row(server, run)["state"] == "cancelled"
    jobs = client.BatchV1Api()
    wait_until(lambda: not jobs.list_namespaced_job("default", label_selector=f"mlbox-run={run}").items)


@pytest.mark.engine
def test_an_image_that_is_not_there_ends_the_run(cluster_server: Any) -> None:
    server, _, _ = cluster_server
    make(cluster_server, "nowhere", "def handler(ctx): pass\n", "IMAGE 'registry.invalid/none:1'")
    run = server.sql("RUN nowhere ASYNC")[0]["rows"][0][0]
    wait_until(lambda: row(server, run)["state"] == "error", 100)
    assert "registry.invalid/none:1" in row(server, run)["reason"]


@pytest.mark.engine
def test_volumes_secrets_and_requirements_arrive_and_nothing_stays(cluster_server: Any) -> None:
    server, client, _ = cluster_server
    core = client.CoreV1Api()
    core.create_namespaced_secret(
        "default", {"metadata": {"name": "mlbox-test"}, "stringData": {"KEY": "from-cluster"}}
    )
    try:
        code = """
            import os, pathlib, six

            def handler(ctx):
                assert os.environ["KEY"] == pathlib.Path("/keys/KEY").read_text() == "from-cluster"
                pathlib.Path("/scratch/x").write_text("x")
                print("all there, six", six.__version__)
        """
        options = "env_secrets = ['mlbox-test'], volumes = ['secret:mlbox-test:/keys:ro', 'empty::/scratch']"
        make(cluster_server, "full", code, f"REQUIREMENTS ('six==1.17.0') WITH ({options})")
        run = server.sql("RUN full")[0]["rows"][0][0]
        assert "all there, six 1.17.0" in log_of(server, run)
        mine = f"mlbox-run={run}"
        wait_until(lambda: not client.BatchV1Api().list_namespaced_job("default", label_selector=mine).items)
        wait_until(lambda: not core.list_namespaced_pod("default", label_selector=mine).items, 60)
        wait_until(lambda: not core.list_namespaced_secret("default", label_selector=mine).items, 60)
    finally:
        core.delete_namespaced_secret("mlbox-test", "default")
