"""Builds the runtime of an endpoint from its row: resolves references, loads models, opens the reader."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from mlbox.base.errors import Invalid
from mlbox.base.names import Ref
from mlbox.base.suggest import did_you_mean
from mlbox.serve.endpoint import Arm, OnlineReader, Runtime

if TYPE_CHECKING:
    from mlbox.engine.catalog.tables.endpoints import EndpointRow, ShareRow
    from mlbox.engine.catalog.tables.models import ModelVersion
    from mlbox.engine.models.service import Models

STATISTICS = ("mean", "min", "max", "median", "std")
"""What IMPUTE may take from the statistics of the training set, with ``$`` before it."""


class FeatureReaders(Protocol):
    """Who opens feature vectors."""

    def reader(self, ref: Ref) -> OnlineReader:
        """The online reader of a vector; raises ``NotFound``."""
        ...


def build(row: EndpointRow, models: Models, features: FeatureReaders | None) -> Runtime:
    """A warm runtime. Raises ``NotFound`` or ``Invalid`` when something that it needs is not there."""
    reader: OnlineReader | None = None
    if row.vector is not None:
        if features is None:
            raise Invalid("there is no feature store in this home", hint="leave ENRICH WITH out")
        reader = features.reader(Ref(*row.vector))
    arms = [_arm(row, share, models) for share in row.shares]
    shadow = _arm(row, row.shadow, models) if row.shadow else None
    _check_impute(row.impute, [*arms, *([shadow] if shadow else [])])
    runtime = Runtime(row, arms, reader, shadow)
    runtime.warm()
    return runtime


def _arm(row: EndpointRow, share: ShareRow, models: Models) -> Arm:
    version = models.resolve(Ref(share.project, share.name, share.version))
    predictor = models.predictor_of(version)
    name = version.name if version.project == row.project else f"{version.project}.{version.name}"
    return Arm(name, version.version, predictor, share.weight, _impute(row.impute, version, predictor.features))


def _check_impute(impute: Mapping[str, Any], arms: list[Arm]) -> None:
    known = {key for arm in arms for key in arm.keys}
    for name in impute:
        if name != "*" and name.lower() not in known:
            raise Invalid(f"IMPUTE names {name!r}, which is no feature", hint=did_you_mean(name, known))


def _impute(
    impute: Mapping[str, Any], version: ModelVersion, features: tuple[str, ...]
) -> tuple[tuple[int, float], ...]:
    folded = {name.lower(): value for name, value in impute.items()}
    statistics = {name.lower(): value for name, value in version.feature_stats.items()}
    filled = []
    for index, feature in enumerate(features):
        value = folded.get(feature.lower(), folded.get("*"))
        if value is None:
            continue
        if isinstance(value, str) and value.startswith("$"):
            value = _statistic(value[1:].lower(), feature, statistics.get(feature.lower()), version)
        if isinstance(value, str) or not isinstance(value, int | float):
            raise Invalid(f"IMPUTE {feature} = {value!r}: a number or '$mean' is needed")
        filled.append((index, float(value)))
    return tuple(filled)


def _statistic(name: str, feature: str, known: Any, version: ModelVersion) -> float:
    if name not in STATISTICS:
        raise Invalid(f"IMPUTE {feature} = '${name}'", hint=f"one of {', '.join('$' + word for word in STATISTICS)}")
    value = known.get(name) if isinstance(known, Mapping) else None
    if value is None and name == "median" and isinstance(known, Mapping):
        quantiles = known.get("quantiles") or []
        value = quantiles[len(quantiles) // 2] if len(quantiles) % 2 else None
    if not isinstance(value, int | float):
        raise Invalid(
            f"IMPUTE {feature} = '${name}': model {version} has no statistics of {feature}",
            hint="log the model with its training set: ctx.log_model(…, training_set=frame), or give a number",
        )
    return float(value)
