"""``GET /schema``: the OpenAPI description of the whole HTTP API.

Litestar tells what it knows of its routes. Here comes what all routes have in common (errors, tokens), what the types
of handlers cannot say (bodies that are bytes, forms of ids), and the doors that are not Litestar's.
"""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin

from mlbox.api.features import FEATURES_PATH
from mlbox.api.guard import OPEN_PATHS, OWN_TOKENS
from mlbox.api.sql import ID_FORM
from mlbox.serve import openapi as protocol

_METHODS = ("get", "head", "post", "put", "patch", "delete")
_ENVELOPE = {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorAnswer"}}}
_BYTES: dict[str, Any] = {"application/octet-stream": {}}
_JSON: dict[str, Any] = {"application/json": {}}
_TEXT = {"text/plain": {"schema": {"type": "string"}}}
_ARROW: dict[str, Any] = {"application/vnd.apache.arrow.stream": {}}

_ERRORS = {
    "400": "The request is wrong: the error says where, and what next",
    "401": "A token is missing or unknown",
    "403": "Not for whoever asks; or a foreign Host or Origin, or a form",
    "404": "There is no such thing",
    "413": "The body is larger than the setting max_request_mb or max_upload_mb",
    "415": "The body is of a type that is not taken",
    "503": "For the moment not possible; the same request may succeed later",
}

_ANSWERS: dict[tuple[str, str], dict[str, Any]] = {
    ("/artifacts/{artifact_id}/content", "get"): {"*/*": {}},
    ("/metrics", "get"): _TEXT,
    ("/runs/{run_id}/log", "get"): _TEXT,
    ("/stream", "get"): {"text/event-stream": {}},
    ("/run-api/{run_id}/inputs/{name}", "get"): {"*/*": {}},
    ("/run-api/{run_id}/code", "get"): {"*/*": {}},
    ("/run-api/{run_id}/client", "get"): {"*/*": {}},
    ("/replica-api/{deployment}/blobs/{digest}", "get"): _BYTES,
    ("/replica-api/{deployment}/bundle", "get"): _JSON,
    ("/replica-api/{deployment}/wheels", "get"): {"text/html": {}},
    ("/replica-api/{deployment}/wheels/{name}", "get"): _BYTES,
}
"""Media types of answers that are no JSON made here."""

_BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("/files", "post"): _BYTES,
    ("/files/{id}", "put"): _BYTES,
    ("/ingest/{name}", "post"): {"application/vnd.apache.parquet": {}, "text/csv": {}},
    ("/push/{name}", "post"): {**_JSON, "application/x-ndjson": {}, **_ARROW},
    ("/run-api/{run_id}/blobs/{digest}", "put"): _BYTES,
    ("/replica-api/{deployment}/predictions/{replica}/{number}", "post"): _BYTES,
}
"""Media types of bodies that are read as bytes."""

_MORE: dict[tuple[str, str], dict[str, str]] = {
    ("/artifacts/{artifact_id}/content", "get"): {"206": "The range", "416": "The range begins behind the end"},
    ("/artifacts/{artifact_id}/content", "head"): {"206": "The range", "416": "The range begins behind the end"},
    ("/sql", "post"): {"501": "The statement is not carried out by this version"},
    ("/sql/{query_id}", "get"): {"422": "The code that it ran failed", "501": "As of POST /sql"},
    ("/runs", "post"): {"409": "The state of things is not right for it"},
    ("/run-api/{run_id}/events", "post"): {"409": "The run is over"},
    ("/run-api/{run_id}/query", "post"): {"409": "The run is over", "422": "The query failed"},
    ("/run-api/{run_id}/blobs/{digest}", "put"): {"409": "Another part is expected"},
    ("/features/{vector}", "post"): {"405": "It takes a POST"},
}
"""What else a route answers."""

_FORMS: dict[tuple[str, str], str] = {
    ("/files/{id}", "id"): "^[0-9a-f]{32}$",
    ("/files/{id}", "name"): r"[A-Za-z0-9][^/\\]*$",
    ("/files", "name"): r"[A-Za-z0-9][^/\\]*$",
}
"""Patterns of parameters."""

_FIELDS: dict[tuple[str, str], dict[str, Any]] = {
    ("Begin", "name"): {"pattern": r"^[^@/\\\u0000-\u001f]{1,63}$"},
    ("Begin", "experiment"): {"pattern": r"^[^\u0000-\u001f]{1,250}$"},
    ("SqlRequest", "query_id"): {"pattern": ID_FORM},
    ("SqlRequest", "folder"): {"description": "An absolute path"},
}
"""Forms of fields that are a text or null."""


class Document(JsonRenderPlugin):
    """Written once, at the first request."""

    def __init__(self) -> None:
        super().__init__(path=["/", "/openapi.json"])
        self._written = b""

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """The description."""
        self._written = self._written or msgspec.json.encode(whole(openapi_schema))
        return self._written


def configuration(version: str) -> OpenAPIConfig:
    """For Litestar. The document and no page: a page of its kind loads scripts from elsewhere, which could then send
    statements with the rights of whoever looks at it."""
    return OpenAPIConfig(title="mlbox", version=version, render_plugins=[Document()])


def whole(told: dict[str, Any]) -> dict[str, Any]:
    """The description of everything, from that of Litestar's routes, which is left as it is."""
    document: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(told))
    document["paths"][FEATURES_PATH] = {"post": _features()}
    for path, item in document["paths"].items():
        for method in _METHODS:
            if method in item:
                _complete(path, method, item[method])
    document["paths"] |= protocol.server_paths()
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    schemas |= protocol.schemas()
    for name in ("Begin", "CompleteRequest", "SqlRequest"):
        schemas[name]["additionalProperties"] = False
    for (name, field), form in _FIELDS.items():
        schemas[name]["properties"][field] = {"type": ["string", "null"], **form}
    components["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer", "description": "Of the owner or a member, where one is set"},
        "password": {"type": "http", "scheme": "basic", "description": "The same token as a password"},
        "own": {"type": "http", "scheme": "bearer", "description": "Of one run, or of one deployment"},
    }
    document["security"] = [{"token": []}, {"password": []}, {}]
    return document


def _complete(path: str, method: str, operation: dict[str, Any]) -> None:
    key = (path, method)
    if key in _BODIES:
        operation["requestBody"] = {"content": _BODIES[key]}
    responses: dict[str, Any] = operation["responses"]
    parameters = operation.get("parameters", [])
    for parameter in parameters:
        if pattern := _FORMS.get((path, parameter["name"])):
            parameter["schema"] = {"type": "string", "pattern": pattern}
    left_out = {"401"} if path in OPEN_PATHS else set()
    if "{" not in path and path != "/runs":
        left_out.add("404")
    if "requestBody" not in operation:
        left_out |= {"413", "415"}
    if not parameters and "requestBody" not in operation:
        left_out.add("400")
    common = {status: text for status, text in _ERRORS.items() if status not in left_out}
    for status, text in {**common, **_MORE.get(key, {})}.items():
        responses[status] = {"description": text, "content": _ENVELOPE}
    if key in _ANSWERS:
        for status in ("200", "206"):
            if status in responses:
                responses[status] = {**responses[status], "content": _ANSWERS[key]}
    responses.get("200", {}).get("headers", {}).pop("last-modified", None)  # no date of ISO 8601, as Litestar has it
    if method == "head":
        for response in responses.values():
            response.pop("content", None)
    if path.startswith(OWN_TOKENS):
        operation["security"] = [{"own": []}]
    elif path in OPEN_PATHS:
        operation["security"] = []


def _features() -> dict[str, Any]:
    keys = {"type": "object", "additionalProperties": True}
    asked = {
        "type": "object",
        "required": ["keys"],
        "additionalProperties": False,
        "properties": {
            "keys": {"oneOf": [keys, {"type": "array", "items": keys}]},
            "impute": {"type": ["object", "null"]},
        },
    }
    rows = {"type": "array", "items": {"type": "object"}}
    answer = {
        "type": "object",
        "required": ["vector", "rows", "status"],
        "properties": {"vector": {"type": "string"}, "rows": rows, "status": rows, "imputed": {"type": "array"}},
    }
    return {
        "operationId": "features",
        "summary": "Features of keys",
        "description": "The newest values of a feature vector's features, from the online store.",
        "parameters": [
            {"name": "vector", "in": "path", "required": True, "schema": {"type": "string"}},
            {"name": "impute", "in": "query", "description": "For Arrow: the policy", "schema": {"type": "string"}},
        ],
        "requestBody": {"required": True, "content": {"application/json": {"schema": asked}, **_ARROW}},
        "responses": {
            "200": {
                "description": "A row for each key, and how current each set's part of it is",
                "content": {"application/json": {"schema": answer}, **_ARROW},
            }
        },
    }
