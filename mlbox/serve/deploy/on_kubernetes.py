"""Replicas on a Kubernetes cluster: Deployment, Service, autoscaler, and the Secret of their tokens."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from mlbox.base.errors import Invalid
from mlbox.engine.runs.executors.kubernetes_cluster import SECONDS, Cluster, is_missing, told
from mlbox.serve.deploy.manifests import GRACE_SECONDS, PORT, Described, manifests

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


class KubernetesTarget:
    """See ``Target``."""

    name = "kubernetes"

    def __init__(self, settings: Settings) -> None:
        self._cluster = Cluster(settings)

    def place(self, options: DeployOptions) -> str:
        """The namespace, which must be there."""
        namespace = options.namespace or self._cluster.namespace()
        return namespace

    def objects(self, what: Described) -> list[dict[str, Any]]:
        """The manifests."""
        return manifests(what)

    def apply(self, what: Described) -> str:
        """Make or change each object; an autoscaler that is wanted no more goes."""
        made = manifests(what)
        with told(f"applying {what.name}", self._cluster):
            for entry in made:
                self._put(entry, what)
            if all(entry["kind"] != "HorizontalPodAutoscaler" for entry in made):
                self._delete("HorizontalPodAutoscaler", what.name, what.namespace)
        return f"http://{what.name}.{what.namespace}.svc:{what.options.port or PORT}"

    def ready(self, what: Described, seconds: float) -> str:
        """By the status of the Deployment: all replicas are of this version, and ready."""
        give_up = time.monotonic() + seconds
        with told(f"waiting for {what.name}", self._cluster):
            while True:
                found = self._call("Deployment", "read", what.name, what.namespace)
                status, wanted = found.status, found.spec.replicas
                seen = (status.observed_generation or 0) >= found.metadata.generation
                counts = (status.updated_replicas, status.ready_replicas, status.replicas)
                if seen and all((count or 0) == wanted for count in counts):
                    return ""
                if time.monotonic() > give_up:
                    told_by = self._why(what)
                    return f"{status.ready_replicas or 0} of {wanted} replicas are ready after {seconds:g} s{told_by}"
                time.sleep(0.5)

    def remove(self, row: DeploymentRow) -> list[str]:
        """All objects. Returns when the pods are gone, which hand in what they have recorded before."""
        with told(f"removing {row.name}", self._cluster):
            gone = [kind for kind in reversed(_KINDS) if self._delete(kind, row.name, row.place)]
            give_up = time.monotonic() + GRACE_SECONDS + SECONDS
            while self._pods(row.name, row.place) and time.monotonic() < give_up:
                time.sleep(0.5)
        return gone

    def _pods(self, name: str, namespace: str) -> list[Any]:
        label = f"app.kubernetes.io/instance={name}"
        found = self._cluster.core().list_namespaced_pod(namespace, label_selector=label, _request_timeout=SECONDS)
        return list(found.items)

    def _put(self, entry: dict[str, Any], what: Described) -> None:
        kind = entry["kind"]
        try:
            self._call(kind, "patch", what.name, what.namespace, entry)
        except Exception as error:
            if not is_missing(error):
                raise
            self._create(entry, what)

    def _create(self, entry: dict[str, Any], what: Described) -> None:
        try:
            self._call(entry["kind"], "create", what.namespace, entry)
        except Exception as error:
            if not is_missing(error):
                raise
            raise Invalid(
                f"the cluster has no namespace {what.namespace!r}, or no {entry['kind']} of {entry['apiVersion']}",
                hint="make the namespace first; the autoscaler (max_replicas) needs Kubernetes 1.23 or later",
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
        method = getattr(self._cluster.api(api), f"{verb}_namespaced_{noun}")
        return method(*arguments, _request_timeout=SECONDS, **more)

    def _why(self, what: Described) -> str:
        """What the pods say of themselves."""
        reasons: list[str] = []
        with suppress(Exception):  # only an explanation
            for pod in self._pods(what.name, what.namespace):
                for status in pod.status.container_statuses or ():
                    waiting, ended = status.state.waiting, status.last_state.terminated
                    if waiting is not None and waiting.reason:
                        reasons.append(f"{waiting.reason} {waiting.message or ''}".strip())
                    if ended is not None:
                        reasons.append(f"ended with {ended.exit_code}")
                reasons += [each.message for each in pod.status.conditions or () if each.reason == "Unschedulable"]
        return f": {'; '.join(dict.fromkeys(reasons))}" if reasons else ""
