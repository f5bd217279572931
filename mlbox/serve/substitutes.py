"""IMPUTE by the statistics of feature sets, for features of which a model has none of its training set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mlbox.base.names import Ref

if TYPE_CHECKING:
    from mlbox.engine.catalog.tables.endpoints import EndpointRow
    from mlbox.engine.catalog.tables.models import ModelVersion
    from mlbox.serve.shop import Shop


def with_set_statistics(row: EndpointRow, shop: Shop) -> EndpointRow:
    """The row with numbers in the place of ``$mean`` and the like where a model of it has no such statistic, as the
    sets of its vector have them now. So all models of an endpoint get the same. Harmless a second time."""
    asked = {name.lower(): value for name, value in row.impute.items()}
    find = getattr(shop, "statistic", None)  # a worker is given a row that has numbers already
    if row.vector is None or find is None or shop.features is None or not any(map(_word, asked.values())):
        return row
    versions = [shop.models.resolve(Ref(share.project, share.name, share.version)) for share in row.models]
    found: dict[str, Any] = dict(row.impute)
    taken = None  # names of what the models take, where all of them tell
    if all(version.features for version in versions):
        taken = {name.lower() for version in versions for name in version.features}
    for feature in shop.features.reader(Ref(*row.vector)).features:
        word = _word(asked.get(feature.lower(), asked.get("*")))
        if feature.lower() not in asked and taken is not None and feature.lower() not in taken:
            continue  # the vector has more than the models take
        if not word or all(_has(version, feature, word) for version in versions):
            continue
        number = find(Ref(*row.vector), feature, word)
        if number is not None:
            found = {name: value for name, value in found.items() if name.lower() != feature.lower()}
            found[feature] = number
    return replace(row, impute=found)


def _word(value: Any) -> str:
    return value[1:].lower() if isinstance(value, str) and value.startswith("$") else ""


def _has(version: ModelVersion, feature: str, word: str) -> bool:
    known = {name.lower(): value for name, value in version.feature_stats.items()}.get(feature.lower())
    if not isinstance(known, Mapping):
        return False
    quantiles = known.get("quantiles") or []
    return isinstance(known.get(word), int | float) or (word == "median" and len(quantiles) % 2 == 1)
