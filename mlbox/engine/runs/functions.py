"""Functions: versions of the user's code and how to run it."""

from __future__ import annotations

import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from mlbox.base.access import acting
from mlbox.base.clock import now
from mlbox.base.command import Caller, Plan, Result, Step
from mlbox.base.counted import counted
from mlbox.base.errors import Conflict, Forbidden, Invalid, NotExecuted, NotFound
from mlbox.base.names import Ref, check_name
from mlbox.base.suggest import did_you_mean
from mlbox.engine.catalog.dependants import refuse_embedding
from mlbox.engine.catalog.dropping import missing
from mlbox.engine.catalog.tables import collections, dropped, functions, projects
from mlbox.engine.catalog.tables.dropped import Tombstone
from mlbox.engine.catalog.tables.functions import FunctionRow
from mlbox.engine.catalog.tables.runs import RunRow
from mlbox.engine.runs import code, sql_functions
from mlbox.engine.runs.commands import CreateFunction, DropFunction, Resources
from mlbox.engine.runs.engines import executor_name
from mlbox.engine.runs.executors.base import EXECUTORS, Capabilities
from mlbox.engine.runs.executors.options import check_options
from mlbox.engine.runs.requests import load_resources, plain
from mlbox.engine.runs.source import HandlerInfo, Parameter, Source, fetch_source, read_requirements
from mlbox.engine.runs.versions import version_of
from mlbox.engine.security.secrets import Secrets
from mlbox.engine.storage.artifacts import ArtifactStore

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from mlbox.engine.catalog.database import Catalog


_KEPT = 200


class Functions:
    """Makes, finds and drops functions."""

    def __init__(self, catalog: Catalog, artifacts: ArtifactStore, secrets: Secrets) -> None:
        self._catalog = catalog
        self._artifacts = artifacts
        self._secrets = secrets
        self.users: list[Callable[[str, str, int | None], list[str]]] = []
        """Who tells the feature sets that a function, in a version or in any, is used by."""
        self._kept: OrderedDict[tuple[str, str, int], FunctionRow] = OrderedDict()
        """Versions that were asked for last; what they are made of never changes."""
        self._lock = threading.Lock()

    def require(self, ref: Ref) -> FunctionRow:
        """The version that ``ref`` names, or the latest; ``NotFound`` with the nearest names."""
        with self._catalog.read() as cursor:
            projects.require(cursor, ref.project)
            aliases = functions.aliases(cursor, ref.project, ref.name)
            version = version_of(
                "function", ref, aliases, lambda: functions.get(cursor, ref.project, ref.name) is not None
            )
            found = functions.get(cursor, ref.project, ref.name, version)
            if found is not None:
                return self._keep(found)
            versions = functions.versions(cursor, ref.project, ref.name)
            known = functions.names(cursor, ref.project)
        details = {"kind": "function", "name": ref.name}
        if versions:
            told = f"its versions: {', '.join(map(str, versions))}"
            raise NotFound(f"function {ref.name!r} has no version {version}", hint=told, details=details)
        hint = did_you_mean(ref.name, known, kind="function")
        if not known:
            hint = f"make it with: CREATE FUNCTION {ref.name} FROM 'file.py'"
        raise NotFound(f"there is no function {ref.name!r} in project {ref.project}", hint=hint, details=details)

    def of_run(self, project: str, name: str, version: int) -> FunctionRow:
        """The version that a run was made of, dropped or not. Known ones are not looked up: each of many runs that wait
        would keep some memory of the catalog for its thread."""
        with self._lock:
            known = self._kept.get((project, name.lower(), version))
        if known is not None:
            return known
        with self._catalog.read() as cursor:
            found = functions.get_kept(cursor, project, name, version)
        if found is None:
            raise NotFound(f"version {version} of function {name!r} is gone")
        return self._keep(found)

    def forget(self) -> None:
        """A project is dropped: another may have its name, with other functions."""
        with self._lock:
            self._kept.clear()

    def _keep(self, row: FunctionRow) -> FunctionRow:
        with self._lock:
            self._kept[row.project, row.name.lower(), row.version] = row
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return row

    def resources_of(self, row: RunRow) -> Resources:
        """What the function of a run asks for."""
        return load_resources(self.of_run(row.project, row.function, row.function_version).definition)

    def plan_create(self, command: CreateFunction, caller: Caller) -> Plan:
        """Read the files, find the handler, compare with the latest version. Nothing is stored."""
        ref = command.ref
        check_name(ref.name, "function name")
        if ref.version is not None:
            raise Invalid("CREATE FUNCTION gives the version itself", hint=f"leave @{ref.version} out")
        with self._catalog.read() as cursor:
            projects.require(cursor, ref.project)
            latest = functions.get(cursor, ref.project, ref.name)
        if latest is not None and command.if_not_exists:
            return _as_it_is(latest, "exists already")
        _refuse_what_is_not_run(command)
        self._secrets.require(ref.project, command.secrets)
        base = Path(command.base_folder or Path.cwd())
        source = _sql_source(command, base) if _is_sql(command) else fetch_source(command.source, base, command.handler)
        command = replace(command, requirements=_requirements(command.requirements, base))
        row = _row(command, source)
        if latest is not None and _same(latest, row):
            return _as_it_is(latest, "is unchanged")
        action = "create" if latest is None else "replace"
        detail = f"{row.file}, handler {row.handler or 'none: a script'}, runtime {row.runtime}"
        return Plan((Step(action, f"function {ref}", detail),), {"row": row, "source": source})

    def create(self, command: CreateFunction, plan: Plan, caller: Caller) -> Result:
        """Store the files and add the version."""
        row: FunctionRow = plan.resolved["row"]
        blob = code.store(plan.resolved["source"], self._artifacts)

        def insert(cursor: DuckDBPyConnection) -> tuple[int, bool]:
            latest = functions.get(cursor, row.project, row.name)
            if latest is not None and _same(latest, row):  # somebody else was quicker
                return latest.version, False
            name = latest.name if latest else row.name
            version = functions.next_version(cursor, row.project, row.name)
            functions.insert(cursor, replace(row, name=name, version=version, code=blob.digest))
            return version, True

        version, new = self._catalog.write(insert)
        if not new:
            return Result(f"function {command.ref} is unchanged, version {version}", facts={"version": version})
        handler = f"handler {row.handler}" if row.handler else "a script"
        message = f"created function {command.ref} version {version}: {row.file}, {handler}"
        return Result(message, facts={"version": version, "digest": row.digest})

    def plan_drop(self, command: DropFunction, caller: Caller) -> Plan:
        """Check that it is there."""
        try:
            row = self.require(command.ref)
        except NotFound:
            with self._catalog.read() as cursor:
                projects.require(cursor, command.ref.project)
            if command.if_exists:
                return missing(f"function {command.ref}")
            raise
        self._refuse_used(command, row)
        return Plan((Step("drop", f"function {command.ref}", "its runs stay"),), {"row": row})

    def _refuse_used(self, command: DropFunction, row: FunctionRow) -> None:
        version = None if command.ref.version is None else row.version
        sets = [name for users in self.users for name in users(row.project, row.name, version)]
        if sets and not command.cascade:
            raise Conflict(
                f"rows of feature set {', '.join(sets)} go through function {command.ref}",
                hint="drop these first, or add CASCADE: they keep their rows and are not refreshed any more",
            )
        if not command.cascade:
            with self._catalog.read() as cursor:
                made = collections.embedding_with(cursor, "function", row.project, row.name)
            left = [one for one, named in made if version is None or named == str(version)]
            refuse_embedding(left, f"function {command.ref}")

    def drop(self, command: DropFunction, plan: Plan, caller: Caller) -> Result:
        """Hide it: runs of it can still be repeated."""
        row: FunctionRow = plan.resolved["row"]
        self._refuse_used(command, row)
        version = None if command.ref.version is None else row.version
        tombstone = Tombstone(
            project=row.project,
            kind="function",
            name=row.name,
            version=None if version is None else str(version),
            object=row.name,
            dropped_by=caller.user,
        )

        def write(cursor: DuckDBPyConnection) -> int:
            dropped.bury(cursor, tombstone)
            return functions.drop(cursor, row.project, row.name, version, tombstone.dropped_at)

        count = self._catalog.write(write)
        return Result(f"dropped function {command.ref}: {counted(count, 'version')}; its runs stay")


def handlers_of(row: FunctionRow) -> dict[str, HandlerInfo]:
    """The handlers of a function with their signatures, by name."""
    found = {}
    for body in row.definition.get("signatures", ()):
        parameters = tuple(Parameter(**entry) for entry in body["parameters"])
        found[body["name"]] = HandlerInfo(**{**body, "parameters": parameters})
    return found


def classes_of(row: FunctionRow) -> dict[str, tuple[str, ...]]:
    """Methods of the classes of a function's file, by the class's name."""
    return {body["name"]: tuple(body["methods"]) for body in row.definition.get("classes", ())}


def _row(command: CreateFunction, source: Source) -> FunctionRow:
    served = next((entry for entry in source.classes if entry.name == command.handler), None)
    handler = source.handler(command.handler) if served is None else None
    definition = {
        "image": command.image,
        "resources": plain(asdict(command.resources)),
        "environment": plain(command.environment),
        "secrets": list(command.secrets),
        "retries": command.retries,
        "backoff_seconds": _seconds(command.backoff),
        "timeout_seconds": _seconds(command.timeout),
        "options": plain(command.options),
        "python": source.python,
        **({"revision": source.revision} if source.revision else {}),
        **({"query": command.query.text} if command.query else {}),
        "signatures": [plain(asdict(info)) for info in source.handlers],
        **({"classes": [plain(asdict(info)) for info in source.classes]} if source.classes else {}),
    }
    return FunctionRow(
        project=command.ref.project,
        name=command.ref.name,
        version=0,
        source=command.source,
        file=source.file,
        handler=handler.name if handler else served.name if served else None,
        handlers=tuple(info.name for info in source.handlers),
        runtime=command.runtime.lower(),
        requirements=command.requirements or source.requirements,
        digest=source.digest,
        code="",
        definition=definition,
        comment=command.comment,
        created_at=now(),
    )


def _is_sql(command: CreateFunction) -> bool:
    return command.runtime.lower() == sql_functions.RUNTIME


def _sql_source(command: CreateFunction, base: Path) -> Source:
    """The query of a function of SQL, out of the statement or out of a file."""
    for name, given in (("REQUIREMENTS", command.requirements), ("HANDLER", command.handler)):
        if given:
            raise Invalid(f"a function of SQL takes no {name}", hint=f"leave {name} out")
    if command.resources != Resources():
        raise Invalid("a function of SQL takes no RESOURCES", hint="the settings memory_limit and threads are DuckDB's")
    if command.query is None:
        if acting() is not None:
            raise Forbidden("members write the query into the statement, where it is checked", hint="AS SELECT ..")
        return sql_functions.read_sql(Path(base, command.source).expanduser().absolute())
    scratch = tempfile.TemporaryDirectory(prefix="mlbox-code-")
    file = Path(scratch.name) / f"{command.ref.name}{sql_functions.ENDING}"
    file.write_text(command.query.text, encoding="utf-8")
    try:
        return replace(sql_functions.read_sql(file), scratch=scratch)
    except Invalid as error:
        raise Invalid(error.message, hint=error.hint, where=command.query.where(0)) from None


def _as_it_is(row: FunctionRow, how: str) -> Plan:
    """No version is added."""
    told = f"{how}, version {row.version}"
    what = f"function {row.project}.{row.name}"
    return Plan((Step("reuse", what, told),), outcome=Result(f"{what} {told}", facts={"version": row.version}))


def _refuse_what_is_not_run(command: CreateFunction) -> None:
    if command.query is not None and not _is_sql(command):
        raise Invalid("AS SELECT .. is a function of SQL", hint="RUNTIME sql AS SELECT ..")
    if command.source.startswith("hub://"):
        raise NotExecuted("functions of a hub are not run by this version", hint="name the file, folder or repository")
    if command.retries < 0:
        raise Invalid(f"RETRY {command.retries} is below 0")
    executor = EXECUTORS.get(executor_name(command.runtime.lower()))
    check_options(executor, command.runtime.lower(), plain(command.options))
    if command.image and not getattr(executor, "capabilities", Capabilities()).images:
        hint = "name a runtime that has images: RUNTIME docker"
        raise Invalid(f"runs on {command.runtime} have no image, as IMAGE '{command.image}' asks for", hint=hint)


def _requirements(given: tuple[str, ...], base: Path) -> tuple[str, ...]:
    """Packages; ``'requirements.txt'`` among them stands for the lines of that file."""
    found: list[str] = []
    for entry in given:
        name = entry.removeprefix("-r ").strip()
        if not name.endswith(".txt"):
            found.append(entry)
            continue
        path = Path(base, name).expanduser()
        if not path.is_file():
            raise NotFound(f"there is no file {path}", hint="REQUIREMENTS takes packages, or the name of such a file")
        found += read_requirements(path)
    return tuple(found)


def _same(one: FunctionRow, other: FunctionRow) -> bool:
    names = ("digest", "file", "handler", "runtime", "requirements", "definition", "comment")
    return all(getattr(one, name) == getattr(other, name) for name in names)


def _seconds(interval: timedelta | None) -> float | None:
    return None if interval is None else interval.total_seconds()
