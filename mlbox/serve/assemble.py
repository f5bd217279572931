"""Builds the runtime of an endpoint from its row: resolves references, loads models, starts processes."""

from __future__ import annotations

from collections.abc import Mapping, Set
from functools import partial
from typing import TYPE_CHECKING, Any

from mlbox.base.counted import counted
from mlbox.base.errors import Invalid
from mlbox.base.names import Ref
from mlbox.base.suggest import did_you_mean
from mlbox.base.telemetry import tracer
from mlbox.serve import ensemble, ensemble_tensors, feeding
from mlbox.serve.asynchronous import AsyncRuntime
from mlbox.serve.endpoint import Arm, Runtime
from mlbox.serve.graph.runtime import GraphRuntime, planned
from mlbox.serve.graph.scope import CheckScope
from mlbox.serve.remote import RemotePredictor
from mlbox.serve.runtimes.base import runtime_of, seconds_of
from mlbox.serve.shaping import shaping_of
from mlbox.serve.shop import handler_of
from mlbox.serve.substitutes import with_set_statistics
from mlbox.serve.tracing import TracedPredictor, TracedReader

if TYPE_CHECKING:
    from mlbox.engine.catalog.tables.endpoints import EndpointRow, ShareRow
    from mlbox.engine.catalog.tables.models import ModelVersion
    from mlbox.serve.needs import OnlineReader
    from mlbox.serve.shop import Shop

STATISTICS = ("mean", "min", "max", "median", "std")
"""What IMPUTE may take from the statistics of the training set, with ``$`` before it."""


def build(row: EndpointRow, shop: Shop) -> Runtime:
    """A warm runtime. Raises ``NotFound`` or ``Invalid`` when something that it needs is not there, and what the
    user's code raises when it is loaded."""
    if row.graph is not None:
        return GraphRuntime(row, shop)
    row = with_set_statistics(row, shop)
    reader = _reader(row, shop)
    stored = frozenset(name.lower() for name in reader.features) if reader else frozenset()
    one = partial(_arm, row, shop=shop, stored=stored)
    arms = [_function_arm(row, shop)] if row.function else [one(share) for share in row.shares]
    shadow = one(row.shadow) if row.shadow else None
    meta = one(row.meta) if row.meta else None
    _check_impute(row.impute, [*arms, *([shadow] if shadow else [])])
    if row.ensemble is not None:
        ensemble_tensors.check(row.ensemble, arms)
    if meta is not None:
        ensemble.check_stack(arms, meta)
    waits = any(isinstance(arm.predictor, RemotePredictor) for arm in (*arms, shadow, meta) if arm)
    shaping = shaping_of(row, reader.features if reader else ())
    runtime = (AsyncRuntime if waits else Runtime)(row, arms, reader, shadow, meta, shaping)
    runtime.warm()
    return runtime


def starts_processes(row: EndpointRow, shop: Shop) -> bool:
    """Whether building it starts processes of user code, which a plan does not do."""
    if row.function is not None or row.graph is not None:
        return True
    return any(not runtime_of(_version(share, shop)).capabilities.in_process for share in row.models)


def foresee(row: EndpointRow, shop: Shop) -> list[tuple[str, str]]:
    """What building it will load, and how, without starting anything; raises for what cannot be served."""
    if row.graph is not None:
        scope = CheckScope(shop, row.project)
        plan = planned(str(row.graph["text"]), scope)
        steps = f"{counted(len(plan.nodes), 'step')}: {', '.join(node.name for node in plan.nodes)}"
        return [("graph", steps), *((f"{kind} {ref}", "used by the graph") for kind, ref in scope.uses)]
    _reader(row, shop)
    found = []
    if row.function is not None:
        function = shop.function(row)
        handler = handler_of(function, None, verb="predict")
        needs = f", with {', '.join(function.requirements)}" if function.requirements else ""
        name = f"function {function.project}.{function.name}@{function.version}"
        found.append((name, f"{handler} of {function.file} in a process of its own{needs}"))
    for share in row.models:
        version = _version(share, shop)
        found.append((f"model {version}", runtime_of(version).foresee(version, shop)))
    return found


def _reader(row: EndpointRow, shop: Shop) -> OnlineReader | None:
    if row.vector is None:
        return None
    if shop.features is None:
        raise Invalid("there is no feature store in this home", hint="leave ENRICH WITH out")
    reader = shop.features.reader(Ref(*row.vector))
    return reader if tracer() is None else TracedReader(reader, ".".join(row.vector))


def _version(share: ShareRow, shop: Shop) -> ModelVersion:
    return shop.models.resolve(Ref(share.project, share.name, share.version))


def _arm(row: EndpointRow, share: ShareRow, shop: Shop, stored: Set[str]) -> Arm:
    version = _version(share, shop)
    predictor = runtime_of(version).open(version, row, shop)
    name = version.name if version.project == row.project else f"{version.project}.{version.name}"
    if tracer() is not None and not isinstance(predictor, RemotePredictor):
        traced: Any = TracedPredictor(predictor, str(version))
        predictor = traced
    return Arm(name, version.version, predictor, share.weight, _impute(row.impute, version, predictor.features, stored))


def _function_arm(row: EndpointRow, shop: Shop) -> Arm:
    function = shop.function(row)
    handler = handler_of(function, None, verb="predict")
    launch = shop.launch(function, handler, row.options.get("parameters") or {})
    predictor = RemotePredictor(shop.lease(launch, row), (), seconds_of(row))
    name = function.name if function.project == row.project else f"{function.project}.{function.name}"
    return Arm(name, function.version, predictor, 1.0, _numbers(row.impute, predictor.features))


def _numbers(impute: Mapping[str, Any], features: tuple[str, ...]) -> tuple[tuple[int, float], ...]:
    """IMPUTE for a function, which has no statistics."""
    folded = {name.lower(): value for name, value in impute.items()}
    found = []
    for index, feature in enumerate(features):
        value = folded.get(feature.lower(), folded.get("*"))
        if value is None:
            continue
        if isinstance(value, str) and value.lower() == "$previous":
            raise _previous(feature)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise Invalid(f"IMPUTE {feature} = {value!r}: a number is needed, a function has no statistics")
        found.append((index, float(value)))
    return tuple(found)


def _check_impute(impute: Mapping[str, Any], arms: list[Arm]) -> None:
    known = {key for arm in arms for key in arm.keys}
    wide = {key for arm in arms if arm.predictor.tensors_in for key in feeding.wide(arm)}
    for name in impute:
        if name.lower() in wide:
            raise Invalid(f"IMPUTE names {name!r}, which is a tensor", hint="one number stands for one value a row")
        if name != "*" and name.lower() not in known:
            raise Invalid(f"IMPUTE names {name!r}, which is no feature", hint=did_you_mean(name, known))


def _impute(
    impute: Mapping[str, Any], version: ModelVersion, features: tuple[str, ...], stored: Set[str]
) -> tuple[tuple[int, float], ...]:
    """Numbers by the index of the feature. ``*`` asks for no statistic of what is not stored: callers send that."""
    folded = {name.lower(): value for name, value in impute.items()}
    statistics = {name.lower(): value for name, value in version.feature_stats.items()}
    filled = []
    for index, feature in enumerate(features):
        value = folded.get(feature.lower(), folded.get("*"))
        if value is None:
            continue
        if isinstance(value, str) and value.startswith("$"):
            if feature.lower() not in {*folded, *stored, *statistics}:
                continue
            value = _statistic(value[1:].lower(), feature, statistics.get(feature.lower()), version)
        if isinstance(value, str) or not isinstance(value, int | float):
            raise Invalid(f"IMPUTE {feature} = {value!r}: a number or '$mean' is needed")
        filled.append((index, float(value)))
    return tuple(filled)


def _previous(feature: str) -> Invalid:
    return Invalid(
        f"IMPUTE {feature} = '$previous': an endpoint does not take values that are older than their TTL",
        hint="give the feature set a longer TTL, or impute by '$mean' or a number; "
        "ml.online and POST /features/{vector} have '$previous'",
    )


def _statistic(name: str, feature: str, known: Any, version: ModelVersion) -> float:
    if name == "previous":
        raise _previous(feature)
    if name not in STATISTICS:
        raise Invalid(f"IMPUTE {feature} = '${name}'", hint=f"one of {', '.join('$' + word for word in STATISTICS)}")
    value = known.get(name) if isinstance(known, Mapping) else None
    if value is None and name == "median" and isinstance(known, Mapping):
        quantiles = known.get("quantiles") or []
        value = quantiles[len(quantiles) // 2] if len(quantiles) % 2 else None
    if not isinstance(value, int | float):
        raise Invalid(
            f"IMPUTE {feature} = '${name}': model {version} has no statistics of {feature}, nor have the feature sets",
            hint="log the model with its training set: ctx.log_model(…, training_set=frame), or give a number",
        )
    return float(value)
