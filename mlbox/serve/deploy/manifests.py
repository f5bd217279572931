"""The objects that a deployment is on Kubernetes, as plain mappings; nothing here talks to a cluster."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlbox.serve.deploy.ending import grace_seconds
from mlbox.serve.deploy.options import DeployOptions
from mlbox.serve.runtimes.base import DEFAULT_SECONDS

PORT = 8080
"""At which a replica listens inside its container."""

PROCESSOR_PERCENT = 70
"""At which the autoscaler adds replicas."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What the objects are made of."""

    name: str
    namespace: str
    home: str
    """A label that only the objects of this home have."""
    deployment: str
    """Its id."""
    endpoint: str
    version: str
    """Of the bundle: another one makes the pods roll."""
    url: str
    """Where replicas reach the home."""
    token: str
    callers: str
    """The token of callers, for whoever may read the Secret."""
    options: DeployOptions
    request_seconds: float = DEFAULT_SECONDS
    """That a request of the endpoint may take."""

    @property
    def grace(self) -> int:
        """Seconds from SIGTERM until the engine kills a replica."""
        return grace_seconds(self.request_seconds)


def manifests(what: Described, autoscaling: str = "v2") -> list[dict[str, Any]]:
    """Secret, Deployment, Service, and the autoscaler where replicas may become more, in a version of its API: v2, or
    v1 for clusters that have none later."""
    found = [_secret(what), _deployment(what), _service(what)]
    return [*found, _autoscaler(what, autoscaling)] if what.options.most > what.options.replicas else found


def as_yaml(objects: list[dict[str, Any]]) -> str:
    """For people and for kubectl."""
    import yaml

    return "".join(f"---\n{yaml.safe_dump(entry, sort_keys=False)}" for entry in objects)  # one by one: no anchors


def _labels(what: Described) -> dict[str, str]:
    return {
        "app.kubernetes.io/name": "mlbox-endpoint",
        "app.kubernetes.io/instance": what.name,
        "app.kubernetes.io/managed-by": "mlbox",
        "mlbox.home": what.home,
    }


def _metadata(what: Described) -> dict[str, Any]:
    return {
        "name": what.name,
        "namespace": what.namespace,
        "labels": _labels(what),
        "annotations": {"mlbox/endpoint": what.endpoint},
    }


def _selector(what: Described) -> dict[str, str]:
    return {"app.kubernetes.io/name": "mlbox-endpoint", "app.kubernetes.io/instance": what.name}


def _secret(what: Described) -> dict[str, Any]:
    tokens: Mapping[str, str] = {"replica-token": what.token, "callers-token": what.callers}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": _metadata(what),
        "type": "Opaque",
        "data": {name: base64.b64encode(value.encode()).decode() for name, value in tokens.items()},
    }


def _deployment(what: Described) -> dict[str, Any]:
    scaled = what.options.most > what.options.replicas
    spec: dict[str, Any] = {} if scaled else {"replicas": what.options.replicas}
    spec |= {
        "selector": {"matchLabels": _selector(what)},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
        "template": {
            "metadata": {
                "labels": _labels(what),
                "annotations": {"mlbox/endpoint": what.endpoint, "mlbox/bundle": what.version},
            },
            "spec": {
                "automountServiceAccountToken": False,
                "enableServiceLinks": False,
                "terminationGracePeriodSeconds": what.grace,
                "containers": [_container(what)],
                "volumes": [{"name": "home", "emptyDir": {}}],
            },
        },
    }
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": _metadata(what), "spec": spec}


def _container(what: Described) -> dict[str, Any]:
    resources = {"cpu": f"{round(what.options.cpu * 1000)}m", "memory": what.options.memory_quantity}
    token = {"secretKeyRef": {"name": what.name, "key": "replica-token"}}
    return {
        "name": "replica",
        "image": what.options.image,
        "imagePullPolicy": "IfNotPresent",
        "command": replica_command(),
        "env": [
            *({"name": name, "value": value} for name, value in variables(what).items()),
            {"name": "MLBOX_REPLICA_TOKEN", "valueFrom": token},
        ],
        "ports": [{"name": "http", "containerPort": PORT}],
        "resources": {"requests": resources, "limits": dict(resources)},
        "startupProbe": {**_probe("ready"), "periodSeconds": 2, "failureThreshold": 150},
        "readinessProbe": {**_probe("ready"), "periodSeconds": 5, "failureThreshold": 2},
        "livenessProbe": {**_probe("live"), "periodSeconds": 10, "failureThreshold": 6},
        "securityContext": {"allowPrivilegeEscalation": False},
        "volumeMounts": [{"name": "home", "mountPath": "/mlbox"}],
    }


def replica_command() -> list[str]:
    """What a container of the image runs."""
    return ["mlbox", "--home", "/mlbox/replica", "replica", "--host", "0.0.0.0", "--port", str(PORT)]


def front_command(name: str) -> list[str]:
    """What the container before several of them runs; ``name`` stands for all of them."""
    return ["mlbox", "replica", "--before", name, "--host", "0.0.0.0", "--port", str(PORT)]


def variables(what: Described) -> dict[str, str]:
    """What a replica is told in its environment, its token aside."""
    return {
        "HOME": "/mlbox",
        "MLBOX_REPLICA_URL": what.url,
        "MLBOX_REPLICA_OF": what.deployment,
        "MLBOX_REPLICA_VERSION": what.version,
    }


def _probe(kind: str) -> dict[str, Any]:
    return {"httpGet": {"path": f"/v2/health/{kind}", "port": "http"}, "timeoutSeconds": 5}


def _service(what: Described) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(what),
        "spec": {
            "selector": _selector(what),
            "ports": [{"name": "http", "port": what.options.port or PORT, "targetPort": "http"}],
        },
    }


def _autoscaler(what: Described, version: str) -> dict[str, Any]:
    target = {"type": "Utilization", "averageUtilization": PROCESSOR_PERCENT}
    spec: dict[str, Any] = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": what.name},
        "minReplicas": what.options.replicas,
        "maxReplicas": what.options.most,
    }
    if version == "v1":
        spec["targetCPUUtilizationPercentage"] = PROCESSOR_PERCENT
    else:
        spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    return {
        "apiVersion": f"autoscaling/{version}",
        "kind": "HorizontalPodAutoscaler",
        "metadata": _metadata(what),
        "spec": spec,
    }
