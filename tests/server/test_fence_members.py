"""Members, tokens and doors on a real server."""

from __future__ import annotations

import base64
import json
import os
import re
import stat
import sys
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest
from fenced import Member, shared_server
from waiting import wait_until

from mlbox.base.command import OWNER, Caller, RunSql
from mlbox.base.errors import MlboxError
from mlbox.base.names import RESERVED_PROJECTS
from mlbox.engine.security import allowed
from mlbox.engine.security.permission import STATEMENTS
from mlbox.sql.functions.base import FUNCTIONS, RowFunction, TableFunction
from mlbox.sql.session import Session


def test_who_is_let_in(tmp_path: Path) -> None:
    with shared_server(tmp_path / "home") as (server, members):
        for header in ("", "Bearer x", "Bearer ", "Basic eA==", "Basic ???", f"Bearer {members['vera'].token}x"):
            status, headers, _ = server.request("POST", "/sql", {"sql": "SELECT 1"}, {"Authorization": header})
            assert status == 401, header
            assert "Basic" in headers.get("WWW-Authenticate", headers.get("www-authenticate", ""))
        for user, status in (("vera", 200), ("", 200), ("eddie", 401)):
            basic = base64.b64encode(f"{user}:{members['vera'].token}".encode()).decode()
            got, _, _ = server.request("POST", "/sql", {"sql": "SHOW PROJECTS"}, {"Authorization": f"Basic {basic}"})
            assert got == status, user
        assert stat.S_IMODE(os.stat(server.home / "owner.token").st_mode) == 0o600
        assert server.cli("sql", "-c", "SELECT count(*) AS n FROM ml.members", "--format", "csv").stdout.split() == [
            "n",
            "3",
        ]  # the owner's command line finds its token

        owner, vera, ada = members["owner"], members["vera"], members["ada"]
        assert [row[0] for row in vera.rows("FROM ml.tokens SELECT name")] == ["vera"]
        own = vera.rows("CREATE TOKEN FOR 'vera' WITH (expires = INTERVAL 1 SECOND) COMMENT 'short'")[0]
        brief = Member(server, own[2])
        assert vera.rows("SELECT count(*) FROM ml.tokens") == [[2]]
        assert vera.rows("SELECT comment FROM ml.tokens WHERE expires_at IS NOT NULL") == [["short"]]
        owner.rows("SELECT 1")
        wait_until(lambda: brief.answer("SELECT 1")[0] == 401)  # until it has expired
        assert ada.error(f"DROP TOKEN '{own[0]}'")["code"] == "not_found"
        vera.rows(f"DROP TOKEN '{own[0]}'; SELECT 1")
        assert vera.rows("SELECT count(*) FROM ml.tokens") == [[1]]

        # garbage is that of all projects; files of the server are its owner's
        for text in ("COLLECT GARBAGE", "EXPLAIN COLLECT GARBAGE", "EXPORT PROJECT open_p TO '/tmp/x.zip'"):
            assert ada.error(text)["code"] == "forbidden"
        there = f"{server.home}/whole.zip"
        owner.rows(
            f"CREATE PROJECT moved; CREATE TABLE moved.t AS SELECT 7 AS n; EXPORT PROJECT moved TO '{there}'; SELECT 1"
        )
        owner.rows(f"DROP PROJECT moved CASCADE; CREATE PROJECT moved FROM '{there}'; SELECT 1")
        assert owner.rows("SELECT n FROM moved.t") == [[7]]

        ada.rows("GRANT editor ON PROJECT open_p TO 'vera'; SELECT 1")  # an admin of the project
        assert vera.rows("CREATE TABLE hers AS SELECT 1 AS a; FROM hers") == [[1]]
        assert ada.error("REVOKE viewer ON PROJECT open_p FROM 'vera'")["code"] == "conflict"
        ada.rows("REVOKE editor ON PROJECT open_p FROM 'vera'; SELECT 1")
        assert vera.error("SELECT 1")["code"] == "forbidden"
        assert owner.rows("SELECT outcome FROM ml.audit WHERE statement = 'REVOKE' ORDER BY started_at") == [
            ["error"],
            ["done"],
        ]
        assert ada.rows("SELECT DISTINCT caller FROM ml.audit WHERE caller = 'vera'") == [["vera"]]
        assert members["eddie"].rows("SELECT DISTINCT caller FROM ml.audit") in ([], [["eddie"]])


def test_doors_beside_sql(tmp_path: Path) -> None:
    with shared_server(tmp_path / "home") as (server, members):
        (tmp_path / "f.py").write_text("def handler(ctx):\n    print('told')\n    ctx.log_artifact('a', b'bytes')\n")
        owner, vera, eddie = members["owner"], members["vera"], members["eddie"]
        for project in ("open_p", "closed"):
            owner.rows(f"CREATE FUNCTION {project}.f FROM '{tmp_path / 'f.py'}'; RUN {project}.f; SELECT 1")
        runs = dict(owner.rows("SELECT project, id FROM ml.runs"))
        artifacts = dict(owner.rows("SELECT project, id FROM ml.artifacts"))
        assert vera.rows("SELECT DISTINCT project FROM ml.runs") == [["open_p"]]
        assert {row[-1] for row in vera.rows("SHOW MEMBERS")} == {"open_p"}, "of projects of hers only"
        for path, ids in (("/runs/{}/log", runs), ("/artifacts/{}/content", artifacts)):
            assert vera.request("GET", path.format(ids["open_p"]))[0] == 200
            assert vera.request("GET", path.format(ids["closed"]))[0] == 404
            assert owner.request("GET", path.format(ids["closed"]))[0] == 200
        for path in ("/v2/models/closed.e", "/v2//models/closed.e/ready", "/v2/models/e", "/v2/models/open_p.e"):
            status, _, body = vera.request("GET", path)
            assert status == 404 and b"closed.e" not in body.replace(path.encode(), b"").replace(b"'closed.e'", b"")
        assert vera.request("GET", "/files")[0] == 403
        mlflow = "/api/2.0/mlflow"
        for project, run in runs.items():
            shown = {"open_p": 200, "closed": 404}[project]
            for path in ("/experiments/search", f"/runs/get?run_id={run}", f"/artifacts/list?run_id={run}"):
                assert vera.request("GET", f"/mlflow/{project}{mlflow}{path}")[0] == shown, (project, path)
            file = f"/mlflow/{project}/api/2.0/mlflow-artifacts/artifacts/0/{run}/artifacts/a"
            assert vera.request("GET", file)[0] == shown, project
            # a run of one project is none of another, whoever asks for it
            through = f"/mlflow/open_p{mlflow}/runs/get?run_id={run}"
            assert vera.request("GET", through)[0] == shown, project
        named = {"name": "m"}
        for path, reads in (("/registered-models/create", False), ("/registered-models/get-latest-versions", True)):
            assert vera.request("POST", f"/mlflow/open_p{mlflow}{path}", named)[0] == (404 if reads else 403), path
        long = owner.request(
            "POST", "/sql", {"sql": "SELECT sum(a.i) FROM range(1_000_000) a(i), range(1_000_000) b(j)", "async": True}
        )
        query_id = json.loads(long[2])["query_id"]
        assert json.loads(vera.request("GET", "/sql")[2])["statements"] == []
        assert vera.request("GET", f"/sql/{query_id}")[0] == 404
        assert vera.request("POST", f"/sql/{query_id}/cancel")[0] == 404
        assert owner.request("POST", f"/sql/{query_id}/cancel")[0] == 200
        # what a schedule of a member does, it does with that member's rights
        eddie.rows(
            "CREATE SCHEDULE s EVERY INTERVAL 1 SECOND DO INSERT INTO closed.hidden_table VALUES ('x'); SELECT 1"
        )
        wait_until(lambda: owner.rows("SELECT last_error FROM ml.schedules")[0][0])
        assert "may not" in owner.rows("SELECT last_error FROM ml.schedules")[0][0]
        assert owner.rows("SELECT count(*) FROM closed.hidden_table") == [[1]]


def test_the_time_of_a_member_is_limited(tmp_path: Path) -> None:
    with shared_server(tmp_path / "home", MLBOX_MEMBER_SECONDS="1", MLBOX_MEMBER_ROWS="1000") as (_, members):
        endless = "WITH RECURSIVE r AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM r) SELECT count(*) FROM r"
        for text in (endless, "SELECT sum(a.i * b.i) FROM range(10000000) a(i), range(10000000) b(i)"):
            assert members["vera"].error(text)["code"] == "cancelled"
            assert members["vera"].error(text, timeout=3600)["code"] == "cancelled"
        assert members["eddie"].rows("SELECT count(*) FROM t") == [[100]]
        assert len(members["vera"].rows("FROM range(5000)")) == 1000


def test_a_home_without_members_asks_nobody(house: Any) -> None:
    assert house.members.identify("", "") == house.members.identify("ana", "x") == OWNER
    assert house.catalog.rows("SELECT count(*) AS n FROM glob('/*')")[0]["n"] >= 0  # files are the user's own


@pytest.mark.parametrize("name", sorted(RESERVED_PROJECTS))
def test_reserved_names_are_no_projects(house: Any, name: str) -> None:
    catalog, dispatcher = house.catalog, house.dispatcher
    for spelled in (name, name.upper(), f'"{name}"'):
        with pytest.raises(MlboxError):
            list(Session(catalog, dispatcher, Caller()).run(f"CREATE PROJECT {spelled}"))
    assert catalog.rows("SELECT name FROM catalog.ml.projects WHERE name <> 'default'") == []


def test_every_function_of_ml_is_judged() -> None:
    """A new one is closed to members until it is listed, which asks whether it checks what it is given."""
    tables = {function.name for _, function in FUNCTIONS if isinstance(function, TableFunction)}
    rows = {function.name for _, function in FUNCTIONS if isinstance(function, RowFunction) and function.public}
    assert tables == allowed.OUR_TABLE_FUNCTIONS and rows == allowed.OUR_FUNCTIONS


def test_functions_of_duckdb_with_side_effects_are_refused(house: Any) -> None:
    """The lists were made for one DuckDB; another one may bring more."""
    found = {
        row["name"]
        for row in house.catalog.rows(
            "SELECT DISTINCT function_name AS name FROM duckdb_functions() WHERE internal AND function_type = 'scalar' "
            "AND NOT starts_with(function_name, '_ml_') AND (has_side_effects OR stability = 'VOLATILE')"
        )
    }
    harmless = {"random", "uuid", "uuidv4", "uuidv7", "gen_random_uuid", "error", "unicode"}
    assert found - harmless - allowed.REFUSED_FUNCTIONS == set()


def test_every_piece_of_sql_in_a_command_is_judged_or_kept() -> None:
    """A field with SQL is a query or expression, judged at once, or a statement, judged when it is carried out."""
    pieces = "query where when for_each check baseline labels stop_when preprocess postprocess".split()
    modules = [module for name, module in sys.modules.items() if name.startswith("mlbox.") and "commands" in name]
    kinds = {kind for module in modules for kind in vars(module).values() if isinstance(kind, type)}
    held = [entry for kind in kinds if is_dataclass(kind) and kind is not RunSql for entry in fields(kind)]
    assert {entry.name for entry in held if re.search(r"\bQuery\b", str(entry.type))} == {*pieces, *STATEMENTS}
