"""Models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlbox.base.command import Command
from mlbox.engine.models.commands import CreateModel, DropModel, DropModelAlias, RefreshModel, SetModelAlias
from mlbox.engine.workflows.commands import AlterObject
from mlbox.sql import writing
from mlbox.sql.bodies import query_rest
from mlbox.sql.column_types import typed_names
from mlbox.sql.grammar import Noun, StatementSyntax, noun, statement
from mlbox.sql.heads import alias_action, alter_action, create_clauses, create_head, drop, print_alias, print_alter
from mlbox.sql.parser import Clauses, Cursor, Reader, finish
from mlbox.sql.references import identifier, reference, run_id, version_text
from mlbox.sql.values import number, options, pairs, text, word
from mlbox.sql.writing import Writer

_SOURCES = "FROM 'model.onnx', FROM RUN 'id', FROM MODEL name@version or OPTIONS (..) AS SELECT .."


def _from(cursor: Cursor, clause: str) -> Mapping[str, Any]:
    if cursor.peek().key == ".":
        return {"path": text(cursor, clause)}  # FROM model.onnx
    if cursor.accept("RUN"):
        return {"run": run_id(cursor, "FROM RUN")}
    if cursor.accept("MODEL"):
        return {"model": reference(cursor, "model", version=True)}
    return {"path": text(cursor, clause)}


def _metrics(cursor: Cursor, clause: str) -> dict[str, float]:
    return pairs(cursor, clause, lambda inner, what: float(number(inner, what)))


_CLAUSES: dict[str, Reader] = {
    "FROM": _from,
    "ARTIFACT": word,
    "OPTIONS": options,
    "INPUT": typed_names,
    "OUTPUT": typed_names,
    "FEATURES": lambda cursor, clause: reference(cursor, "feature vector"),
    "METRICS": _metrics,
    "ALIAS": lambda cursor, clause: identifier(cursor, "alias"),
    "AS": lambda cursor, clause: query_rest(cursor, clause, _CLAUSES),
}


def _create(cursor: Cursor) -> CreateModel:
    head = create_head(cursor, "MODEL")
    ref = reference(cursor, "model")
    found = create_clauses(cursor, "CREATE MODEL", _CLAUSES)
    _check_source(cursor, found)
    return CreateModel(
        ref=ref,
        replace=head.replace,
        if_not_exists=head.if_not_exists,
        artifact=found.get("ARTIFACT"),
        query=found.get("AS"),
        options=found.get("OPTIONS", {}),
        inputs=found.get("INPUT", ()),
        outputs=found.get("OUTPUT", ()),
        features=found.get("FEATURES"),
        metrics=found.get("METRICS", {}),
        alias=found.get("ALIAS"),
        comment=found.get("COMMENT"),
        **found.get("FROM", {}),
    )


def _check_source(cursor: Cursor, found: Clauses) -> None:
    if "FROM" not in found and "AS" not in found:
        cursor.fail("CREATE MODEL needs to know where the model comes from", f"add {_SOURCES}")
    if "FROM" in found and "AS" in found:
        cursor.fail("CREATE MODEL has FROM and AS", f"give one of {_SOURCES}", found.places["AS"])
    if "AS" in found and "OPTIONS" not in found:
        hint = "add OPTIONS (model_type = 'logistic_reg', input_label_cols = ['y']) before AS"
        cursor.fail("a model made from a query needs OPTIONS", hint, found.places["AS"])
    if "OPTIONS" in found and "AS" not in found:
        cursor.fail("OPTIONS belongs to AS SELECT ..", "add AS SELECT .. behind it", found.places["OPTIONS"])
    if "ARTIFACT" in found and "run" not in found.get("FROM", {}):
        cursor.fail("ARTIFACT belongs to FROM RUN", "write FROM RUN 'id' ARTIFACT 'name'", found.places["ARTIFACT"])


def _print(command: CreateModel, write: Writer) -> str:
    source = writing.text(command.path)
    if command.run is not None:
        source = f"RUN {writing.text(command.run)}"
    elif command.model is not None:
        source = f"MODEL {write.ref(command.model)}"
    return write.create(
        "MODEL",
        command,
        writing.clause("FROM", source),
        writing.clause("ARTIFACT", writing.text(command.artifact)),
        writing.options("OPTIONS", command.options) or ("OPTIONS ()" if command.query else ""),
        _print_columns("INPUT", command.inputs),
        _print_columns("OUTPUT", command.outputs),
        writing.clause("FEATURES", write.ref(command.features) if command.features else None),
        writing.options("METRICS", command.metrics),
        writing.clause("ALIAS", writing.name(command.alias) if command.alias else None),
        writing.comment(command),
        writing.clause("AS", command.query.text if command.query else None),
    )


def _print_columns(words: str, columns: tuple[tuple[str, str], ...]) -> str:
    return f"{words} ({', '.join(f'{writing.name(name)} {kind}' for name, kind in columns)})" if columns else ""


def _print_alias(command: SetModelAlias | DropModelAlias, write: Writer) -> str:
    version = None if isinstance(command, DropModelAlias) else command.version
    return f"ALTER MODEL {write.ref(command.ref)} {print_alias(command.alias, version)}"


statement(
    StatementSyntax(
        name="CREATE MODEL",
        summary="Register a version of a model: a file, an artifact of a run, another model, or trained from a query.",
        syntax="""CREATE [OR REPLACE] MODEL [IF NOT EXISTS] name
    {FROM 'model.onnx' | FROM RUN {'id' | name} [ARTIFACT 'name'] | FROM MODEL other[@version]
     | OPTIONS ({model_type = 'type' | input_label_cols = value | key = value}, ..) AS SELECT ..}
    [INPUT (name type, ..)] [OUTPUT (name type, ..)] [FEATURES vector] [METRICS (name = number, ..)] [ALIAS alias]
    [COMMENT 'text']""",
        examples=(
            "CREATE MODEL m FROM 'model.onnx'",
            "CREATE OR REPLACE MODEL m FROM RUN 'a1b2c3d4' ARTIFACT 'model' FEATURES v ALIAS challenger",
            "CREATE MODEL lr OPTIONS (model_type = 'logistic_reg', input_label_cols = ['y']) AS SELECT * FROM t",
        ),
        starts=(("CREATE", "MODEL"),),
        parse=_create,
        prints={CreateModel: _print},
        later=("OPTIONS (..) AS SELECT",),
    )
)


def _alter(cursor: Cursor) -> Command:
    cursor.expect("ALTER", "MODEL")
    ref = reference(cursor, "model")
    command: Command
    if found := alias_action(cursor):
        alias, version = found
        command = (
            DropModelAlias(ref=ref, alias=alias)
            if version is None
            else SetModelAlias(ref=ref, alias=alias, version=version)
        )
    elif cursor.accept("VERSION"):
        version = version_text(cursor)
        cursor.expect("SET", "ALIAS", "=", hint=f"write VERSION {version} SET ALIAS = name")
        command = SetModelAlias(ref=ref, alias=identifier(cursor, "alias"), version=version)
    elif cursor.at("RENAME") or cursor.at("SET", "("):
        return alter_action(cursor, "model", ref, ("RENAME", "SET"))
    else:
        cursor.fail(
            f"ALTER MODEL does not know {cursor.found()} here",
            "SET ALIAS name = 3, VERSION 3 SET ALIAS = name, DROP ALIAS name, RENAME TO name or SET (key = value)",
        )
    finish(cursor, "ALTER MODEL")
    return command


statement(
    StatementSyntax(
        name="ALTER MODEL",
        summary="Move an alias to a version, drop it, or rename the model.",
        syntax="""ALTER MODEL name {SET ALIAS alias = version | SET ALIAS alias TO VERSION version
    | VERSION version SET ALIAS = alias | DROP ALIAS alias | RENAME TO name | SET (key = value, ..)}""",
        examples=(
            "ALTER MODEL m SET ALIAS champion = 3",
            "ALTER MODEL m SET ALIAS champion TO VERSION 3",
            "ALTER MODEL m VERSION 3 SET ALIAS = champion",
            "ALTER MODEL m DROP ALIAS challenger",
        ),
        starts=(("ALTER", "MODEL"),),
        parse=_alter,
        prints={SetModelAlias: _print_alias, DropModelAlias: _print_alias, AlterObject: print_alter},
        later=("SET other than comment",),
    )
)


def _refresh(cursor: Cursor) -> RefreshModel:
    cursor.expect("REFRESH", "MODEL")
    ref = reference(cursor, "model")
    finish(cursor, "REFRESH MODEL")
    return RefreshModel(ref=ref)


statement(
    StatementSyntax(
        name="REFRESH MODEL",
        summary="Train a model that was made from a query once more.",
        syntax="REFRESH MODEL name",
        examples=("REFRESH MODEL lr",),
        starts=(("REFRESH", "MODEL"),),
        parse=_refresh,
        prints={RefreshModel: lambda command, write: f"REFRESH MODEL {write.ref(command.ref)}"},
    )
)
drop("model", DropModel, version=True)
noun(Noun("model", "models"))
