"""The executor of docs/how-to/add-an-executor.md works as it stands there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

USER_CODE = """
import os

def handler(ctx):
    ctx.log_metric("priority", os.getpriority(os.PRIO_PROCESS, 0))
"""

DRIVE = """
import sys
from pathlib import Path

exec(compile(Path("idle.py").read_text(), "idle.py", "exec"), {"__name__": "idle"})

from mlbox.app.house import House
from mlbox.base.command import Caller
from mlbox.base.home import Home
from mlbox.base.settings import Settings
from mlbox.sql.session import Session

house = House.open(Home(Path("home").absolute()), Settings())
try:
    session = Session(house.catalog, house.dispatcher, Caller(), base_folder=".")
    for outcome in session.run(sys.argv[1]):
        if outcome.result.table is not None:
            print(outcome.result.table.to_pylist())
finally:
    house.close()
"""


def blocks(language: str) -> list[str]:
    text = (ROOT / "docs/how-to/add-an-executor.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def test_walkthrough_runs(tmp_path: Path) -> None:
    (python,) = blocks("python")
    (statements,) = blocks("sql")
    (tmp_path / "idle.py").write_text(python)
    (tmp_path / "polite.py").write_text(USER_CODE)
    script = f"{statements}; SELECT state, metrics.priority::INTEGER AS priority FROM ml.runs"
    command = [sys.executable, "-c", DRIVE, script]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=100
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[{'state': 'completed', 'priority': 19}]"
