"""What a stranger meets when something is wrong: kind errors, no trace of ours, nothing half-made."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest

CODE = """
def good(ctx, x: int = 1):
    ctx.log_metric("y", x + 1)

def raises(ctx):
    numbers = []
    return numbers[3]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A user's folder with one file."""
    (tmp_path / "work.py").write_text(CODE)
    return tmp_path


def up(home: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    """``mlbox up`` that is expected to end by itself."""
    return subprocess.run(
        [sys.executable, "-m", "mlbox", "--home", str(home), "up", *flags], capture_output=True, text=True, timeout=100
    )


def test_an_unknown_project(server: Any) -> None:
    """The nearest name, and how to make it."""
    server.sql("CREATE PROJECT IF NOT EXISTS fraud")
    error = server.error("USE PROJECT fruad")
    assert error["code"] == "not_found"
    assert "did you mean fraud?" in error["hint"]
    assert "CREATE PROJECT fruad" in error["hint"]
    assert server.error("SELECT 1", project="fruad")["code"] == "not_found"


def test_a_body_with_a_wrong_field(server: Any) -> None:
    """The field, and the nearest one that there is."""
    status, _, body = server.request("POST", "/sql", {"sqll": "SELECT 1"})
    error = json.loads(body)["error"]
    assert (status, error["code"]) == (400, "invalid")
    assert "no field 'sqll'" in error["message"] and error["hint"] == "did you mean sql?"
    status, _, body = server.request("POST", "/sql", {"sql": "SELECT 1", "timeout": "x"})
    assert "timeout: expected `float | null`, got `str`" in json.loads(body)["error"]["message"]
    status, _, body = server.request("POST", "/sql", {"sql": "SELECT 1", "async": "true"})
    assert status == 400 and "async: expected `bool`" in json.loads(body)["error"]["message"]
    status, _, body = server.request("POST", "/sql", b"")
    assert status == 400 and "POST /sql needs a body" in json.loads(body)["error"]["message"]
    status, _, body = server.request("POST", "/sql", b"{", {"Content-Type": "application/json"})
    assert status == 400 and "not valid JSON" in json.loads(body)["error"]["message"]
    status, _, body = server.request("POST", "/sql", b"<a/>", {"Content-Type": "application/xml"})
    assert status == 415 and json.loads(body)["error"]["code"] == "unsupported_media_type"


def test_a_method_that_a_path_has_not(server: Any) -> None:
    """The answer lists those that it has."""
    for path, methods in (("/files", {"GET", "POST", "OPTIONS"}), ("/metrics", {"GET", "OPTIONS"})):
        status, headers, body = server.request("PATCH", path)
        assert status == 405 and set(headers["allow"].split(", ")) == methods and b"error" in body
        status, headers, body = server.request("OPTIONS", path)
        assert (status, body) == (204, b"") and set(headers["allow"].split(", ")) == methods
    status, headers, _ = server.request("GET", "/features/nothing")
    assert (status, headers["allow"]) == (405, "POST")


def test_a_missing_function_file(server: Any, folder: Path) -> None:
    """The path, and what is there instead."""
    error = server.error("CREATE FUNCTION f FROM 'wrok.py'", folder=str(folder))
    assert error["code"] == "not_found"
    assert "wrok.py" in error["message"]
    assert "work.py" in error["hint"]
    assert server.sql("SELECT count(*) FROM ml.functions WHERE name = 'f'")[0]["rows"] == [[0]]


def test_a_missing_handler(server: Any, folder: Path) -> None:
    """The handlers that exist."""
    error = server.error("CREATE FUNCTION f FROM 'work.py' HANDLER god", folder=str(folder))
    assert "good" in error["hint"]


def test_a_handler_that_raises(server: Any, folder: Path) -> None:
    """The user's own traceback, not ours."""
    status, _, _ = server.request(
        "POST", "/sql", {"sql": "CREATE FUNCTION broken FROM 'work.py' HANDLER raises", "folder": str(folder)}
    )
    assert status == 200
    error = server.error("RUN broken")
    assert error["code"] == "run_failed"
    assert "IndexError" in error["message"]
    traceback = error["details"]["traceback"]
    assert "return numbers[3]" in traceback
    assert "mlbox" not in traceback.replace(str(folder), "")
    row = server.sql("SELECT state, error_type, traceback FROM ml.runs WHERE function = 'broken'")[0]["rows"][0]
    assert row[:2] == ["error", "IndexError"]
    assert row[2] == traceback


def test_a_wrong_parameter(server: Any, folder: Path) -> None:
    """The signature is shown; no run is made."""
    body = {"sql": "CREATE FUNCTION signed FROM 'work.py' HANDLER good", "folder": str(folder)}
    assert server.request("POST", "/sql", body)[0] == 200
    error = server.error("RUN signed WITH (z = 1)")
    assert "z" in error["message"]
    assert "x" in (error["message"] + error.get("hint", ""))
    assert server.sql("SELECT count(*) FROM ml.runs WHERE function = 'signed'")[0]["rows"] == [[0]]


def test_a_requirement_that_does_not_exist(server: Any, folder: Path) -> None:
    """Named, with the resolver's own words."""
    body = {
        "sql": "CREATE FUNCTION odd FROM 'work.py' HANDLER good REQUIREMENTS ('no-such-package-of-mlbox==9.9')",
        "folder": str(folder),
    }
    assert server.request("POST", "/sql", body)[0] == 200
    error = server.error("RUN odd")
    assert "no-such-package-of-mlbox" in error["message"]
    assert "Traceback" not in str(error)
    assert server.sql("SELECT state FROM ml.runs WHERE function = 'odd'")[0]["rows"] == [["error"]]


def test_a_port_in_use(tmp_path: Path) -> None:
    """Another port is proposed."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        port = taken.getsockname()[1]
        done = up(tmp_path / "home", "--port", str(port))
    assert done.returncode == 1
    assert f"port {port}" in done.stderr
    assert f"--port {port + 1}" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_home_owned_by_another_server(server: Any) -> None:
    """Its address is told."""
    done = up(server.home, "--port", "0")
    assert done.returncode == 1
    assert "is in use by process" in done.stderr
    assert server.url in done.stderr


def test_a_home_of_a_newer_version(home: Any) -> None:
    """Refused with the reason, and left as it is."""
    assert (
        subprocess.run(
            [sys.executable, "-m", "mlbox", "--home", str(home.path), "sql", "-c", "SELECT 1"], capture_output=True
        ).returncode
        == 0
    )
    with duckdb.connect(str(home.catalog_file)) as connection:
        connection.execute("INSERT INTO migrations VALUES (9999, '9999_future', now())")
    done = up(home.path, "--port", "0")
    assert done.returncode == 1
    assert "newer mlbox" in done.stderr
    assert "Traceback" not in done.stderr


def test_listening_to_others_needs_a_token(tmp_path: Path) -> None:
    """Nothing is open by accident."""
    done = up(tmp_path / "home", "--port", "0", "--host", "0.0.0.0")
    assert done.returncode == 1
    assert "MLBOX_TOKEN" in done.stderr


@pytest.mark.parametrize(
    "text", ["SELEC 1", "SELECT * FROM nowhere", "SELECT 1 +", "CREATE MODLE m", "RUN nothing_here"]
)
def test_no_error_shows_our_own_code(server: Any, text: str) -> None:
    """Message and hint, no file of ours, no class name."""
    error = server.error(text)
    told = error["message"] + str(error.get("hint"))
    assert "Traceback" not in told
    assert "mlbox/" not in told
    assert "Error:" not in told
