"""SWEEP: a search over parameters of a run."""

from __future__ import annotations

from typing import Any

from mlbox.engine.runs.commands import Sweep, SweepParameter
from mlbox.sql import writing
from mlbox.sql.parameters import Unbound, UnboundNumber
from mlbox.sql.parser import Clauses, Cursor
from mlbox.sql.values import number, value, word

SWEEP_CLAUSES = ("USING", "MAXIMIZE", "MINIMIZE", "LIMIT", "PARALLEL", "PRUNE", "MAX ERRORS", "STOP WHEN")
_HINT = "write SWEEP (lr IN (0.1, 0.01), depth BETWEEN 2 AND 8)"


def sweep(cursor: Cursor, clause: str) -> tuple[SweepParameter, ...]:
    """``(p IN (..) | p BETWEEN a AND b [LOG], ..)``."""
    inner = cursor.enter(clause, _HINT)
    found: list[SweepParameter] = []
    while True:
        token = inner.token
        parameter = _parameter(inner)
        if parameter.name.lower() in (known.name.lower() for known in found):
            inner.fail(f"SWEEP: {parameter.name} is given twice", "each parameter once", token)
        found.append(parameter)
        if inner.at_end():
            return tuple(found)
        inner.expect(",", hint=_HINT)


def _parameter(cursor: Cursor) -> SweepParameter:
    name = word(cursor, "SWEEP")
    if cursor.accept("IN"):
        return SweepParameter(name, values=_values(cursor, f"SWEEP {name}"))
    if cursor.accept("BETWEEN"):
        token = cursor.token
        low = number(cursor, f"SWEEP {name}")
        cursor.expect("AND", hint=f"write {name} BETWEEN low AND high")
        high = number(cursor, f"SWEEP {name}")
        log = cursor.accept("LOG")
        known = not isinstance(low, UnboundNumber) and not isinstance(high, UnboundNumber)
        if known and low >= high:
            cursor.fail(f"SWEEP {name}: {low} is not below {high}", f"write {name} BETWEEN {high} AND {low}", token)
        if known and log and low <= 0:
            cursor.fail(f"SWEEP {name}: a logarithmic range begins above 0", "write a positive number", token)
        return SweepParameter(name, low=low, high=high, log=log)
    hint = f"a value that stays the same belongs into WITH ({name} = ..)" if cursor.at("=") else _HINT
    cursor.fail(f"SWEEP {name} needs IN or BETWEEN, found {cursor.found()}", hint)


def _values(cursor: Cursor, what: str) -> tuple[Any, ...]:
    token = cursor.token
    if not cursor.at("("):
        given = value(cursor, what)
        if isinstance(given, Unbound):
            return (given,)
        if not isinstance(given, (list, tuple)) or not given:
            cursor.fail(f"{what} needs values", "write IN (value, ..)", token)
        return tuple(given)
    inner = cursor.enter(what)
    found: list[Any] = []
    while not inner.at_end():
        if found:
            inner.expect(",")
        found.append(value(inner, what))
    if not found:
        cursor.fail(f"{what} needs values", "write IN (value, ..)", token)
    return tuple(found)


def sweep_of(cursor: Cursor, found: Clauses) -> Sweep | None:
    """The search that the clauses of a RUN describe."""
    if "SWEEP" not in found:
        return None
    goals = [clause for clause in ("MAXIMIZE", "MINIMIZE") if clause in found]
    if len(goals) != 1:
        at = found.places[goals[1]] if goals else cursor.token
        problem = "has MAXIMIZE and MINIMIZE" if goals else "needs a metric to choose the best trial by"
        cursor.fail(f"SWEEP {problem}", "add MAXIMIZE metric or MINIMIZE metric" if not goals else "one of them", at)
    parameters: tuple[SweepParameter, ...] = found["SWEEP"]
    ranges = [parameter.name for parameter in parameters if not parameter.values]
    strategy = found.get("USING", "random" if ranges else "grid").lower()
    if strategy == "grid" and ranges:
        cursor.fail(
            f"a grid needs listed values, and {ranges[0]} is a range",
            f"write {ranges[0]} IN (..), or USING random or USING tpe",
            found.places["USING"],
        )
    return Sweep(
        parameters=parameters,
        metric=found[goals[0]],
        goal="maximize" if goals[0] == "MAXIMIZE" else "minimize",
        strategy=strategy,
        limit=found.get("LIMIT"),
        parallel=found.get("PARALLEL", 1),
        stop_when=found.get("STOP WHEN"),
        prune=found["PRUNE"].lower() if "PRUNE" in found else None,
        max_errors=found.get("MAX ERRORS"),
    )


def print_sweep(sweep: Sweep) -> str:
    """``SWEEP (..) USING .. MAXIMIZE ..``."""
    return writing.line(
        f"SWEEP ({', '.join(map(_print_parameter, sweep.parameters))})",
        f"USING {writing.word(sweep.strategy)}",
        f"{sweep.goal.upper()} {writing.word(sweep.metric)}",
        f"LIMIT {sweep.limit}" if sweep.limit is not None else "",
        f"PARALLEL {sweep.parallel}" if sweep.parallel != 1 else "",
        writing.clause("PRUNE", writing.word(sweep.prune)),
        f"MAX ERRORS {sweep.max_errors}" if sweep.max_errors is not None else "",
        writing.clause("STOP WHEN", writing.query(sweep.stop_when)),
    )


def _print_parameter(parameter: SweepParameter) -> str:
    name = writing.word(parameter.name)
    if parameter.values:
        return f"{name} IN ({', '.join(map(writing.value, parameter.values))})"
    log = " LOG" if parameter.log else ""
    return f"{name} BETWEEN {writing.value(parameter.low)} AND {writing.value(parameter.high)}{log}"
