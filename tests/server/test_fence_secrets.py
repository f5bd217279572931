"""Secrets on a real server: they reach the function that names them, and appear nowhere else."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

from real_server import Server

VALUE = "s3cr3t-Value-0815"
CODE = """
import os, subprocess, sys

def handler(ctx):
    print("printed", ctx.secret("api_key"))
    sys.stderr.write("half " + os.environ["API_KEY"] + "\\n")
    subprocess.run([sys.executable, "-c", "import os; print('child', os.environ['API_KEY'])"], check=True)
    ctx.log_metric("size", len(ctx.secret("API_KEY")))
    try:
        ctx.secret("other")
    except Exception as error:
        print(type(error).__name__, error)

def failing(ctx):
    raise ValueError("cannot sign in with " + ctx.secret("API_KEY"))
"""


def test_a_secret_reaches_its_function_and_nothing_else(own_server: Server, tmp_path: Path) -> None:
    (tmp_path / "f.py").write_text(CODE)
    create = f"CREATE FUNCTION f FROM '{tmp_path / 'f.py'}' HANDLER {{}} SECRETS (API_KEY)"
    missing = own_server.error(create.format("handler"))
    assert missing["code"] == "not_found" and "SET SECRET" in missing["hint"]
    own_server.sql("SET SECRET API_KEY = $value", parameters={"value": VALUE})
    own_server.sql(f"SET SECRET other = '{VALUE}'")
    done = own_server.sql(create.format("handler") + "; RUN f AS good")[-1]
    run_id = own_server.sql("SELECT id, metrics.size::INT FROM ml.runs WHERE name = 'good'")[-1]["rows"]
    assert run_id[0][1] == len(VALUE), done
    _, _, log = own_server.request("GET", f"/runs/{run_id[0][0]}/log")
    assert VALUE not in log.decode()
    assert f"printed {'*' * len(VALUE)}" in log.decode() and f"child {'*' * len(VALUE)}" in log.decode()
    assert "no secret 'other'" in log.decode()
    own_server.sql(create.format("failing").replace("CREATE FUNCTION f", "CREATE FUNCTION g"))
    failed = own_server.error("RUN g AS bad")
    assert "cannot sign in with" in json.dumps(failed) and VALUE not in json.dumps(failed)

    shown = own_server.sql("SHOW SECRETS")[-1]
    assert [row[shown_index(shown, "name")] for row in shown["rows"]] == ["API_KEY", "other"]
    wrong = own_server.error(f"SET SECRET API_KEY = '{VALUE}' IN PROJEKT x")
    assert VALUE not in json.dumps(wrong)
    assert VALUE not in json.dumps(own_server.error(f"SET SECRET \"a b\" = '{VALUE}'"))
    for view in ("audit", "events", "runs", "functions", "logs", "task_history", "secrets", "artifacts"):
        found = own_server.sql(f"SELECT * FROM ml.{view}")
        assert VALUE not in json.dumps(found), view
    assert VALUE not in json.dumps(own_server.sql("EXPLAIN SET SECRET x = '" + VALUE + "'"))
    own_server.sql("DROP SECRET other; DROP SECRET IF EXISTS other")
    assert own_server.error("DROP SECRET other")["code"] == "not_found"

    own_server.stop()
    key = own_server.home / "secrets.key"
    assert stat.S_IMODE(os.stat(key).st_mode) == 0o600
    for file in own_server.home.rglob("*"):
        if file.is_file() and not file.is_symlink():
            assert VALUE.encode() not in file.read_bytes(), file


def shown_index(result: dict[str, object], name: str) -> int:
    columns = result["columns"]
    assert isinstance(columns, list)
    return [column["name"] for column in columns].index(name)


def test_a_kept_statement_holds_no_secret(server: Server) -> None:
    for text in (
        f"CREATE SCHEDULE s EVERY INTERVAL 1 HOUR DO SET SECRET a = '{VALUE}'",
        f"CREATE WORKFLOW w AS (STEP a AS (SET SECRET a = '{VALUE}'))",
        f"CREATE ALERT a WHEN 1 > 2 THEN SET SECRET a = '{VALUE}'",
    ):
        error = server.error(text)
        assert error["code"] == "invalid" and "secret" in error["message"], error
    assert VALUE not in json.dumps(server.sql("FROM ml.schedules; FROM ml.workflows; FROM ml.alerts"))
