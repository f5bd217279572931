"""The commands on sources, and where feature sets find them."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mlbox.base.clock import now
from mlbox.base.command import Caller, Handler, Plan, Result, Step
from mlbox.base.errors import AlreadyExists, Conflict, Invalid, NotFound
from mlbox.base.events import Bus, Event
from mlbox.base.ids import new_id
from mlbox.base.names import Ref, check_name
from mlbox.base.object_stores import type_of
from mlbox.base.suggest import did_you_mean, no_such
from mlbox.engine.catalog.creating import kept
from mlbox.engine.catalog.dropping import missing
from mlbox.engine.catalog.tables import dropped, projects
from mlbox.engine.catalog.tables import sources as table
from mlbox.engine.catalog.tables.lineage import Edge, record_all
from mlbox.engine.features import lineage
from mlbox.engine.features.commands import AlterSource, CreateSource, DropSource
from mlbox.engine.features.sources import remote
from mlbox.engine.features.sources.base import SOURCES, AnySource, Source
from mlbox.engine.security.profiles import PROFILE, Profiles
from mlbox.engine.security.secret_names import options_of, options_text, refuse_literals, secrets_in, with_values
from mlbox.engine.security.secrets import Secrets

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from mlbox.engine.catalog.database import Catalog

Readers = Callable[[str], list[str]]
"""What reads the source with an id: feature sets and others, by kind and name."""
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


class Sources:
    """CREATE, ALTER and DROP of sources; they are kept in memory as well, by id."""

    def __init__(self, catalog: Catalog, bus: Bus, readers: Readers) -> None:
        self._catalog = catalog
        self._bus = bus
        self._readers = readers
        self._secrets = Secrets(catalog)
        self._profiles = Profiles(catalog)
        self._lock = threading.Lock()
        self._known: dict[str, Source] = {}

    def handlers(self) -> Iterable[Handler]:
        """The commands it answers."""
        return (
            Handler(CreateSource, self.plan_create, self.create),
            Handler(AlterSource, self.plan_alter, self.alter),
            Handler(DropSource, self.plan_drop, self.drop),
        )

    def load(self) -> None:
        """Read all from the catalog."""
        with self._catalog.read() as cursor:
            found = [_source(row) for row in table.every(cursor)]
        with self._lock:
            self._known = {source.id: source for source in found}

    def find(self, ref: Ref) -> Source | None:
        """The source, or None."""
        key = (ref.project.lower(), ref.name.lower())
        with self._lock:
            return next((s for s in self._known.values() if (s.project.lower(), s.name.lower()) == key), None)

    def source(self, ref: Ref) -> Source:
        """The source; raises ``NotFound`` with the nearest names."""
        found = self.find(ref)
        if found is None:
            names = [known.name for known in self.of(ref.project)]
            raise no_such("source", ref, names)
        return found

    def by_id(self, source_id: str) -> Source | None:
        """The source, or None when it was dropped."""
        with self._lock:
            return self._known.get(source_id)

    def of(self, project: str) -> list[Source]:
        """All sources of a project."""
        with self._lock:
            return [known for known in self._known.values() if known.project == project.lower()]

    def opened(self, source: Source) -> Source:
        """The source with the values of its secrets, for its reader alone."""
        options = with_values(source.options, lambda names: self._secrets.values(source.project, names))
        profile = self._profile(source)
        if profile is not None:
            options = {name: value for name, value in options.items() if name.lower() != PROFILE}
            options |= self._profiles.options(source.project, profile, source.uri or "")
        return replace(source, options=options)

    def _profile(self, source: Source) -> str | None:
        """The profile that its options name; what is none of ours may be one of S3's own library."""
        given = next((str(value) for name, value in source.options.items() if name.lower() == PROFILE), None)
        amazons = type_of(source.uri or "") == "s3" and source.type != "delta"
        if given is None or (amazons and not self._profiles.has(source.project, given)):
            return None
        return given

    def forget_project(self, project: str) -> None:
        """A project is dropped; its rows go otherwise."""
        with self._lock:
            self._known = {key: known for key, known in self._known.items() if known.project != project.lower()}

    def plan_create(self, command: CreateSource, caller: Caller) -> Plan:
        """The type must be known, the declaration complete, a query bind; nothing else is opened."""
        present = self.find(command.ref)
        keeps = kept("source", command, present, "replaces its declaration")
        if keeps is not None:
            return keeps
        check_name(command.ref.name, "source name")
        with self._catalog.read() as cursor:
            projects.require(cursor, command.ref.project)
        kind = _type_of(command)
        source = Source(
            id=present.id if present else new_id(),
            project=command.ref.project,
            name=present.name if present else command.ref.name,
            type=kind,
            uri=_absolute(command.uri, command.base_folder),
            query=command.query.text if command.query else None,
            options=dict(command.options),
            owner=present.owner if present else caller.user,
            comment=command.comment,
            created_at=present.created_at if present else now(),
        )
        self._check(source)
        if command.query is not None:
            self._catalog.describe(command.ref.project, command.query)
        action = "replace" if present else "create"
        detail = f"{kind}: {'rows of the query' if source.query else source.uri or f'POST /push/{source.ref}'}"
        return Plan((Step(action, f"source {source.ref}", detail),), {"source": source})

    def _check(self, source: Source) -> AnySource:
        plugin = SOURCES.get(source.type)
        plugin.check(source)
        self._secrets.require(source.project, secrets_in(source.options))
        refuse_literals(source.options, source.name)
        profile = self._profile(source)
        if profile is not None:
            self._profiles.check(source.project, profile, source.uri or "")
            more = next((name for name in source.options if name.lower() in remote.ACCESS), None)
            if more is not None:
                raise Invalid(
                    f"option {more} and a profile exclude each other",
                    hint=f"CREATE OR REPLACE PROFILE {profile} says it, or leave profile away",
                )
        if source.uri and _SCHEME.match(source.uri) and urlsplit(source.uri).password is not None:
            raise Invalid(
                "the URI holds a password, which would be kept where others read it",
                hint=f"take it out: SET SECRET {source.name}_password = $1, then WITH (password = SECRET "
                f"{source.name}_password)",
            )
        return plugin

    def create(self, command: CreateSource, plan: Plan, caller: Caller) -> Result:
        """Written, then known."""
        source: Source = plan.resolved["source"]
        self._put(source)
        self._bus.publish(Event("source.created", source.project, source.name, {"type": source.type}))
        return Result(f"created source {source.ref} ({source.type})")

    def _put(self, source: Source) -> None:
        edges: list[Edge] = []
        if source.query is not None:
            below = lineage.sources_of(self._catalog, source.project, source.query)
            edges = [
                Edge(source.project, kind, ref, "source", str(source.ref), now(), "AS SELECT")
                for kind, ref in sorted(below)
            ]

        def write(cursor: DuckDBPyConnection) -> None:
            table.put(cursor, _row(source))
            record_all(cursor, edges)

        self._catalog.write(write)
        with self._lock:
            self._known[source.id] = source

    def plan_alter(self, command: AlterSource, caller: Caller) -> Plan:
        """What the source will be."""
        source = self.source(command.ref)
        if command.action == "rename":
            name = check_name(command.new_name or "", "source name")
            taken = self.find(Ref(source.project, name))
            if taken is not None and taken.id != source.id:
                raise AlreadyExists(f"source {taken.ref} exists already", hint="choose another name")
            changed, detail = replace(source, name=name), f"to {name}"
        elif command.action == "set":
            changed, detail = _with_options(source, command.options), ", ".join(command.options)
            self._check(changed)
        else:
            changed = replace(source, suspended=command.action == "suspend")
            detail = "nothing is read from it" if changed.suspended else "it is read again"
        return Plan((Step("replace", f"source {source.ref}", detail),), {"source": changed})

    def alter(self, command: AlterSource, plan: Plan, caller: Caller) -> Result:
        """Feature sets know their source by its id: a new name changes nothing for them."""
        changed: Source = plan.resolved["source"]
        self._put(changed)
        self._bus.publish(Event("source.altered", changed.project, changed.name, {"action": command.action}))
        done = {"suspend": "suspended", "resume": "resumed", "rename": "renamed", "set": "changed"}[command.action]
        return Result(f"{done} source {command.ref}{f' to {changed.name}' if command.action == 'rename' else ''}")

    def plan_drop(self, command: DropSource, caller: Caller) -> Plan:
        """Refused while feature sets read it, unless CASCADE."""
        found = self.find(command.ref) if command.if_exists else self.source(command.ref)
        if found is None:
            return missing(f"source {command.ref}")
        readers = self._readers(found.id)
        if readers and not command.cascade:
            raise Conflict(
                f"source {found.ref} is read by {', '.join(readers)}",
                hint="drop these first, or add CASCADE: they keep their rows and have nothing to refresh from",
            )
        return Plan((Step("drop", f"source {found.ref}", "what came from it stays"),), {"source": found})

    def drop(self, command: DropSource, plan: Plan, caller: Caller) -> Result:
        """The declaration; no row."""
        found: Source = plan.resolved["source"]

        def write(cursor: DuckDBPyConnection) -> None:
            dropped.bury_named(cursor, "source", found.project, found.name, caller.user)
            table.delete(cursor, found.id)

        self._catalog.write(write)
        with self._lock:
            self._known.pop(found.id, None)
        self._bus.publish(Event("source.dropped", found.project, found.name))
        return Result(f"dropped source {found.ref}")


def _type_of(command: CreateSource) -> str:
    """Declared, or told by the URI."""
    if command.query is not None:
        if command.type not in (None, "query"):
            raise Invalid(f"a source of type {command.type} has a URI, not a query", hint="leave TYPE away")
        return "query"
    if command.type is not None:
        if command.type not in SOURCES:
            raise NotFound(
                f"there is no source type {command.type!r}",
                hint=did_you_mean(command.type, SOURCES.names()) or f"types: {', '.join(SOURCES.names())}",
            )
        if command.uri is None and not SOURCES.get(command.type).capabilities.push:
            raise Invalid(f"a source of type {command.type} needs FROM", hint="FROM 'uri' says where its rows are")
        return command.type
    uri = command.uri or ""
    found = [name for name, plugin in SOURCES if plugin.claims(uri)]
    if not found:
        raise Invalid(f"{uri!r} does not tell the type of the source", hint=f"write TYPE: {', '.join(SOURCES.names())}")
    return found[0]


def _absolute(uri: str | None, base_folder: str | None) -> str | None:
    """A path as the server finds it, wherever the client stood."""
    if uri is None or _SCHEME.match(uri) and not uri.startswith("file://"):
        return uri
    path = os.path.expanduser(uri.removeprefix("file://"))
    return path if os.path.isabs(path) else os.path.normpath(os.path.join(base_folder or os.getcwd(), path))


def _with_options(source: Source, given: Mapping[str, Any]) -> Source:
    """NULL takes an option away."""
    folded = {name.lower(): value for name, value in given.items()}
    for name in ("comment", "owner"):
        if name in folded and not isinstance(folded[name], (str, type(None))):
            raise Invalid(f"SET {name} needs a text", hint=f"write {name} = 'text'")
    options = {name: value for name, value in source.options.items() if name.lower() not in folded}
    options |= {n: v for n, v in folded.items() if v is not None and n not in ("comment", "owner")}
    return replace(
        source,
        options=options,
        comment=folded.get("comment", source.comment),
        owner=folded.get("owner", source.owner),
    )


def _row(source: Source) -> table.SourceRow:
    return table.SourceRow(
        project=source.project,
        name=source.name,
        id=source.id,
        type=source.type,
        stream=SOURCES.get(source.type).capabilities.stream,
        uri=source.uri,
        query=source.query,
        options=options_text(source.options),
        suspended=source.suspended,
        owner=source.owner,
        comment=source.comment,
        created_at=source.created_at or now(),
    )


def _source(row: table.SourceRow) -> Source:
    return Source(
        id=row.id,
        project=row.project,
        name=row.name,
        type=row.type,
        uri=row.uri,
        query=row.query,
        options=options_of(row.options),
        suspended=row.suspended,
        owner=row.owner,
        comment=row.comment,
        created_at=row.created_at,
    )
