"""``http://host:5000``: a tracking server, by its REST API. ``http://name:password@host`` where it asks for them."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, BinaryIO
from urllib.error import HTTPError, URLError
from urllib.parse import quote, unquote, urlencode, urlsplit
from urllib.request import Request, urlopen

from mlbox.base.errors import Invalid, Unavailable
from mlbox.engine.runs.mlflow_stores.base import (
    STORES,
    Experiment,
    Input,
    LoggedModel,
    Model,
    Opener,
    Point,
    Run,
    Version,
    files_below,
    local_path,
)

_SECONDS = 60
_PAGE = 1000
_PROXIED = "mlflow-artifacts:"


class HttpStore:
    """MLflow 2 and 3; a server that knows no logged models has none."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        if not parts.hostname:
            raise Invalid("that is no address of a tracking server", hint="mlflow+http://host:5000")
        place = parts.hostname if parts.port is None else f"{parts.hostname}:{parts.port}"
        self._base = f"{parts.scheme}://{place}{parts.path.rstrip('/')}"
        self._headers = {"Content-Type": "application/json"}
        if parts.username:
            secret = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
            self._headers["Authorization"] = "Basic " + base64.b64encode(secret).decode()
        self._known: list[Experiment] | None = None

    def experiments(self) -> list[Experiment]:
        """All, deleted ones too."""
        if self._known is None:
            entries = self._pages("POST", "experiments/search", "experiments", {"view_type": "ALL"})
            self._known = [
                Experiment(
                    id=str(entry["experiment_id"]),
                    name=entry["name"],
                    tags=_pairs(entry.get("tags")),
                    created=_whole(entry.get("creation_time")),
                    deleted=entry.get("lifecycle_stage") == "deleted",
                )
                for entry in entries
            ]
        return self._known

    def runs(self) -> Iterator[Run]:
        """Page by page, the oldest first."""
        wanted = {
            "experiment_ids": [experiment.id for experiment in self.experiments()],
            "run_view_type": "ALL",
            "order_by": ["attributes.start_time ASC"],
        }
        for entry in self._pages("POST", "runs/search", "runs", wanted):
            info, data = entry["info"], entry.get("data") or {}
            yield Run(
                id=info["run_id"],
                experiment=str(info["experiment_id"]),
                name=info.get("run_name"),
                status=str(info.get("status")),
                started=_whole(info.get("start_time")),
                ended=_whole(info.get("end_time")),
                user=info.get("user_id"),
                deleted=info.get("lifecycle_stage") == "deleted",
                artifacts=info.get("artifact_uri") or "",
                params=_pairs(data.get("params")),
                tags=_pairs(data.get("tags")),
                metrics=[str(point["key"]) for point in data.get("metrics") or ()],
                inputs=[_input(given) for given in (entry.get("inputs") or {}).get("dataset_inputs") or ()],
            )

    def points(self, run: Run) -> list[Point]:
        """Metric by metric."""
        return [
            Point(name, _whole(entry.get("step")) or 0, float(entry["value"]), _whole(entry.get("timestamp")) or 0)
            for name in run.metrics
            for entry in self._pages(
                "GET", "metrics/get-history", "metrics", {"run_id": run.id, "metric_key": name}, 25_000
            )
        ]

    def logged_models(self) -> list[LoggedModel]:
        """Those that are not deleted."""
        wanted = {"experiment_ids": [experiment.id for experiment in self.experiments() if not experiment.deleted]}
        try:
            entries = list(self._pages("POST", "logged-models/search", "models", wanted, 50))
        except HTTPError as error:
            if error.code in (404, 501):  # MLflow 2
                return []
            raise
        return [_logged_model(entry) for entry in entries]

    def models(self) -> list[Model]:
        """With their versions in order."""
        found = []
        for entry in self._pages("GET", "registered-models/search", "registered_models", {}):
            name = entry["name"]
            wanted = {"filter": "name='" + name.replace("'", "''") + "'"}
            versions = [
                _version(version) for version in self._pages("GET", "model-versions/search", "model_versions", wanted)
            ]
            aliases = entry.get("aliases") or ()
            found.append(
                Model(
                    name=name,
                    description=entry.get("description") or None,
                    created=_whole(entry.get("creation_timestamp")),
                    tags=_pairs(entry.get("tags")),
                    aliases={alias["alias"]: int(alias["version"]) for alias in aliases},
                    versions=sorted(versions, key=lambda version: version.number),
                )
            )
        return found

    def files(self, location: str) -> Iterator[tuple[str, Opener]]:
        """Through the server where it hands artifacts out, else of this machine."""
        if not location.startswith(_PROXIED):
            yield from files_below(local_path(location))
            return
        yield from self._tree(urlsplit(location).path.strip("/"), "")

    def close(self) -> None:
        """No connection is kept."""

    def _tree(self, root: str, below: str) -> Iterator[tuple[str, Opener]]:
        path = f"{root}/{below}".rstrip("/")
        listed = self._json("GET", f"mlflow-artifacts/artifacts?{urlencode({'path': path})}")
        for entry in listed.get("files") or ():
            inner = f"{below}/{entry['path']}".lstrip("/")
            if entry.get("is_dir"):
                yield from self._tree(root, inner)
            else:
                yield inner, partial(self._open, "GET", f"mlflow-artifacts/artifacts/{quote(f'{root}/{inner}')}")

    def _pages(
        self, method: str, path: str, name: str, wanted: dict[str, Any], size: int = _PAGE
    ) -> Iterator[dict[str, Any]]:
        token: Any = None
        while True:
            asked = {**wanted, "max_results": size, **({"page_token": token} if token else {})}
            if method == "GET":
                answer = self._json("GET", f"mlflow/{path}?{urlencode(asked)}")
            else:
                answer = self._json("POST", f"mlflow/{path}", asked)
            yield from answer.get(name) or ()
            token = answer.get("next_page_token")
            if not token:
                return

    def _json(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        with self._open(method, path, body) as answer:
            try:
                found = json.load(answer)
            except ValueError:
                raise Invalid(f"{self._base} does not answer like a tracking server of MLflow") from None
        return dict(found)

    def _open(self, method: str, path: str, body: Any = None) -> BinaryIO:
        data = None if body is None else json.dumps(body).encode()
        request = Request(f"{self._base}/api/2.0/{path}", data, self._headers, method=method)
        try:
            answer: BinaryIO = urlopen(request, timeout=_SECONDS)
        except HTTPError as error:
            if error.code in (404, 501) and "logged-models" in path:
                raise
            text = error.read(300).decode(errors="replace")
            raise Unavailable(f"{self._base} answered {error.code} to {path.partition('?')[0]}: {text}") from None
        except (URLError, OSError) as error:
            raise Unavailable(f"{self._base} does not answer: {error}", hint="is it running, and reachable?") from None
        return answer


def _logged_model(entry: dict[str, Any]) -> LoggedModel:
    info, data = entry["info"], entry.get("data") or {}
    return LoggedModel(
        id=info["model_id"],
        experiment=str(info["experiment_id"]),
        name=info.get("name") or info["model_id"],
        run=info.get("source_run_id") or None,
        kind=info.get("model_type") or None,
        status=str(info.get("status") or "READY").removeprefix("LOGGED_MODEL_"),
        location=info.get("artifact_uri") or "",
        params=_pairs(data.get("params")),
        tags=_pairs(info.get("tags")),
        metrics=data.get("metrics") or (),
        created=_whole(info.get("creation_timestamp_ms")),
        updated=_whole(info.get("last_updated_timestamp_ms")),
    )


def _version(entry: dict[str, Any]) -> Version:
    return Version(
        number=int(entry["version"]),
        run=entry.get("run_id") or None,
        source=entry.get("source") or "",
        model=entry.get("model_id") or None,
        description=entry.get("description") or None,
        created=_whole(entry.get("creation_timestamp")),
        tags=_pairs(entry.get("tags")),
    )


def _input(entry: dict[str, Any]) -> Input:
    dataset = dict(entry.get("dataset") or {})
    name, digest = str(dataset.pop("name", "")), str(dataset.pop("digest", ""))
    return Input(name=name, digest=digest, dataset=dataset, tags=_pairs(entry.get("tags")))


def _pairs(given: Sequence[dict[str, Any]] | None) -> dict[str, str]:
    return {str(entry["key"]): str(entry.get("value", "")) for entry in given or ()}


def _whole(value: Any) -> int | None:
    return None if value in (None, "") else int(value)


STORES.add("http", HttpStore)
STORES.add("https", HttpStore)
