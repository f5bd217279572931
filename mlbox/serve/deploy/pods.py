"""What pods and the cluster's events say about a deployment that does not become ready."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from mlbox.engine.runs.executors.kubernetes_cluster import SECONDS

if TYPE_CHECKING:
    from mlbox.engine.runs.executors.kubernetes_cluster import Cluster

HOPELESS = frozenset(
    {"InvalidImageName", "ErrImageNeverPull", "ImagePullBackOff", "CreateContainerConfigError", "RunContainerError"}
)
"""Reasons of a waiting container that do not go away by waiting."""

_NO_IMAGE = re.compile("InvalidImageName|ErrImage|ImagePull|Failed to pull image")

RESTARTS = 2
"""So often a container may end by itself before it is given up."""

_LINES = 5
_NOISE = frozenset({"BackOff", "Unhealthy", "MissingClusterDNS"})
_MOST_EVENTS = 4


class Pods:
    """Of one cluster; to be used inside ``told``."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def of(self, name: str, namespace: str) -> list[Any]:
        """The pods of a deployment."""
        label = f"app.kubernetes.io/instance={name}"
        found = self._cluster.core().list_namespaced_pod(namespace, label_selector=label, _request_timeout=SECONDS)
        return list(found.items)

    def grace(self, name: str, namespace: str) -> float:
        """Seconds that they have at most from SIGTERM to their end."""
        given = [pod.spec.termination_grace_period_seconds or 0 for pod in self.of(name, namespace)]
        return float(max(given, default=0))

    def newest(self, name: str, namespace: str, revision: str) -> str:
        """Name of the replica set of a revision, with which the names of its pods begin; that of the deployment while
        there is none yet."""
        label = f"app.kubernetes.io/instance={name}"
        found = self._cluster.api("apps").list_namespaced_replica_set(
            namespace, label_selector=label, _request_timeout=SECONDS
        )
        for each in found.items:
            if (each.metadata.annotations or {}).get("deployment.kubernetes.io/revision") == revision:
                return str(each.metadata.name)
        return name

    def hopeless(self, name: str, namespace: str, newest: str) -> str:
        """Why waiting for the pods of a replica set cannot help; empty: it may."""
        for pod in self._of_set(name, namespace, newest):
            for status in pod.status.container_statuses or ():
                waiting = status.state.waiting
                if waiting is not None and waiting.reason in HOPELESS:
                    return _said(waiting.reason, waiting.message)
                if not status.ready and status.restart_count >= RESTARTS:
                    return f"it ends by itself, {status.restart_count} times so far"
        return ""

    def reasons(self, name: str, namespace: str, newest: str, first: str = "") -> str:
        """What is known of why, to stand behind a sentence: states, events, and the end of what was printed."""
        found = [first] if first else []
        with suppress(Exception):  # only an explanation
            for pod in self._of_set(name, namespace, newest):
                if not _is_ready(pod):
                    found += self._of_pod(pod, namespace)
            found += self._events(newest, namespace)
        return f": {'; '.join(dict.fromkeys(found))}" if found else ""

    def _of_set(self, name: str, namespace: str, newest: str) -> list[Any]:
        pods = self.of(name, namespace)
        return [pod for pod in pods if pod.metadata.name.startswith(newest) and pod.metadata.deletion_timestamp is None]

    def _of_pod(self, pod: Any, namespace: str) -> Iterable[str]:
        for status in pod.status.container_statuses or ():
            waiting, ended = status.state.waiting, status.last_state.terminated or status.state.terminated
            if waiting is not None and waiting.reason:
                yield _said(waiting.reason, waiting.message)
            if ended is not None:
                why = f" ({ended.reason})" if ended.reason and ended.reason != "Error" else ""
                yield f"a replica ended with {ended.exit_code}{why}"
                if printed := self._printed(pod.metadata.name, namespace, again=status.state.terminated is None):
                    yield f"it printed: {printed}"
        yield from (each.message for each in pod.status.conditions or () if each.reason == "Unschedulable")

    def _printed(self, pod: str, namespace: str, *, again: bool) -> str:
        with suppress(Exception):  # the log may be gone
            text = self._cluster.core().read_namespaced_pod_log(
                pod, namespace, previous=again, tail_lines=_LINES, _request_timeout=SECONDS
            )
            return " | ".join(str(text).strip().splitlines())[-600:]
        return ""

    def _events(self, newest: str, namespace: str) -> list[str]:
        """Warnings about a replica set and its pods, the latest ones."""
        found = self._cluster.core().list_namespaced_event(
            namespace, field_selector="type=Warning", _request_timeout=SECONDS
        )
        about = [each for each in found.items if str(each.involved_object.name).startswith(newest)]
        about.sort(key=lambda each: str(each.last_timestamp or each.event_time or ""))
        told = [_said(each.reason, each.message) for each in about if each.reason not in _NOISE]
        return list(dict.fromkeys(told))[-_MOST_EVENTS:]


def hint_for(problem: str, image: str, namespace: str) -> str:
    """What mends it, where that is clear."""
    if _NO_IMAGE.search(problem) is None:
        return ""
    return (
        f"the nodes have no {image!r} and cannot pull it: name an image that they can with WITH (image = '..') or the "
        f"setting serving_image; for a registry that asks who one is, give the service account default of {namespace} "
        "an imagePullSecret"
    )


def _is_ready(pod: Any) -> bool:
    return any(each.type == "Ready" and each.status == "True" for each in pod.status.conditions or ())


def _said(reason: str | None, message: str | None) -> str:
    text = f"{reason or ''} {' '.join((message or '').split())}".strip()
    return text if len(text) <= 400 else f"{text[:400]}…"
