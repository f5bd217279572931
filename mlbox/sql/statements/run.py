"""Runs of functions."""

from __future__ import annotations

from typing import Any

from mlbox.engine.runs.commands import CancelRun, ChangeRun, DropRun, LogToRun, Rerun, RunArtifact, RunSource, StartRun
from mlbox.sql import writing
from mlbox.sql.bodies import condition, parenthesized, refuse_bare_query
from mlbox.sql.grammar import Noun, StatementSyntax, noun, run_ref, statement
from mlbox.sql.heads import drop_if_exists, flag
from mlbox.sql.parser import Clauses, Cursor, Reader, clauses, finish, one_of
from mlbox.sql.references import identifier, reference, run_id
from mlbox.sql.statements.artifact import artifact_reference, of_run, print_artifact, words_in
from mlbox.sql.sweeps import SWEEP_CLAUSES, print_sweep, sweep, sweep_of
from mlbox.sql.times import interval
from mlbox.sql.values import count, number, options, pairs, positive, strings, text, value, word
from mlbox.sql.writing import Writer

noun(Noun("run", "runs", run_ref, lambda ref, write: write.run(ref)))


def _source(cursor: Cursor, clause: str) -> RunSource:
    if cursor.at("("):
        return RunSource(query=parenthesized(cursor, clause))
    refuse_bare_query(cursor, clause)
    token = cursor.token
    if token.kind == "string":
        cursor.fail("FROM takes a name or a query", f"write FROM (SELECT * FROM {token.text})")
    ref = reference(cursor, "feature vector or table")
    if cursor.at("("):
        cursor.fail("FROM takes a name or a query in parentheses", f"write FROM (SELECT * FROM {ref.name}(..))", token)
    return RunSource(ref=ref)


def _inputs(cursor: Cursor, clause: str) -> dict[str, Any]:
    def read(inner: Cursor, what: str) -> RunSource | RunArtifact | str:
        if inner.at("ARTIFACT") and inner.peek().kind in ("string", "parameter", "word", "quoted"):
            inner.advance()
            return RunArtifact(artifact_reference(inner), of_run(inner))
        if inner.token.kind in ("string", "parameter"):
            return text(inner, what)
        if inner.at("("):
            return RunSource(query=parenthesized(inner, what))
        refuse_bare_query(inner, what)
        return RunSource(ref=reference(inner, "input", version=True))

    return pairs(cursor, clause, read)


_CLAUSES: dict[str, Reader] = {
    "HANDLER": word,
    "FROM": _source,
    "WITH": options,
    "INPUTS": _inputs,
    "RETURNS": strings,
    "SWEEP": sweep,
    "USING": word,
    "MAXIMIZE": word,
    "MINIMIZE": word,
    "LIMIT": positive,
    "PARALLEL": positive,
    "PRUNE": word,
    "MAX ERRORS": positive,
    "STOP WHEN": condition,
    "AS": lambda cursor, clause: identifier(cursor, "run"),
    "LABELS": options,
    "ON": word,
    "RETRY": count,
    "TIMEOUT": interval,
    "ASYNC": flag,
}


def _run(cursor: Cursor) -> StartRun:
    cursor.expect("RUN")
    function = reference(cursor, "function", version=True)
    found = clauses(cursor, "RUN", _CLAUSES)
    _check_sweep(cursor, found)
    return StartRun(
        function=function,
        handler=found.get("HANDLER"),
        source=found.get("FROM"),
        parameters=found.get("WITH", {}),
        inputs=found.get("INPUTS", {}),
        returns=found.get("RETURNS", ()),
        sweep=sweep_of(cursor, found),
        name=found.get("AS"),
        labels=found.get("LABELS", {}),
        runtime=found["ON"].lower() if "ON" in found else None,
        retries=found.get("RETRY"),
        timeout=found.get("TIMEOUT"),
        asynchronous="ASYNC" in found,
    )


def _check_sweep(cursor: Cursor, found: Clauses) -> None:
    for clause in SWEEP_CLAUSES:
        if clause in found and "SWEEP" not in found:
            cursor.fail(
                f"{clause} belongs to SWEEP, and there is no SWEEP",
                "add SWEEP (parameter IN (value, ..)) before it",
                found.places[clause],
            )
    for swept in found.get("SWEEP", ()):
        if swept.name.lower() in (name.lower() for name in found.get("WITH", {})):
            cursor.fail(f"{swept.name} is in SWEEP and in WITH", "give it in one of them", found.places["SWEEP"])


def _print(command: StartRun, write: Writer) -> str:
    inputs = {
        name: str(writing.text(given)) if isinstance(given, str) else _print_input(given, write)
        for name, given in command.inputs.items()
    }
    return writing.line(
        "RUN",
        write.ref(command.function),
        writing.clause("HANDLER", writing.word(command.handler)),
        writing.clause("FROM", _print_source(command.source, write) if command.source else None),
        writing.options("WITH", command.parameters),
        writing.pairs("INPUTS", inputs),
        f"RETURNS ({', '.join(str(writing.text(hint)) for hint in command.returns)})" if command.returns else "",
        print_sweep(command.sweep) if command.sweep else "",
        writing.clause("AS", writing.name(command.name) if command.name else None),
        writing.options("LABELS", command.labels),
        writing.clause("ON", writing.word(command.runtime)),
        f"RETRY {command.retries}" if command.retries is not None else "",
        writing.clause("TIMEOUT", writing.interval(command.timeout)),
        "ASYNC" if command.asynchronous else "",
    )


def _print_input(given: RunSource | RunArtifact, write: Writer) -> str:
    if isinstance(given, RunSource):
        return _print_source(given, write)
    return writing.line("ARTIFACT", print_artifact(given.ref, write), writing.clause("OF", writing.text(given.run)))


def _print_source(source: RunSource, write: Writer) -> str:
    return write.ref(source.ref) if source.ref is not None else str(writing.query(source.query))


def _print_log(command: LogToRun, write: Writer) -> str:
    if command.kind == "artifact":
        what = f"{writing.word(command.name)} FROM {writing.text(command.path)}"
    else:
        what = f"{writing.word(command.name)} = {writing.value(command.value)}"
    step = f"STEP {command.step}" if command.step is not None else ""
    return writing.line(f"LOG {command.kind.upper()} {what}", step, writing.clause("RUN", writing.text(command.run)))


statement(
    StatementSyntax(
        name="RUN",
        summary="Run a function, once or as a search over its parameters; what it logs is kept.",
        syntax="""RUN function[@version] [HANDLER handler] [FROM {vector | table | (SELECT ..)}]
    [WITH (parameter = value, ..)]
    [INPUTS (name = {'uri' | table[@version] | (SELECT ..) | ARTIFACT 'name'[@version] [OF [RUN] 'run']}, ..)]
    [RETURNS ('[*|**]name[:kind[:format]]', ..)]
    [SWEEP ({parameter IN {(value, ..) | value} | parameter BETWEEN number AND number [LOG]}, ..)
        [USING grid|random|tpe|list] {MAXIMIZE | MINIMIZE} metric [LIMIT n] [PARALLEL n]
        [PRUNE {MEDIAN | HALVING}] [MAX ERRORS n] [STOP WHEN (expression)]]
    [AS name] [LABELS (key = value, ..)] [ON runtime] [RETRY n] [TIMEOUT interval] [ASYNC]""",
        examples=(
            "RUN train WITH (lr = 0.1, depth = 6, tags = ['a', 'b'], opt = {'beta': 0.9}) AS nightly",
            "RUN fraud.train FROM v WITH (lr = 0.1) LABELS (team = 'risk') ASYNC",
            "RUN train FROM (SELECT * FROM ml.features('v', 'spine')) "
            "SWEEP (lr BETWEEN 0.001 AND 0.1 LOG, depth IN (4, 6)) USING tpe MAXIMIZE auc LIMIT 12 PARALLEL 4",
            "RUN evaluate INPUTS (report = ARTIFACT 'report'@stable, board = ARTIFACT 'board' OF 'a1b2c3d4')",
        ),
        starts=(("RUN",),),
        parse=_run,
        prints={StartRun: _print},
    )
)


def _cancel(cursor: Cursor) -> CancelRun:
    cursor.expect("CANCEL", "RUN")
    run = run_id(cursor, "CANCEL RUN")
    finish(cursor, "CANCEL RUN")
    return CancelRun(project=cursor.scope.project, run=run)


statement(
    StatementSyntax(
        name="CANCEL RUN",
        summary="Stop a run.",
        syntax="CANCEL RUN {'id' | name}",
        examples=("CANCEL RUN 'a1b2c3d4'", "CANCEL RUN nightly"),
        starts=(("CANCEL",),),
        parse=_cancel,
        prints={CancelRun: lambda command, write: f"CANCEL RUN {writing.text(command.run)}"},
    )
)


def _rerun(cursor: Cursor) -> Rerun:
    cursor.expect("RERUN")
    run = run_id(cursor, "RERUN")
    step = None
    if cursor.accept("FROM"):
        cursor.expect("STEP", hint="write FROM STEP name")
        step = identifier(cursor, "step")
    finish(cursor, "RERUN")
    return Rerun(project=cursor.scope.project, run=run, from_step=step)


statement(
    StatementSyntax(
        name="RERUN",
        summary="Run the same function version, parameters and inputs again, or a workflow from a step on.",
        syntax="RERUN {'id' | name} [FROM STEP step]",
        examples=("RERUN 'a1b2c3d4'", "RERUN 'a1b2c3d4' FROM STEP fit"),
        starts=(("RERUN",),),
        parse=_rerun,
        prints={
            Rerun: lambda command, write: writing.line(
                f"RERUN {writing.text(command.run)}",
                writing.clause("FROM STEP", writing.name(command.from_step) if command.from_step else None),
            )
        },
    )
)


def _log(cursor: Cursor) -> LogToRun:
    cursor.expect("LOG")
    kind = one_of(cursor, "LOG", ("METRIC", "PARAM", "ARTIFACT"))
    name = word(cursor, f"LOG {kind}")
    found_value: Any = None
    table: dict[str, Reader] = {"RUN": run_id}
    if kind == "ARTIFACT":
        cursor.expect("FROM", hint=f"write LOG ARTIFACT '{name}' FROM 'path'")
        path = text(cursor, "FROM")
    else:
        path = None
        cursor.expect("=", hint=f"write LOG {kind} {name} = value")
        found_value = number(cursor, "LOG METRIC") if kind == "METRIC" else value(cursor, "LOG PARAM")
    if kind == "METRIC":
        table["STEP"] = count
    found = clauses(cursor, f"LOG {kind}", table)
    return LogToRun(
        project=cursor.scope.project,
        run=found.get("RUN"),
        kind="metric" if kind == "METRIC" else "param" if kind == "PARAM" else "artifact",
        name=name,
        value=found_value,
        step=found.get("STEP"),
        path=path,
    )


statement(
    StatementSyntax(
        name="LOG",
        summary="Record a metric, a parameter or an artifact with a run.",
        syntax="""LOG METRIC name = number [STEP n] [RUN 'id']
LOG PARAM name = value [RUN 'id']
LOG ARTIFACT 'name' FROM 'path' [RUN 'id']""",
        examples=(
            "LOG METRIC auc = 0.93 STEP 10",
            "LOG PARAM lr = 0.1 RUN 'a1b2c3d4'",
            "LOG ARTIFACT 'r' FROM 'r.html'",
        ),
        starts=(("LOG",),),
        parse=_log,
        prints={LogToRun: _print_log},
    )
)


def _alter(cursor: Cursor) -> ChangeRun:
    cursor.expect("ALTER", "RUN")
    project, run = cursor.scope.project, run_id(cursor, "ALTER RUN")
    if cursor.accept("SET", "LABELS"):
        command = ChangeRun(project=project, run=run, labels=options(cursor, "SET LABELS"))
    elif cursor.at("SET"):
        cursor.advance()
        command = ChangeRun(project=project, run=run, options=options(cursor, "SET"))
    elif cursor.accept("DROP", "LABELS"):
        command = ChangeRun(project=project, run=run, without=words_in(cursor, "DROP LABELS"))
    else:
        cursor.fail(
            f"ALTER RUN does not know {cursor.found()} here",
            "SET (note = 'text'), SET LABELS (key = value, ..) or DROP LABELS (key, ..)",
        )
    finish(cursor, "ALTER RUN")
    return command


def _print_alter(command: ChangeRun, write: Writer) -> str:
    if command.without:
        action = f"DROP LABELS ({', '.join(str(writing.word(label)) for label in command.without)})"
    elif command.labels:
        action = writing.options("SET LABELS", command.labels)
    else:
        action = writing.options("SET", command.options) or "SET ()"
    return f"ALTER RUN {writing.text(command.run)} {action}"


statement(
    StatementSyntax(
        name="ALTER RUN",
        summary="Change the note, the name or the labels of a run, also after its end.",
        syntax="ALTER RUN {'id' | name} {SET ({note = 'text' | name = 'text'}, ..) | SET LABELS (key = value, ..) "
        "| DROP LABELS (key, ..)}",
        examples=(
            "ALTER RUN 'a1b2c3d4' SET (note = 'the one with the new labels')",
            "ALTER RUN nightly SET LABELS (team = 'risk', stage = 'review')",
            "ALTER RUN nightly DROP LABELS (stage)",
        ),
        starts=(("ALTER", "RUN"),),
        parse=_alter,
        prints={ChangeRun: _print_alter},
    )
)


def _drop(cursor: Cursor) -> DropRun:
    cursor.expect("DROP", "RUN")
    if_exists = drop_if_exists(cursor, "DROP RUN")
    run = run_id(cursor, "DROP RUN")
    finish(cursor, "DROP RUN")
    return DropRun(project=cursor.scope.project, run=run, if_exists=if_exists)


statement(
    StatementSyntax(
        name="DROP RUN",
        summary="Forget a finished run with its logs and artifacts; RESTORE brings it back for some days.",
        syntax="DROP RUN [IF EXISTS] 'id'",
        examples=("DROP RUN IF EXISTS 'a1b2c3d4'",),
        starts=(("DROP", "RUN"),),
        parse=_drop,
        prints={
            DropRun: lambda command, write: writing.line(
                "DROP RUN", "IF EXISTS" if command.if_exists else "", str(writing.text(command.run))
            )
        },
    )
)
