"""Settings: one frozen, typed object; every value remembers where it came from.

Order of precedence, lowest first: default, ``mlbox.toml`` of the home, environment (``MLBOX_…``), command line.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, get_type_hints

from mlbox.base.errors import Invalid
from mlbox.base.suggest import did_you_mean


def _setting(default: Any, doc: str, unit: str = "") -> Any:
    return field(default=default, metadata={"doc": doc, "unit": unit})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings; see ``docs/reference/settings.md``."""

    host: str = _setting("127.0.0.1", "Address to listen on; anything but loopback needs a token")
    port: int = _setting(7070, "Port of the HTTP server; 0 chooses a free one")
    token: str = _setting("", "The owner's token; callers must send one as soon as the server listens beyond loopback")
    workers: int = _setting(
        0,
        "Processes that answer inference on the HTTP port; 1: the server alone; 0: as many as an endpoint asks for",
    )
    pg_port: int = _setting(
        7071, "Port of the PostgreSQL protocol on the same address; 0 chooses a free one, -1 is none"
    )
    pg_connections: int = _setting(256, "Clients of the PostgreSQL protocol at the same time", "connections")
    pg_certificate: str = _setting("", "PEM file with the certificate of the PostgreSQL protocol; empty is no TLS")
    pg_key: str = _setting("", "PEM file with the key of that certificate, when it is not in the same file")
    data_dirs: str = _setting("", "Folders that SQL may read files from once the home has members, with commas between")
    member_seconds: float = _setting(300.0, "Longest time of a member's script", "s")
    member_rows: int = _setting(1_000_000, "Rows of a member's result before it is cut, in every form", "rows")
    member_memory_mb: int = _setting(2048, "Memory of the server's process that members' plain SQL may add", "MB")
    allowed_hosts: str = _setting("", "More host names that requests may carry, separated by commas")
    cors_origins: str = _setting(
        "",
        "Origins whose pages may use endpoints and online features (https://app.example.com), with commas; * is any",
    )
    cors_seconds: int = _setting(600, "Time for which browsers keep the answer that a page may", "s")
    log_format: str = _setting("text", "Form of logs/server.log: text, or json with an object a line")
    log_requests: str = _setting("none", "Requests that the log tells of: none, failed (status 400 and up) or all")
    trace_url: str = _setting(
        "", "OpenTelemetry collector that takes traces over OTLP and HTTP (http://127.0.0.1:4318); empty: no traces"
    )
    trace_share: float = _setting(1.0, "Share of the requests that begin a trace; who sends traceparent has decided")
    run_slots: int = _setting(2, "Local runs at the same time", "runs")
    run_cpus: float = _setting(0.0, "CPUs that local runs share; 0: all of the machine, one a slot at least", "CPUs")
    run_memory_mb: int = _setting(0, "Memory that local runs share; 0: four fifths of the machine's", "MB")
    run_wait_seconds: float = _setting(0.0, "Longest time a run waits for its turn; 0 is no limit", "s")
    run_prepare_seconds: float = _setting(0.0, "Longest time a run's environment or image is built; 0 is no limit", "s")
    run_host: str = _setting(
        "", "Address at which containers and clusters reach this machine's run API; empty asks the engine"
    )
    run_port: int = _setting(0, "Port of that; 0 chooses a free one once and keeps it")
    run_url: str = _setting("", "What they are told instead, when something stands between (https://host/path)")
    docker_host: str = _setting(
        "", "Docker engine (unix:///path or tcp://host:2376); empty: DOCKER_HOST, then /var/run/docker.sock"
    )
    docker_image: str = _setting("", "Image of Docker runs without IMAGE; empty: python:<version of the function>-slim")
    kubernetes_config: str = _setting("", "Configuration of the cluster; empty: KUBECONFIG, then ~/.kube/config")
    kubernetes_context: str = _setting("", "Context of it; empty: the current one")
    kubernetes_namespace: str = _setting("", "Namespace of Jobs; empty: that of the context")
    kubernetes_image: str = _setting("", "Image of Kubernetes runs without IMAGE; empty: as docker_image")
    serving_image: str = _setting("", "Image of replicas (DEPLOY ENDPOINT) without image: it has mlbox on its PATH")
    dask_scheduler: str = _setting(
        "", "Dask scheduler (tcp://host:8786); empty: each run on dask has a cluster of its own on this machine"
    )
    spark_master: str = _setting(
        "local[*]", "Spark master: local[n], spark://host:7077, k8s://https://host:6443 or yarn"
    )
    spark_home: str = _setting("", "Spark's folder; empty: SPARK_HOME, then that of the installed pyspark")
    spark_exchange: str = _setting(
        "", "Folder through which rows go to Spark and back, at the same place on its machines; empty: in the home"
    )
    spark_python: str = _setting("", "Interpreter of Spark's executors; empty: the path of the run's own")
    python: str = _setting("", "Interpreter for functions without requirements; empty finds one")
    uv: str = _setting("", "The uv that builds environments; empty takes the bundled one, then the one on PATH")
    package_index: str = _setting("", "Package index of environments and images; empty: as the host's pip has it")
    package_more_indexes: str = _setting("", "More package indexes, separated by spaces")
    package_proxy: str = _setting("", "HTTP proxy on the way to package indexes")
    package_certificates: str = _setting("", "File with the certificates of those who may sign for package indexes")
    package_wheelhouse: str = _setting(
        "", "Folder of wheels, or the address of a page with links to them, searched beside the indexes"
    )
    package_offline: bool = _setting(False, "Whether packages come from the wheelhouse only")
    gc_cache_days: int = _setting(30, "Environments and images not used for so long are garbage (mlbox gc)", "days")
    gc_run_folder_days: int = _setting(30, "Folders of runs that ended so long ago are garbage; 0 keeps them", "days")
    gc_log_days: int = _setting(0, "Logs of runs that ended so long ago are garbage; 0 keeps them", "days")
    gc_runs_days: int = _setting(
        0, "Runs that ended so long ago are garbage, unless a model is made from them; 0 never"
    )
    gc_runs_keep: int = _setting(0, "Runs beyond so many of a project are garbage, the oldest first; 0 never", "runs")
    gc_trash_days: int = _setting(7, "Collected folders and logs lie so long in <home>/trash", "days")
    gc_dropped_days: int = _setting(7, "What was dropped can be restored so long; then it is garbage", "days")
    gc_artifact_days: int = _setting(
        1, "Bytes of artifacts that nothing points at are garbage when they are so old; an hour at least", "days"
    )
    artifact_store: str = _setting(
        "",
        "Where the bytes of artifacts are kept (s3://bucket/prefix, gs://.., az://..); empty: in the home",
    )
    artifact_store_options: str = _setting(
        "", 'What its library is told, as JSON ({"profile": "team"}); secrets are better in its own environment'
    )
    artifact_store_profile: str = _setting(
        "", "The profile by which it is asked, as project.name (CREATE PROFILE); it is looked up at the first use"
    )
    online_store: str = _setting(
        "", "Online store of features: redis://host:6379/0, rediss:// or unix://; empty: in the home (LMDB)"
    )
    online_store_password: str = _setting("", "Its password, when the address does not hold it")
    log_flush_ms: int = _setting(200, "Longest time a prediction waits before it is written", "ms")
    log_buffer_rows: int = _setting(100_000, "Predictions kept in memory before they are dropped and counted", "rows")
    max_request_mb: int = _setting(64, "Largest body of a request", "MB")
    body_seconds: int = _setting(60, "Time within which the body of an inference request must have come", "s")
    max_upload_mb: int = _setting(4096, "Largest file that can be uploaded", "MB")
    upload_days: int = _setting(7, "Time for which uploaded files are kept", "days")
    result_rows: int = _setting(100_000, "Rows of a JSON result before it is cut", "rows")
    memory_limit: str = _setting("", "Memory that DuckDB may use (8GB); empty leaves DuckDB's default of 80 %")
    threads: int = _setting(0, "Threads of DuckDB; 0 is one for each core that the server may use")
    commit_batch: int = _setting(512, "Writes that are committed together at most", "writes")


SECRET = ("token", "online_store_password")
"""Settings whose values are not shown."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """A setting's value and where it came from."""

    name: str
    value: Any
    source: str
    doc: str
    unit: str


_BOOLEANS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}


_KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


def _convert(name: str, text: Any, kind: type, source: str) -> Any:
    if isinstance(text, kind) and not (kind is int and isinstance(text, bool)):
        return text
    try:
        return _BOOLEANS[str(text).lower()] if kind is bool else kind(text)
    except (TypeError, ValueError, KeyError):
        raise Invalid(f"setting {name} = {text!r} ({source}) is not {_KINDS[kind]}") from None


def load(
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    flags: Mapping[str, Any] | None = None,
) -> tuple[Settings, dict[str, Provenance]]:
    """Settings from all places, and for each its provenance; an unknown name is an error."""
    environment = os.environ if environment is None else environment
    kinds = get_type_hints(Settings)
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}

    def take(name: str, value: Any, source: str) -> None:
        if name not in kinds:
            raise Invalid(f"there is no setting {name!r} ({source})", hint=did_you_mean(name, kinds))
        values[name] = _convert(name, value, kinds[name], source)
        sources[name] = source

    if file is not None and file.is_file():
        try:
            table = tomllib.loads(file.read_text())
        except tomllib.TOMLDecodeError as error:
            raise Invalid(f"{file} is not valid TOML: {error}") from None
        for name, value in table.items():
            take(name, value, f"file {file}")
    for name in kinds:
        variable = f"MLBOX_{name.upper()}"
        if environment.get(variable):
            take(name, environment[variable], f"environment {variable}")
    for name, value in (flags or {}).items():
        if value is not None:
            take(name, value, f"flag --{name.replace('_', '-')}")
    settings = Settings(**values)
    provenance = {
        entry.name: Provenance(
            entry.name,
            getattr(settings, entry.name),
            sources.get(entry.name, "default"),
            entry.metadata["doc"],
            entry.metadata["unit"],
        )
        for entry in fields(Settings)
        if entry.default is not MISSING
    }
    return settings, provenance
