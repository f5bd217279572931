"""EXPORT PROJECT."""

from __future__ import annotations

from mlbox.engine.catalog.commands import ExportProject
from mlbox.sql import writing
from mlbox.sql.grammar import StatementSyntax, statement
from mlbox.sql.parser import Cursor, finish
from mlbox.sql.references import project_name
from mlbox.sql.values import text
from mlbox.sql.writing import Writer


def _export(cursor: Cursor) -> ExportProject:
    cursor.expect("EXPORT", "PROJECT")
    name = project_name(cursor)
    cursor.expect("TO")
    path = text(cursor, "EXPORT PROJECT .. TO")
    runs = not cursor.accept("WITHOUT", "RUNS")
    finish(cursor, "EXPORT PROJECT")
    return ExportProject(name=name, path=path, runs=runs)


def _print(command: ExportProject, write: Writer) -> str:
    without = "" if command.runs else "WITHOUT RUNS"
    return writing.line("EXPORT PROJECT", writing.name(command.name), "TO", writing.text(command.path) or "", without)


statement(
    StatementSyntax(
        name="EXPORT PROJECT",
        summary="Write a project to one file: an archive of all that it holds, or with .sql its statements alone. "
        "CREATE PROJECT name FROM 'file.zip' brings it back. Secrets and members stay out.",
        syntax="EXPORT PROJECT name TO 'file.zip|file.sql' [WITHOUT RUNS]",
        examples=("EXPORT PROJECT fraud TO 'fraud.zip'", "EXPORT PROJECT fraud TO '/backup/fraud.zip' WITHOUT RUNS"),
        starts=(("EXPORT", "PROJECT"),),
        parse=_export,
        prints={ExportProject: _print},
    )
)
