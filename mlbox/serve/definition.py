"""The row of an endpoint from its statement."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlbox.base.clock import now
from mlbox.base.command import OWNER, Caller
from mlbox.base.errors import Invalid, NotFound
from mlbox.base.ids import new_id
from mlbox.base.names import check_name
from mlbox.base.suggest import did_you_mean
from mlbox.engine.catalog.tables.endpoints import EndpointRow, ShareRow
from mlbox.serve.commands import AlterEndpoint, CreateEndpoint, Share
from mlbox.serve.expressions.compile import compile_all
from mlbox.serve.graph.runtime import planned
from mlbox.serve.graph.scope import CheckScope
from mlbox.serve.options import OPTIONS, check_options

if TYPE_CHECKING:
    from mlbox.engine.models.service import Models
    from mlbox.serve.shop import Shop


def check(command: CreateEndpoint) -> None:
    """Raise ``Invalid`` for values that make no sense."""
    check_name(command.ref.name, "endpoint name")
    if command.graph is not None:
        _check_graph_clauses(command)
    elif not command.shares and command.function is None:
        raise Invalid("an endpoint needs a model", hint="USING MODEL m@champion")
    if (command.ensemble == "stack") != (command.meta is not None):
        raise Invalid("a stack needs the model that it ends in", hint="USING ENSEMBLE STACK (m@1, n@2) BY meta@1")
    if command.url_path is not None:
        check_path(command.url_path)
    for query in (command.preprocess, command.postprocess):
        if query is not None:
            compile_all(query)
    check_options(command)
    if not 0 <= command.log_percent <= 100:
        raise Invalid(f"LOG {command.log_percent:g}%: between 0 and 100")


def _check_graph_clauses(command: CreateEndpoint) -> None:
    """Raise ``Invalid`` for clauses that are steps in a graph."""
    beside = {
        "ENRICH WITH": (command.enrich, "{kind: enrich, vector: v}"),
        "SHADOW": (command.shadow, "{kind: model, model: m@challenger} behind {kind: respond}"),
        "PREPROCESS": (command.preprocess, "{kind: map, set: {name: expression}}"),
        "POSTPROCESS": (command.postprocess, "{kind: map, select: {name: expression}}"),
    }
    for clause, (given, step) in beside.items():
        if given is not None:
            raise Invalid(f"{clause} does not go with USING GRAPH", hint=f"write it as a step: {step}")


RESERVED = frozenset(
    "api artifacts assets docs features files gc health jobs login metrics mlflow run-api runs schema sql static "
    "stream upload uploads v2 version ws".split()
)
"""First parts of paths that are the server's own."""

_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)+")


def check_path(path: str) -> None:
    """Raise ``Invalid`` for what cannot be a path of an endpoint."""
    if not _PATH.fullmatch(path) or "/." in path:
        raise Invalid(f"PATH '{path}' is no path", hint="letters, digits, - and _ between slashes: '/fraud/score'")
    first = path.split("/")[1].lower()
    if first in RESERVED:
        raise Invalid(f"PATH '{path}': /{first} is the server's own", hint=f"for example '/serve{path}'")


def row_of(command: CreateEndpoint, shop: Shop, existing: EndpointRow | None, caller: Caller) -> EndpointRow:
    """The row; raises ``NotFound`` for a model or function that is not there."""
    models = shop.models
    function = shop.functions.require(command.function) if command.function is not None else None
    text = graph_text(command) if command.graph is not None else None
    graph: dict[str, Any] | None = None
    used: tuple[ShareRow, ...] = ()
    if text is not None:
        name = Path(command.graph or "").name if text != command.graph else "the graph"
        scope = CheckScope(shop, command.ref.project, within=caller.user != OWNER)
        planned(text, scope, name)
        graph, used = {"text": text, "pins": scope.pins.to_json()}, tuple(scope.pins.models.values())
    ensemble = (command.ensemble or "mean") if command.using == "ensemble" else None
    return EndpointRow(
        id=new_id(),
        project=command.ref.project,
        name=existing.name if existing else command.ref.name,
        serving=command.using,
        shares=used or shares_of(command.shares, models, traffic=command.using == "traffic"),
        ensemble=ensemble,
        shadow=_share(Share(command.shadow), models) if command.shadow else None,
        vector=(command.enrich.project, command.enrich.name) if command.enrich else None,
        impute=dict(command.impute),
        log_percent=command.log_percent,
        options={name: value for name, value in command.options.items() if name in OPTIONS},
        comment=command.comment,
        function=(function.project, function.name, function.version) if function else None,
        graph=graph,
        path=command.url_path,
        preprocess=command.preprocess.text if command.preprocess else None,
        postprocess=command.postprocess.text if command.postprocess else None,
        meta=_share(Share(command.meta), models) if command.meta else None,
        created_at=existing.created_at if existing else now(),
        changed_at=now(),
    )


def altered(row: EndpointRow, command: AlterEndpoint, shop: Shop) -> EndpointRow:
    """The row with what answers from now on; raises ``NotFound`` for a model or function that is not there."""
    if command.function is not None:
        found = shop.functions.require(command.function)
        function = (found.project, found.name, found.version)
        return replace(row, serving="function", function=function, shares=(), ensemble=None, graph=None, meta=None)
    return replace(
        row,
        shares=shares_of(command.shares, shop.models, traffic=len(command.shares) > 1),
        serving="model" if len(command.shares) == 1 else "traffic",
        ensemble=None,
        function=None,
        graph=None,
        meta=None,
    )


def graph_text(command: CreateEndpoint) -> str:
    """The graph of a statement: it stands there itself, or in a file."""
    given = command.graph or ""
    if given.lstrip().startswith("{") or "\n" in given:
        return given
    file = Path(command.base_folder or ".", given).expanduser()
    if not file.is_file():
        near = [entry.name for entry in file.parent.iterdir()] if file.parent.is_dir() else []
        raise NotFound(
            f"there is no file {str(file)!r}", hint=did_you_mean(file.name, near) or f"looked in {file.parent}"
        )
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(f"{str(file)!r} cannot be read: {error}") from None


def shares_of(shares: Sequence[Share], models: Models, traffic: bool) -> tuple[ShareRow, ...]:
    """Shares with their versions: an alias stays an alias and is followed; nothing means the latest of now."""
    if traffic:
        total = sum(share.weight for share in shares)
        if any(share.weight < 0 for share in shares) or abs(total - 100) > 0.01:
            raise Invalid(f"the traffic adds up to {total:g} %", hint="the shares must add up to 100 %")
    elif any(share.weight <= 0 for share in shares):
        raise Invalid("a weight must be greater than 0")
    return tuple(_share(share, models) for share in shares)


def _share(share: Share, models: Models) -> ShareRow:
    version = models.resolve(share.model)
    wanted = share.model.version
    pinned = str(version.version) if wanted is None or wanted.isdigit() else wanted.lower()
    return ShareRow(version.project, version.name, pinned, float(share.weight))
