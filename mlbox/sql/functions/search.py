"""``ml.search`` and ``ml.embed``: the nearest texts and vectors of a collection."""

from __future__ import annotations

import json
from typing import Any

from mlbox.base.errors import Invalid
from mlbox.base.names import literal, quote
from mlbox.engine.search.searching import Question, find
from mlbox.sql.functions.base import FUNCTIONS, Argument, Asked, Column, RowFunction, TableFunction


def write(asked: Asked, collection: str, query: str, *how: str) -> str:
    """Searches when the statement is bound; the rows stand in the SQL. ``how``: k, mode, filter, session."""
    k, mode, condition, session = how
    found = find(
        asked.collections,
        asked.ref(collection, session),
        Question(query, _count(k), mode.lower(), condition),
    )
    names = ", ".join(f"{quote(name)}::{kind} AS {quote(name)}" for name, kind in found.columns)
    if not found.rows:
        nothing = ", ".join(f"NULL::{kind} AS {quote(name)}" for name, kind in found.columns)
        return f"SELECT {nothing} WHERE FALSE"
    text = literal(json.dumps([list(row.values()) for row in found.rows], default=str))
    fields = ", ".join(f"_row->>{index} AS {quote(name)}" for index, (name, _) in enumerate(found.columns))
    return (
        f"SELECT {names} FROM (SELECT {fields}, _number FROM (SELECT unnest({text}::JSON::JSON[]) AS _row, "
        f"generate_subscripts({text}::JSON::JSON[], 1) AS _number)) ORDER BY _number"
    )


def _count(k: str) -> int:
    try:
        return int(k)
    except ValueError:
        raise Invalid(f"k is the number of rows, not {k!r}") from None


def prepare(asked: Asked, collection: str, session: str) -> int:
    """The collection's embedder."""
    ref = asked.ref(collection, session)
    embedder = asked.collections.embedder(asked.collections.state(ref).collection)
    if embedder is None:
        raise Invalid(f"collection {ref} has no model", hint="CREATE COLLECTION … EMBED WITH MODEL m")
    return asked.keep(embedder)


def embed(asked: Asked, numbers: Any, texts: Any) -> Any:
    """Vectors of a batch; NULL for NULL."""
    import pyarrow

    values = texts.to_pylist()
    embedder = asked.kept(numbers[0].as_py())
    told = [value for value in values if value is not None]
    vectors = iter(embedder.embed(told).tolist() if told else [])
    return pyarrow.array(
        [None if value is None else next(vectors) for value in values], pyarrow.list_(pyarrow.float32())
    )


COLLECTION = Argument("collection", "VARCHAR", "Collection")

FUNCTIONS.add(
    "search",
    TableFunction(
        "search",
        "The rows of a collection that are nearest to a text or a vector, the best first.",
        (
            COLLECTION,
            Argument("query", "VARCHAR or FLOAT[]", "What is looked for", passed="query::VARCHAR"),
            Argument("k", "INTEGER", "Rows at most", "10", passed="k::VARCHAR"),
            Argument("mode", "VARCHAR", "auto, text (words), vector (meaning) or hybrid (both)", "'auto'"),
            Argument("filter", "VARCHAR", "Condition over the collection's columns; it holds before the search", "''"),
        ),
        (
            Column("…", "", "The columns of the collection's query, without the vector"),
            Column("part", "INTEGER", "Which piece of its text, from 0; a text that is not split has one"),
            Column("score", "DOUBLE", "How near; more is nearer, and only within one search comparable"),
        ),
        "FROM ml.search('notes', 'payment refused', 3)",
        write,
        "The score is the cosine similarity, the dot product, or with `METRIC L2` the negative squared distance; in "
        "mode text the BM25 score (Robertson and Zaragoza, 2009), in mode hybrid the reciprocal rank fusion of both "
        "lists (Cormack and others, 2009). A text asks in mode hybrid where the collection has a model, else in mode "
        "text; a vector in mode vector.",
    ),
)
FUNCTIONS.add(
    "embed",
    RowFunction(
        "embed",
        "The vector that a collection's model makes of a text.",
        (COLLECTION, Argument("text", "VARCHAR", "A text")),
        (Column("embed", "FLOAT[]", "Vector"),),
        "SELECT len(ml.embed('papers', 'a text')) AS n",
        embed,
        prepare,
        "Cast it to an array to compare it in SQL: `array_cosine_similarity(ml.embed('c', a)::FLOAT[384], b)`.",
    ),
)
