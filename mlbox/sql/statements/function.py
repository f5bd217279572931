"""Functions: user code."""

from __future__ import annotations

from typing import Any

from mlbox.base.command import Command, Query
from mlbox.base.errors import Invalid
from mlbox.base.suggest import nearest
from mlbox.engine.runs.commands import CreateFunction, DropFunction, Resources, SetFunctionAlias
from mlbox.engine.workflows.commands import AlterObject
from mlbox.sql import writing
from mlbox.sql.grammar import Noun, StatementSyntax, noun, statement
from mlbox.sql.heads import alias_action, alter_action, create_clauses, create_head, drop, print_alias, print_alter
from mlbox.sql.parameters import Unbound
from mlbox.sql.parser import Cursor, checked, finish, kept
from mlbox.sql.references import is_name, reference
from mlbox.sql.times import interval
from mlbox.sql.values import count, number, options, pairs, strings, text, value, word
from mlbox.sql.writing import Writer

_FACTORS = {
    "": 1,
    "B": 1,
    **{unit: 1000**power for power, letter in enumerate("KMGT", 1) for unit in (letter, letter + "B")},
    **{unit: 1024**power for power, letter in enumerate("KMGT", 1) for unit in (letter + "I", letter + "IB")},
}


def memory_bytes(given: str) -> int:
    """``8GB`` (10^9), ``8GiB`` (2^30), ``512MB`` as bytes; raises ``Invalid``."""
    stripped = given.strip().replace(" ", "")
    digits = stripped.rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
    unit = stripped[len(digits) :]
    factor = _FACTORS.get(unit.upper())
    try:
        amount = float(digits)
    except ValueError:
        amount = 0
    if factor is None and digits:
        raise Invalid(f"memory '{given}': {unit} is not a unit", hint="units: KB, MB, GB, TB, KiB, MiB, GiB, TiB")
    if factor is None or not 0 < amount < 1e15:
        raise Invalid(f"memory '{given}' is not an amount of memory", hint="for example '8GB' or '512MiB'")
    return int(amount * factor)


def _resources(cursor: Cursor, clause: str) -> Resources:
    known = {"cpu": _cpu, "memory": _memory, "gpu": count}

    def read(inner: Cursor, what: str) -> Any:
        name = what.rpartition(" ")[2].lower()
        if name not in known:
            close = nearest(name, known)
            hint = f"did you mean {close[0]}?" if close else "known: cpu, memory, gpu"
            inner.fail(f"{clause} has no {name}", hint, inner.tokens[inner.index - 2])
        return known[name](inner, what)

    return Resources(**{name.lower(): found for name, found in pairs(cursor, clause, read).items()})


def _cpu(cursor: Cursor, what: str) -> float:
    token = cursor.token
    found = number(cursor, what)
    if found <= 0:
        cursor.fail(f"{what} needs a number above 0, found {found}", "for example cpu = 2 or cpu = 0.5", token)
    return found


def _memory(cursor: Cursor, what: str) -> int:
    token = cursor.token
    if token.kind == "number":
        unit = cursor.peek()
        if unit.kind == "word":
            cursor.fail(f"{what}: an amount with a unit stands in quotes", f"write '{token.text}{unit.text}'")
        return int(checked(cursor, token, memory_bytes, str(count(cursor, what))))
    given = text(cursor, what) if token.kind != "parameter" else value(cursor, what)
    return 1 if isinstance(given, Unbound) else int(checked(cursor, token, memory_bytes, str(given)))


def _environment(cursor: Cursor, clause: str) -> dict[str, str]:
    def read(inner: Cursor, what: str) -> str:
        token = inner.token
        found = value(inner, what)
        if isinstance(found, bool):
            return str(found).lower()
        if not isinstance(found, (str, int, float)):
            inner.fail(f"{what} needs a text, found {token.text}", "environment variables are texts", token)
        return str(found)

    return pairs(cursor, clause, read)


def _secrets(cursor: Cursor, clause: str) -> tuple[str, ...]:
    inner = cursor.enter(clause, "write SECRETS (name, ..)")
    found: list[str] = []
    while not inner.at_end():
        if found:
            inner.expect(",")
        found.append(word(inner, clause))
    return tuple(found)


def _query(cursor: Cursor, clause: str) -> Query:
    """All that follows; its parameters are those of the function."""
    if cursor.at_end():
        cursor.fail("AS needs a query", "for example RUNTIME sql AS SELECT * FROM t WHERE amount > $least")
    found = kept(Cursor(cursor.scope, cursor.tokens, cursor.index, cursor.limit))
    cursor.index = cursor.limit
    return found


_CLAUSES = {
    "FROM": text,
    "AS": _query,
    "HANDLER": word,
    "RUNTIME": word,
    "IMAGE": text,
    "REQUIREMENTS": strings,
    "RESOURCES": _resources,
    "ENV": _environment,
    "SECRETS": _secrets,
    "RETRY": count,
    "BACKOFF": interval,
    "TIMEOUT": interval,
    "WITH": options,
}


def _create(cursor: Cursor) -> CreateFunction:
    head = create_head(cursor, "FUNCTION")
    ref = reference(cursor, "function")
    found = create_clauses(cursor, "CREATE FUNCTION", _CLAUSES)
    if "FROM" in found and "AS" in found:
        cursor.fail("CREATE FUNCTION has FROM and AS", "take one of them away", found.places["AS"])
    if "FROM" not in found and "AS" not in found:
        cursor.fail("CREATE FUNCTION needs FROM", "add FROM 'file.py', a folder, 'git+url' or 'hub://name'")
    if "FROM" in found and not found["FROM"]:
        cursor.fail("FROM is empty", "name a file or folder, 'git+url' or 'hub://name'", found.places["FROM"])
    if "BACKOFF" in found and "RETRY" not in found:
        cursor.fail("BACKOFF belongs to RETRY", "add RETRY n", found.places["BACKOFF"])
    return CreateFunction(
        ref=ref,
        source=found.get("FROM", ""),
        query=found.get("AS"),
        replace=head.replace,
        if_not_exists=head.if_not_exists,
        handler=found.get("HANDLER"),
        runtime=found.get("RUNTIME", "local").lower(),
        image=found.get("IMAGE"),
        requirements=found.get("REQUIREMENTS", ()),
        resources=found.get("RESOURCES", Resources()),
        environment=found.get("ENV", {}),
        secrets=found.get("SECRETS", ()),
        retries=found.get("RETRY", 0),
        backoff=found.get("BACKOFF"),
        timeout=found.get("TIMEOUT"),
        options=found.get("WITH", {}),
        comment=found.get("COMMENT"),
    )


def _print(command: CreateFunction, write: Writer) -> str:
    listed = ", ".join(str(writing.text(entry)) for entry in command.requirements)
    resources = {name: getattr(command.resources, name) for name in ("cpu", "memory", "gpu")}
    return write.create(
        "FUNCTION",
        command,
        f"FROM {writing.text(command.source)}" if command.query is None else "",
        writing.clause("HANDLER", writing.word(command.handler)),
        writing.clause("RUNTIME", writing.word(command.runtime if command.runtime != "local" else None)),
        writing.clause("IMAGE", writing.text(command.image)),
        f"REQUIREMENTS ({listed})" if listed else "",
        writing.options("RESOURCES", {name: given for name, given in resources.items() if given is not None}),
        writing.options("ENV", command.environment),
        f"SECRETS ({', '.join(str(writing.word(entry)) for entry in command.secrets)})" if command.secrets else "",
        f"RETRY {command.retries}" if command.retries or command.backoff else "",
        writing.clause("BACKOFF", writing.interval(command.backoff)),
        writing.clause("TIMEOUT", writing.interval(command.timeout)),
        writing.options("WITH", command.options),
        writing.comment(command),
        f"AS {command.query.text}" if command.query is not None else "",
    )


def _claims(cursor: Cursor) -> bool:
    """``CREATE FUNCTION f(x) AS ..`` is DuckDB's macro."""
    cursor.accept("IF", "NOT", "EXISTS")
    if is_name(cursor.token, "function"):
        cursor.advance()
        if cursor.accept("."):
            cursor.advance()
    return not cursor.at("(")


statement(
    StatementSyntax(
        name="CREATE FUNCTION",
        summary="Register a version of your code: a file, a folder, a repository or a function of the hub.",
        syntax="""CREATE [OR REPLACE] FUNCTION [IF NOT EXISTS] name
    FROM {'file.py' | 'folder' | 'git+url' | 'hub://name'}
    [HANDLER handler] [RUNTIME local|docker|kubernetes|dask|spark|sql|..] [IMAGE 'image']
    [REQUIREMENTS ('package', ..)] [RESOURCES ({cpu = number | memory = '8GB' | gpu = n}, ..)]
    [ENV (name = 'value', ..)] [SECRETS (name, ..)]
    [RETRY n [BACKOFF interval]] [TIMEOUT interval] [WITH (key = value, ..)] [COMMENT 'text']
CREATE [OR REPLACE] FUNCTION [IF NOT EXISTS] name RUNTIME sql [RETRY n [BACKOFF interval]] [TIMEOUT interval]
    [COMMENT 'text'] {FROM 'query.sql' | AS SELECT ..}""",
        examples=(
            "CREATE FUNCTION train FROM 'train.py' HANDLER train_model RESOURCES (cpu = 4, memory = '8GB') "
            "REQUIREMENTS ('scikit-learn>=1.5', 'lightgbm')",
            "CREATE FUNCTION large RUNTIME sql AS SELECT * FROM payments WHERE amount > $least",
            "CREATE OR REPLACE FUNCTION fraud.prep FROM 'git+https://host/repo#prep.py' RUNTIME spark",
        ),
        starts=(("CREATE", "FUNCTION"),),
        parse=_create,
        prints={CreateFunction: _print},
        later=("FROM 'hub://name'",),
        claims=_claims,
    )
)
drop("function", DropFunction, version=True)


def _alter(cursor: Cursor) -> Command:
    cursor.expect("ALTER", "FUNCTION")
    ref = reference(cursor, "function")
    if found := alias_action(cursor):
        command: Command = SetFunctionAlias(ref=ref, alias=found[0], version=found[1])
    elif cursor.at("RENAME") or cursor.at("SET", "("):
        return alter_action(cursor, "function", ref, ("RENAME", "SET"))
    else:
        cursor.fail(
            f"ALTER FUNCTION does not know {cursor.found()} here",
            "SET ALIAS name = 3, DROP ALIAS name, RENAME TO name or SET (key = value)",
        )
    finish(cursor, "ALTER FUNCTION")
    return command


def _print_alias(command: SetFunctionAlias, write: Writer) -> str:
    return f"ALTER FUNCTION {write.ref(command.ref)} {print_alias(command.alias, command.version)}"


statement(
    StatementSyntax(
        name="ALTER FUNCTION",
        summary="Move an alias to a version, drop it, or describe the function.",
        syntax="""ALTER FUNCTION name {SET ALIAS alias = version | SET ALIAS alias TO VERSION version
    | DROP ALIAS alias | RENAME TO name | SET (key = value, ..)}""",
        examples=("ALTER FUNCTION f SET ALIAS stable = 3", "ALTER FUNCTION f DROP ALIAS stable"),
        starts=(("ALTER", "FUNCTION"),),
        parse=_alter,
        prints={SetFunctionAlias: _print_alias, AlterObject: print_alter},
        later=("SET other than comment",),
    )
)
noun(Noun("function", "functions"))
