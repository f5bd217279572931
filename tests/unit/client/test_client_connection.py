"""Scripts that talk to a server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import mlbox


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("MLBOX_URL", "MLBOX_TOKEN", "MLBOX_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "nobody"))
    monkeypatch.chdir(tmp_path)


def test_rows_columns_and_message(receiver: Any) -> None:
    columns = [{"name": "name", "type": "VARCHAR"}, {"name": "n", "type": "BIGINT"}]
    last = {"message": "2 rows", "columns": columns, "rows": [["a", 1], ["b", None]], "truncated": False}
    receiver.answer = (200, {"results": [{"message": "created"}, last]})
    found = mlbox.connect(receiver.url, token="t").sql("SELECT $a", {"a": 1}, project="flights")
    assert found.rows() == list(found) == [{"name": "a", "n": 1}, {"name": "b", "n": None}]
    assert (found.columns, found.types, found.message) == (["name", "n"], ["VARCHAR", "BIGINT"], "2 rows")
    assert (found.scalar(), len(found)) == ("a", 2)
    (sent,) = receiver.statements
    assert (sent["sql"], sent["parameters"], sent["project"]) == ("SELECT $a", {"a": 1}, "flights")
    assert sent["authorization"] == "Bearer t"


def test_an_error_is_raised_with_hint_and_code(receiver: Any) -> None:
    error = {"code": "not_found", "message": "there is no run 'x'", "hint": "did you mean y?"}
    receiver.answer = (404, {"error": error})
    with pytest.raises(mlbox.MlboxClientError) as caught:
        mlbox.connect(receiver.url).sql("SELECT 1")
    assert (caught.value.message, caught.value.hint, caught.value.code) == (
        "there is no run 'x'", "did you mean y?", "not_found"
    )  # fmt: skip
    assert len(receiver.statements) == 1


def test_no_server_says_how_to_start_one(receiver: Any) -> None:
    receiver.stop()
    with pytest.raises(mlbox.MlboxClientError, match="mlbox up"):
        mlbox.connect(receiver.url).sql("SELECT 1")
    receiver.start()


def test_where_the_address_comes_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(mlbox.MlboxClientError, match=r"no server runs on the home .*nobody/.mlbox .*mlbox --home"):
        mlbox.connect()
    (tmp_path / "nobody" / ".mlbox").mkdir(parents=True)
    (tmp_path / "nobody" / ".mlbox" / "server.json").write_text(json.dumps({"url": "http://home:1/"}))
    assert mlbox.connect().url == "http://home:1"
    (tmp_path / ".mlbox").mkdir()
    (tmp_path / ".mlbox" / "server.json").write_text(json.dumps({"url": "http://here:2"}))
    (tmp_path / "deep").mkdir()
    monkeypatch.chdir(tmp_path / "deep")
    assert mlbox.connect().url == "http://here:2"
    monkeypatch.setenv("MLBOX_URL", "http://told:3")
    assert mlbox.connect().url == "http://told:3"
    assert mlbox.connect("http://given:4").url == "http://given:4"


def test_an_address_that_is_none_is_said() -> None:
    with pytest.raises(mlbox.MlboxClientError, match="no address"):
        mlbox.connect("localhost:7070").sql("SELECT 1")
