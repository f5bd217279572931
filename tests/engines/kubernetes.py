"""A Kubernetes cluster for tests: the one that ``KUBECONFIG`` names, else one of one node that is started here.

Nodes need an image with Python: that of ``MLBOX_TEST_KUBERNETES_IMAGE``, else the one that is made for the Docker
engine of the node. Starting a cluster takes root and the scripts of a folder that ``MLBOX_TEST_RECIPES`` names, or that
lies beside the checkout as ``shared/recipes``: they start etcd, an API server, a scheduler and a kubelet on loopback.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from engines import docker, processes

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ("docker-up.sh", "kube-up.sh", "kube-down.sh", "kube-all.zst")
PROGRAMS = ("dockerd", "iptables", "etcd", "openssl", "curl", "ip", "zstd")
_SECONDS = 180


def why_not() -> str:
    """Why there can be no cluster here; empty: there can."""
    if os.environ.get("KUBECONFIG"):
        if not os.environ.get("MLBOX_TEST_KUBERNETES_IMAGE") and not docker.reachable():
            return "MLBOX_TEST_KUBERNETES_IMAGE names no image with Python that the cluster has"
        return ""
    if _recipes() is None:
        return "KUBECONFIG names no cluster, and there are no recipes to start one"
    if os.geteuid() != 0:
        return "KUBECONFIG names no cluster, and starting one needs root"
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    return f"KUBECONFIG names no cluster, and to start one there is no {' and no '.join(missing)}" if missing else ""


@contextmanager
def engine(folder: Path) -> Iterator[dict[str, str]]:
    """Settings of mlbox for the cluster."""
    image = os.environ.get("MLBOX_TEST_KUBERNETES_IMAGE", "")
    if not os.environ.get("KUBECONFIG"):
        with _own() as variables:
            yield variables
        return
    if not image:
        docker.make_image(docker.reachable())
        image = docker.IMAGE
    yield {"MLBOX_KUBERNETES_CONFIG": os.environ["KUBECONFIG"], "MLBOX_KUBERNETES_IMAGE": image}


def _recipes() -> Path | None:
    folder = Path(os.environ.get("MLBOX_TEST_RECIPES") or ROOT.parent / "shared" / "recipes")
    return folder if all((folder / name).is_file() for name in SCRIPTS) else None


@contextmanager
def _own() -> Iterator[dict[str, str]]:
    """A cluster of this machine alone, gone afterwards."""
    recipes = _recipes()
    assert recipes is not None
    work = Path(tempfile.mkdtemp(prefix="mlbox-kube-"))  # paths of sockets have at most 107 characters
    engine_folder, cluster, program = work / "d", work / "k", work / "kube-all"
    address = f"unix://{engine_folder}/docker.sock"
    try:
        _sh("bash", str(recipes / "docker-up.sh"), str(engine_folder))
        docker.make_image(address)
        _sh("zstd", "-dq", str(recipes / "kube-all.zst"), "-o", str(program))
        program.chmod(0o755)
        up = ("bash", str(recipes / "kube-up.sh"), str(cluster), str(program), f"{engine_folder}/docker.sock")
        _sh(*up, PAUSE_FROM=docker.IMAGE)
        processes.again(cluster / "kubelet.pid", f"--docker={address}")  # else it measures no container
        processes.again(cluster / "cm.pid", "--horizontal-pod-autoscaler-downscale-stabilization=30s")  # usually 300 s
        os.environ.update(KUBECONFIG=str(cluster / "kubeconfig"), DOCKER_HOST=address)  # for tests that look themselves
        yield {"MLBOX_KUBERNETES_CONFIG": str(cluster / "kubeconfig"), "MLBOX_KUBERNETES_IMAGE": docker.IMAGE}
    finally:
        for name in ("KUBECONFIG", "DOCKER_HOST"):
            os.environ.pop(name, None)
        with suppress(subprocess.SubprocessError, AssertionError):
            _sh("bash", str(recipes / "kube-down.sh"), str(cluster), f"{engine_folder}/docker.sock")
        with suppress(OSError, ValueError):
            os.kill(int((engine_folder / "dockerd.pid").read_text()), signal.SIGTERM)
        shutil.rmtree(work, ignore_errors=True)


def _sh(*command: str, **variables: str) -> None:
    done = subprocess.run(
        command,
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
