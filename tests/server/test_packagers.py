"""Packagers of the user's in real runs: what a handler returns, and what another gets as its input."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from real_server import Server

import mlbox

BOARDS = """
import mlbox


class Board:
    def __init__(self, cells):
        self.cells = cells


@mlbox.packager(Board, hint="board", formats=("txt",))
class Boards:
    def pack(self, value, folder, format=None):
        path = folder / f"board.{format or 'cells'}"
        path.write_text("/".join(value.cells))
        return path, {"rows": len(value.cells)}

    def unpack(self, path):
        return Board(path.read_text().split("/"))
"""
PLAY = """
import pathlib

from boards import Board


def make(ctx, cells: str = "ab"):
    ctx.log_artifact("words", {"b", "a"})
    ctx.log_document("prompt", "Dear {name}", metadata={"model": "m@champion"})
    ctx.log_dataset("rows", [{"x": 1, "w": "007"}, {"x": 2, "w": "b"}], format="csv")
    ctx.log_artifact("folder", pathlib.Path(__file__).parent)
    return Board(list(cells))


def look(ctx, board: Board, words: set = None, prompt=None, rows: list = None, folder=None, raw: pathlib.Path = None):
    said = {"board": board.cells, "words": sorted(words or ()), "prompt": prompt, "rows": rows}
    said["folder"] = folder and sorted(entry.name for entry in folder.iterdir() if entry.suffix)
    said["raw"] = raw and [raw.name, raw.read_text()]
    said["again"] = ctx.input("board", pathlib.Path).read_text()
    ctx.log_artifact("said", said)


def unfit(ctx, board: dict):
    pass


def play(ctx, n: int = 2):
    return Board(["x"] * n), {"auc": 0.5, "f1": 0.25}


def wrong(ctx):
    print("it was called")
"""
NOTEBOOK = """
from IPython.core.interactiveshell import InteractiveShell

shell = InteractiveShell()
cells = [
    "import mlbox",
    "class Base:\\n    def size(self):\\n        return len(self.cells)",
    "class Board(Base):\\n    def __init__(self, cells):\\n        self.cells = cells",
    "@mlbox.packager(Board)\\nclass Boards:\\n    def pack(self, value, folder):\\n"
    "        (folder / 'b.txt').write_text(str(value.size()))\\n        return 'b.txt'\\n"
    "    def unpack(self, path):\\n        return Board(list(path.read_text()))",
    "def typed(ctx):\\n    return Board(['a', 'b'])",
    "run = mlbox.run(typed, connection=mlbox.connect(project='packed'))",
    "said = [run.artifact('result').decode(), run.artifacts[0]['media_type']]",
]
for cell in cells:
    shell.run_cell(cell, store_history=True).raise_error()
print("\\n" + __import__("json").dumps(shell.user_ns["said"]))
"""


@pytest.fixture(scope="session")  # a worker may come back to this file
def code(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packed")
    (folder / "boards.py").write_text(BOARDS)
    (folder / "play.py").write_text(PLAY)
    server.sql("CREATE PROJECT packed")
    server.sql(f"CREATE FUNCTION play FROM '{folder}#play.py' HANDLER play", "packed")
    server.sql("RUN play HANDLER make RETURNS ('board') AS first", "packed")
    server.sql("RUN play HANDLER make WITH (cells = 'xyz') RETURNS ('board') AS second", "packed")
    server.sql("ALTER ARTIFACT board SET ALIAS stable = 1", "packed")
    return folder


def rows(server: Server, text: str) -> list[list[Any]]:
    found: list[list[Any]] = server.sql(text, "packed")[-1]["rows"]
    return found


def test_a_returned_value_is_packed_by_hint_and_by_type(server: Server, code: Path) -> None:
    server.sql("RUN play RETURNS ('b:board:txt', '**test:metric') AS by_hint", "packed")
    server.sql("RUN play WITH (n = 3) RETURNS ('b', 'scores') AS by_type", "packed")
    kept = rows(
        server,
        "SELECT r.name, a.name, a.kind, a.file_name, a.metadata.rows, a.metadata.packaged.packager "
        "FROM ml.artifacts a JOIN ml.runs r ON r.id = a.run_id "
        "WHERE a.project = 'packed' AND r.name LIKE 'by_%' ORDER BY a.id",
    )
    assert kept == [
        ["by_hint", "b", "file", "board.txt", 2, "boards.Boards"],
        ["by_type", "b", "file", "board.cells", 3, "boards.Boards"],
    ]
    found = rows(server, "SELECT metrics FROM ml.runs WHERE project = 'packed' AND name LIKE 'by_%' ORDER BY id")
    assert [json.loads(row[0]) if isinstance(row[0], str) else row[0] for row in found] == [
        {"test_auc": 0.5, "test_f1": 0.25},
        {"auc": 0.5, "f1": 0.25},
    ]


def test_a_hint_that_nobody_knows_is_told_before_the_handler_is_called(server: Server, code: Path) -> None:
    refused = server.error("RUN play RETURNS ('b:modle')", "packed")
    assert (refused["message"], refused["hint"]) == ("there is no kind 'modle' to keep 'b' as", "did you mean model?")
    failed = server.error("RUN play HANDLER wrong RETURNS ('b:bored') AS unknown_hint", "packed")
    assert "there is no kind 'bored' to keep 'b' as (did you mean board?)" in failed["message"]
    found = rows(server, "SELECT line, text FROM ml.logs WHERE run_id = (SELECT id FROM ml.runs "
                 "WHERE name = 'unknown_hint' AND project = 'packed')")  # fmt: skip
    assert "it was called" not in str(found)


def test_a_packager_that_was_typed_into_a_notebook_goes_along(server: Server, code: Path) -> None:
    environment = {**os.environ, "MLBOX_HOME": str(server.home)}
    done = subprocess.run(
        [sys.executable, "-"], capture_output=True, text=True, input=NOTEBOOK, env=environment, timeout=280
    )
    assert done.returncode == 0, done.stderr + done.stdout
    assert json.loads(done.stdout.splitlines()[-1]) == ["2", "text/plain"]


def said(server: Server, run: str) -> Any:
    return mlbox.connect(server.url, project="packed").artifact(rows(server, f"SHOW ARTIFACTS OF {run}")[0][1])


def test_inputs_are_what_another_run_has_logged(server: Server, code: Path) -> None:
    server.sql(
        "RUN play HANDLER look INPUTS (board = ARTIFACT board@stable, words = ARTIFACT 'words', "
        "prompt = ARTIFACT 'prompt'@1, rows = ARTIFACT 'rows', folder = ARTIFACT 'folder', "
        "raw = ARTIFACT 'board' OF RUN second) AS looked",
        "packed",
    )
    found = said(server, "looked")
    assert found == {
        "board": ["a", "b"],
        "words": ["a", "b"],
        "prompt": "Dear {name}",
        "rows": [{"x": 1, "w": "007"}, {"x": 2, "w": "b"}],
        "folder": ["boards.py", "play.py"],
        "raw": ["board.cells", "x/y/z"],
        "again": "a/b",
    }
    first = rows(server, "SELECT id FROM ml.runs WHERE name = 'first' AND project = 'packed'")[0][0]
    above = rows(server, "SELECT from_kind, from_ref FROM ml.lineage WHERE detail = 'board' AND to_kind = 'run'")
    assert ["artifact", f"{first}/board"] in above


def test_a_repetition_reads_the_same_version_whatever_the_alias_means_since(server: Server, code: Path) -> None:
    server.sql("ALTER ARTIFACT board SET ALIAS moving = 1", "packed")
    server.sql("RUN play HANDLER look INPUTS (board = ARTIFACT board@moving) AS pinned", "packed")
    server.sql("ALTER ARTIFACT board SET ALIAS moving = 2", "packed")
    server.sql("RERUN pinned", "packed")
    assert said(server, "pinned")["board"] == ["a", "b"]
    server.sql("RUN play HANDLER look INPUTS (board = ARTIFACT board@moving) AS moved", "packed")
    assert said(server, "moved")["board"] == ["x", "y", "z"]


@pytest.mark.parametrize(
    ("text", "told", "hint"),
    [
        ("RUN play HANDLER look INPUTS (board = ARTIFACT bord)", "no artifact 'bord'", "did you mean board"),
        ("RUN play HANDLER look INPUTS (board = ARTIFACT board@stabel)", "alias 'stabel'", "did you mean stable?"),
        ("RUN play HANDLER look INPUTS (board = ARTIFACT default.board)", "is of another project", ""),
        ("RUN play HANDLER unfit INPUTS (board = ARTIFACT words)", "is a set, and the handler wants a dict", ""),
        ("RUN play HANDLER look", "look needs 'board'", "the signature is"),
    ],
)
def test_inputs_that_do_not_fit(server: Server, code: Path, text: str, told: str, hint: str) -> None:
    refused = server.error(text, "packed")
    assert re.search(told, refused["message"]), refused
    assert hint in (refused["hint"] or "")


def test_artifacts_by_name_from_outside(server: Server, code: Path, tmp_path: Path) -> None:
    connection = mlbox.connect(server.url, project="packed")
    path = Path(connection.download("board@stable", tmp_path / "got.txt"))
    assert path.read_text() == "a/b"
    id = rows(server, "SELECT id FROM ml.artifacts WHERE name = 'board' AND version = 2 AND project = 'packed'")[0][0]
    assert Path(connection.download(id, tmp_path / "two.txt")).read_text() == "x/y/z"
    assert Path(connection.download(id[:20], tmp_path / "two.txt")).read_text() == "x/y/z"
    assert connection.artifact("words") == {"a", "b"}
    assert connection.artifact("board@1", Path).read_text() == "a/b"
    assert connection.artifact("BOARD@STABLE", Path).read_text() == "a/b"
    assert connection.artifact("board@latest", Path).read_text() == "x/y/z"
    with pytest.raises(mlbox.MlboxClientError, match=r"'board' has no version or alias '9'"):
        connection.artifact("board@9")
    with pytest.raises(
        mlbox.MlboxClientError, match=r"was packed by boards\.Boards, which this function does not know"
    ):
        connection.artifact("board")
    with pytest.raises(mlbox.MlboxClientError, match=r"no artifact 'bord' \(did you mean board or words\?\)"):
        connection.download("bord", tmp_path / "none")
    with pytest.raises(mlbox.MlboxClientError, match=r"no version or alias 'stabel' \(did you mean stable\?\)"):
        connection.download("board@stabel", tmp_path / "none")
    run = mlbox.run("play", handler="look", inputs={"board": "ARTIFACT 'board'@stable"}, connection=connection)
    assert run.value("said")["board"] == ["a", "b"]
