"""Where the rows of a set lie beside the home, as it is declared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from mlbox.base.errors import Invalid, NotExecuted
from mlbox.base.suggest import did_you_mean
from mlbox.engine.features.commands import CreateFeatureSet
from mlbox.engine.features.definition import FeatureSet
from mlbox.engine.features.locations.base import FORMS, day_of
from mlbox.engine.security.profiles import PROFILE

FORMAT = "format"


def check_location(value: object) -> None:
    """A folder or a URL, from which it is clear where that is."""
    if not isinstance(value, str) or not ("://" in value or value.startswith("/")):
        raise Invalid(
            f"location {value!r} is no absolute path and no URL", hint="location = '/data/tx' or 's3://bucket/tx'"
        )


def check_format(value: object, options: Mapping[str, object]) -> None:
    """A form that is known, of a location."""
    if value not in FORMS.names():
        raise Invalid(f"option {FORMAT} = {value!r} is not known", hint=f"allowed: {', '.join(FORMS.names())}")
    if "location" not in options:
        raise Invalid(
            f"option {FORMAT} says how the rows lie at a location, and there is none",
            hint=f"WITH (location = '/data/tx', {FORMAT} = {value})",
        )


def check_profile(value: object, options: Mapping[str, object]) -> None:
    """A name, of a location at a URL; whether there is such a profile, its place says when it is tried."""
    location = options.get("location")
    if not isinstance(value, str) or not value:
        raise Invalid(f"option profile = {value!r} is no name", hint="profile = lake, after CREATE PROFILE lake ..")
    if not isinstance(location, str) or "://" not in location or location.startswith("file://"):
        raise Invalid(
            "option profile says who asks an object store, and there is no location in one",
            hint=f"WITH (location = 's3://bucket/tx', profile = {value})",
        )


def placed(built: FeatureSet, command: CreateFeatureSet, *, from_stream: bool) -> FeatureSet:
    """With its location and the columns by which files are laid apart, in the set's spelling."""
    location = command.options.get("location")
    if location is None:
        if command.partition_by:
            raise Invalid(
                "PARTITION BY lays the files of a location apart, and there is none",
                hint="WITH (location = '/data/tx'); rows in the home are found by entity and time without it",
            )
        return built
    if built.windows and (from_stream or (command.query is None and command.source is None)):
        raise NotExecuted(
            "windows that go on with their rows change what was written before: they have no location in this version",
            hint="leave location away; a second set AS SELECT .. FROM this one may have it",
        )
    known = {name.lower(): name for name in built.columns}
    for name in command.partition_by:
        if name.lower() not in known:
            raise Invalid(f"PARTITION BY: there is no column {name!r}", hint=did_you_mean(name, built.columns))
        column, taken = known[name.lower()], known.get(day_of(name).lower())
        if column in built.times and taken is not None:
            raise Invalid(
                f"PARTITION BY {column} makes a column {day_of(column)}, and the set has one", hint="rename that column"
            )
    return replace(
        built,
        location=location,
        location_profile=command.options.get(PROFILE),
        location_format=command.options.get(FORMAT, "parquet"),
        partition_by=tuple(known[name.lower()] for name in command.partition_by),
    )
