"""What runtimes of endpoints are made with."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from mlbox.base.errors import Invalid, NotFound
from mlbox.base.suggest import did_you_mean
from mlbox.engine.catalog.tables import artifacts as artifact_rows
from mlbox.engine.runs import code
from mlbox.engine.runs.functions import classes_of, handlers_of
from mlbox.engine.runs.requests import load_resources
from mlbox.serve.python.launch import Launch
from mlbox.serve.python.pool import Size

if TYPE_CHECKING:
    from mlbox.base.names import Ref
    from mlbox.engine.catalog.database import Catalog
    from mlbox.engine.catalog.tables.endpoints import EndpointRow
    from mlbox.engine.catalog.tables.functions import FunctionRow
    from mlbox.engine.catalog.tables.models import ModelVersion
    from mlbox.engine.models.service import Models
    from mlbox.engine.runs.functions import Functions
    from mlbox.engine.search.service import Collections
    from mlbox.engine.security.secrets import Secrets
    from mlbox.serve.needs import OnlineReader
    from mlbox.serve.python.leases import Lease, Pools

SECRET_NAMES = "MLBOX_SECRETS"
"""The variable that names those that are secrets."""


class FeatureReaders(Protocol):
    """Who opens feature vectors."""

    def reader(self, ref: Ref) -> OnlineReader:
        """The online reader of a vector; raises ``NotFound``."""
        ...


Append = Callable[[str, str, datetime, str], None]
"""Adds an event, which is JSON, to a table of a project."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """Registries, files and processes."""

    catalog: Catalog
    models: Models
    features: FeatureReaders | None
    functions: Functions
    secrets: Secrets
    pools: Pools
    collections: Collections | None = None
    statistic: Callable[[Ref, str, str], float | None] | None = None
    """A statistic (mean, median, ..) of a vector's feature, by what the feature sets have; None where there is none."""
    append: Append | None = None
    """Who writes rows of tables, where it is not this home."""

    def folder(self) -> Path:
        """Files of code and models that processes use; they can be made again."""
        return self.catalog.home.cache / "serving"

    def facts_of(self, version: ModelVersion) -> Mapping[str, Any]:
        """What was recorded when the model was logged."""
        if version.artifact_id is None:
            return {}
        with self.catalog.read() as cursor:
            found = artifact_rows.get(cursor, version.artifact_id)
        return found.metadata if found is not None else {}

    def function(self, row: EndpointRow) -> FunctionRow:
        """The version of the function that an endpoint names, dropped or not."""
        assert row.function is not None
        return self.functions.of_run(*row.function)

    def lease(self, launch: Launch, row: EndpointRow) -> Lease:
        """A pool for what an endpoint asks for, ready to answer; its output goes to the endpoint's log."""
        size = size_of(row.options)
        spec = {**launch.spec, "threads": size.threads}
        return self.pools.lease(
            replace(launch, spec=spec, log=log_id(row.project, row.name), project=row.project), size
        )

    def launch(self, function: FunctionRow, handler: str | None, parameters: Mapping[str, Any]) -> Launch:
        """How the code of a function is started to answer requests. The files are put in place."""
        folder = self.folder() / f"code-{function.code}"
        code.unpack(function.code, self.models.artifacts, folder)
        definition = function.definition
        names = definition.get("secrets", ())
        variables = dict(definition.get("environment", {}))
        if names:
            values = self.secrets.values(function.project, names)
            variables.update({**values, SECRET_NAMES: ",".join(names)})
        resources = load_resources(definition)
        return Launch(
            name=f"function {function.project}.{function.name}@{function.version}",
            spec={
                "kind": "function",
                "folder": str(folder),
                "file": function.file,
                "handler": handler or function.handler,
                "parameters": dict(parameters),
            },
            requirements=function.requirements,
            python=definition.get("python"),
            variables=variables,
            cpu=resources.cpu,
            memory=resources.memory,
        )


def size_of(options: Mapping[str, Any]) -> Size:
    """Processes and threads that an endpoint's options ask for."""
    return Size(
        int(options.get("processes", 1)), int(options.get("threads", 1)), float(options.get("start_seconds", 120))
    )


def log_id(project: str, endpoint: str) -> str:
    """Under which the output of an endpoint's code is kept; ``ml.logs`` computes the same."""
    return hashlib.md5(f"endpoint {f'{project}.{endpoint}'.lower()}".encode(), usedforsecurity=False).hexdigest()


def handler_of(function: FunctionRow, wanted: str | None, *, verb: str) -> str:
    """The class or function of a file that is to answer; raises ``Invalid`` when it cannot."""
    name = wanted or function.handler
    classes = classes_of(function)
    if name is None and len(classes) == 1 and not handlers_of(function):
        name = next(iter(classes))
    if name is None:
        raise Invalid(
            f"function {function.name!r} is a script: nothing in it can be asked",
            hint="name a class or a function of its file when it is made: HANDLER",
        )
    known = {**classes, **handlers_of(function)}
    if name not in known:
        raise NotFound(
            f"{function.file} of function {function.name!r} has no handler {name!r}", hint=did_you_mean(name, known)
        )
    also = {"predict": {"do"}, "do": {"predict"}}.get(verb, set())
    if name in classes and not {verb, *also} & set(classes[name]):
        raise Invalid(
            f"class {name} of function {function.name!r} has no method {verb}",
            hint=f"it has: {', '.join(classes[name]) or 'none'}; write def {verb}(self, ..)",
        )
    return name
