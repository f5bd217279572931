"""The Open Inference Protocol as OpenAPI: for any endpoint of the server, and for one from what it takes and gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mlbox.serve.addresses import INVOCATIONS
from mlbox.serve.codec import HEADER
from mlbox.serve.joining import STREAM
from mlbox.serve.limits import TIMEOUT
from mlbox.serve.media import ARROW
from mlbox.serve.metadata import model_metadata
from mlbox.serve.tensors import DATATYPES, MAX_AXES

if TYPE_CHECKING:
    from mlbox.serve.directory import Slot
    from mlbox.serve.endpoint import Runtime

_ERRORS = {
    "400": "The request is wrong: the error names the tensor or row",
    "401": "A token is missing or unknown",
    "403": "A foreign Host or Origin, or a form",
    "404": "There is no such endpoint, or it does not serve this version",
    "405": "The path takes another method",
    "408": "The body did not come in time",
    "409": "Several projects have an endpoint of that name",
    "413": "The body is too large",
    "415": "The body is of a type, or packed in a way, that is not understood",
    "500": "The code behind the endpoint failed",
    "503": "Suspended, overloaded, or its time has passed; Retry-After says when to come again",
}
_TOLD = ("401", "403", "404", "405", "409", "500", "503")
"""What a question about an endpoint may be answered with, beside 200."""

_OBJECT: dict[str, Any] = {"type": "object"}
_TEXT: dict[str, Any] = {"type": "string"}
_ERROR = {"$ref": "#/components/schemas/InferenceError"}
_ENDPOINT = {"name": "endpoint", "in": "path", "required": True, "schema": _TEXT,
             "description": "project.endpoint, or the bare name while it is unique"}  # fmt: skip
_VERSION = {"name": "version", "in": "path", "required": True, "schema": _TEXT,
            "description": "A version of the model behind it"}  # fmt: skip
_HEADERS = [
    {
        "name": TIMEOUT.decode().title(),
        "in": "header",
        "description": "For how long the caller waits",
        "schema": {"type": "number", "exclusiveMinimum": 0},
    }
]


def schemas() -> dict[str, Any]:
    """What the descriptions refer to."""
    texts = {name: _TEXT for name in ("error", "code", "hint")}
    return {"InferenceError": {"type": "object", "required": ["error", "code"], "properties": texts}}


def server_paths() -> dict[str, Any]:
    """Every path under ``/v2``."""
    paths: dict[str, Any] = {
        "/v2": {"get": _get("server", "Name, version and extensions of the server", _server(), ("401", "403", "405"))},
        "/v2/models": {"get": _get("list", "The endpoints that the sender sees", _listed(), ("401", "403", "405"))},
        "/v2/repository/index": {"post": _index()},
        "/v2/health/live": {"get": _health("live")},
        "/v2/health/ready": {"get": _health("ready")},
    }
    request, answer = _request([]), _response([])
    for suffix, more in (("", []), ("/versions/{version}", [_VERSION])):
        path, parameters = f"/v2/models/{{endpoint}}{suffix}", [_ENDPOINT, *more]
        mark = "_version" if more else ""
        told = {
            path: _get(f"metadata{mark}", "What it takes and gives", _metadata()),
            f"{path}/ready": _get(f"ready{mark}", "Whether it answers", _ready()),
        }
        paths |= {where: {"get": operation, "parameters": parameters} for where, operation in told.items()}
        for verb, summary in (("infer", "Predict"), ("explain", "Explain a prediction")):
            operation = _post(f"{verb}{mark}", summary, request, answer)
            paths[f"{path}/{verb}"] = {"post": operation, "parameters": parameters}
        paths[f"{path}/{INVOCATIONS}"] = {"post": _invocations(mark), "parameters": parameters}
        for verb, operation in _generate([], mark).items():
            paths[f"{path}/{verb}"] = {"post": operation, "parameters": parameters}
    path, parameters = "/v2/models/{endpoint}", [_ENDPOINT]
    event = {**_post("event", "Any JSON, answered with JSON", {}, {}), "requestBody": _body({})}
    svg = _get("graph", "A drawing of the graph behind it", {}, ("400", *_TOLD))
    svg["responses"]["200"]["content"] = {"image/svg+xml": {}}
    return paths | {
        f"{path}/event": {"post": event, "parameters": parameters},
        f"{path}/openapi.json": {
            "get": _get("describe", "This endpoint, as OpenAPI", _OBJECT),
            "parameters": parameters,
        },
        f"{path}/graph": {"get": svg, "parameters": parameters},
    }


def description(slot: Slot, runtime: Runtime, version: str) -> dict[str, Any]:
    """OpenAPI 3.1 of one endpoint."""
    told = model_metadata(slot, runtime)
    path = f"/v2/models/{slot.name}"
    infer = _post("infer", f"Predict with {slot.name}", _request(told["inputs"]), _response(told["outputs"]))
    explain = _post("explain", f"Explain a prediction of {slot.name}", _request(told["inputs"]), _response([]))
    return {
        "openapi": "3.1.0",
        "info": {"title": slot.name, "version": ",".join(told["versions"]), "x-mlbox": version},
        "paths": {
            f"{path}/infer": {"post": infer},
            f"{path}/{INVOCATIONS}": {"post": _invocations()},
            **{f"{path}/{verb}": {"post": told_of} for verb, told_of in _generate(told["inputs"]).items()},
            **({f"{path}/explain": {"post": explain}} if _explains(runtime) else {}),
            path: {"get": _get("metadata", "What it takes and gives", _metadata())},
            f"{path}/ready": {"get": _get("ready", "Whether it answers", _ready())},
        },
        "components": {
            "schemas": schemas(),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}, {}],
    }


def _explains(runtime: Runtime) -> bool:
    return any("explain" in getattr(arm.predictor, "verbs", ()) for arm in runtime.arms)


def _get(operation: str, summary: str, schema: dict[str, Any], errors: tuple[str, ...] = _TOLD) -> dict[str, Any]:
    return {
        "operationId": f"v2_{operation}",
        "summary": summary,
        "responses": {"200": _answer(summary, schema), **{status: _failure(status) for status in errors}},
    }


def _health(kind: str) -> dict[str, Any]:
    state = {"type": "object", "required": [kind], "properties": {kind: {"type": "boolean"}}}
    told = _get(kind, f"Whether the server is {kind}", state, ("403", "405"))
    told["responses"]["503"] = _answer("Not yet, or not any more", state)
    return {**told, "security": []}


def _post(operation: str, summary: str, request: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    done = _answer("The answer, in the form of the request", answer)
    binary = {"description": f"JSON of so many bytes ({HEADER.decode().title()}), then binary tensors"}
    done["content"] |= {"application/octet-stream": {"schema": binary}, ARROW.decode(): {}}
    done["headers"] = {HEADER.decode().title(): {"schema": {"type": "integer"}}}
    body = _body(request)
    body["content"] |= {"application/octet-stream": {"schema": binary}, ARROW.decode(): {}}
    return {
        "operationId": f"v2_{operation}",
        "summary": summary,
        "parameters": _HEADERS,
        "requestBody": body,
        "responses": {"200": done, **{status: _failure(status) for status in _ERRORS}},
    }


def _generate(inputs: list[dict[str, Any]], mark: str = "") -> dict[str, Any]:
    """Triton's generate extension: fields in, fields out, as one object or as server-sent events."""
    fields: dict[str, Any] = {each["name"]: {} for each in inputs}
    request = {"type": "object", "properties": {**fields, "parameters": {"type": ["object", "null"]}}}
    answer = {
        "type": "object",
        "required": ["model_name", "model_version"],
        "properties": {"model_name": _TEXT, "model_version": _TEXT, "text_output": {}},
    }
    found = {}
    for verb, summary in (("generate", "Fields in, fields out"), (STREAM, "The same, piece by piece")):
        operation = _post(f"{verb}{mark}", summary, request, answer)
        done = _answer("The answer", answer)
        if verb == STREAM:
            done = {"description": "Events, whose data are such objects; the last may be an error"}
            done["content"] = {"text/event-stream": {}, "application/json": {}}
        operation["responses"]["200"] = done
        found[verb] = {**operation, "requestBody": _body(request)}
    return found


def _invocations(mark: str = "") -> dict[str, Any]:
    """Bodies of other servers."""
    lists = {"type": "array", "items": {"type": "array"}}
    columns = {"type": "array", "items": _TEXT}
    split = {"type": "object", "required": ["columns", "data"], "properties": {"columns": columns, "data": lists}}
    forms = {
        "instances": {"type": "array"},
        "inputs": {"type": ["array", "object"]},
        "dataframe_records": {"type": "array", "items": _OBJECT},
        "dataframe_split": split,
    }
    one_of = [{"type": "object", "required": [name], "properties": {name: form}} for name, form in forms.items()]
    answer = {"type": "object", "required": ["predictions"], "properties": {"predictions": {"type": "array"}}}
    told = _post(f"invocations{mark}", "Predict, in the forms of other servers", {}, answer)
    body = _body({"oneOf": one_of})
    body["content"]["text/csv"] = {"schema": _TEXT}
    told["responses"]["200"] = _answer("The predictions", answer)
    return {**told, "requestBody": body}


def _body(schema: dict[str, Any]) -> dict[str, Any]:
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def _failure(status: str) -> dict[str, Any]:
    return _answer(_ERRORS[status], _ERROR)


def _answer(text: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": text, "content": {"application/json": {"schema": schema}}}


def _server() -> dict[str, Any]:
    told = {"name": _TEXT, "version": _TEXT, "extensions": {"type": "array", "items": _TEXT}}
    return {"type": "object", "required": list(told), "properties": told}


def _listed() -> dict[str, Any]:
    return {"type": "object", "required": ["models"], "properties": {"models": {"type": "array", "items": _TEXT}}}


def _index() -> dict[str, Any]:
    """Triton's, of all endpoints."""
    entry = {"type": "object", "required": ["name", "state"], "properties": dict.fromkeys(_ENTRY, _TEXT)}
    told = _get("index", "Endpoints, their versions and states", {"type": "array", "items": entry})
    asked = {"type": "object", "properties": {"ready": {"type": ["boolean", "null"]}}}
    wrong = {status: _failure(status) for status in ("400", "401", "403", "408", "413")}
    body = {**_body(asked), "required": False}
    return {**told, "requestBody": body, "responses": {"200": told["responses"]["200"], **wrong}}


_ENTRY = ("name", "version", "state", "reason")


def _ready() -> dict[str, Any]:
    told = {"name": _TEXT, "ready": {"type": "boolean"}}
    return {"type": "object", "required": list(told), "properties": told}


def _metadata() -> dict[str, Any]:
    told = {"name": _TEXT, "datatype": {"enum": list(DATATYPES)}, "shape": {"type": "array", "items": _WHOLE}}
    tensors = {"type": "array", "items": {"type": "object", "required": list(told), "properties": told}}
    head = {"name": _TEXT, "versions": {"type": "array", "items": _TEXT}, "platform": _TEXT}
    whole = {**head, "inputs": tensors, "outputs": tensors}
    return {"type": "object", "required": list(whole), "properties": whole}


_WHOLE = {"type": "integer"}


def _request(inputs: list[dict[str, Any]]) -> dict[str, Any]:
    """Tensors, or rows."""
    output = {
        "type": "object",
        "required": ["name"],
        "properties": {"name": _TEXT, "parameters": {"type": ["object", "null"]}},
    }
    common = {
        "id": {"type": ["string", "null"]},
        "parameters": {"type": ["object", "null"]},
        "outputs": {"type": ["array", "null"], "items": output},
    }
    tensor = {
        "type": "object",
        "required": ["name", "shape", "datatype"],
        "properties": {
            "name": _TEXT,
            "shape": {"type": "array", "items": {"type": "integer", "minimum": 1}, "maxItems": MAX_AXES},
            "datatype": {"enum": list(DATATYPES)},
            "data": {"type": "array"},
        },
    }
    row = {
        "type": "object",
        "properties": {each["name"]: _value(each["datatype"], each["shape"][1:]) for each in inputs},
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
    tensor = {
        "type": "object",
        "required": ["name", "shape", "datatype"],
        "properties": {
            "name": _TEXT,
            "shape": {"type": "array", "items": _WHOLE},
            "datatype": {"enum": list(DATATYPES)},
            "data": {"type": "array"},
            "parameters": _OBJECT,
        },
    }
    row = {"type": "object", "properties": {each["name"]: {} for each in outputs}}
    told = {
        "model_name": _TEXT,
        "model_version": _TEXT,
        "id": _TEXT,
        "parameters": _OBJECT,
        "outputs": {"type": "array", "items": tensor},
        "rows": {"type": "array", "items": row},
    }
    return {"type": "object", "required": ["model_name", "model_version", "id"], "properties": told}


def _value(datatype: str, inner: Sequence[int] = ()) -> dict[str, Any]:
    """A value of a row: of a tensor nested lists of the sizes that the model fixes."""
    if inner:
        sizes = {"minItems": inner[0], "maxItems": inner[0]} if inner[0] > 0 else {"minItems": 1}
        return {
            "type": "array",
            "items": _element(datatype) if len(inner) == 1 else _value(datatype, inner[1:]),
            **sizes,
        }
    return _element(datatype)


def _element(datatype: str) -> dict[str, Any]:
    if datatype == "BYTES":
        return {"type": ["string", "null"]}
    return {"type": ["number", "boolean", "null"]}
