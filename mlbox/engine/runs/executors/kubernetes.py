"""Runs as Jobs of a Kubernetes cluster, one pod each.

A pod has nothing of ours: it fetches the client, the code and the inputs from the run API, installs the requirements,
and calls home there. What keeps a pod from starting is told as the reason of the run. Variables, the token among them,
travel in a Secret that the Job owns.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mlbox.engine.runs.executors.addresses import is_ours, way_to
from mlbox.engine.runs.executors.base import EXECUTORS, Capabilities, Handle, LogSink, RunSpec, Status, Waste, Wish
from mlbox.engine.runs.executors.endings import ended, must_stop, note_stop, read_json, write_json
from mlbox.engine.runs.executors.following import Following
from mlbox.engine.runs.executors.kubernetes_cluster import SECONDS, Cluster, is_missing, told
from mlbox.engine.runs.executors.kubernetes_options import KubernetesOptions, resources
from mlbox.engine.runs.executors.kubernetes_pods import TERMINATION_FILE, look
from mlbox.engine.runs.executors.remote import COMMAND, install_variables, remote_variables
from mlbox.engine.runs.images import default_image

if TYPE_CHECKING:
    from mlbox.base.home import Home
    from mlbox.base.settings import Settings

GRACE_SECONDS = 5
_KEPT_SECONDS = 7 * 86_400
"""How long the cluster keeps an ended Job for a server that is away."""
_DELIVERY_SECONDS = "3600"
"""What a pod has logged is lost with it: it waits that long for a server that is away."""


class KubernetesExecutor:
    """Jobs, found again by name; their labels are ``mlbox-home``, ``mlbox-run`` and ``mlbox-attempt``."""

    name = "kubernetes"
    capabilities = Capabilities(memory_limit=True, cpu_limit=True, gpu=True, images=True, remote=True)
    options = KubernetesOptions

    def __init__(self, *, home: Home, settings: Settings) -> None:
        self._cluster = Cluster(settings)
        self._settings = settings
        self._label = hashlib.sha256(str(home.path).encode()).hexdigest()[:16]
        self._following = Following()

    def call_home_host(self) -> str:
        """The address of a node that is this machine, else our address on the way to the cluster."""
        with told("asking for nodes", self._cluster):
            server = urlsplit(self._cluster.host()).hostname or ""
            with suppress(Exception):  # nodes may be hidden from us: then the way to the server is what is known
                for node in self._cluster.core().list_node(_request_timeout=SECONDS).items:
                    for address in node.status.addresses:
                        if address.type == "InternalIP" and is_ours(address.address):
                            return str(address.address)
        return way_to(server)

    def foresee(self, wish: Wish) -> Sequence[tuple[str, str, str]]:
        """The image, and what the pod installs first."""
        KubernetesOptions.read(wish.options)
        detail = f"then install {', '.join(wish.requirements)}" if wish.requirements else ""
        return [("reuse", f"image {self._image(wish.image, wish.python)}", detail)]

    def submit(self, spec: RunSpec, sink: LogSink) -> Handle:
        """Make the Secret and the Job."""
        options = KubernetesOptions.read(spec.options)
        for leftover in ("end.json", "stop.json"):
            (spec.run_folder / leftover).unlink(missing_ok=True)
        name = f"mlbox-{spec.run_id}-{spec.attempt}"
        with told("making a Job", self._cluster):
            namespace = options.namespace or self._cluster.namespace()
            self._delete(namespace, name)  # of a server that was killed between start and record
            job = self._cluster.batch().create_namespaced_job(
                namespace, self._job(name, spec, options), _request_timeout=SECONDS
            )
            owner = {"apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": job.metadata.uid}
            self._cluster.core().create_namespaced_secret(
                namespace,
                {
                    "metadata": {"name": name, "ownerReferences": [owner], "labels": self._labels(spec)},
                    "stringData": self._variables(spec),
                },
                _request_timeout=SECONDS,
            )
        sink.write(f"job {namespace}/{name}\n")
        deadline = None if spec.timeout_seconds is None else time.time() + spec.timeout_seconds
        return {
            "job": name,
            "namespace": namespace,
            "folder": str(spec.run_folder),
            "deadline": deadline,
            "timeout_seconds": spec.timeout_seconds,
            "memory": spec.resources.memory,
        }

    def poll(self, handle: Handle) -> Status:
        """How it is now; while it does not start, why."""
        folder = Path(handle["folder"])
        report = read_json(folder / "end.json")
        if report is not None:
            return ended(handle, report, report.get("exit_code"))
        with told("asking for a Job", self._cluster):
            seen = look(self._cluster, handle)
        if seen.report is None:
            if must_stop(handle, GRACE_SECONDS):
                self._stop(handle)
            return Status("running", reason=seen.reason)
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "end.json", seen.report)
        return ended(handle, seen.report, seen.report.get("exit_code"))

    def logs(self, handle: Handle, offset: int) -> tuple[bytes, int]:
        """Output from ``offset`` on, as the cluster's log has it."""
        over = (Path(handle["folder"]) / "end.json").exists()

        def follow() -> Iterator[bytes] | None:
            seen = look(self._cluster, handle)
            return self._follow(handle["namespace"], seen.pod) if seen.pod is not None and seen.started else None

        with told("reading a pod's output", self._cluster):
            return self._following.read(handle["job"], offset, follow, ended=over)

    def cancel(self, handle: Handle) -> None:
        """Delete the Job with its pod; also when the run has ended."""
        if self.poll(handle).ended:
            self._following.forget(handle["job"])
        else:
            note_stop(Path(handle["folder"]), "cancelled")
        self._stop(handle)

    def reattach(self, handle: Handle) -> bool:
        """Whether the Job is there, or it is known how it ended."""
        if (Path(handle["folder"]) / "end.json").exists():
            return True
        with told("asking for a Job", self._cluster):
            return look(self._cluster, handle).known

    def waste(self, is_over: Callable[[str], bool], before: datetime) -> Iterator[Waste]:
        """Jobs of runs that are over."""
        with told("asking for Jobs", self._cluster):
            namespace = self._cluster.namespace()
            selector = f"mlbox-home={self._label}"
            jobs = self._cluster.batch().list_namespaced_job(
                namespace, label_selector=selector, _request_timeout=SECONDS
            )
        for job in jobs.items:
            run = job.metadata.labels.get("mlbox-run", "")
            if is_over(run):
                remove = partial(self._delete, namespace, job.metadata.name)
                yield Waste("job", f"{namespace}/{job.metadata.name}", "its run is over", 0, remove)

    def _image(self, image: str | None, python: str | None) -> str:
        return image or self._settings.kubernetes_image or default_image(python, self._settings.python)

    def _labels(self, spec: RunSpec) -> dict[str, str]:
        return {"mlbox-home": self._label, "mlbox-run": spec.run_id, "mlbox-attempt": str(spec.attempt)}

    def _variables(self, spec: RunSpec) -> dict[str, str]:
        variables = {
            "MLBOX_DELIVERY_SECONDS": _DELIVERY_SECONDS,
            **remote_variables(spec),
            **install_variables(spec, self._settings),
        }
        variables["MLBOX_TERMINATION_FILE"] = TERMINATION_FILE
        return variables

    def _job(self, name: str, spec: RunSpec, options: KubernetesOptions) -> dict[str, Any]:
        container = {
            "name": "run",
            "image": self._image(spec.image, spec.python),
            "imagePullPolicy": "IfNotPresent",
            "command": list(COMMAND),
            "envFrom": [{"secretRef": {"name": name}}],
            "resources": resources(spec.resources),
            "terminationMessagePath": TERMINATION_FILE,
            "securityContext": {"allowPrivilegeEscalation": False},
        }
        body: dict[str, Any] = {
            "backoffLimit": 0,
            "ttlSecondsAfterFinished": _KEPT_SECONDS,
            "template": {
                "metadata": {"labels": self._labels(spec), "annotations": _texts(options.annotations)},
                "spec": options.pod(container),
            },
        }
        return {"metadata": {"name": name, "labels": self._labels(spec)}, "spec": body}

    def _follow(self, namespace: str, pod: str) -> Iterator[bytes] | None:
        try:
            answer = self._cluster.core().read_namespaced_pod_log(
                pod, namespace, follow=True, _preload_content=False, _request_timeout=(SECONDS, 7 * 86_400)
            )
        except Exception as error:
            if getattr(error, "status", None) == 400:  # its container is coming or going just now
                return None
            raise
        stream: Iterator[bytes] = answer.stream(1 << 16)
        return stream

    def _stop(self, handle: Handle) -> None:
        with told("deleting a Job", self._cluster):
            self._delete(handle["namespace"], handle["job"])

    def _delete(self, namespace: str, name: str) -> None:
        try:
            self._cluster.batch().delete_namespaced_job(
                name, namespace, propagation_policy="Background", _request_timeout=SECONDS
            )
        except Exception as error:
            if not is_missing(error):
                raise
        # at once, rather than when the cluster collects what the Job leaves
        self._cluster.core().delete_collection_namespaced_pod(
            namespace, label_selector=f"job-name={name}", _request_timeout=SECONDS
        )


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    return {key: str(value) for key, value in values.items()}


EXECUTORS.add("kubernetes", KubernetesExecutor)
