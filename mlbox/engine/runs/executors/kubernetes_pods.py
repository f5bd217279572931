"""What a Job and its pod say about a run."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlbox.engine.runs.executors.base import Handle
from mlbox.engine.runs.executors.endings import out_of_memory, read_json, without_report
from mlbox.engine.runs.executors.kubernetes_cluster import SECONDS, Cluster, is_missing

TERMINATION_FILE = "/dev/termination-log"
"""Where the run leaves word how it ended; the cluster keeps 4 KiB of it."""

_HOPELESS = frozenset(
    {"InvalidImageName", "ErrImageNeverPull", "ImagePullBackOff", "CreateContainerConfigError", "CreateContainerError"}
)


@dataclass(frozen=True, slots=True)
class Seen:
    """One look. ``report`` is how it ended (None: it has not); ``reason`` why it has not started."""

    known: bool
    pod: str | None = None
    started: bool = False
    reason: str | None = None
    report: dict[str, Any] | None = None


def look(cluster: Cluster, handle: Handle) -> Seen:
    """Ask for Job and pod."""
    namespace, name = handle["namespace"], handle["job"]
    pods = cluster.core().list_namespaced_pod(namespace, label_selector=f"job-name={name}", _request_timeout=SECONDS)
    if pods.items:
        return _of_pod(cluster, handle, pods.items[-1])
    try:
        job = cluster.batch().read_namespaced_job(name, namespace, _request_timeout=SECONDS)
    except Exception as error:
        if not is_missing(error):
            raise
        gone = without_report(None) | {"reason": "its Job was deleted from outside"}
        return Seen(known=(Path(handle["folder"]) / "stop.json").exists(), report=gone)
    for condition in job.status.conditions or ():
        if condition.type == "Failed" and condition.status == "True":
            reason = f"its Job failed: {condition.message or condition.reason}"
            return Seen(True, report=without_report(None) | {"reason": reason})
    return Seen(True, reason=_events(cluster, namespace, name) or "waiting for its pod")


def _of_pod(cluster: Cluster, handle: Handle, pod: Any) -> Seen:
    name = pod.metadata.name
    status = next(iter(pod.status.container_statuses or ()), None)
    state = status.state if status is not None else None
    if state is not None and state.terminated is not None:
        return Seen(True, name, True, report=_report(handle, state.terminated))
    if pod.status.phase in ("Failed", "Succeeded"):
        reason = f"its pod failed: {pod.status.message or pod.status.reason or 'the cluster does not say why'}"
        return Seen(True, name, False, report=_error(reason))
    if state is not None and state.running is not None:
        return Seen(True, name, True)
    if state is not None and state.waiting is not None and state.waiting.reason in _HOPELESS:
        if read_json(Path(handle["folder"]) / "stop.json") is None:
            told = _events(cluster, handle["namespace"], name, "Failed")
            return Seen(True, name, False, report=_error(f"{state.waiting.reason}: {told or state.waiting.message}"))
    return Seen(True, name, False, reason=_why_pending(pod) or _events(cluster, handle["namespace"], name))


def _why_pending(pod: Any) -> str | None:
    for condition in pod.status.conditions or ():
        if condition.type == "PodScheduled" and condition.status == "False":
            return f"{condition.reason}: {condition.message}"
    return None


def _events(cluster: Cluster, namespace: str, name: str, reason: str = "") -> str | None:
    """The latest warning about a thing."""
    selector = f"involvedObject.name={name},type=Warning" + (f",reason={reason}" if reason else "")
    events = cluster.core().list_namespaced_event(namespace, field_selector=selector, _request_timeout=SECONDS).items
    told = [event for event in events if event.message and not event.message.startswith("Error: ")]
    return f"{told[-1].reason}: {told[-1].message}" if told else None


def _report(handle: Handle, end: Any) -> dict[str, Any]:
    code = int(end.exit_code or 0)
    if end.reason == "OOMKilled":
        return out_of_memory(handle.get("memory"), code)
    try:
        said = json.loads(end.message or "")
    except ValueError:
        said = None
    if isinstance(said, dict) and "state" in said:
        return said
    if end.reason in ("ContainerCannotRun", "StartError"):
        return _error(f"the container did not run: {end.message}")
    if code == 0:
        return {"state": "completed", "exit_code": 0, "error": None}
    return without_report(128 - code if code > 128 else code)


def _error(reason: str) -> dict[str, Any]:
    return {"state": "error", "exit_code": None, "reason": reason, "error": {"type": "ProcessEnded", "message": reason}}
