"""The SDK in a script and in a notebook, against a real server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from real_server import Server

pytestmark = pytest.mark.timeout(300)
SCRIPT = Path(__file__).with_name("sdk_script.py")

NOTEBOOK = """
from IPython.core.interactiveshell import InteractiveShell

shell = InteractiveShell()
cells = [
    "import json, math\\nimport mlbox\\nfrom collections import Counter as Counted",
    "FACTOR = 2\\nclass Doubler:\\n    def __call__(self, value):\\n        return value * FACTOR",
    "def area(radius: float) -> float:\\n    return math.pi * radius ** 2",
    "def measure(ctx, radius=1.0):\\n    print(Counted('aab'))\\n    return {'area': Doubler()(area(radius))}",
    "run = mlbox.run(measure, {'radius': 2.0}, connection=mlbox.connect(project='noted'))",
    "shown = run._repr_html_()",
    "lock = __import__('threading').Lock()\\ndef holding(ctx):\\n    return lock",
]
for cell in cells:
    shell.run_cell(cell, store_history=True).raise_error()
try:
    shell.run_cell("mlbox.run(holding, connection=mlbox.connect(project='noted'))").raise_error()
except Exception as error:
    refused = str(error)
print("\\n" + shell.user_ns["json"].dumps([shell.user_ns["run"].metrics, shell.user_ns["run"].log(), refused]))
"""


def python(server: Server, *arguments: str, text: str | None = None) -> Any:
    environment = {**os.environ, "MLBOX_HOME": str(server.home)}
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, input=text, env=environment, timeout=280
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def seen(server: Server) -> dict[str, Any]:
    server.sql("CREATE PROJECT scripted")
    found: dict[str, Any] = python(server, str(SCRIPT), "scripted")
    return found


def rows(server: Server, query: str) -> list[list[Any]]:
    found: list[list[Any]] = server.sql(query, "scripted")[0]["rows"]
    return found


def test_a_script_is_a_run(server: Server, seen: dict[str, Any]) -> None:
    found = rows(
        server,
        "SELECT name, state, experiment, params.lr, labels.team FROM ml.runs "
        "WHERE runtime = 'external' AND project = 'scripted' ORDER BY id",
    )
    assert found == [["by hand", "completed", "first", 0.1, "risk"], ["failing", "error", None, None, None]]
    assert len(rows(server, f"SELECT 1 FROM ml.metrics WHERE run_id = '{seen['own']}'")) == 3
    kept = rows(
        server, f"SELECT name, kind, metadata.framework FROM ml.artifacts WHERE run_id = '{seen['own']}' ORDER BY name"
    )
    assert kept == [["model", "model", "onnx"], ["notes", "document", None]]
    assert rows(server, "SELECT error_type, error FROM ml.runs WHERE name = 'failing' AND project = 'scripted'") == [
        ["RuntimeError", "it went wrong"]
    ]


def test_a_fitted_model_is_served(server: Server, seen: dict[str, Any]) -> None:
    server.sql(f"CREATE MODEL tree FROM RUN '{seen['own']}'", "scripted")
    assert rows(server, "SELECT ml.predict('tree', {'x': x}) FROM (VALUES (0.0), (1.0)) t(x)") == [[0.0], [1.0]]


def test_a_callable_runs_at_the_server(seen: dict[str, Any]) -> None:
    state, metrics, params, kinds = seen["run"]
    assert (state, metrics, params) == ("completed", {"auc": 0.75, "scaled": 12.0}, {"depth": 4})
    assert kinds == ["model", "dataset"]
    assert seen["log"] == "fitting ['a', 'b'] with depth 4\n"
    assert "first_fit" in seen["html"] and "completed" in seen["html"]
    assert seen["again"] == 15.0


def test_inputs_by_name_and_clauses_that_are_unknown(seen: dict[str, Any]) -> None:
    assert seen["sum"] == 8.0
    lables, depth, requirements = seen["refused"]
    assert "a run has no clause 'lables'" in lables and "did you mean labels?" in lables
    assert "no clause 'depth'" in depth and "second argument" in depth
    assert "function 'fit' has its requirements already" in requirements
    assert seen["made"] == 0  # nothing was registered for them


def test_a_sweep_tells_its_trials_and_the_best(seen: dict[str, Any]) -> None:
    assert seen["trials"] == [
        [1, 3.0, False, "completed"], [2, 6.0, False, "completed"], [3, 9.0, True, "completed"]
    ]  # fmt: skip
    assert seen["best"] == 3
    assert seen["no_sweep"] == [[], None]


def test_the_run_of_a_script_has_a_card(seen: dict[str, Any]) -> None:
    assert "by hand" in seen["card"] and "completed" in seen["card"] and "loss" in seen["card"]
    assert f"/ui/runs/{seen['own']}" in seen["card"]
    assert seen["own_metrics"] == {"loss": pytest.approx(1 / 3)}


def test_a_failing_callable_shows_its_own_frames(seen: dict[str, Any]) -> None:
    assert "ValueError: no rows" in seen["error"]
    assert "sdk_script.py" in seen["error"] and "mlbox/client" not in seen["error"]


def test_a_function_of_a_notebook_takes_along_what_it_uses(server: Server) -> None:
    server.sql("CREATE PROJECT noted")
    metrics, log, refused = python(server, "-", text=NOTEBOOK)
    assert metrics == {"area": pytest.approx(8 * 3.141592653589793)}
    assert "Counter({'a': 2, 'b': 1})" in log
    assert "uses lock, a lock, which cannot be written into a file" in refused
