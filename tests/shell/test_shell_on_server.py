"""The shell and pipes through a server: live logs, Ctrl-C over HTTP, exit codes, broken pipes."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow
import pytest
from real_server import Server, wait_until
from terminal import Terminal

SLOW = """
import time

def slow(context):
    for number in range(1000):
        print("line", number, flush=True)
        time.sleep(0.1)

def quick(context):
    print("first words")
    print("last words", end="", flush=True)
"""
ENDLESS = "SELECT count(*) FROM range(1000000) a, range(10000000) b WHERE a.range * b.range = 7"


@pytest.fixture(scope="module")
def functions(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Server:
    """A project with a slow and a quick function."""
    folder = tmp_path_factory.mktemp("functions")
    (folder / "slow.py").write_text(SLOW)
    # Its tests may come in two turns with those of other files between them.
    server.sql("CREATE PROJECT IF NOT EXISTS shell")
    for name in ("slow", "quick"):
        server.sql(f"CREATE OR REPLACE FUNCTION {name} FROM '{folder / 'slow.py'}' HANDLER {name}", "shell")
    return server


@pytest.fixture
def shell(functions: Server, tmp_path: Path) -> Terminal:
    return Terminal(
        *("--home", str(functions.home), "sql", "--project", "shell"),
        environment={"XDG_STATE_HOME": str(tmp_path)},
        folder=tmp_path,
    )


def test_the_log_of_a_run_comes_while_it_runs_and_ctrl_c_cancels_the_run(functions: Server, shell: Terminal) -> None:
    with shell:
        shell.prompt("shell")
        shell.enter("RUN slow AS endless;")
        shell.wait_for("endless | line 3")
        shell.send("\x03")
        told = shell.prompt("shell")
        assert "error: " in told and "cancelled" in told.partition("error: ")[2]
        state = "SELECT state FROM ml.runs WHERE name = 'endless'"
        wait_until(lambda: functions.sql(state)[0]["rows"] == [["cancelled"]])
        told = shell.ask("RUN quick AS short;", "shell")
        assert "short | first words" in told and "short | last words" in told
        shell.enter(".quit")
        assert shell.leave() == 0


def test_ctrl_c_cancels_a_query_at_the_server(functions: Server, shell: Terminal) -> None:
    with shell:
        shell.prompt("shell")
        shell.enter(f"{ENDLESS};")
        shell.wait_for("Ctrl-C cancels")
        wait_until(lambda: b"range(10000000)" in functions.request("GET", "/sql")[2])
        shell.send("\x03")
        shell.wait_for("error: the statement was cancelled")
        wait_until(lambda: b"range(10000000)" not in functions.request("GET", "/sql")[2])
        told = shell.ask("SELECT 7 AS n;", "shell")
        assert "│ 7 │" in told, shell.text


def test_a_script_that_is_interrupted_ends_with_130_and_its_rest_is_not_run(functions: Server) -> None:
    script = f"{ENDLESS}; CREATE TABLE shell.after_interrupt AS SELECT 1 AS a"
    command = [sys.executable, "-m", "mlbox", "--home", str(functions.home), "sql", "-c", script]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, preexec_fn=lambda: signal.signal(2, signal.default_int_handler)
    ) as process:
        wait_until(lambda: b"range(10000000)" in functions.request("GET", "/sql")[2])
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=60)
    assert (process.returncode, told) == (130, "error: the statement was cancelled\n")
    wait_until(lambda: b"range(10000000)" not in functions.request("GET", "/sql")[2])
    assert functions.error("FROM shell.after_interrupt")["code"] == "not_found"


# -- pipes ------------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["server", "home"])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A home that a server owns, and one that nobody does."""
    if request.param == "home":
        return tmp_path / "home"
    running: Server = request.getfixturevalue("server")
    return running.home


def mlbox(home: Path, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "mlbox", "--home", str(home), *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, check=False, timeout=100)


def test_statements_come_by_a_pipe_and_rows_leave_by_one(home: Path) -> None:
    done = mlbox(home, "sql", stdin=b"\xef\xbb\xbfSELECT 1 AS a, 'x' AS b;\nSELECT 2 AS c;")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"a,b\n1,x\nc\n2\n", b"")


def test_errors_stand_on_standard_error_and_end_with_1(home: Path) -> None:
    done = mlbox(home, "sql", stdin=b"SELECT 1 AS a;\nSELECT nix;\nSELECT 3;")
    assert (done.returncode, done.stdout) == (1, b"a\n1\n")
    assert b"error: " in done.stderr and b"  2 | SELECT nix;\n             ^\n" in done.stderr
    assert mlbox(home, "sql", "nowhere.sql").returncode == 1
    assert mlbox(home, "sql", stdin=b"\xff\xfe").returncode == 1


def test_arrow_is_a_stream_that_pyarrow_reads(home: Path) -> None:
    done = mlbox(home, "sql", "--format", "arrow", "-c", "SELECT range AS n, DATE '2024-01-02' AS d FROM range(10000)")
    table = pyarrow.ipc.open_stream(io.BytesIO(done.stdout)).read_all()
    assert (table.num_rows, [str(field.type) for field in table.schema]) == (10_000, ["int64", "date32[day]"])
    done = mlbox(home, "sql", "--format", "arrow", "-c", "USE PROJECT default")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"using project default\n")
    late = "SELECT CASE WHEN x = 4000000 THEN error('too late') ELSE x END AS x FROM range(5000000) t(x)"
    done = mlbox(home, "sql", "--format", "arrow", "-c", late)
    assert done.returncode == 1 and b"too late" in done.stderr


def test_a_reader_that_has_seen_enough_is_no_error(home: Path) -> None:
    command = f"{sys.executable} -m mlbox --home {home} sql -c 'FROM range(100000); SELECT 1' | head -1"
    shown = f"{command}; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", shown], capture_output=True, text=True, check=False, timeout=100)
    assert (done.stdout.split(), done.stderr) == (["range", "0"], "")


def test_a_server_that_is_gone_is_our_error(tmp_path: Path) -> None:
    environment = {**os.environ, "MLBOX_HOME": str(tmp_path / "file")}
    (tmp_path / "file").write_text("")
    done = subprocess.run(
        [sys.executable, "-m", "mlbox", "sql", "-c", "SELECT 1"], env=environment, capture_output=True, check=False
    )
    assert done.returncode == 1 and b"error: the home " in done.stderr
