"""The connection to a Kubernetes cluster, and its errors in our words."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mlbox.base.errors import Invalid, MlboxError, Unavailable

if TYPE_CHECKING:
    from mlbox.base.settings import Settings

SECONDS = 30
"""Longest time a request may take."""


class Cluster:
    """A cluster, connected to when it is first used: the settings, else ``KUBECONFIG``, else the pod that we are in."""

    def __init__(self, settings: Settings) -> None:
        self._file = settings.kubernetes_config
        self._context = settings.kubernetes_context
        self._namespace = settings.kubernetes_namespace
        self._client: Any = None
        self._lock = threading.Lock()

    @property
    def tried(self) -> str:
        """What is connected to, for people."""
        if self._client is not None:
            return str(self._client.configuration.host)
        return self._file or os.environ.get("KUBECONFIG") or "~/.kube/config"

    def core(self) -> Any:
        """``CoreV1Api``; to be used inside ``told``."""
        from kubernetes import client

        return client.CoreV1Api(self._connected())

    def batch(self) -> Any:
        """``BatchV1Api``."""
        from kubernetes import client

        return client.BatchV1Api(self._connected())

    def api(self, name: str) -> Any:
        """An API by its name: core, apps, or autoscaling with its version."""
        from kubernetes import client

        apis = {
            "core": client.CoreV1Api,
            "apps": client.AppsV1Api,
            "autoscaling/v1": client.AutoscalingV1Api,
            "autoscaling/v2": client.AutoscalingV2Api,
        }
        return apis[name](self._connected())

    def versions(self, group: str, seconds: float = SECONDS) -> list[str]:
        """Versions of an API group that the cluster has, the one that it prefers first; empty: it has no such group."""
        from kubernetes import client

        found = client.ApisApi(self._connected()).get_api_versions(_request_timeout=seconds)
        for each in found.groups:
            if each.name == group:
                first = each.preferred_version.version
                return [first, *(one.version for one in each.versions if one.version != first)]
        return []

    def plain(self, found: Any) -> Any:
        """An answer of the cluster as its JSON was."""
        return self._connected().sanitize_for_serialization(found)

    def namespace(self) -> str:
        """The setting, else that of the context, else ``default``."""
        self._connected()
        return self._namespace

    def host(self) -> str:
        """Address of the API server."""
        return str(self._connected().configuration.host)

    def _connected(self) -> Any:
        with self._lock:
            if self._client is None:
                self._client = self._connect()
            return self._client

    def _connect(self) -> Any:
        try:
            from kubernetes import client, config
        except ImportError:
            raise Unavailable(
                "runs on kubernetes need the Python package kubernetes, which is not installed",
                hint="install mlbox[kubernetes]",
            ) from None
        settings = client.Configuration()
        settings.retries = 0
        hint = "say where the cluster is with KUBECONFIG or the setting kubernetes_config"
        try:
            if not self._file and os.environ.get("KUBERNETES_SERVICE_HOST") and not os.environ.get("KUBECONFIG"):
                config.load_incluster_config(client_configuration=settings)
                place = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"
                with open(place, encoding="utf-8") as file:
                    self._namespace = self._namespace or file.read().strip()
            else:
                file_name, context = self._file or None, self._context or None
                config.load_kube_config(file_name, context, client_configuration=settings)
                if not self._namespace:
                    contexts, active = config.list_kube_config_contexts(file_name)
                    chosen = next((entry for entry in contexts if entry["name"] == context), active)
                    self._namespace = chosen["context"].get("namespace", "")
        except (config.ConfigException, OSError) as error:
            raise Unavailable(f"no cluster is configured ({self.tried}): {error}", hint=hint) from None
        self._namespace = self._namespace or "default"
        if not settings.verify_ssl:  # so the user's configuration has it; once is enough, not with every request
            import urllib3

            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        return client.ApiClient(settings)


@contextmanager
def told(what: str, cluster: Cluster) -> Iterator[None]:
    """Errors of the cluster in our words; what is not there stays an ``ApiException``, for ``is_missing``."""
    try:
        yield
    except MlboxError:
        raise
    except Exception as error:
        if is_missing(error):
            raise
        raise _our_words(what, cluster, error) from None


def is_missing(error: BaseException) -> bool:
    """Whether the cluster said that there is no such thing."""
    return getattr(error, "status", None) == 404 and type(error).__module__.startswith("kubernetes.")


def _our_words(what: str, cluster: Cluster, error: Exception) -> Exception:
    module = type(error).__module__.partition(".")[0]
    if module not in ("kubernetes", "urllib3") and not isinstance(error, OSError):
        return error
    status = getattr(error, "status", None)
    if not status:
        return Unavailable(
            f"the cluster at {cluster.tried} does not answer ({what}): {getattr(error, 'reason', None) or error}",
            hint="say where it is with KUBECONFIG or the setting kubernetes_config",
        )
    try:
        message = str(json.loads(getattr(error, "body", "") or "{}").get("message") or error)
    except ValueError:
        message = str(error)
    text = f"the cluster refused ({what}): {message}"
    return Unavailable(text) if status >= 500 or status == 429 else Invalid(text)
