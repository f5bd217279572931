"""MLflow's own client: pictures, tables, figures, models with metrics, several writers, a large file."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from real_server import Server

pytestmark = pytest.mark.timeout(300)
SCRIPT = Path(__file__).with_name("mlflow_things.py")
LARGE = """
import mlflow, os, sys
path = sys.argv[1]
with open(path, "wb") as file:
    for number in range(200):
        file.write(number.to_bytes(1, "little") * (1 << 20))
with mlflow.start_run() as run:
    mlflow.log_artifact(path, "large")
os.remove(path)
print(mlflow.artifacts.download_artifacts(f"runs:/{run.info.run_id}/large/big.bin", dst_path=sys.argv[2]))
"""


def python(server: Server, *arguments: Any) -> str:
    environment = {
        **os.environ,
        "MLFLOW_TRACKING_URI": f"{server.url}/mlflow/things",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
        "GIT_PYTHON_REFRESH": "quiet",
    }
    command = [sys.executable, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr
    return (done.stdout.splitlines() or [""])[-1]


@pytest.fixture(scope="module")
def seen(server: Server, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The script has run once."""
    server.sql("CREATE PROJECT things")
    found: dict[str, Any] = json.loads(python(server, SCRIPT, tmp_path_factory.mktemp("things")))
    return found


def test_pictures_tables_figures_and_texts_come_back(server: Server, seen: dict[str, Any]) -> None:
    assert seen["table"] == [1, 2, 3]
    assert seen["image"] is True
    assert (seen["dict"], seen["text"]) == ({"x": [1, 2]}, "ä\n")
    files = seen["files"]
    named = ["figures/line.png", "images/small.png", "many/a.bin", "many/deep/b.bin", "tables/t.json", "texts/t.txt"]
    assert [name for name in files if name in named] == named
    frames = [name for name in files if name.startswith("images/frames")]
    assert len(frames) == 4  # each with a small copy
    kinds = dict(server.sql("SELECT name, kind FROM ml.artifacts WHERE project = 'things'", "things")[0]["rows"])
    assert kinds["images/small.png"] == kinds["figures/line.png"] == "plot"


def test_a_metric_of_a_model_is_one_point_of_its_run(server: Server, seen: dict[str, Any]) -> None:
    assert seen["points"] == {"early": 1, "late": 1, "of_model": 1}
    assert {"late", "of_model"} <= set(seen["of_model"])
    counted = server.sql(
        "SELECT m.name, count(*) FROM ml.metrics m JOIN ml.runs r ON r.id = m.run_id "
        "WHERE r.name = 'model' GROUP BY ALL ORDER BY ALL",
        "things",
    )[0]["rows"]
    assert counted == [["early", 1], ["late", 1], ["of_model", 1]]


def test_several_writers_of_one_run_lose_nothing(seen: dict[str, Any]) -> None:
    assert seen["together"] == [80, 9, 81, 8]
    assert seen["contended"] == [5, False]


def test_a_large_file_streams_through(own_server: Server, tmp_path: Path) -> None:
    """200 MB go in and come out, and the server's memory does not grow by them."""
    own_server.sql("CREATE PROJECT things")
    python(own_server, "-c", "import mlflow\nwith mlflow.start_run(): mlflow.log_text('warm', 'warm.txt')")
    before = peak(own_server)
    out = Path(python(own_server, "-c", LARGE, tmp_path / "big.bin", tmp_path / "out"))
    assert peak(own_server) - before < 80
    digest = hashlib.sha256()
    for number in range(200):
        digest.update(number.to_bytes(1, "little") * (1 << 20))
    with out.open("rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == digest.hexdigest()
    assert own_server.sql("SELECT size FROM ml.artifacts WHERE name = 'large/big.bin'", "things")[0]["rows"] == [
        [200 << 20]
    ]


def peak(server: Server) -> float:
    """The largest that the server has been, in megabytes."""
    text = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(text.partition("\nVmHWM:")[2].split()[0]) / 1024
