"""The search itself: a question as text or vector, the answer as rows."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from mlbox.base.errors import Invalid
from mlbox.base.names import Ref
from mlbox.base.suggest import did_you_mean
from mlbox.engine.search.definition import PART, TEXT, Collection
from mlbox.engine.search.service import Collections
from mlbox.engine.search.store import search

if TYPE_CHECKING:
    import pyarrow

Mode = Literal["auto", "vector", "text", "hybrid"]
MOST = 10_000
"""Rows that a search gives at most."""


@dataclass(frozen=True, slots=True)
class Question:
    """``query`` is a text, or a vector as ``[0.1, 0.2, …]``; ``where`` a condition over the collection's columns."""

    query: str
    limit: int = 10
    mode: str = "auto"
    where: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """Rows, the best first, with ``_part`` and ``score``; ``columns`` are their names and types."""

    rows: list[dict[str, Any]]
    columns: tuple[tuple[str, str], ...]


def find(collections: Collections, ref: Ref, question: Question) -> Found:
    """Raises ``NotFound``, ``Invalid``."""
    state = collections.state(ref)
    collection = state.collection
    if not 1 <= question.limit <= MOST:
        raise Invalid(f"a search gives 1 to {MOST:,} rows, not {question.limit}")
    vector = _vector(question.query)
    mode = _mode(collection, question.mode, given=vector is not None)
    columns = (*collection.columns, ("part", "INTEGER"), ("score", "DOUBLE"))
    if not state.row.rows:
        return Found([], columns)
    if vector is None and mode != "text":
        embedder = collections.embedder(collection)
        assert embedder is not None
        vector = embedder.embed([question.query])[0].tolist()
    if vector is not None and len(vector) != state.row.dimensions:
        raise Invalid(f"the vector has {len(vector)} numbers, those of {ref} have {state.row.dimensions}")
    found, order = search(
        collections.reader(state),
        text=question.query if mode in ("text", "hybrid") else None,
        vector=vector if mode in ("vector", "hybrid") else None,
        metric=collection.metric,
        limit=question.limit,
        where=_where(collection, question.where),
    )
    return Found(_rows(collection, found, order), columns)


def _vector(query: str) -> list[float] | None:
    """The vector that a text stands for, when it is written as one."""
    stripped = query.strip()
    if not (stripped.startswith("[") and stripped.endswith("]")):
        return None
    try:
        values = json.loads(stripped)
        return [float(value) for value in values] or None
    except (ValueError, TypeError):
        return None


def _mode(collection: Collection, asked: str, *, given: bool) -> Mode:
    if asked not in get_args(Mode):
        raise Invalid(
            f"there is no mode {asked!r}", hint=did_you_mean(asked, get_args(Mode)) or "auto, vector, text, hybrid"
        )
    mode = cast(Mode, asked)
    if given:
        if not collection.has_vectors:
            raise Invalid(f"collection {collection.ref} has no vectors", hint="ask with a text")
        if mode in ("text", "hybrid"):
            raise Invalid(f"mode {mode} needs a text, and the question is a vector", hint="leave the mode out")
        return "vector"
    if mode == "auto":
        mode = "hybrid" if collection.embed and collection.text else "text"
    if mode != "vector" and collection.text is None:
        raise Invalid(
            f"collection {collection.ref} holds vectors only, and the question is a text",
            hint="ask with a vector: ml.search('…', [0.1, 0.2, …])",
        )
    if mode != "text" and collection.embed is None:
        raise Invalid(
            f"collection {collection.ref} has no model that makes a vector of a text",
            hint="CREATE COLLECTION … EMBED WITH MODEL m, or ask with a vector",
        )
    return mode


def _where(collection: Collection, where: str) -> str | None:
    """Columns are named as in the query; the text is kept under a name of ours."""
    if not where.strip():
        return None
    if collection.text is None:
        return where
    return re.sub(rf'(?<![\w."\']){re.escape(collection.text)}(?![\w"\'(])', TEXT, where)


def _rows(collection: Collection, found: pyarrow.Table, order: str) -> list[dict[str, Any]]:
    rows = []
    for row in found.to_pylist():
        value = row[order]
        if order == "_distance":
            value = -value if collection.metric == "l2" else 1 - value
        shown = {name: row[TEXT if name == collection.text else name] for name, _ in collection.columns}
        rows.append({**shown, "part": row[PART], "score": value})
    return rows
