"""From the command to the definition of a feature vector."""

from __future__ import annotations

from mlbox.base.errors import Invalid, NotFound
from mlbox.base.names import check_name
from mlbox.base.suggest import did_you_mean
from mlbox.engine.features.commands import CreateFeatureVector, FeatureRef
from mlbox.engine.features.definition import FeatureVector, VectorFeature
from mlbox.engine.features.directory import Directory


def resolve(command: CreateFeatureVector, directory: Directory) -> FeatureVector:
    """Wildcards become names; every feature must exist and have a name of its own."""
    check_name(command.ref.name, "feature vector name")
    features = [found for wanted in command.features for found in _named(wanted, directory)]
    seen: dict[str, VectorFeature] = {}
    for feature in features:
        other = seen.setdefault(feature.name.lower(), feature)
        if other is not feature:
            raise Invalid(
                f"two features are called {feature.name!r}: {other.feature_set}.{other.feature} and "
                f"{feature.feature_set}.{feature.feature}",
                hint="rename one with AS",
            )
    label = None
    if command.label is not None:
        (label,) = _named(command.label, directory) if command.label.feature != "*" else (None,)
        if label is None:
            raise Invalid("the label is one column", hint="LABEL set.column")
    return FeatureVector(command.ref.project, command.ref.name, tuple(features), label, command.comment)


def _named(wanted: FeatureRef, directory: Directory) -> list[VectorFeature]:
    found = directory.set(wanted.feature_set)
    names = [feature.name for feature in found.features]
    if wanted.feature == "*":
        return [VectorFeature(found.name, found.project, name, name) for name in names]
    name = next((name for name in names if name.lower() == wanted.feature.lower()), None)
    if name is None:
        raise NotFound(
            f"feature set {found.name} has no feature {wanted.feature!r}", hint=did_you_mean(wanted.feature, names)
        )
    return [VectorFeature(found.name, found.project, name, wanted.alias or name)]
