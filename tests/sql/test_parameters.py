"""Parameters wherever a value may stand, over HTTP and on the command line; what is missing or too much is told."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import httpx
import pytest
from corpus import Entry, entries
from everything import Everything
from real_server import Server

from mlbox.base.errors import Invalid, MlboxError, StatementError
from mlbox.sql.lexer import Token, string_value, tokenize
from mlbox.sql.printing import printed
from mlbox.sql.script import parse, split

KEYS_AND_TYPES = ("opt = {", "nested = {", "parameters = {", "SET LABELS (", "DECIMAL(", "OUTPUT (")
"""Where a corpus statement has texts and numbers that are no values: keys of structs, types."""


def literal_of(token: Token) -> Any:
    if token.kind == "string":
        return string_value(token.text)
    if token.kind == "number":
        text = token.text.replace("_", "")
        return int(text) if text.isdigit() else float(text)
    return None


@pytest.mark.parametrize("entry", entries("valid.sql"), ids=lambda entry: entry.text[:60])
def test_a_parameter_stands_wherever_a_value_does(entry: Entry) -> None:
    """Each text and number of the corpus in its turn as a parameter means the same; in queries it becomes a literal."""
    if entry.parameters or any(words in entry.text for words in KEYS_AND_TYPES):
        return
    (statement,) = split(entry.text)
    wanted = printed(parse(statement, "p"), "p", secrets=True)
    for token in tokenize(statement.text):
        value = literal_of(token)
        if value is None:
            continue
        text = f"{statement.text[: token.start]} $p {statement.text[token.stop :]}"
        command = parse(split(text)[0], "p", {"p": value})
        shown = printed(command, "p", secrets=True)
        assert squeezed(shown) == squeezed(wanted) or "$p" in shown, text


def squeezed(text: str) -> str:
    """Without blanks and comments, numbers as DuckDB has them: what a body may differ in."""
    return "".join(token.text.replace("e0", "").strip("0").lower() for token in tokenize(text))


@pytest.mark.parametrize(
    ("text", "given", "place", "message"),
    [
        ("SELECT 1;\nRUN f WITH (é = 1, lr = $rate)", {"rat": 1}, None, "the value of $rat is used nowhere"),
        ("SELECT 1;\nRUN f WITH (é = 1, lr = $rate, x = $a)", {"a": 1}, (2, 25), "parameter $rate has no value"),
        ("SELECT 'é';\n  SELECT $1 + $2", [1], (2, 15), "parameter $2 has no value"),
        ("SELECT 'é' || ? || ?", ["x"], (1, 20), "parameter ? (number 2) has no value"),
        ("SELECT ?", None, (1, 8), "parameter ? (number 1) has no value"),
        ("SELECT $name", {"Name": 1}, None, None),
        ("SELECT 1", [1], None, "1 values are given, and the text takes none"),
        ("SELECT $1; SELECT $2", [1, 2], None, None),
        ("SELECT $1", [1, 2], None, "2 values are given, and the text takes 1"),
        ("SHOW RUNS LIMIT $n", {"n": "many"}, (1, 17), "LIMIT needs a number, and $n is 'many'"),
        ("SELECT '$x ?', $$ $y $$ -- $z", {"x": 1}, None, "the value of $x is used nowhere"),
    ],
)
def test_missing_wrong_and_unused_ones(
    everything: Everything, text: str, given: Any, place: tuple[int, int] | None, message: str | None
) -> None:
    if message is None:
        everything.run(text, given)
        return
    with pytest.raises(MlboxError) as caught:
        everything.run(text, given)
    error = caught.value
    assert error.message == message
    assert error.hint
    assert place == ((error.where.line, error.where.column) if error.where else None)
    assert isinstance(error, StatementError if place else Invalid)


def test_rows_of_a_feature_set_take_them(everything: Everything) -> None:
    everything.run("INSERT INTO labels VALUES (?, TIMESTAMP '2026-02-01', ?)", [77, 1])
    everything.run("EXPLAIN ANALYZE INSERT INTO labels (client, ts, late) SELECT $c, now(), 0", {"c": 78})
    assert everything.rows("SELECT client FROM labels WHERE client IN (77, 78) ORDER BY ALL") == [
        {"client": 77},
        {"client": 78},
    ]
    with pytest.raises(StatementError) as caught:
        everything.run("INSERT INTO labels\nVALUES ($x, now(), 1)")
    assert caught.value.where is not None and (caught.value.where.line, caught.value.where.column) == (2, 9)


def post(server: Server, sql: str, parameters: Any) -> httpx.Response:
    return httpx.post(f"{server.url}/sql", json={"sql": sql, "parameters": parameters})


def test_over_http(server: Server) -> None:
    answer = post(server, "SELECT $a AS a, $b AS b", {"a": 1, "b": ["x", None]}).json()
    assert answer["results"][0]["rows"] == [[1, ["x", None]]]
    answer = post(server, "CREATE PROJECT IF NOT EXISTS bound COMMENT $c; SELECT ? AS x", {"c": "é"}).json()
    assert answer["error"]["message"] == "parameter ? (number 1) has no value"
    answer = post(server, "SELECT comment FROM ml.projects WHERE name = $1", ["bound"]).json()
    assert answer["results"][0]["rows"] == [["é"]]
    refused = post(server, "SELECT 1", {"c": 1})
    assert refused.status_code == 400 and refused.json()["error"]["message"] == "the value of $c is used nowhere"


def command_line(server: Server, *arguments: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "mlbox", "--home", str(server.home), "sql", "--format", "json", *arguments]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def test_on_the_command_line(server: Server) -> None:
    done = command_line(
        server, "-c", "SELECT $n + 1 AS n; SELECT $s AS s, $n AS n", "--param", "n=41", "--param", "s=it's = ü"
    )
    assert done.returncode == 0, done.stderr
    assert "it's = ü" in done.stdout and "42" in done.stdout
    done = command_line(server, "-c", "SELECT ? AS a, ? AS b", "--param", "[1, 2]", "--param", "x")
    assert done.returncode == 0 and '"x"' in done.stdout
    assert "".join(done.stdout.split()).count("[1,2]") == 1
    failed = command_line(server, "-c", "SELECT $n", "--param", "m=1")
    assert failed.returncode == 1 and "the value of $m is used nowhere" in failed.stderr
    failed = command_line(server, "-c", "SELECT $n", "--param", "m=1", "--param", "2")
    assert failed.returncode == 1 and "some have names" in failed.stderr


def test_references_take_none(everything: Everything) -> None:
    """A name is no value: where one is wanted a parameter is refused with its place."""
    with pytest.raises(StatementError) as caught:
        everything.run("DROP MODEL $m", {"m": "m"})
    assert caught.value.where is not None and caught.value.where.column == 12
