"""Endpoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlbox.base.command import Command
from mlbox.engine.workflows.commands import AlterObject
from mlbox.serve.commands import AlterEndpoint, CreateEndpoint, DropEndpoint, Share
from mlbox.sql import writing
from mlbox.sql.bodies import condition
from mlbox.sql.grammar import Noun, StatementSyntax, noun, statement
from mlbox.sql.heads import alter_action, create_clauses, create_head, drop, print_alter
from mlbox.sql.parameters import UnboundNumber
from mlbox.sql.parser import Cursor, Reader, finish, one_of
from mlbox.sql.references import reference
from mlbox.sql.values import number, options, text
from mlbox.sql.writing import Writer

_USING = ("MODEL", "ENSEMBLE", "FUNCTION", "GRAPH")


def _using(cursor: Cursor, clause: str) -> Mapping[str, Any]:
    kind = one_of(cursor, clause, _USING, "for example USING MODEL m@champion")
    if kind == "MODEL":
        return {"using": "model", "shares": (Share(reference(cursor, "model", version=True)),)}
    if kind == "FUNCTION":
        return {"using": "function", "function": reference(cursor, "function", version=True)}
    if kind == "GRAPH":
        return {"using": "graph", "graph": text(cursor, "USING GRAPH")}
    hint = "for example USING ENSEMBLE MEAN (m@1, n@champion)"
    ensemble = one_of(cursor, "USING ENSEMBLE", ("MEAN", "VOTE", "WEIGHTED", "STACK"), hint).lower()
    shares = _ensemble(cursor, ensemble)
    meta = None
    if ensemble == "stack":
        cursor.expect("BY", hint="name the model that the stack ends in: STACK (m@1, n@2) BY meta@1")
        meta = reference(cursor, "model", version=True)
    return {"using": "ensemble", "ensemble": ensemble, "shares": shares, "meta": meta}


def _ensemble(cursor: Cursor, ensemble: str) -> tuple[Share, ...]:
    opening = cursor.token
    inner = cursor.enter("USING ENSEMBLE", "write USING ENSEMBLE MEAN (m@1, n@champion)")
    found: list[Share] = []
    while not inner.at_end():
        if found:
            inner.expect(",")
        model = reference(inner, "model", version=True)
        token = inner.token
        weight = 1.0
        if inner.accept("WEIGHT"):
            if ensemble != "weighted":
                inner.fail(f"an ensemble of kind {ensemble.upper()} has no weights", "write ENSEMBLE WEIGHTED", token)
            weight = float(number(inner, "WEIGHT"))
            if weight <= 0:
                inner.fail(f"WEIGHT needs a number above 0, found {weight:g}", "leave the model away instead", token)
        found.append(Share(model, weight))
    if len(found) < 2:
        cursor.fail("an ensemble has two models or more", "for one model write USING MODEL", opening)
    return tuple(found)


def _traffic(cursor: Cursor, clause: str) -> tuple[Share, ...]:
    opening = cursor.token
    inner = cursor.enter(clause, "write TRAFFIC (m@1 90%, m@2 10%)")
    found: list[Share] = []
    known = True
    while True:
        token = inner.token
        model = reference(inner, "model", version=True)
        if any(model == share.model for share in found):
            inner.fail(f"TRAFFIC: {model.name} is given twice with the same version", "each version once", token)
        share = number(inner, f"TRAFFIC {model.name}")
        known = known and not isinstance(share, UnboundNumber)
        if not inner.accept("%"):
            inner.fail(f"TRAFFIC: {share} needs a % sign, found {inner.found()}", f"write {share}%")
        if not 0 <= share <= 100:
            inner.fail(f"TRAFFIC: {share}% is not between 0% and 100%", "a share is a part of all requests", token)
        found.append(Share(model, float(share)))
        if inner.at_end():
            break
        inner.expect(",")
    total = sum(share.weight for share in found)
    if known and abs(total - 100) > 0.001:
        cursor.fail(f"the shares of TRAFFIC add up to {total:g}%", "they must add up to 100%", opening)
    return tuple(found)


def _enrich(cursor: Cursor, clause: str) -> Any:
    cursor.accept("FEATURE", "VECTOR")
    return reference(cursor, "feature vector")


def _path(cursor: Cursor, clause: str) -> str:
    token = cursor.token
    path = text(cursor, clause)
    if token.kind == "string" and not path.startswith("/"):
        cursor.fail(f"PATH '{path}' does not start with /", f"write '/{path}'", token)
    return path


def _log(cursor: Cursor, clause: str) -> float:
    if cursor.token.kind in ("number", "parameter"):
        token = cursor.token
        percent = number(cursor, clause)
        if not cursor.accept("%"):
            cursor.fail(
                f"LOG: {token.text} needs a % sign, found {cursor.found()}", f"write {token.text}%, ALL or NONE"
            )
        if not 0 <= percent <= 100:
            cursor.fail(f"LOG: {percent}% is not between 0% and 100%", "write a share, ALL or NONE", token)
        return float(percent)
    if cursor.token.kind != "word":
        cursor.fail(f"LOG needs ALL, NONE or a share, found {cursor.found()}", "for example LOG 10%")
    return 100.0 if one_of(cursor, clause, ("ALL", "NONE")) == "ALL" else 0.0


_CLAUSES: dict[str, Reader] = {
    "USING": _using,
    "TRAFFIC": _traffic,
    "ENRICH WITH": _enrich,
    "IMPUTE": options,
    "SHADOW": lambda cursor, clause: reference(cursor, "model", version=True),
    "PREPROCESS": condition,
    "POSTPROCESS": condition,
    "PATH": _path,
    "LOG": _log,
    "WITH": options,
}


def _create(cursor: Cursor) -> CreateEndpoint:
    head = create_head(cursor, "ENDPOINT")
    ref = reference(cursor, "endpoint")
    found = create_clauses(cursor, "CREATE ENDPOINT", _CLAUSES)
    if ("USING" in found) == ("TRAFFIC" in found):
        problem = "has USING and TRAFFIC" if "USING" in found else "needs to know what answers"
        cursor.fail(f"CREATE ENDPOINT {problem}", "give either USING MODEL m@champion or TRAFFIC (m@1 90%, m@2 10%)")
    if "IMPUTE" in found and "ENRICH WITH" not in found:
        cursor.fail("IMPUTE belongs to ENRICH WITH", "add ENRICH WITH vector", found.places["IMPUTE"])
    serving = found.get("USING") or {"using": "traffic", "shares": found["TRAFFIC"]}
    return CreateEndpoint(
        ref=ref,
        enrich=found.get("ENRICH WITH"),
        impute=found.get("IMPUTE", {}),
        shadow=found.get("SHADOW"),
        preprocess=found.get("PREPROCESS"),
        postprocess=found.get("POSTPROCESS"),
        url_path=found.get("PATH"),
        log_percent=found.get("LOG", 100.0),
        replace=head.replace,
        if_not_exists=head.if_not_exists,
        options=found.get("WITH", {}),
        comment=found.get("COMMENT"),
        **serving,
    )


def _print(command: CreateEndpoint, write: Writer) -> str:
    percent = f"{command.log_percent!r}%"
    return write.create(
        "ENDPOINT",
        command,
        _print_serving(command, write),
        writing.clause("ENRICH WITH", write.ref(command.enrich) if command.enrich else None),
        writing.options("IMPUTE", command.impute),
        writing.clause("SHADOW", write.ref(command.shadow) if command.shadow else None),
        writing.clause("PREPROCESS", writing.query(command.preprocess)),
        writing.clause("POSTPROCESS", writing.query(command.postprocess)),
        writing.clause("PATH", writing.text(command.url_path)),
        "" if command.log_percent == 100 else "LOG NONE" if command.log_percent == 0 else f"LOG {percent}",
        writing.options("WITH", command.options),
        writing.comment(command),
    )


def _print_serving(command: CreateEndpoint, write: Writer) -> str:
    if command.function is not None:
        return f"USING FUNCTION {write.ref(command.function)}"
    if command.graph is not None:
        return f"USING GRAPH {writing.text(command.graph)}"
    if command.ensemble is not None:
        weighted = command.ensemble == "weighted"
        models = [
            write.ref(share.model) + (f" WEIGHT {share.weight!r}" if weighted else "") for share in command.shares
        ]
        last = f" BY {write.ref(command.meta)}" if command.meta else ""
        return f"USING ENSEMBLE {command.ensemble.upper()} ({', '.join(models)}){last}"
    if command.using == "model":
        return f"USING MODEL {write.ref(command.shares[0].model)}"
    return _print_traffic(command.shares, write)


def _print_traffic(shares: tuple[Share, ...], write: Writer) -> str:
    return f"TRAFFIC ({', '.join(f'{write.ref(share.model)} {share.weight!r}%' for share in shares)})"


def _print_alter(command: AlterEndpoint, write: Writer) -> str:
    if command.state is not None:
        action = command.state.upper()
    elif command.function is not None:
        action = f"USING FUNCTION {write.ref(command.function)}"
    elif len(command.shares) == 1 and command.shares[0].weight == 1:
        action = f"USING MODEL {write.ref(command.shares[0].model)}"
    else:
        action = f"SET {_print_traffic(command.shares, write)}"
    return f"ALTER ENDPOINT {write.ref(command.ref)} {action}"


statement(
    StatementSyntax(
        name="CREATE ENDPOINT",
        summary="Serve a model, an ensemble, a function or a graph over HTTP.",
        syntax="""CREATE [OR REPLACE] ENDPOINT [IF NOT EXISTS] name
    {USING MODEL model[@version] | USING ENSEMBLE {MEAN | VOTE | WEIGHTED} (model[@version] [WEIGHT number], ..)
     | USING ENSEMBLE STACK (model[@version], ..) BY model[@version]
     | USING FUNCTION function[@version] | USING GRAPH 'file' | TRAFFIC (model[@version] n%, ..)}
    [ENRICH WITH [FEATURE VECTOR] vector [IMPUTE (feature = value, ..)]] [SHADOW model[@version]]
    [PREPROCESS (expression [AS name], ..)] [POSTPROCESS (expression [AS name], ..)] [PATH '/path']
    [LOG {ALL | NONE | n%}]
    [WITH ({timeout_ms = n | max_queue = n | batch = n | batch_delay_ms = n | durable = true | missing = reject
     | processes = n | threads = n | start_seconds = n | stream_seconds = n | parameters = value
     | sticky = 'input' | on_member_error = fail | on_member_error = skip | workers = n}, ..)]
    [COMMENT 'text']""",
        examples=(
            "CREATE ENDPOINT score USING MODEL m@champion ENRICH WITH FEATURE VECTOR v SHADOW m@challenger LOG 10%",
            "CREATE ENDPOINT both USING ENSEMBLE WEIGHTED (m@1 WEIGHT 0.7, n@champion WEIGHT 0.3) WITH (workers = 4)",
            "CREATE ENDPOINT ab TRAFFIC (m@1 90%, m@2 10%) WITH (sticky = 'customer')",
            "CREATE ENDPOINT rules USING FUNCTION score WITH (processes = 2, timeout_ms = 500)",
            "CREATE ENDPOINT fast USING MODEL m WITH (batch = 64, batch_delay_ms = 2, max_queue = 500)",
            "CREATE ENDPOINT paid USING MODEL m WITH (durable = true, missing = 'reject')",
            "CREATE ENDPOINT flow USING GRAPH 'fraud.yaml' PATH '/fraud'",
            "CREATE ENDPOINT shaped USING MODEL m PREPROCESS (amount / 100 AS euros, hour(sent_at::TIMESTAMP) AS hour) "
            "POSTPROCESS (prediction > 0.5 AS fraud)",
            "CREATE ENDPOINT stacked USING ENSEMBLE STACK (m@1, n@2) BY meta@1 WITH (on_member_error = fail)",
        ),
        starts=(("CREATE", "ENDPOINT"),),
        parse=_create,
        prints={CreateEndpoint: _print},
    )
)


def _alter(cursor: Cursor) -> Command:
    cursor.expect("ALTER", "ENDPOINT")
    ref = reference(cursor, "endpoint")
    if cursor.accept("SET", "TRAFFIC"):
        shares = _traffic(cursor, "TRAFFIC")
    elif cursor.accept("USING"):
        if cursor.accept("FUNCTION"):
            function = reference(cursor, "function", version=True)
            finish(cursor, "ALTER ENDPOINT")
            return AlterEndpoint(ref=ref, function=function)
        cursor.expect("MODEL", hint="write USING MODEL m@version, or USING FUNCTION f@version")
        shares = (Share(reference(cursor, "model", version=True)),)
    elif cursor.at("SUSPEND") or cursor.at("RESUME"):
        state = cursor.advance().key
        finish(cursor, "ALTER ENDPOINT")
        return AlterEndpoint(ref=ref, state="suspend" if state == "SUSPEND" else "resume")
    elif cursor.at("RENAME") or cursor.at("SET", "("):
        return alter_action(cursor, "endpoint", ref, ("RENAME", "SET"))
    else:
        cursor.fail(
            f"ALTER ENDPOINT does not know {cursor.found()} here",
            "SET TRAFFIC (..), USING MODEL m@version, USING FUNCTION f@version, SUSPEND, RESUME, RENAME TO name or "
            "SET (key = value)",
        )
    finish(cursor, "ALTER ENDPOINT")
    return AlterEndpoint(ref=ref, shares=shares)


statement(
    StatementSyntax(
        name="ALTER ENDPOINT",
        summary="Switch model or traffic without a failed request; suspend, resume.",
        syntax="""ALTER ENDPOINT name {SET TRAFFIC (model[@version] n%, ..) | USING MODEL model[@version]
    | USING FUNCTION function[@version] | SUSPEND | RESUME | RENAME TO name | SET (key = value, ..)}""",
        examples=(
            "ALTER ENDPOINT ab SET TRAFFIC (m@1 50%, m@2 50%)",
            "ALTER ENDPOINT score USING MODEL m@challenger",
            "ALTER ENDPOINT rules USING FUNCTION score@3",
            "ALTER ENDPOINT score SUSPEND",
            "ALTER ENDPOINT score RENAME TO rank",
        ),
        starts=(("ALTER", "ENDPOINT"),),
        parse=_alter,
        prints={AlterEndpoint: _print_alter, AlterObject: print_alter},
        later=("SET other than comment",),
    )
)
drop("endpoint", DropEndpoint)
noun(Noun("endpoint", "endpoints"))
