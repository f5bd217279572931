"""SHOW: rows of the public views."""

from __future__ import annotations

from mlbox.base.command import Command, Query
from mlbox.engine.catalog.commands import Show, ShowLineage
from mlbox.sql import writing
from mlbox.sql.bodies import expression_until
from mlbox.sql.grammar import NOUNS, StatementSyntax, statement
from mlbox.sql.parser import Cursor, Reader, clauses, finish
from mlbox.sql.references import project_name
from mlbox.sql.statements.describe import described, print_described
from mlbox.sql.values import positive, text, word
from mlbox.sql.writing import Writer

VIEWS = (
    "params metrics logs model_versions model_alias_moves features feature_stats ingests predictions deployments "
    "workflow_runs steps dropped drift alert_activations notifications lineage events audit task_history"
).split()
"""Public views that are not those of a noun."""


def views() -> dict[tuple[str, ...], str]:
    """The words behind SHOW and the view that they name; ``FEATURE SETS`` may also be written ``FEATURE_SETS``."""
    known = sorted({*VIEWS, *(noun.view for noun in NOUNS.values() if noun.view)})
    words = {tuple(view.upper().split("_")): view for view in known}
    return {**words, **{(view.upper(),): view for view in known}}


def _show(cursor: Cursor) -> Command:
    cursor.expect("SHOW")
    known = views()
    words = next(words for words in sorted(known, key=len, reverse=True) if cursor.accept(*words))
    view = known[words]
    shown = f"SHOW {' '.join(words)}"
    if view == "lineage" and cursor.at("OF"):
        cursor.advance()
        kind, ref = described(cursor, "SHOW LINEAGE OF")
        finish(cursor, shown)
        return ShowLineage(kind=kind, ref=ref)
    found = clauses(cursor, shown, {**_CLAUSES, "ORDER": _order})
    return Show(
        noun=view,
        of=found.get("OF"),
        like=found.get("LIKE"),
        project=found.get("IN PROJECT"),
        where=found.get("WHERE"),
        limit=found.get("LIMIT"),
    )


def _where(cursor: Cursor, clause: str) -> Query:
    def ends(here: Cursor) -> bool:
        return here.at("LIMIT") or here.at("IN", "PROJECT") or here.at("ORDER", "BY") or here.at("OF")

    return expression_until(cursor, clause, ends)


def _order(cursor: Cursor, clause: str) -> None:
    cursor.index -= 1
    cursor.fail("SHOW has no ORDER BY", "SELECT .. FROM ml.runs ORDER BY .. does it; SHOW reads the views of schema ml")


def _of(cursor: Cursor, clause: str) -> str:
    """A run by id, prefix or name, an endpoint or a monitor; ``OF RUN x`` is taken as ``OF x``."""
    if cursor.at("RUN") and cursor.peek().kind in ("word", "string", "number"):
        cursor.advance()
    return word(cursor, clause)


_CLAUSES: dict[str, Reader] = {
    "OF": _of,
    "LIKE": text,
    "IN PROJECT": lambda cursor, clause: project_name(cursor),
    "WHERE": _where,
    "LIMIT": positive,
}


def _claims(cursor: Cursor) -> bool:
    """``SHOW schema.table`` is DuckDB's."""
    return not cursor.at(".")


def _print(command: Show, write: Writer) -> str:
    return writing.line(
        f"SHOW {command.noun.replace('_', ' ').upper()}",
        writing.clause("OF", writing.text(command.of)),
        writing.clause("LIKE", writing.text(command.like)),
        writing.clause("IN PROJECT", writing.name(command.project) if command.project else None),
        writing.clause("WHERE", command.where.text if command.where else None),
        f"LIMIT {command.limit}" if command.limit is not None else "",
    )


statement(
    StatementSyntax(
        name="SHOW",
        summary="List objects and what is recorded about them; the same rows as the views of schema ml.",
        syntax="""SHOW {PROJECTS | FUNCTIONS | RUNS | ARTIFACTS | MODELS | FEATURE SETS | FEATURE VECTORS | ENDPOINTS
    | WORKFLOWS | SCHEDULES | MONITORS | ALERTS | METRICS | PARAMS | PREDICTIONS | DRIFT | HUB | ..}
    [OF run] [LIKE 'pattern'] [IN PROJECT name] [WHERE condition] [LIMIT n]
SHOW LINEAGE OF kind name[@version]""",
        examples=(
            "SHOW RUNS LIKE 'train%' IN PROJECT fraud LIMIT 10",
            "SHOW RUNS WHERE state = 'error' LIMIT 5",
            "SHOW METRICS OF 'a1b2c3d4'",
            "SHOW LOGS OF train",
            "SHOW LINEAGE OF MODEL m@3",
        ),
        starts=lambda: tuple(("SHOW", *words) for words in views()),
        parse=_show,
        prints={
            Show: _print,
            ShowLineage: lambda command, write: f"SHOW LINEAGE OF {print_described(command, write)}",
        },
        later=("HUB",),
        claims=_claims,
    )
)
