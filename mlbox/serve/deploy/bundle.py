"""What replicas are made of: the endpoint with its models, functions and feature vectors, all of one version, as a
document; and bytes by their SHA-256.

{"format": 2, "mlbox": "..", "project": "shop", "endpoint": {..}, "models": [{..}], "facts": {..}, "functions": [{..}],
 "vectors": [{..}], "callers": "<SHA-256 of the token that callers send>"}
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec

from mlbox.base.clock import now
from mlbox.base.errors import Invalid
from mlbox.base.ids import new_id
from mlbox.engine.catalog.tables import artifacts, endpoints, functions, models, projects, secrets
from mlbox.engine.catalog.tables.artifacts import ArtifactRow
from mlbox.engine.catalog.tables.endpoints import EndpointRow
from mlbox.engine.catalog.tables.functions import FunctionRow
from mlbox.engine.catalog.tables.models import ModelRow, ModelVersion
from mlbox.engine.features.definition import FeatureSet, VectorFeature
from mlbox.engine.features.online_parts import Readable

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from mlbox.engine.catalog.database import Catalog
    from mlbox.engine.security.secrets import Secrets

FORMAT = 2


class Vector(msgspec.Struct, kw_only=True):
    """A feature vector with all that it takes to read it. ``by``: ``store``, where replicas reach the online store, or
    ``home``, which they ask."""

    project: str
    name: str
    by: str
    names: list[str]
    sets: list[str]
    """As ``FeatureSet.to_text`` writes them, in the order in which they are read."""
    features: list[list[VectorFeature]]
    """Of each set."""
    links: dict[str, dict[str, tuple[str, str]]]

    @property
    def readable(self) -> Readable:
        """For an online reader."""
        sets = map(FeatureSet.from_text, self.sets)
        return Readable(self.names, list(zip(sets, self.features, strict=True)), self.links)


class Private(msgspec.Struct, kw_only=True):
    """What the home adds when a replica asks, and keeps in no document."""

    store: str = ""
    store_password: str = ""
    secrets: dict[str, dict[str, str]] = {}
    """Project → name → value."""
    packages: dict[str, str] = {}
    """Variables for the one who builds environments: the index, a proxy."""
    certificates: str = ""
    """PEM of those who may sign for the index."""
    wheels: bool = False
    """Whether the home has a folder of wheels, which it hands out."""


class Bundle(msgspec.Struct, kw_only=True):
    """See above."""

    format: int = FORMAT
    mlbox: str
    project: str
    endpoint: EndpointRow
    models: list[ModelVersion] = []
    facts: dict[str, dict[str, Any]] = {}
    """Of models that are computed in a process: its requirements and Python."""
    functions: list[FunctionRow] = []
    vectors: list[Vector] = []
    secrets: list[str] = []
    """Names of those of its project that its graph uses."""
    callers: str = ""
    private: Private | None = None

    @property
    def digests(self) -> set[str]:
        """Of all bytes that it needs."""
        return {*(model.digest for model in self.models), *(function.code for function in self.functions)}

    @property
    def secret_names(self) -> Mapping[str, set[str]]:
        """Secrets that its functions and its graph use, by project."""
        found: dict[str, set[str]] = {self.project: set(self.secrets)} if self.secrets else {}
        for function in self.functions:
            if names := function.definition.get("secrets"):
                found.setdefault(function.project, set()).update(names)
        return found

    def encoded(self) -> str:
        """As JSON."""
        return msgspec.json.encode(self).decode()

    @property
    def version(self) -> str:
        """The same for the same content; who may call, and what is private, is no part of it."""
        plain = msgspec.structs.replace(self, callers="", private=None)
        return hashlib.sha256(msgspec.json.encode(plain, order="deterministic")).hexdigest()[:16]


def decoded(text: str | bytes) -> Bundle:
    """A bundle from JSON; ``Invalid`` when it is none that this version knows."""
    try:
        bundle = msgspec.json.decode(text, type=Bundle)
    except msgspec.MsgspecError as error:
        raise Invalid(f"the bundle cannot be read: {error}", hint="the image has another version of mlbox") from None
    if bundle.format > FORMAT:
        raise Invalid(f"the bundle is of a newer mlbox ({bundle.mlbox})", hint="use an image with that version")
    return bundle


def install(bundle: Bundle, catalog: Catalog, keys: Secrets) -> None:
    """Put the rows into an empty home; the bytes are there already."""
    owners = {bundle.project, *(each.project for each in bundle.models), *(each.project for each in bundle.functions)}
    values = bundle.private.secrets if bundle.private else {}
    sealed = [(owner, name, keys.encrypted(value)) for owner, own in values.items() for name, value in own.items()]

    def write(cursor: DuckDBPyConnection) -> None:
        for name in sorted(owners - {found for found in owners if projects.exists(cursor, found)}):
            projects.upsert(cursor, projects.ProjectRow(name, None, None, now(), None, {}))
        made: dict[tuple[str, str], str] = {}
        for model in bundle.models:
            key = (model.project, model.name)
            if key not in made:
                made[key] = new_id()
                models.insert(cursor, ModelRow(made[key], *key, 0, None, now()))
            artifact = _artifact(model, bundle.facts.get(str(model)))
            if artifact is not None:
                artifacts.insert(cursor, artifact)
            known = artifact.id if artifact is not None else None
            models.insert_version(cursor, replace(model, model_id=made[key], run_id=None, artifact_id=known))
        for function in bundle.functions:
            functions.insert(cursor, function)
        for owner, name, value in sealed:
            secrets.put(cursor, owner, name, value, now(), "home")
        endpoints.insert(cursor, bundle.endpoint)

    catalog.write(write)


def _artifact(model: ModelVersion, facts: Mapping[str, Any] | None) -> ArtifactRow | None:
    """What says how a model was logged."""
    if facts is None:
        return None
    return ArtifactRow(
        id=new_id(),
        project=model.project,
        run_id=None,
        name=model.name,
        kind="model",
        digest=model.digest,
        size=model.size,
        created_at=model.created_at,
        metadata=facts,
    )
