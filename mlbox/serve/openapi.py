"""The OpenAPI description of one endpoint, from what it takes and gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlbox.serve.metadata import model_metadata
from mlbox.serve.tensors import DATATYPES

if TYPE_CHECKING:
    from mlbox.serve.directory import Slot
    from mlbox.serve.endpoint import Runtime

_ERRORS = {
    "400": "The request is wrong: the error names the tensor or row",
    "408": "The body did not come in time",
    "409": "Several projects have an endpoint of that name",
    "413": "The body is too large",
    "503": "Suspended, overloaded, or its time has passed; Retry-After is there where it helps",
}


def description(slot: Slot, runtime: Runtime, version: str) -> dict[str, Any]:
    """OpenAPI 3.1."""
    told = model_metadata(slot, runtime)
    path = f"/v2/models/{slot.name}"
    infer = {
        "operationId": "infer",
        "summary": f"Predict with {slot.name}",
        "parameters": [
            {
                "name": "X-Request-Timeout-Ms",
                "in": "header",
                "description": "For how long the caller waits",
                "schema": {"type": "number", "exclusiveMinimum": 0},
            }
        ],
        "requestBody": {"required": True, "content": {"application/json": {"schema": _request(told["inputs"])}}},
        "responses": {
            "200": _answer("Predictions, in the form of the request", _response(told["outputs"])),
            **{status: _answer(text, {"$ref": "#/components/schemas/Error"}) for status, text in _ERRORS.items()},
        },
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": slot.name, "version": ",".join(told["versions"]), "x-mlbox": version},
        "paths": {
            f"{path}/infer": {"post": infer},
            path: {"get": _get("metadata", "What it takes and gives")},
            f"{path}/ready": {"get": _get("ready", "Whether it answers")},
        },
        "components": {
            "schemas": {
                "Error": {
                    "type": "object",
                    "required": ["error", "code"],
                    "properties": {name: {"type": "string"} for name in ("error", "code", "hint")},
                }
            }
        },
    }


def _get(operation: str, summary: str) -> dict[str, Any]:
    refused = {
        status: _answer(text, {"$ref": "#/components/schemas/Error"})
        for status, text in (("404", "It is gone"), ("409", _ERRORS["409"]), ("503", "It is suspended"))
    }
    done = {"200": _answer(summary, {"type": "object"}), **refused}
    return {"operationId": operation, "summary": summary, "responses": done}


def _answer(text: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": text, "content": {"application/json": {"schema": schema}}}


def _request(inputs: list[dict[str, Any]]) -> dict[str, Any]:
    """Tensors, or rows."""
    common = {"id": {"type": "string"}, "parameters": {"type": "object"}}
    tensor = {
        "type": "object",
        "required": ["name", "shape", "datatype"],
        "properties": {
            "name": {"type": "string"},
            "shape": {"type": "array", "items": {"type": "integer", "minimum": 1}, "minItems": 1, "maxItems": 2},
            "datatype": {"enum": list(DATATYPES)},
            "data": {"type": "array"},
        },
    }
    row = {
        "type": "object",
        "properties": {each["name"]: _value(each["datatype"]) for each in inputs},
        "required": [each["name"] for each in inputs if not each.get("parameters", {}).get("optional")],
    }
    tensors = {
        "type": "object",
        "required": ["inputs"],
        "properties": {"inputs": {"type": "array", "items": tensor, "minItems": 1}, **common},
    }
    rows = {
        "type": "object",
        "required": ["rows"],
        "properties": {"rows": {"type": "array", "items": row, "minItems": 1}, **common},
    }
    return {"oneOf": [tensors, rows]}


def _response(outputs: list[dict[str, Any]]) -> dict[str, Any]:
    head = {name: {"type": "string"} for name in ("model_name", "model_version", "id")}
    tensor = {
        "type": "object",
        "required": ["name", "shape", "datatype", "data"],
        "properties": {
            "name": {"type": "string"},
            "shape": {"type": "array", "items": {"type": "integer"}},
            "datatype": {"enum": list(DATATYPES)},
            "data": {"type": "array"},
        },
    }
    row = {"type": "object", "properties": {each["name"]: {} for each in outputs}}
    return {
        "type": "object",
        "required": ["model_name", "model_version", "id"],
        "properties": {
            **head,
            "parameters": {"type": "object"},
            "outputs": {"type": "array", "items": tensor},
            "rows": {"type": "array", "items": row},
        },
    }


def _value(datatype: str) -> dict[str, Any]:
    if datatype == "BYTES":
        return {"type": ["string", "null"]}
    if datatype == "BOOL":
        return {"type": ["boolean", "number", "null"]}
    return {"type": ["number", "null"]}
