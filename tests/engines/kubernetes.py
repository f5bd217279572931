"""A Kubernetes cluster for tests: the one that ``KUBECONFIG`` names. Its nodes need an image with Python: that of
``MLBOX_TEST_KUBERNETES_IMAGE``, else the one that is made for a Docker engine that answers and that the node uses."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engines import docker


def why_not() -> str:
    """Why there can be no cluster here; empty: there can."""
    if not os.environ.get("KUBECONFIG"):
        return "KUBECONFIG names no cluster"
    if not os.environ.get("MLBOX_TEST_KUBERNETES_IMAGE") and not docker.reachable():
        return "MLBOX_TEST_KUBERNETES_IMAGE names no image with Python that the cluster has"
    return ""


@contextmanager
def engine(folder: Path) -> Iterator[dict[str, str]]:
    """Settings of mlbox for the cluster."""
    image = os.environ.get("MLBOX_TEST_KUBERNETES_IMAGE", "")
    if not image:
        docker.make_image(docker.reachable())
        image = docker.IMAGE
    yield {"MLBOX_KUBERNETES_CONFIG": os.environ["KUBECONFIG"], "MLBOX_KUBERNETES_IMAGE": image}
