"""What members may do with functions of SQL, uploads, notes, and what was dropped."""

from __future__ import annotations

import json
import os
from pathlib import Path

from fenced import SECRET, shared_server
from waiting import wait_until


def test_members_and_what_is_theirs(tmp_path: Path) -> None:
    with shared_server(tmp_path / "home") as (server, members):
        owner, vera, eddie = members["owner"], members["vera"], members["eddie"]
        eddie.rows("CREATE FUNCTION mine RUNTIME sql AS SELECT sum(x) AS total FROM t WHERE k > $least; SELECT 1")
        run = eddie.rows("RUN mine WITH (least = 97) AS first")[0][0]
        assert eddie.rows(f"SELECT metrics FROM ml.runs WHERE id = '{run}'") == [[{"total": 394.0, "rows": 1.0}]]
        for text in (
            "CREATE FUNCTION spy RUNTIME sql AS SELECT * FROM closed.hidden_table",
            "CREATE FUNCTION spy RUNTIME sql AS SELECT * FROM read_blob('catalog.duckdb')",
            "CREATE FUNCTION spy RUNTIME sql AS SELECT * FROM read_csv($path)",
            "CREATE FUNCTION spy FROM '/etc/passwd' RUNTIME sql",
        ):
            error = eddie.error(text)
            assert error["code"] == "forbidden" and SECRET not in json.dumps(error), error
        for text in (
            f"ALTER RUN '{run}' SET (note = 'x')", f"DROP RUN '{run}'", f"RESTORE RUN '{run}'",
            "ALTER FUNCTION mine RENAME TO other", "ALTER FUNCTION mine SET ALIAS a = 1", "DROP ARTIFACT result",
        ):  # fmt: skip
            assert vera.error(text)["code"] == "forbidden", text
        eddie.rows(f"ALTER RUN '{run}' SET (note = 'mine'); DROP RUN '{run}'; SELECT 1")
        owner.rows("CREATE WORKFLOW closed.w AS (STEP a AS (SELECT 1)); DROP WORKFLOW closed.w; SELECT 1")
        assert [row[1] for row in vera.rows("SELECT kind, name FROM ml.dropped")] == ["first"]
        assert eddie.error("RESTORE WORKFLOW closed.w")["code"] == "forbidden"
        eddie.rows(f"RESTORE RUN '{run}'; SELECT 1")
        assert vera.rows("SELECT dropped_by FROM ml.dropped") == []
        ((artifact,),) = vera.rows("SELECT id FROM ml.artifacts WHERE name = 'result'")
        assert vera.request("HEAD", f"/artifacts/{artifact}/content")[0] == 200
        upload = f"/files/{'0' * 32}"
        assert vera.request("HEAD", upload)[0] == 403 and vera.request("PUT", f"{upload}?name=x", b"x")[0] == 403
        status, _, body = eddie.request("POST", "/runs", {"project": "open_p"})
        other = json.loads(body)
        assert status == 201
        blob = f"/run-api/{run}/blobs/{os.urandom(32).hex()}"
        headers = {"Authorization": f"Bearer {other['token']}", "Content-Type": "application/octet-stream"}
        for method, path in (("HEAD", blob), ("PUT", blob), ("POST", f"/run-api/{run}/query")):
            assert server.request(method, path, b"x", headers)[0] == 401  # the token of another run
        wait_until(lambda: vera.rows(f"SELECT note FROM ml.runs WHERE id = '{run}'") == [["mine"]])
