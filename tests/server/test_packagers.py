"""Packagers of the user's in real runs: what a handler returns, and what another gets as its input."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from real_server import Server

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
from boards import Board


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
    "def play(ctx):\\n    return Board(['a', 'b'])",
    "run = mlbox.run(play, connection=mlbox.connect(project='packed'))",
    "said = [run.artifact('result').decode(), run.artifacts[0]['media_type']]",
]
for cell in cells:
    shell.run_cell(cell, store_history=True).raise_error()
print("\\n" + __import__("json").dumps(shell.user_ns["said"]))
"""


@pytest.fixture(scope="module")
def code(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packed")
    (folder / "boards.py").write_text(BOARDS)
    (folder / "play.py").write_text(PLAY)
    server.sql("CREATE PROJECT packed")
    server.sql(f"CREATE FUNCTION play FROM '{folder}#play.py' HANDLER play", "packed")
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
        "FROM ml.artifacts a JOIN ml.runs r ON r.id = a.run_id WHERE a.project = 'packed' ORDER BY a.id",
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
