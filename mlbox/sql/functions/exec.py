"""``ml.exec``: a statement of ours through a client that lets only queries through.

The session takes ``FROM ml.exec('…')`` apart before DuckDB sees it (``sql/capture``), so that the statement passes the
dispatcher like any other. What is registered here tells why it cannot stand inside a query.
"""

from __future__ import annotations

from mlbox.base.errors import Invalid
from mlbox.sql.functions.base import FUNCTIONS, Argument, Asked, Column, TableFunction


def write(asked: Asked, statement: str, session: str) -> str:
    """See above: nothing is carried out while a query runs."""
    raise Invalid(
        "ml.exec must stand alone: a statement is not carried out inside a query",
        hint="send FROM ml.exec('…') as the whole statement, with the text in it and not as a parameter",
    )


FUNCTIONS.add(
    "exec",
    TableFunction(
        "exec",
        "Carries out a statement of mlbox, for clients that let only queries through.",
        (Argument("statement", "VARCHAR", "One statement, written out; a quote inside is doubled"),),
        (
            Column("…", "", "The rows of the statement, where it has some"),
            Column("message", "VARCHAR", "Otherwise what it says"),
        ),
        "FROM ml.exec('SHOW MODELS')",
        write,
        "It must be the whole statement, `FROM ml.exec('…')` or `SELECT * FROM ml.exec('…')`: then it is the same as "
        "the statement inside, with the caller's rights and in the audit. Inside another query it is an error.",
    ),
)
