"""What ``WITH (..)`` of a function may say to the Kubernetes executor, and the pod that comes of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mlbox.base.errors import Invalid
from mlbox.base.suggest import did_you_mean
from mlbox.engine.runs.commands import Resources
from mlbox.engine.runs.executors.options import read_options

_OF_POD = frozenset({"fsGroup", "fsGroupChangePolicy", "supplementalGroups", "sysctls"})
"""Of a security context: what only pods have, and what containers have."""
_OF_CONTAINER = frozenset(
    "allowPrivilegeEscalation appArmorProfile capabilities privileged procMount readOnlyRootFilesystem runAsGroup "
    "runAsNonRoot runAsUser seLinuxOptions seccompProfile".split()
)
_AFFINITIES = frozenset({"nodeAffinity", "podAffinity", "podAntiAffinity"})
_VOLUME = re.compile(r"(pvc|secret|configmap|host|empty):([^:]*):(/[^:]*)(:ro)?\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class KubernetesOptions:
    """Read with :meth:`read`."""

    namespace: str = ""
    """Where the Job is made; the setting, else that of the context."""
    service_account: str = ""
    node_selector: Mapping[str, Any] = field(default_factory=dict)
    """``{'disk': 'ssd'}``"""
    tolerations: tuple[Mapping[str, Any], ...] = ()
    """``[{'key': 'gpu', 'operator': 'Exists', 'effect': 'NoSchedule'}]``"""
    volumes: tuple[str, ...] = ()
    """``'pvc:claim:/data'``, the same with secret, configmap, ``host`` (a folder), ``empty``; ``:ro`` reads only."""
    image_pull_secrets: tuple[str, ...] = ()
    env_secrets: tuple[str, ...] = ()
    """Secrets of the cluster whose entries become environment variables."""
    priority_class: str = ""
    annotations: Mapping[str, Any] = field(default_factory=dict)
    security_context: Mapping[str, Any] = field(default_factory=dict)
    """``{'runAsNonRoot': true, 'runAsUser': 1000, 'fsGroup': 1000}``, in Kubernetes' own words."""
    affinity: Mapping[str, Any] = field(default_factory=dict)
    """``{'nodeAffinity': {..}}``, in Kubernetes' own words."""

    @classmethod
    def read(cls, options: Mapping[str, Any]) -> KubernetesOptions:
        """Raises ``Invalid`` for what it does not know."""
        found = read_options(cls, "kubernetes", options)
        for volume in found.volumes:
            if not _VOLUME.match(volume):
                hint = "kind:name:/inside[:ro]; kinds: pvc, secret, configmap, host, empty"
                raise Invalid(f"{volume!r} is not a volume", hint=hint).of_option("volumes")
        for kind, names, known in (
            ("security_context", found.security_context, _OF_POD | _OF_CONTAINER),
            ("affinity", found.affinity, _AFFINITIES),
        ):
            for name in names:
                if name not in known:  # the cluster would drop it without a word
                    near = did_you_mean(name, known) or ", ".join(sorted(known))
                    raise Invalid(f"{kind} has no {name!r}", hint=near).of_option(kind)
        return found

    def pod(self, container: dict[str, Any]) -> dict[str, Any]:
        """The pod's specification around its only container."""
        names = [{"name": name} for name in self.image_pull_secrets]
        mounts, volumes = self._volumes()
        sources = [{"secretRef": {"name": name}} for name in self.env_secrets]
        spec: dict[str, Any] = {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 5,
            "automountServiceAccountToken": bool(self.service_account),
            "enableServiceLinks": False,
            "containers": [{**container, "volumeMounts": mounts, "envFrom": [*sources, *container["envFrom"]]}],
            "volumes": volumes,
            "imagePullSecrets": names,
            "nodeSelector": {key: str(value) for key, value in self.node_selector.items()},
            "tolerations": [dict(entry) for entry in self.tolerations],
        }
        if self.service_account:
            spec["serviceAccountName"] = self.service_account
        if self.affinity:
            spec["affinity"] = dict(self.affinity)
        context = self.security_context
        spec["securityContext"] = {name: value for name, value in context.items() if name in _OF_POD}
        own = {name: value for name, value in context.items() if name in _OF_CONTAINER}
        if own:
            kept = spec["containers"][0]
            kept["securityContext"] = {**kept.get("securityContext", {}), **own}
        if self.priority_class:
            spec["priorityClassName"] = self.priority_class
        return spec

    def _volumes(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        mounts, volumes = [], []
        for number, text in enumerate(self.volumes):
            match = _VOLUME.match(text)
            assert match is not None
            kind, source, path, only_read = match.groups()
            sources: dict[str, dict[str, Any]] = {
                "pvc": {"persistentVolumeClaim": {"claimName": source}},
                "secret": {"secret": {"secretName": source}},
                "configmap": {"configMap": {"name": source}},
                "host": {"hostPath": {"path": source}},
                "empty": {"emptyDir": {}},
            }
            volumes.append({"name": f"volume-{number}", **sources[kind]})
            mounts.append({"name": f"volume-{number}", "mountPath": path, "readOnly": bool(only_read)})
        return mounts, volumes


def resources(asked: Resources) -> dict[str, Any]:
    """Requests and limits of the container: the same, so that what was promised is there."""
    found: dict[str, str] = {}
    if asked.cpu:
        found["cpu"] = f"{round(asked.cpu * 1000)}m"
    if asked.memory:
        found["memory"] = str(asked.memory)
    if asked.gpu:
        found["nvidia.com/gpu"] = str(asked.gpu)
    return {"requests": found, "limits": found}
