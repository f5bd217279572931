"""Collections: texts and vectors that are searched."""

from __future__ import annotations

from typing import Any

from mlbox.base.names import Ref
from mlbox.engine.search.commands import CreateCollection, DropCollection, RefreshCollection, Split
from mlbox.sql import writing
from mlbox.sql.bodies import query_rest
from mlbox.sql.grammar import Noun, StatementSyntax, noun, statement
from mlbox.sql.heads import create_clauses, create_head, drop, flag
from mlbox.sql.parser import Cursor, Reader, clauses, one_of
from mlbox.sql.references import identifier, reference
from mlbox.sql.values import count, text
from mlbox.sql.writing import Writer

METRICS = ("COSINE", "L2", "DOT")


def _create(cursor: Cursor) -> CreateCollection:
    head = create_head(cursor, "COLLECTION")
    ref = reference(cursor, "collection")

    def query(inner: Cursor, clause: str) -> object:
        return query_rest(inner, clause, _CLAUSES)

    found = create_clauses(cursor, "CREATE COLLECTION", {**_CLAUSES, "AS": query})
    if "AS" not in found:
        cursor.fail("CREATE COLLECTION needs its query", "end it with AS SELECT ..")
    if "KEY" not in found:
        cursor.fail("CREATE COLLECTION needs the key of its rows", "add KEY (column, ..) before AS")
    if "TOKENIZER" in found and "EMBED" not in found:
        cursor.fail("TOKENIZER belongs to a model", "add EMBED WITH MODEL m", found.places["TOKENIZER"])
    kind, embed = found.get("EMBED", ("model", None))
    if "TOKENIZER" in found and kind == "function":
        cursor.fail("TOKENIZER belongs to a model", "a function makes its own tokens", found.places["TOKENIZER"])
    return CreateCollection(
        ref=ref,
        query=found["AS"],
        key=found["KEY"],
        text=found.get("TEXT"),
        vector=found.get("VECTOR"),
        embed=embed,
        embed_kind=kind,
        tokenizer=found.get("TOKENIZER"),
        split=found.get("SPLIT"),
        metric=found.get("METRIC", "cosine"),
        replace=head.replace,
        if_not_exists=head.if_not_exists,
        comment=found.get("COMMENT"),
    )


def _key(cursor: Cursor, clause: str) -> tuple[str, ...]:
    inner = cursor.enter(clause, "write KEY (column, ..)")
    names = [identifier(inner, "column")]
    while not inner.at_end():
        inner.expect(",")
        names.append(identifier(inner, "column"))
    return tuple(names)


def _column(cursor: Cursor, clause: str) -> str:
    return identifier(cursor, "column")


def _embed(cursor: Cursor, clause: str) -> tuple[str, Ref]:
    cursor.expect("WITH", hint="write EMBED WITH MODEL m[@version] or EMBED WITH FUNCTION f[@version]")
    kind = one_of(cursor, "EMBED WITH", ("MODEL", "FUNCTION")).lower()
    return kind, reference(cursor, kind, version=True)


def _split(cursor: Cursor, clause: str) -> Split:
    begins = cursor.token
    inner = cursor.enter(clause, "write SPLIT (size = 1000, overlap = 100)")
    given: dict[str, Any] = {}
    while True:
        token = inner.token
        name = one_of(inner, "SPLIT", ("SIZE", "OVERLAP")).lower()
        if name in given:
            inner.fail(f"{name} is given twice", None, token)
        inner.expect("=")
        given[name] = count(inner, f"SPLIT {name}")
        if inner.at_end():
            break
        inner.expect(",")
    made = Split(**given)
    if made.size < 1 or made.overlap >= made.size:
        cursor.fail(
            f"pieces of {made.size} characters cannot repeat {made.overlap}",
            "the overlap is smaller than the size",
            begins,
        )
    return made


def _metric(cursor: Cursor, clause: str) -> str:
    return one_of(cursor, clause, METRICS).lower()


_CLAUSES: dict[str, Reader] = {
    "KEY": _key,
    "TEXT": _column,
    "VECTOR": _column,
    "EMBED": _embed,
    "TOKENIZER": text,
    "SPLIT": _split,
    "METRIC": _metric,
}


def _print(command: CreateCollection, write: Writer) -> str:
    split = command.split
    return write.create(
        "COLLECTION",
        command,
        f"KEY ({', '.join(writing.name(name) for name in command.key)})",
        writing.clause("TEXT", writing.name(command.text) if command.text else None),
        writing.clause("VECTOR", writing.name(command.vector) if command.vector else None),
        writing.clause("SPLIT", f"(size = {split.size}, overlap = {split.overlap})" if split else None),
        writing.clause(f"EMBED WITH {command.embed_kind.upper()}", write.ref(command.embed) if command.embed else None),
        writing.clause("TOKENIZER", writing.text(command.tokenizer)),
        writing.clause("METRIC", None if command.metric == "cosine" else command.metric),
        writing.comment(command),
        writing.clause("AS", command.query.text),
    )


statement(
    StatementSyntax(
        name="CREATE COLLECTION",
        summary="Keep texts, vectors, or both so that ml.search finds the nearest.",
        syntax="""CREATE [OR REPLACE] COLLECTION [IF NOT EXISTS] name
    KEY (column, ..) [TEXT column] [VECTOR column] [SPLIT ({size = n | overlap = n}, ..)]
    [EMBED WITH {MODEL model[@version] | FUNCTION function[@version]}] [TOKENIZER 'file']
    [METRIC {COSINE | L2 | DOT}] [COMMENT 'text'] AS SELECT ..""",
        examples=(
            "CREATE COLLECTION notes KEY (id) TEXT body AS SELECT id, body, author FROM tickets",
            "CREATE COLLECTION manual KEY (filename) TEXT content SPLIT (size = 800, overlap = 100) "
            "EMBED WITH MODEL minilm TOKENIZER 'minilm/tokenizer.json' "
            "AS SELECT filename, content FROM read_text('manual/*.md')",
            "CREATE COLLECTION faces KEY (person, taken_at) VECTOR embedding METRIC DOT "
            "AS SELECT person, taken_at, embedding FROM portraits",
        ),
        starts=(("CREATE", "COLLECTION"),),
        parse=_create,
        prints={CreateCollection: _print},
    )
)


def _refresh(cursor: Cursor) -> RefreshCollection:
    cursor.expect("REFRESH", "COLLECTION")
    ref = reference(cursor, "collection")
    found = clauses(cursor, "REFRESH COLLECTION", {"FULL": flag})
    return RefreshCollection(ref=ref, full="FULL" in found)


statement(
    StatementSyntax(
        name="REFRESH COLLECTION",
        summary="Bring a collection up to date with its query; only what has changed gets new vectors.",
        syntax="REFRESH COLLECTION name [FULL]",
        examples=("REFRESH COLLECTION notes", "REFRESH COLLECTION notes FULL"),
        starts=(("REFRESH", "COLLECTION"),),
        parse=_refresh,
        prints={
            RefreshCollection: lambda command, write: writing.line(
                "REFRESH COLLECTION", write.ref(command.ref), "FULL" if command.full else ""
            )
        },
    )
)
drop("collection", DropCollection)
noun(Noun("collection", "collections"))
