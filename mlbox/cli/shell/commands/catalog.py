"""What there is: ``.tables``, ``.schema``."""

from __future__ import annotations

from mlbox.base.errors import Invalid, NotFound
from mlbox.base.names import literal
from mlbox.base.suggest import did_you_mean
from mlbox.cli.shell.state import DotCommand, Shell, dot_command

TABLES = """
SELECT table_schema || '.' || table_name, CASE table_type WHEN 'VIEW' THEN 'view' ELSE 'table' END
FROM information_schema.tables
WHERE table_catalog IN ('data', 'catalog') AND NOT starts_with(table_schema, '_') AND table_schema <> 'main'
ORDER BY table_schema = 'ml', 1
"""
COLUMNS = """
SELECT column_name, data_type FROM information_schema.columns
WHERE table_catalog IN ('data', 'catalog') AND table_schema = {schema} AND lower(table_name) = lower({table})
ORDER BY ordinal_position
"""


def _names(shell: Shell) -> list[tuple[str, str]]:
    return [(str(name), str(kind)) for name, kind in shell.door.ask(TABLES)]


def _forms(name: str) -> tuple[str, str]:
    return name.lower(), name.lower().rpartition(".")[2]


def _tables(shell: Shell, words: list[str]) -> None:
    from fnmatch import fnmatchcase

    found = _names(shell)
    if words:
        pattern = words[0].lower().replace("%", "*")
        pattern = pattern if set(pattern) & set("*?[") else f"*{pattern}*"
        found = [(name, kind) for name, kind in found if any(fnmatchcase(form, pattern) for form in _forms(name))]
    else:
        found = [(name, kind) for name, kind in found if not name.startswith("ml.")]
    if not found:
        hint = "CREATE TABLE t AS SELECT .., or mlbox import FILE, makes one; .tables ml lists the views of mlbox"
        raise NotFound("there is no table" + (f" like {words[0]!r}" if words else " yet"), hint=hint)
    for name, kind in found:
        print(name if kind == "table" else f"{name}  (view)")


def _schema(shell: Shell, words: list[str]) -> None:
    if not words:
        raise Invalid(".schema takes the name of a table or view", hint=".tables lists them")
    schema, _, table = words[0].rstrip(";").replace('"', "").rpartition(".")
    for place in (schema,) if schema else (shell.door.project, "ml"):
        columns = shell.door.ask(COLUMNS.format(schema=literal(place.lower()), table=literal(table)))
        if columns:
            room = max(len(str(name)) for name, _ in columns)
            print(f"{place.lower()}.{table}")
            for name, kind in columns:
                print(f"  {name:<{room}}  {kind}")
            return
    known = [name for name, _ in _names(shell)]
    wanted = words[0] if schema else f"{shell.door.project}.{words[0]}"
    raise NotFound(f"there is no table or view {words[0]!r}", hint=did_you_mean(wanted, known) or ".tables lists them")


def _complete(shell: Shell, begun: str) -> list[str]:
    return [name for name, _ in _names(shell)]


dot_command(DotCommand(".tables", "[PATTERN]", "tables and views; * stands for anything", _tables, _complete))
dot_command(DotCommand(".schema", "NAME", "columns of a table or view, with their types", _schema, _complete))
