"""The metrics API of a cluster that has no metrics server, for its autoscaler: ``metrics.k8s.io/v1beta1``.

It serves what the kubelets measure (their ``/stats/summary``), nothing else, on loopback by HTTPS; the API server of
a cluster of this machine alone reaches it there, by a Service that is a name.
"""

from __future__ import annotations

import json
import re
import ssl
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

GROUP, VERSION = "metrics.k8s.io", "v1beta1"
_NAME, _NAMESPACE = "mlbox-test-metrics", "kube-system"
_PATH = re.compile(rf"/apis/{GROUP}/{VERSION}(?:/namespaces/([^/]+))?/(pods|nodes)(?:/([^/]+))?\Z")
_WINDOW = "15s"
_SECONDS = 60


@contextmanager
def metrics(client: Any) -> Iterator[None]:
    """While inside, a cluster of this machine has metrics; one that has a metrics server keeps its own."""
    if has_metrics(client):
        yield
        return
    with tempfile.TemporaryDirectory(prefix="mlbox-metrics-") as folder:
        server = _Server(("127.0.0.1", 0), _Answer)
        server.cluster = client
        server.socket = _context(Path(folder)).wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
        try:
            _register(client, server.server_address[1])
            give_up = time.monotonic() + _SECONDS
            while not has_metrics(client):
                assert time.monotonic() < give_up, _registration(client)
                time.sleep(0.5)
            yield
        finally:
            _unregister(client)
            server.shutdown()
            server.server_close()


def has_metrics(client: Any) -> bool:
    """Whether the cluster answers for nodes."""
    from kubernetes import client as kube

    try:
        return bool(kube.CustomObjectsApi(client).list_cluster_custom_object(GROUP, VERSION, "nodes")["items"])
    except kube.ApiException:
        return False


class _Server(ThreadingHTTPServer):
    cluster: Any
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that ends early is nobody's failure."""


class _Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        """Discovery, pods or nodes."""
        parts = urlsplit(self.path)
        found = _PATH.match(parts.path.rstrip("/"))
        status, answer = 200, _resources()
        if found is not None:
            selector = parse_qs(parts.query).get("labelSelector", [""])[0]
            status, answer = _measured(self.server.cluster, found[1], found[2], found[3], selector)
        elif parts.path.rstrip("/") not in (f"/apis/{GROUP}/{VERSION}", f"/apis/{GROUP}", "/apis"):
            status, answer = 404, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404}
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing."""


def _resources() -> dict[str, Any]:
    kinds = (("nodes", False, "NodeMetrics"), ("pods", True, "PodMetrics"))
    resources = [
        {"name": name, "singularName": "", "namespaced": inside, "kind": kind, "verbs": ["get", "list"]}
        for name, inside, kind in kinds
    ]
    group = f"{GROUP}/{VERSION}"
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group, "resources": resources}


def _measured(client: Any, namespace: str | None, kind: str, name: str | None, selector: str) -> tuple[int, Any]:
    from kubernetes import client as kube

    core = kube.CoreV1Api(client)
    summaries = [_summary(core, node.metadata.name) for node in core.list_node().items]
    if kind == "nodes":
        items = [_node(each["node"]) for each in summaries]
    else:
        listed = core.list_namespaced_pod(namespace, label_selector=selector) if namespace else None
        pods = listed or core.list_pod_for_all_namespaces(label_selector=selector)
        labels = {(pod.metadata.namespace, pod.metadata.name): pod.metadata.labels or {} for pod in pods.items}
        items = []
        for measured in (pod for each in summaries for pod in each.get("pods", ())):
            key = (measured["podRef"]["namespace"], measured["podRef"]["name"])
            if key in labels and (item := _pod(measured)) is not None:
                item["metadata"]["labels"] = labels[key]
                items.append(item)
    if name is not None:
        items = [item for item in items if item["metadata"]["name"] == name]
        return (200, items[0]) if items else (404, {"kind": "Status", "apiVersion": "v1", "code": 404})
    found = {"kind": "NodeMetricsList" if kind == "nodes" else "PodMetricsList", "metadata": {}, "items": items}
    return 200, {"apiVersion": f"{GROUP}/{VERSION}", **found}


def _summary(core: Any, node: str) -> dict[str, Any]:
    """What a kubelet has measured."""
    raw = core.connect_get_node_proxy_with_path(node, "stats/summary", _preload_content=False)
    found: dict[str, Any] = json.loads(raw.data)
    return found


def _node(measured: dict[str, Any]) -> dict[str, Any]:
    return {
        "kind": "NodeMetrics",
        "apiVersion": f"{GROUP}/{VERSION}",
        "metadata": {"name": measured["nodeName"]},
        "timestamp": measured["cpu"]["time"],
        "window": _WINDOW,
        "usage": _usage(measured),
    }


def _pod(measured: dict[str, Any]) -> dict[str, Any] | None:
    """None while something of it is not measured yet: half a pod is no measure."""
    containers = measured.get("containers") or []
    try:
        usages = [{"name": each["name"], "usage": _usage(each)} for each in containers]
    except KeyError:
        return None
    if not usages:
        return None
    return {
        "kind": "PodMetrics",
        "apiVersion": f"{GROUP}/{VERSION}",
        "metadata": {key: measured["podRef"][key] for key in ("name", "namespace")},
        "timestamp": min(each["cpu"]["time"] for each in containers),
        "window": _WINDOW,
        "containers": usages,
    }


def _usage(measured: dict[str, Any]) -> dict[str, str]:
    return {
        "cpu": f"{measured['cpu']['usageNanoCores']}n",
        "memory": f"{measured['memory']['workingSetBytes'] // 1024}Ki",
    }


def _context(folder: Path) -> ssl.SSLContext:
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    subprocess.run([*words, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def _register(client: Any, port: int) -> None:
    from kubernetes import client as kube

    _unregister(client)
    spec = kube.V1ServiceSpec(type="ExternalName", external_name="localhost")
    kube.CoreV1Api(client).create_namespaced_service(
        _NAMESPACE, kube.V1Service(metadata=kube.V1ObjectMeta(name=_NAME), spec=spec)
    )
    kube.ApiregistrationV1Api(client).create_api_service(
        kube.V1APIService(
            metadata=kube.V1ObjectMeta(name=f"{VERSION}.{GROUP}"),
            spec=kube.V1APIServiceSpec(
                group=GROUP,
                version=VERSION,
                service=kube.ApiregistrationV1ServiceReference(name=_NAME, namespace=_NAMESPACE, port=port),
                insecure_skip_tls_verify=True,
                group_priority_minimum=100,
                version_priority=100,
            ),
        )
    )


def _unregister(client: Any) -> None:
    from kubernetes import client as kube

    with suppress(kube.ApiException):
        kube.ApiregistrationV1Api(client).delete_api_service(f"{VERSION}.{GROUP}", _preload_content=False)
    with suppress(kube.ApiException):
        kube.CoreV1Api(client).delete_namespaced_service(_NAME, _NAMESPACE, _preload_content=False)


def _registration(client: Any) -> str:
    from kubernetes import client as kube

    return str(kube.ApiregistrationV1Api(client).read_api_service(f"{VERSION}.{GROUP}").status)
