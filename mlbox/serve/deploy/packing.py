"""The bundle of an endpoint: all that its replicas need, with every name resolved to a version; what cannot leave this
home is refused."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mlbox.base.errors import Invalid
from mlbox.base.names import Ref
from mlbox.engine.catalog.tables.endpoints import EndpointRow
from mlbox.engine.catalog.tables.functions import FunctionRow
from mlbox.engine.catalog.tables.models import ModelVersion
from mlbox.engine.features.online_reader import OnlineReader
from mlbox.serve.deploy.bundle import Bundle, Vector
from mlbox.serve.deploy.pinning import pinned
from mlbox.serve.graph.runtime import planned
from mlbox.serve.graph.scope import CheckScope, Pins
from mlbox.serve.runtimes.base import runtime_of

if TYPE_CHECKING:
    from mlbox.serve.shop import Shop

_FACTS = ("requirements", "python")
"""What a model that is computed in a process is started by."""


@dataclass(slots=True)
class _Found:
    """What has been met so far, each once."""

    models: dict[str, ModelVersion] = field(default_factory=dict)
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    functions: dict[tuple[str, str, int], FunctionRow] = field(default_factory=dict)
    vectors: dict[tuple[str, str], Vector] = field(default_factory=dict)
    secrets: list[str] = field(default_factory=list)


def bundle_of(row: EndpointRow, shop: Shop, version: str, by: str = "home") -> Bundle:
    """What replicas of an endpoint need; ``by``: how they read feature vectors, ``store`` or ``home``.

    ``Invalid`` for what they could not have or promise.
    """
    name = f"endpoint {row.project}.{row.name}"
    if row.state != "ready":
        raise Invalid(f"{name} is {row.state}", hint=f"ALTER ENDPOINT {row.name} RESUME")
    if row.options.get("durable"):
        raise Invalid(
            f"{name} promises (durable = true) that each prediction is recorded here before it is answered",
            hint="leave durable out, or serve it here",
        )
    found = _Found()
    graph = None if row.graph is None else _graph(row, shop, found, by)

    fixed, used = pinned(row, shop)
    for model in used:
        _model(model, shop, found)
    if row.function is not None:
        _function(shop.function(row), found)
    if row.vector is not None:
        _vector(Ref(*row.vector), shop, found, by)
    return Bundle(
        mlbox=version,
        project=row.project,
        endpoint=replace(fixed, graph=graph),
        models=list(found.models.values()),
        facts=found.facts,
        functions=list(found.functions.values()),
        vectors=list(found.vectors.values()),
        secrets=sorted(found.secrets),
    )


def _model(model: ModelVersion, shop: Shop, found: _Found) -> None:
    runtime = runtime_of(model)
    runtime.foresee(model, shop)
    found.models[str(model)] = model
    if not runtime.capabilities.in_process:
        facts = shop.facts_of(model)
        found.facts[str(model)] = {key: facts[key] for key in _FACTS if facts.get(key)}


def _function(function: FunctionRow, found: _Found) -> None:
    found.functions[function.project, function.name, function.version] = function


def _vector(ref: Ref, shop: Shop, found: _Found, by: str) -> None:
    if shop.features is None:
        raise Invalid("there is no feature store in this home", hint="leave ENRICH WITH out")
    reader = shop.features.reader(ref)
    assert isinstance(reader, OnlineReader)
    readable = reader.readable()
    links = {
        key: {name: (source, feature) for name, (source, feature) in own.items()} for key, own in readable.links.items()
    }
    found.vectors[ref.project, ref.name] = Vector(
        project=ref.project,
        name=ref.name,
        by=by,
        names=list(readable.names),
        sets=[replace(one, body=None, source=None, comment=None, windows=()).to_text() for one, _ in readable.wanted],
        features=[list(features) for _, features in readable.wanted],
        links=links,
    )


def _graph(row: EndpointRow, shop: Shop, found: _Found, by: str) -> Mapping[str, Any]:
    """The graph with the versions that its names mean now."""
    assert row.graph is not None
    scope = CheckScope(shop, row.project, Pins.of_json(row.graph.get("pins", {})))
    planned(str(row.graph["text"]), scope)
    for kind, used in scope.uses:
        project, _, name = used.partition(".")
        if kind == "collection":
            raise Invalid(
                f"endpoint {row.project}.{row.name} searches collection {used}, which is an index in this home",
                hint="put the search behind an endpoint here, and ask that with a step of kind remote",
            )
        if kind == "feature vector":
            _vector(Ref(project, name), shop, found, by)
        elif kind == "secret":
            found.secrets.append(name)
        elif kind == "function":
            name, _, number = name.rpartition("@")
            _function(shop.functions.of_run(project, name, int(number)), found)
    models = {}
    for text, share in scope.pins.models.items():
        model = shop.models.resolve(Ref(share.project, share.name, share.version))
        _model(model, shop, found)
        models[text] = replace(share, version=str(model.version))
    return {**row.graph, "pins": Pins(scope.pins.functions, models).to_json()}


def tables_of(bundle: Bundle, shop: Shop) -> set[str]:
    """Names of the tables of its project that a graph writes into."""
    row = bundle.endpoint
    if row.graph is None:
        return set()
    scope = CheckScope(shop, row.project, Pins.of_json(row.graph.get("pins", {})))
    planned(str(row.graph["text"]), scope)
    return {used.partition(".")[2] for kind, used in scope.uses if kind == "table"}


def elsewhere(address: str) -> bool:
    """Whether an online store at this address can be reached from other machines and from containers."""
    parts = urlsplit(address)
    if parts.scheme.lower() in ("", "unix") or not parts.hostname:
        return False
    if parts.hostname == "localhost":
        return False
    try:
        return not ipaddress.ip_address(parts.hostname).is_loopback
    except ValueError:
        return True
