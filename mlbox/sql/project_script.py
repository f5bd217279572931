"""A project as the statements that make it, in the order in which they can be carried out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from mlbox.base.command import Command, Query
from mlbox.base.names import Ref, literal, quote
from mlbox.engine.catalog.tables import (
    alerts,
    collections,
    dumps,
    endpoints,
    feature_sets,
    feature_vectors,
    feeds,
    functions,
    models,
    monitors,
    schedules,
    sources,
    workflows,
)
from mlbox.engine.features.clock import refresh_text, schedule_name
from mlbox.engine.features.commands import (
    Aggregate,
    Calendar,
    Column,
    CreateFeatureSet,
    CreateFeatureVector,
    CreateSource,
    FeatureRef,
    Refresh,
    Relation,
    Severity,
    Tolerance,
    Watch,
)
from mlbox.engine.features.definition import Feature, FeatureSet, FeatureVector, VectorFeature, WindowColumn
from mlbox.engine.models.commands import CreateModel, SetModelAlias
from mlbox.engine.runs.commands import CreateFunction, SetFunctionAlias
from mlbox.engine.runs.requests import load_resources
from mlbox.engine.search.definition import Collection
from mlbox.engine.security.secret_names import options_of
from mlbox.engine.workflows.commands import CreateSchedule
from mlbox.serve.commands import CreateEndpoint, Share
from mlbox.serve.feeds.commands import CreateFeed
from mlbox.serve.feeds.definition import TABLE
from mlbox.sql.printing import printed

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from mlbox.engine.catalog.tables.endpoints import EndpointRow, ShareRow
    from mlbox.engine.catalog.tables.functions import FunctionRow
    from mlbox.engine.catalog.tables.models import ModelVersion

HEAD = """-- Project {project} as statements. In an archive it is for people: the rows come from the files beside it.
-- Alone in a folder (with the files that it names) it is carried out: mlbox apply FOLDER --project {project}
"""
Fields = tuple[tuple[str, str], ...]
Paths = Mapping[str, str] | None


def project_script(cursor: DuckDBPyConnection, project: str, paths: Paths) -> str:
    """The script; ``paths`` are files of bytes by digest, beside the script."""
    parts = [HEAD.format(project=project)]
    for title, statements in (
        ("Tables", _tables(cursor, project)),
        ("Functions", _commands(project, _functions(cursor, project, paths))),
        ("Sources", _commands(project, _sources(cursor, project))),
        ("Feature sets and vectors", _commands(project, _features(cursor, project))),
        ("Models", _commands(project, _models(cursor, project, paths))),
        ("Collections", _commands(project, _collections(cursor, project))),
        ("Endpoints", _commands(project, _endpoints(cursor, project))),
        ("Feeds", _commands(project, _feeds(cursor, project))),
        ("Monitors and alerts", _kept(cursor, project)),
        ("Workflows and schedules", _work(cursor, project)),
    ):
        found = [text.strip().rstrip(";") for text in statements]
        if found:
            parts.append(f"-- {title}\n" + "".join(f"{text};\n" for text in found))
    return "\n".join(parts)


def _commands(project: str, commands: Iterator[Command]) -> Iterator[str]:
    return (printed(command, project) for command in commands)


def _tables(cursor: DuckDBPyConnection, project: str) -> Iterator[str]:
    own = re.compile(rf'^(CREATE \w+ )("{project}"|{project})\.')
    return (
        own.sub(r"\1", made.sql) for made in dumps.schema_of(cursor, project, feature_sets.names_of(cursor, project))
    )


def _functions(cursor: DuckDBPyConnection, project: str, paths: Paths) -> Iterator[Command]:
    for name in functions.names(cursor, project):
        row = functions.get(cursor, project, name)
        if row is not None:
            yield _function(row, paths)
            for alias, number in functions.aliases(cursor, project, name).items():
                if number == row.version:  # others stay behind with their versions
                    yield SetFunctionAlias(ref=Ref(project, name), alias=alias, version="1")


def _function(row: FunctionRow, paths: Paths) -> CreateFunction:
    known = row.definition
    path = (paths or {}).get(row.code)
    return CreateFunction(
        ref=Ref(row.project, row.name),
        source=f"{path}#{row.file}" if path and not known.get("query") else row.source,
        query=Query(known["query"]) if known.get("query") else None,
        handler=row.handler,
        runtime=row.runtime,
        image=known.get("image"),
        requirements=row.requirements,
        resources=load_resources(known),
        environment=known.get("environment", {}),
        secrets=tuple(known.get("secrets", ())),
        retries=known.get("retries", 0),
        backoff=_span(known.get("backoff_seconds")),
        timeout=_span(known.get("timeout_seconds")),
        options=known.get("options", {}),
        comment=row.comment,
    )


def _sources(cursor: DuckDBPyConnection, project: str) -> Iterator[Command]:
    for row in sources.every(cursor):
        if row.project == project:
            yield CreateSource(
                ref=Ref(project, row.name),
                type=None if row.query else row.type,
                uri=row.uri,
                query=Query(row.query) if row.query else None,
                options=options_of(row.options),
                comment=row.comment,
            )


def _features(cursor: DuckDBPyConnection, project: str) -> Iterator[Command]:
    known = {row.id: Ref(row.project, row.name) for row in sources.every(cursor)}
    for text, _, _ in feature_sets.every(cursor):
        found = FeatureSet.from_text(text)
        if found.project == project:
            yield replace(_feature_set(found), source=known.get(found.source or ""))
    for text in feature_vectors.every(cursor):
        vector = FeatureVector.from_text(text)
        if vector.project == project:
            uses = [_use(used) for used in vector.uses]
            yield CreateFeatureVector(
                ref=Ref(project, vector.name),
                features=tuple(uses[: len(vector.features)]),
                label=uses[-1] if vector.label else None,
                relations=tuple(
                    Relation(
                        FeatureRef(Ref(link.from_project, link.from_set), link.feature),
                        FeatureRef(Ref(link.project, link.feature_set), link.entity),
                    )
                    for link in vector.links
                ),
                tolerances=tuple(
                    Tolerance(Ref(owner, name), timedelta(seconds=age)) for owner, name, age in vector.tolerances
                ),
                comment=vector.comment,
            )


def _use(used: VectorFeature) -> FeatureRef:
    alias = None if used.name == used.feature else used.name
    return FeatureRef(Ref(used.project, used.feature_set), used.feature, alias)


def _feature_set(found: FeatureSet) -> CreateFeatureSet:
    times = [Column(found.timestamp, "timestamp")]
    times += [Column(found.known_at, "known_at")] if found.known_at else []
    options: dict[str, Any] = {"online": "manual"} if found.online_by_hand else {}
    if found.timezone is not None:
        options["timezone"] = found.timezone
    if found.lateness is not None:
        options["allowed_lateness"] = timedelta(seconds=found.lateness)
    if found.time_unit is not None:
        options["time_unit"] = found.time_unit
    if found.tags:
        options["tags"] = list(found.tags)
    if found.location is not None:
        options["location"] = found.location
        if found.location_profile is not None:
            options["profile"] = found.location_profile
        if found.location_format != "parquet":
            options["format"] = found.location_format
    options.update(found.engine_options)
    errors: Any = "quarantine" if found.quarantine else "skip" if found.skip_errors else "fail"
    store: Any = found.store
    return CreateFeatureSet(
        ref=Ref(found.project, found.name),
        columns=(
            *(Column(name, "entity", kind) for name, kind in found.entities),
            *times,
            *(_column(feature) for feature in found.features if feature.aggregate is None),
        ),
        ttl=_span(found.ttl),
        store=store,
        refresh=_refresh(found),
        on_error=errors,
        aggregates=tuple(map(_aggregate, found.windows)),
        options=options,
        partition_by=found.partition_by,
        query=Query(found.body) if found.body else None,
        engine=found.engine,
        transform=found.transform_ref.at(None) if found.transform_ref else None,
        comment=found.comment,
    )


def _aggregate(window: WindowColumn) -> Aggregate:
    length = timedelta(seconds=window.seconds) if window.calendar is None else Calendar(window.calendar, window.zone)
    every = None if window.every is None else timedelta(seconds=window.every)
    return Aggregate(window.function, window.column, (length,), every, window.name, window.argument)


def _refresh(found: FeatureSet) -> Refresh:
    """As it was declared; the schedule comes with it."""
    if found.refresh is None:
        by_hand = found.fed and found.source is not None and not found.continuous
        return Refresh("manual" if by_hand else "auto")
    kind, _, rest = found.refresh.partition(" ")
    if kind == "CRON":
        return Refresh("cron", cron=rest[1:-1].replace("''", "'"))
    return Refresh("every", every=timedelta(microseconds=int(rest.split("'")[1].split()[0])))


def _column(feature: Feature) -> Column:
    default: Any = feature.default
    if default is not None:
        default = default[1:-1].replace("''", "'") if default.startswith("'") else _number(default)
    return Column(
        feature.name,
        type=feature.type,
        not_null=feature.not_null,
        check=Query(feature.check) if feature.check else None,
        default=default,
        has_default=feature.default is not None,
        comment=feature.description,
        watches=tuple(Watch(Query(condition), _severity(severity)) for severity, condition in feature.watches),
    )


def _severity(kept: str) -> Severity:
    return "info" if kept == "info" else "warn"


def _models(cursor: DuckDBPyConnection, project: str, paths: Paths) -> Iterator[Command]:
    """Every version, the oldest first, then the aliases."""
    for version in _versions(cursor, project):
        path = (paths or {}).get(version.digest)
        if path is None and version.run_id is None:
            continue
        vector = version.feature_vector
        owner, _, name = vector.rpartition(".") if vector else ("", "", "")
        yield CreateModel(
            ref=Ref(project, version.name),
            path=path,
            run=None if path else version.run_id,
            inputs=_fields(version.inputs, [(name, "DOUBLE") for name in version.features]),
            outputs=_fields(version.outputs, []),
            features=Ref(owner or project, name) if vector else None,
            metrics=version.metrics,
            comment=version.comment,
        )
    for name in models.names(cursor, project):
        model = models.get(cursor, project, name)
        for alias, number in models.aliases(cursor, model).items() if model else ():
            yield SetModelAlias(ref=Ref(project, name), alias=alias, version=str(number))


def _fields(known: Fields, otherwise: list[tuple[str, str]]) -> Fields:
    """Fields as SQL has types; one tensor for all features has none."""
    return tuple(otherwise) if any("(" in kind for _, kind in known) else known


def _versions(cursor: DuckDBPyConnection, project: str) -> Iterator[ModelVersion]:
    for name in models.names(cursor, project):
        model = models.get(cursor, project, name)
        for number in models.versions(cursor, model) if model else ():
            version = models.get_version(cursor, model, number) if model else None
            if version is not None:
                yield version


def _collections(cursor: DuckDBPyConnection, project: str) -> Iterator[Command]:
    for row in collections.every(cursor):
        if row.project == project:
            yield Collection.from_text(row.definition).to_command()


def _endpoints(cursor: DuckDBPyConnection, project: str) -> Iterator[Command]:
    for row in endpoints.load(cursor):
        if row.project == project:
            yield _endpoint(row)


def _feeds(cursor: DuckDBPyConnection, project: str) -> Iterator[Command]:
    known = {row.id: Ref(row.project, row.name) for row in sources.every(cursor)}
    for row in feeds.every(cursor):
        if row.project == project:
            owner, _, name = (row.source or "").partition(".")
            target = row.target or ""
            table = target.removeprefix(TABLE) if target.startswith(TABLE) else None
            yield CreateFeed(
                ref=Ref(project, row.name),
                endpoint=Ref(project, row.endpoint),
                source=known.get(row.source_id) if row.source_id else None,
                table=Ref(owner, name) if row.kind == "table" else None,
                column=row.column,
                query=Query(row.query) if row.query else None,
                cron=row.cron,
                every=_span(row.every_seconds),
                timezone=row.timezone,
                into=Ref(project, table) if table else None,
                uri=row.target if table is None else None,
                options=options_of(row.options),
                comment=row.comment,
            )


def _endpoint(row: EndpointRow) -> CreateEndpoint:
    using: Any = row.serving
    ensemble: Any = row.ensemble
    return CreateEndpoint(
        ref=Ref(row.project, row.name),
        using=using,
        shares=() if row.graph else tuple(Share(_model(share), share.weight) for share in row.shares),
        ensemble=ensemble,
        preprocess=Query(row.preprocess) if row.preprocess else None,
        postprocess=Query(row.postprocess) if row.postprocess else None,
        graph=str(row.graph["text"]) if row.graph else None,
        url_path=row.path,
        meta=_model(row.meta) if row.meta else None,
        function=Ref(row.function[0], row.function[1], str(row.function[2])) if row.function else None,
        enrich=Ref(*row.vector) if row.vector else None,
        impute=row.impute,
        shadow=_model(row.shadow) if row.shadow else None,
        log_percent=row.log_percent,
        options=row.options,
        comment=row.comment,
    )


def _model(share: ShareRow) -> Ref:
    return Ref(share.project, share.name, share.version)


def _kept(cursor: DuckDBPyConnection, project: str) -> Iterator[str]:
    """Their definitions are statements already."""
    for kind, rows in (("MONITOR", monitors.every(cursor)), ("ALERT", alerts.every(cursor))):
        for row in rows:
            if row.project == project:
                yield row.definition
                if row.comment:
                    yield f"ALTER {kind} {quote(row.name)} SET (comment = {literal(row.comment)})"


def _work(cursor: DuckDBPyConnection, project: str) -> Iterator[str]:
    for name in workflows.names(cursor, project):
        yield workflows.require(cursor, project, name).definition
    sets = [FeatureSet.from_text(text) for text, *_ in feature_sets.every(cursor)]
    made = {(found.project, schedule_name(found)): refresh_text(found) for found in sets if found.refresh}
    for row in schedules.every(cursor):
        if row.project == project and made.get((row.project, row.name)) != row.statement:
            command = CreateSchedule(
                ref=Ref(project, row.name),
                body=Query(row.statement),
                cron=row.cron,
                every=_span(row.every_seconds),
                timezone=row.timezone,
                comment=row.comment,
            )
            yield printed(command, project)


def _span(seconds: float | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)


def _number(text: str) -> Any:
    if text in ("True", "False"):
        return text == "True"
    return float(text) if set(text) & set(".eE") else int(text)
