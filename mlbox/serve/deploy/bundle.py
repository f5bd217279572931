"""What replicas are made of: the endpoint, its models and functions, all of one version, as a document; and bytes by
their SHA-256.

{"format": 1, "mlbox": "..", "project": "shop", "endpoint": {..}, "models": [{..}], "functions": [{..}],
 "callers": "<SHA-256 of the token that callers send>"}
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from mlbox.base.clock import now
from mlbox.base.errors import Invalid
from mlbox.base.ids import new_id
from mlbox.base.names import Ref
from mlbox.engine.catalog.tables import endpoints, functions, models, projects
from mlbox.engine.catalog.tables.endpoints import EndpointRow, ShareRow
from mlbox.engine.catalog.tables.functions import FunctionRow
from mlbox.engine.catalog.tables.models import ModelRow, ModelVersion
from mlbox.serve.runtimes.base import runtime_of

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from mlbox.engine.catalog.database import Catalog
    from mlbox.serve.shop import Shop

FORMAT = 1


class Bundle(msgspec.Struct, kw_only=True):
    """See above."""

    format: int = FORMAT
    mlbox: str
    project: str
    endpoint: EndpointRow
    models: list[ModelVersion] = []
    functions: list[FunctionRow] = []
    callers: str = ""

    @property
    def digests(self) -> set[str]:
        """Of all bytes that it needs."""
        return {*(model.digest for model in self.models), *(function.code for function in self.functions)}

    def encoded(self) -> str:
        """As JSON."""
        return msgspec.json.encode(self).decode()

    @property
    def version(self) -> str:
        """The same for the same content."""
        return hashlib.sha256(msgspec.json.encode(self, order="deterministic")).hexdigest()[:16]


def decoded(text: str | bytes) -> Bundle:
    """A bundle from JSON; ``Invalid`` when it is none that this version knows."""
    try:
        bundle = msgspec.json.decode(text, type=Bundle)
    except msgspec.MsgspecError as error:
        raise Invalid(f"the bundle cannot be read: {error}", hint="the image has another version of mlbox") from None
    if bundle.format > FORMAT:
        raise Invalid(f"the bundle is of a newer mlbox ({bundle.mlbox})", hint="use an image with that version")
    return bundle


def bundle_of(row: EndpointRow, shop: Shop, version: str) -> Bundle:
    """What replicas of an endpoint need, its aliases resolved; ``Invalid`` for what they could not reach."""
    _refuse(row)
    fixed, found = pinned(row, shop)
    for model in found:
        if not runtime_of(model).capabilities.in_process:
            raise Invalid(
                f"model {model} is kept as {model.framework}: replicas compute ONNX models",
                hint="convert it where it is trained, or put its code into a function",
            )
    used = [shop.function(row)] if row.function else []
    for function in used:
        if function.definition.get("secrets"):
            raise Invalid(
                f"function {function.project}.{function.name} uses secrets, which do not leave this home",
                hint="leave SECRETS out, or serve it here",
            )
    return Bundle(mlbox=version, project=row.project, endpoint=fixed, models=found, functions=used)


def pinned(row: EndpointRow, shop: Shop) -> tuple[EndpointRow, list[ModelVersion]]:
    """The row with versions in the place of aliases, as they are now, and these; ``NotFound`` when one is gone."""
    found: dict[str, ModelVersion] = {}

    def pin(share: ShareRow) -> ShareRow:
        model = shop.models.resolve(Ref(share.project, share.name, share.version))
        found[str(model)] = model
        return replace(share, version=str(model.version))

    fixed = replace(
        row,
        shares=tuple(pin(share) for share in row.shares),
        shadow=pin(row.shadow) if row.shadow else None,
        meta=pin(row.meta) if row.meta else None,
    )
    return fixed, list(found.values())


def _refuse(row: EndpointRow) -> None:
    name = f"endpoint {row.project}.{row.name}"
    if row.state != "ready":
        raise Invalid(f"{name} is {row.state}", hint=f"ALTER ENDPOINT {row.name} RESUME")
    if row.vector is not None:
        raise Invalid(
            f"{name} reads feature vector {'.'.join(row.vector)}, which replicas cannot reach",
            hint="send the features with the request, or serve it here",
        )
    if row.graph is not None:
        raise Invalid(f"{name} is a graph, which replicas do not take yet", hint="serve it here")
    if row.options.get("durable"):
        raise Invalid(
            f"{name} promises (durable = true) that each prediction is recorded here before it is answered",
            hint="leave durable out, or serve it here",
        )


def install(bundle: Bundle, catalog: Catalog) -> None:
    """Put the rows into an empty home; the bytes are there already."""
    owners = {bundle.project, *(each.project for each in bundle.models), *(each.project for each in bundle.functions)}

    def write(cursor: DuckDBPyConnection) -> None:
        for name in sorted(owners - {found for found in owners if projects.exists(cursor, found)}):
            projects.upsert(cursor, projects.ProjectRow(name, None, None, now(), None, {}))
        made: dict[tuple[str, str], str] = {}
        for model in bundle.models:
            key = (model.project, model.name)
            if key not in made:
                made[key] = new_id()
                models.insert(cursor, ModelRow(made[key], *key, 0, None, now()))
            models.insert_version(cursor, replace(model, model_id=made[key], run_id=None, artifact_id=None))
        for function in bundle.functions:
            functions.insert(cursor, function)
        endpoints.insert(cursor, bundle.endpoint)

    catalog.write(write)
