"""Replicas on a Kubernetes cluster: Deployment, Service, autoscaler, and the Secret of their tokens."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from mlbox.base.errors import Invalid
from mlbox.engine.runs.executors.kubernetes_cluster import SECONDS, Cluster, is_missing, told
from mlbox.serve.deploy.base import Rolled
from mlbox.serve.deploy.manifests import PORT, Described, manifests
from mlbox.serve.deploy.pods import Pods, hint_for

if TYPE_CHECKING:
    from mlbox.base.settings import Settings
    from mlbox.engine.catalog.tables.deployments import DeploymentRow
    from mlbox.serve.deploy.options import DeployOptions

_KINDS = {
    "Secret": ("core", "secret"),
    "Deployment": ("apps", "deployment"),
    "Service": ("core", "service"),
    "HorizontalPodAutoscaler": ("autoscaling", "horizontal_pod_autoscaler"),
}
"""Kind → the API that has it, and its noun there. In the order in which they are made."""

_SCALER = "HorizontalPodAutoscaler"
_SCALING = ("v2", "v1")
"""Versions of the autoscaler that we write, the better one first."""

_SHORT_SECONDS = 3.0
_RESTORE_SECONDS = 60.0


class KubernetesTarget:
    """See ``Target``."""

    name = "kubernetes"

    def __init__(self, settings: Settings) -> None:
        self._cluster = Cluster(settings)
        self._pods = Pods(self._cluster)
        self._known_scaling: str | None = None

    def place(self, options: DeployOptions) -> str:
        """The namespace, of a cluster that answers."""
        with told("asking whether it is there", self._cluster):
            self._known_scaling = None  # a cluster that was there once may be gone, or be a newer one
            self._scaling()
            return options.namespace or self._cluster.namespace()

    def objects(self, what: Described) -> list[dict[str, Any]]:
        """The manifests; where the cluster does not answer, as a newer one takes them."""
        version = _SCALING[0]
        with suppress(Exception):
            version = self._scaling(_SHORT_SECONDS)
        return manifests(what, version)

    def roll(self, what: Described, seconds: float) -> Rolled:
        """A rolling update; a Deployment that answered before is put back when the new one does not."""
        with told(f"applying {what.name}", self._cluster):
            version = self._scaling()
            if what.options.most > what.options.replicas and version not in _SCALING:
                raise Invalid(
                    "the cluster has no autoscaling/v1 or v2, which max_replicas needs", hint="leave max_replicas out"
                )
            before = self._read("Deployment", what)
            scaler = self._read(_SCALER, what)
            made = manifests(what, version)
            for entry in made:
                self._put(entry, what)
            if all(entry["kind"] != _SCALER for entry in made):
                self._delete(_SCALER, what.name, what.namespace)
        address = f"http://{what.name}.{what.namespace}.svc:{what.options.port or PORT}"
        problem = self._ready(what, seconds)
        hint = hint_for(problem, what.options.image, what.namespace)
        answered = before is not None and (before.get("status") or {}).get("readyReplicas")
        if problem and answered:
            with told(f"putting {what.name} back", self._cluster):
                self._put_back(before, scaler, what)
            self._ready(what, _RESTORE_SECONDS)
            return Rolled(address, problem, restored=True, hint=hint)
        return Rolled(address, problem, hint=hint)

    def warnings(self, what: Described) -> list[str]:
        """An autoscaler that has nothing to go by."""
        if what.options.most == what.options.replicas:
            return []
        with suppress(Exception):
            if not self._cluster.versions("metrics.k8s.io", _SHORT_SECONDS):
                return ["the cluster has no metrics server (metrics.k8s.io): until it has, replicas do not become more"]
        return []

    def check(self, seconds: float) -> None:
        """See ``Target``."""
        with told("asking whether it is there", self._cluster):
            self._cluster.versions("apps", seconds)

    def left(self, row: DeploymentRow) -> str:
        """By the label that all of its objects have."""
        kinds = "deployment,service,secret,horizontalpodautoscaler"
        return f"kubectl delete {kinds} -n {row.place} -l app.kubernetes.io/instance={row.name}"

    def remove(self, row: DeploymentRow) -> list[str]:
        """All objects. Returns when the pods are gone, which hand in what they have recorded before."""
        with told(f"removing {row.name}", self._cluster):
            grace = self._pods.grace(row.name, row.place)
            gone = [kind for kind in reversed(_KINDS) if self._delete(kind, row.name, row.place)]
            give_up = time.monotonic() + grace + SECONDS
            while self._pods.of(row.name, row.place) and time.monotonic() < give_up:
                time.sleep(0.5)
        return gone

    def _ready(self, what: Described, seconds: float) -> str:
        """By the status of the Deployment: all replicas are of this version, and ready. Why not, or nothing; at once
        where waiting cannot help."""
        give_up = time.monotonic() + seconds
        with told(f"waiting for {what.name}", self._cluster):
            while True:
                found = self._call("Deployment", "read", what.name, what.namespace)
                status, wanted = found.status, found.spec.replicas
                seen = (status.observed_generation or 0) >= found.metadata.generation
                counts = (status.updated_replicas, status.ready_replicas, status.replicas)
                if seen and all((count or 0) == wanted for count in counts):
                    return ""
                revision = (found.metadata.annotations or {}).get("deployment.kubernetes.io/revision", "")
                newest = self._pods.newest(what.name, what.namespace, revision)
                hopeless = self._pods.hopeless(what.name, what.namespace, newest) if seen else ""
                if hopeless or time.monotonic() > give_up:
                    after = "" if hopeless else f" after {seconds:g} s"
                    told_by = self._pods.reasons(what.name, what.namespace, newest, hopeless)
                    started = f"{status.updated_replicas or 0} of {wanted} new replicas were started"
                    return f"{started}, not all are ready{after}{told_by}"
                time.sleep(0.5)

    def _scaling(self, seconds: float = SECONDS) -> str:
        """The version of the autoscaler's API; empty: none that we write."""
        if self._known_scaling is None:
            known = self._cluster.versions("autoscaling", seconds)
            self._known_scaling = next((version for version in _SCALING if version in known), "")
        return self._known_scaling

    def _read(self, kind: str, what: Described) -> dict[str, Any] | None:
        """As the cluster has it, in its own words."""
        try:
            found = self._call(kind, "read", what.name, what.namespace)
        except Exception as error:
            if not is_missing(error):
                raise
            return None
        plain: dict[str, Any] = self._cluster.plain(found)
        return plain

    def _put_back(self, before: dict[str, Any] | None, scaler: dict[str, Any] | None, what: Described) -> None:
        for kind, known in (("Deployment", before), (_SCALER, scaler)):
            if known is None:
                self._delete(kind, what.name, what.namespace)
                continue
            kept = {key: known["metadata"].get(key) for key in ("name", "namespace", "labels", "annotations")}
            body = {"apiVersion": known.get("apiVersion"), "kind": kind, "metadata": kept, "spec": known["spec"]}
            self._call(kind, "replace", what.name, what.namespace, body)

    def _put(self, entry: dict[str, Any], what: Described) -> None:
        kind = entry["kind"]
        try:
            self._call(kind, "patch", what.name, what.namespace, entry)
        except Exception as error:
            if not is_missing(error):
                raise
            if kind == "Deployment":  # the autoscaler has the number, once there is one to change
                entry = {**entry, "spec": {"replicas": what.options.replicas, **entry["spec"]}}
            self._create(entry, what)

    def _create(self, entry: dict[str, Any], what: Described) -> None:
        try:
            self._call(entry["kind"], "create", what.namespace, entry)
        except Exception as error:
            if not is_missing(error):
                raise
            raise Invalid(
                f"the cluster has no namespace {what.namespace!r}, or no {entry['kind']} of {entry['apiVersion']}",
                hint=f"kubectl create namespace {what.namespace}",
            ) from None

    def _delete(self, kind: str, name: str, namespace: str) -> bool:
        try:
            self._call(kind, "delete", name, namespace, _preload_content=False)  # clusters differ in what they answer
        except Exception as error:
            if not is_missing(error):
                raise
            return False
        return True

    def _call(self, kind: str, verb: str, *arguments: Any, **more: Any) -> Any:
        api, noun = _KINDS[kind]
        if kind == _SCALER:
            api = f"{api}/{self._scaling() or _SCALING[-1]}"
        method = getattr(self._cluster.api(api), f"{verb}_namespaced_{noun}")
        return method(*arguments, _request_timeout=SECONDS, **more)
