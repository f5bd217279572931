"""Completion: the notation takes every statement of the corpus, words are offered where they stand, names come from the
catalog of a real server."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from real_server import Server

from mlbox.base.command import Caller
from mlbox.sql.complete import complete
from mlbox.sql.expected import accepts
from mlbox.sql.grammar import REGISTRY, kinds, notation, recognise
from mlbox.sql.lexer import Token, tokenize
from mlbox.sql.lookup import OBJECTS, Lookup, Named, NoLookup, SqlLookup
from mlbox.sql.manual import help_text, keywords, manual
from mlbox.sql.parser import Cursor, Scope
from mlbox.sql.script import split
from mlbox.sql.session import Session

CORPUS = Path(__file__).parents[2] / "sql" / "corpus" / "valid.sql"
UNWRITTEN = ("SHOW FEATURE_SETS",)
"""Spellings that are taken and that the notation does not show."""


class Fixed(NoLookup):
    """A catalog of one project."""

    def objects(self, kind: str) -> list[Named]:
        return [Named(f"a_{kind.replace(' ', '_')}"), Named("other.x", kind), Named("odd name")]

    def versions(self, model: str) -> list[Named]:
        return [Named("champion", "version 3"), Named("3")] if model in ("m", "other.m") else []

    def tables(self) -> list[Named]:
        return [Named("tx", "table"), Named("other.t2", "table"), Named("ml.runs", "view")]

    def columns(self, table: str) -> list[Named]:
        return [Named("amount", "DOUBLE"), Named("order", "INTEGER")] if table == "tx" else []

    def functions(self) -> list[Named]:
        return [Named("sum", "aggregate function"), Named("ml.features", "table_macro function")]

    def settings(self) -> list[Named]:
        return [Named("threads")]


def offered(text: str, lookup: Lookup | None = None) -> list[str]:
    """Candidates at ``|``."""
    at = text.index("|")
    return [entry.text for entry in complete(text.replace("|", ""), at, lookup or Fixed()).candidates]


def statements() -> list[str]:
    blocks = CORPUS.read_text().strip().split("\n\n")
    return [
        "\n".join(line for line in block.split("\n") if not line.startswith(("-- =>", "-- with"))) for block in blocks
    ]


def test_the_notation_takes_every_statement_of_the_corpus() -> None:
    checked = 0
    for text in statements():
        found = split(text)[0].text
        tokens = tokenize(found)
        stop = Token("end", "", len(found), len(found), "")
        syntax = recognise(Cursor(Scope("", ""), [*tokens, stop], 0, len(tokens)))
        assert syntax is not None
        assert accepts(notation(syntax), tokens, kinds()) or found in UNWRITTEN, found
        checked += 1
    assert checked > 150


def test_the_words_of_every_example_are_offered_where_they_stand() -> None:
    """In examples words of the language are in capitals, so each of them must be among the candidates for its start."""
    checked = 0
    known = keywords()
    for _, syntax in REGISTRY:
        for example in syntax.examples:
            for token in tokenize(example):
                if token.kind != "word" or token.text not in known or not token.text.isupper():
                    continue
                found = complete(example, token.start + 1, NoLookup()).candidates
                words = {word for entry in found for word in entry.text.split(" ")}
                assert token.text in words, f"{example[: token.start]}|{token.text}"
                checked += 1
    assert checked > 300


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("CRE|", "CREATE MODEL"),
        ("create or replace fe|", "FEATURE SET"),
        ("CREATE MODEL m FROM R|", "RUN"),
        ("CREATE MODEL m FROM RUN 'x' ART|", "ARTIFACT"),
        ("DROP MODEL |", "a_model"),
        ("DROP MODEL IF EXISTS odd|", '"odd name"'),
        ("CREATE ENDPOINT e USING MODEL other.|", "x"),
        ("ALTER ENDPOINT e USING MODEL m@ch|", "champion"),
        ("RUN |", "a_function"),
        ("CANCEL RUN |", "a_run"),
        ("RESTORE MODEL |", "a_dropped_model"),
        ("EXPLAIN RESTORE FUNCTION |", "a_dropped_function"),
        ("VERIFY FEATURE SET |", "a_feature_set"),
        ("DELETE ENTITY (client = 1) FROM FEATURE SET |", "a_feature_set"),
        ("DELETE ENTITY (client = 1) FROM PROJECT |", "a_project"),
        ("REFRESH COLLECTION |", "a_collection"),
        ("ALTER RUN |", "a_run"),
        ("RUN f FROM |", "a_feature_vector"),
        ("RUN f FROM (SELECT * FROM |)", "tx"),
        ("RUN f WITH (lr = 1) SWE|", "SWEEP"),
        ("DESCRIBE FEATURE SET |", "a_feature_set"),
        ("SHOW FEATURE |", "SETS"),
        ("SHOW RUNS WHERE x = 1 LI|", "LIMIT"),
        ("SELECT * FROM |", "tx"),
        ("SELECT * FROM tx, |", "other.t2"),
        ("SELECT t.| FROM tx t", "amount"),
        ("SELECT * FROM tx AS t WHERE t.|", '"order"'),
        ("SELECT * FROM tx WHERE a|", "amount"),
        ("WITH early AS (SELECT 1) SELECT * FROM ea|", "early"),
        ("FROM ml.|", "features"),
        ("FROM ml.|", "runs"),
        ("SELECT ml.predict('a_|', t)", "a_model"),
        ("FROM ml.features('v', 't|", "tx"),
        ("SELECT 1; RUN |", "a_function"),
        ("CREATE WORKFLOW w AS (STEP a AS (RUN |", "a_function"),
        ("CREATE SCHEDULE s EVERY 1 HOUR AS REFRESH FEATURE SET |", "a_feature_set"),
        ("EXPLAIN CREATE MODEL m FROM RUN 'x' ALI|", "ALIAS"),
        ("SET thr|", "threads"),
        ("CREATE FEATURE SET f (ENTITY id) TTL 5 |", "MINUTES"),
    ],
)
def test_candidates(text: str, wanted: str) -> None:
    assert wanted in offered(text)


def test_nothing_is_offered_in_comments_and_strings_and_for_new_names() -> None:
    assert offered("-- DROP MODEL |") == []
    assert offered("/* DROP MODEL |") == []
    assert offered("SELECT 'DROP MODEL |") == []
    assert "a_model" not in offered("CREATE MODEL |")
    assert "ENDPOINT" in offered("CREATE MONITOR m ON |") and "ENDPOINT" not in offered("CREATE MONITOR m |")
    assert "CHECK" not in offered("CREATE FEATURE SET f (ENTITY id) |")


def test_the_start_is_where_the_word_begins() -> None:
    assert complete("SELECT 'ü'; DROP MO", 19, NoLookup())[0] == 17
    assert complete("DROP ", 5, NoLookup()).start == 5


def test_completion_takes_any_text() -> None:
    """Every prefix of the corpus, and what is no statement at all."""
    for text in [*statements(), ")(", "'", '"', "$$", "a.b.c.", "CREATE MODEL m@", "@@@", "\0"]:
        for position in range(0, len(text) + 1, 3):
            complete(text, position, Fixed())


def check_names(lookup: Lookup) -> None:
    assert "cups" in offered("DROP FEATURE SET |", lookup)
    assert {"cups", "plain", "ml.runs"} <= set(offered("SELECT * FROM |", lookup))
    assert {"amount", "at"} <= set(offered("SELECT * FROM cups c WHERE c.|", lookup))
    assert "amount" in offered("SELECT a| FROM plain", lookup)
    assert "ml.features" in offered("FROM ml|", lookup)
    assert "sum" in offered("FROM plain SELECT su|", lookup)
    assert "threads" in offered("SET thr|", lookup)
    assert "teashop" in offered("USE PROJECT te|", lookup)


SETUP = """CREATE PROJECT teashop; USE PROJECT teashop; CREATE TABLE teashop.plain (amount DOUBLE);
CREATE FEATURE SET teashop.cups (ENTITY id BIGINT, TIMESTAMP at, amount DOUBLE);"""


def test_names_of_a_house(house: Any) -> None:
    session = Session(house.catalog, house.dispatcher, Caller())
    list(session.run(SETUP))

    def ask(text: str) -> list[tuple[Any, ...]]:
        table = next(iter(session.run(text))).result.table
        assert table is not None
        return [tuple(row.values()) for row in table.to_pylist()]

    check_names(SqlLookup(ask, lambda: session.project))
    list(session.run("CREATE WORKFLOW teashop.gone AS (STEP a AS (SELECT 1)); DROP WORKFLOW teashop.gone"))
    lookup = SqlLookup(ask, lambda: session.project)
    assert offered("RESTORE WORKFLOW |", lookup) == ["gone"]
    assert "gone" not in offered("DROP WORKFLOW |", lookup)
    for query in OBJECTS.values():
        ask(query)  # each names columns that are there


def test_names_of_a_server(server: Server) -> None:
    def ask(text: str) -> list[list[Any]]:
        body = json.dumps({"sql": text, "project": "teashop"}).encode()
        request = urllib.request.Request(
            server.url + "/sql", body, {"Content-Type": "application/json", "Accept": "application/json"}
        )
        with urllib.request.urlopen(request) as answer:
            result = json.load(answer)["results"][0]
        return [list(row) for row in result["rows"]]

    for statement in split(SETUP):
        body = json.dumps({"sql": statement.text}).encode()
        urllib.request.urlopen(
            urllib.request.Request(server.url + "/sql", body, {"Content-Type": "application/json"})
        ).close()
    check_names(SqlLookup(ask, lambda: "teashop"))


def test_a_door_that_refuses_gives_no_names() -> None:
    def refuses(text: str) -> list[Any]:
        raise OSError("gone")

    assert offered("DROP MODEL |", SqlLookup(refuses, lambda: "p")) == ["IF EXISTS"]


def test_the_manual() -> None:
    assert len(manual()) == len(REGISTRY.names())
    text = help_text("create model")
    assert "CREATE [OR REPLACE] MODEL" in text and "for example" in text and "CREATE MODEL m FROM 'model.onnx'" in text
    assert "DROP MODEL" in help_text("model") and "ALTER MODEL" in help_text("MODEL;")
    assert "did you mean CREATE MODEL" in help_text("creat model")
    assert {"SWEEP", "FEATURE", "WORKFLOW"} <= keywords()
