"""Projects as archives and folders, on real servers: what goes out comes in again, whole or not at all."""

from __future__ import annotations

import json
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from everything import SCRIPT, write_files
from leftovers import leftovers
from real_server import Server

PROGRAM = str(Path(__file__).parents[1] / "dying.py")
MORE = """
CREATE TABLE odd (
    id INTEGER PRIMARY KEY, h HUGEINT, i INTERVAL, x ENUM('a', 'b'), v VARIANT, l INTEGER[2], u UUID, n DECIMAL(30, 3),
    s STRUCT(a INTEGER, b VARCHAR)[], g INTEGER GENERATED ALWAYS AS (l[1] + 1), b BLOB, t TIMESTAMP_NS);
INSERT INTO odd VALUES (1, 170141183460469231731687303715884105727, INTERVAL '1 month 3 days 2 us', 'a',
    {'a': 1, 'b': [1, 2]}::VARIANT, [1, 2], 'b6a0e4a0-0000-4000-8000-000000000001', 123456789012345678901234567.125,
    [{'a': 1, 'b': 'it''s, "q"'}], '\\x00\\xFF'::BLOB, '2026-01-01 00:00:00.123456789'), (2, NULL, NULL, NULL, NULL,
    NULL, NULL, NULL, NULL, NULL, NULL);
CREATE SEQUENCE numbers;
CREATE TYPE colour AS ENUM ('red', 'green');
CREATE TABLE painted AS SELECT 'red'::colour AS c, nextval('numbers') AS n;
CREATE INDEX by_n ON painted(n);
CREATE VIEW by_client AS SELECT client, sum(amount) AS s FROM tx GROUP BY client;
CREATE MACRO twice(x) AS 2 * x;
CREATE OR REPLACE FEATURE SET labels (ENTITY client, TIMESTAMP ts) AS SELECT client, ts, (amount > 20)::INTEGER AS late
FROM tx;
SET SECRET key = 'hidden';
LOG PARAM note = 'kept' RUN fit;
ALTER ARTIFACT model SET ALIAS stable = 1;
ALTER ARTIFACT model@stable SET LABELS (stage = 'review');
"""
ANSWERS = (
    "FROM odd ORDER BY id",
    "FROM painted",
    "FROM by_client ORDER BY ALL",
    "SELECT twice(4) AS eight",
    "FROM ml.features('v', 'tx') ORDER BY ALL",
    "FROM ml.online('v', {'client': 3})",
    "SELECT ml.predict('m@champion', {'spent': 5.0}) AS p",
    "SELECT * FROM ml.runs ORDER BY id",
    "SELECT * FROM ml.metrics ORDER BY ALL",
    "SELECT * FROM ml.params ORDER BY ALL",
    "SELECT id, run_id, name, digest, size, version, aliases, labels FROM ml.artifacts ORDER BY id",
    "SELECT * FROM ml.model_versions ORDER BY ALL",
    "SELECT * FROM ml.models ORDER BY ALL",
    "SELECT * FROM ml.functions ORDER BY ALL",
    "SELECT name, version, rows, store FROM ml.feature_sets ORDER BY ALL",
    "SELECT * FROM ml.feature_stats ORDER BY ALL",
    "SELECT * FROM ml.feature_vectors",
    "SELECT name, state, model, model_version FROM ml.endpoints",
    "SELECT name, definition FROM ml.workflows",
    "SELECT name, cron, statement, state FROM ml.schedules",
    "SELECT name, target, metrics FROM ml.monitors",
    "SELECT name, condition, state FROM ml.alerts",
    "SELECT * EXCLUDE recorded_at FROM ml.lineage ORDER BY ALL",
)
INPUTS = {"inputs": [{"name": "spent", "shape": [1, 1], "datatype": "FP64", "data": [5.0]}]}


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path]]:
    """A server with one of everything, and the folder with ``shop.zip`` and ``lean.zip``, made by the command line."""
    folder = tmp_path_factory.mktemp("exported")
    write_files(folder / "files")
    server = Server(folder / "home")
    try:
        body = {"sql": SCRIPT + MORE, "folder": str(folder / "files")}
        status, _, answer = server.request("POST", "/sql", body)
        assert status == 200, answer
        done = server.cli("export", "shop", str(folder / "shop.zip"))
        assert done.stdout.startswith("exported project shop to "), done.stderr
        assert server.cli("export", "shop", str(folder / "lean.zip"), "--without-runs").returncode == 0
        yield server, folder
    finally:
        server.stop()


def answers(server: Server) -> dict[str, Any]:
    return {query: server.sql(query, "shop")[0]["rows"] for query in ANSWERS}


def test_all_comes_back(exported: tuple[Server, Path], own_server: Server) -> None:
    """The same answers, the same prediction over HTTP, and the work goes on from there."""
    first, folder = exported
    done = own_server.cli("apply", str(folder / "shop.zip"))
    assert done.stdout.startswith("restored project shop"), done.stderr
    assert answers(own_server) == answers(first)
    predicted = [server.request("POST", "/v2/models/shop.e/infer", INPUTS) for server in (first, own_server)]
    assert [status for status, _, _ in predicted] == [200, 200]
    assert json.loads(predicted[0][2])["outputs"] == json.loads(predicted[1][2])["outputs"]
    assert own_server.sql("SELECT name FROM ml.secrets WHERE project = 'shop'")[0]["rows"] == []
    own_server.sql("RUN train FROM v WITH (lr = 0.2); REFRESH FEATURE SET spending FULL; RUN WORKFLOW w", "shop")
    own_server.sql("CREATE MODEL m FROM RUN fit ARTIFACT 'model' ALIAS champion", "shop")
    assert own_server.sql("SELECT nextval('numbers')", "shop")[0]["rows"] == [[2]]
    again = own_server.error(f"CREATE PROJECT IF NOT EXISTS shop FROM '{folder}/shop.zip'")
    assert "project shop exists already: an archive is a whole project" in again["message"]
    before = answers(own_server)
    own_server.stop()
    own_server.start()
    assert answers(own_server) == before


def test_without_runs(exported: tuple[Server, Path], own_server: Server) -> None:
    _, folder = exported
    own_server.cli("apply", str(folder / "lean.zip"))
    assert own_server.sql("SELECT count(*) FROM ml.runs", "shop")[0]["rows"] == [[0]]
    assert own_server.sql("SELECT ml.predict('m@champion', {'spent': 5.0})", "shop")[0]["rows"] == [[0.5]]


def test_an_archive_is_readable(exported: tuple[Server, Path]) -> None:
    _, folder = exported
    with zipfile.ZipFile(folder / "shop.zip") as archive:
        names, script = archive.namelist(), archive.read("project.sql").decode()
    assert {"models/m@1.onnx", "functions/train@1.zip", "tables/tx.parquet"} <= set(names)
    assert "CREATE FUNCTION train FROM 'functions/train@1.zip#train.py'" in script
    assert "hidden" not in script
    assert "CREATE TABLE tx(client BIGINT" in script


def test_killed_while_it_comes_in(exported: tuple[Server, Path], tmp_path: Path) -> None:
    """The data are committed, the catalog is not: the next start removes them, and it can be applied again."""
    home = tmp_path / "home"
    server = Server(home, program=(PROGRAM, "mlbox.engine.catalog.tables.dumps:settle_runs", "after"))
    try:
        with pytest.raises(OSError):
            server.request("POST", "/sql", {"sql": f"CREATE PROJECT shop FROM '{exported[1]}/shop.zip'"})
        server.process.wait(timeout=60)
        server.program = ("-m", "mlbox")
        server.start()
        assert server.sql("SELECT name FROM ml.projects")[0]["rows"] == [["default"]]
        server.stop()
        assert leftovers(home, "shop") == []
        server.start()
        server.sql(f"CREATE PROJECT shop FROM '{exported[1]}/shop.zip'")
        assert server.sql("SELECT count(*) FROM shop.tx")[0]["rows"] == [[50]]
    finally:
        server.stop()


def rewritten(source: Path, target: Path, changed: str, content: bytes | None) -> None:
    """A copy of an archive with another file in it, or without it."""
    with zipfile.ZipFile(source) as archive, zipfile.ZipFile(target, "w") as copy:
        for name in archive.namelist():
            body = content if name == changed else archive.read(name)
            if body is not None:
                copy.writestr(name, body)


def test_a_torn_archive_leaves_nothing(exported: tuple[Server, Path], own_server: Server, tmp_path: Path) -> None:
    whole = exported[1] / "shop.zip"
    with zipfile.ZipFile(whole) as archive:
        manifest = json.loads(archive.read("manifest.json"))
        table = bytearray(archive.read("tables/tx.parquet"))
    (tmp_path / "cut.zip").write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    table[len(table) // 2] ^= 1
    rewritten(whole, tmp_path / "changed.zip", "tables/tx.parquet", bytes(table))
    rewritten(whole, tmp_path / "missing.zip", "models/m@1.onnx", None)
    manifest["migrations"]["catalog"] += 1
    rewritten(whole, tmp_path / "newer.zip", "manifest.json", json.dumps(manifest).encode())
    manifest["migrations"]["catalog"] -= 1
    manifest["schema"].append({"kind": "table", "name": "half", "sql": "CREATE TABLE shop.half (x nope)"})
    rewritten(whole, tmp_path / "wrong.zip", "manifest.json", json.dumps(manifest).encode())
    for name, told in {
        "cut": "",
        "changed": "the archive was changed: tables/tx.parquet",
        "missing": "the archive is not whole: models/m@1.onnx is missing",
        "newer": "written by a newer mlbox",
        "wrong": "nope",
    }.items():
        error = own_server.error(f"CREATE PROJECT shop FROM '{tmp_path}/{name}.zip'")
        assert told in error["message"], name
        assert error["code"] != "internal", error
        assert own_server.sql("SELECT name FROM ml.projects")[0]["rows"] == [["default"]]
    own_server.stop()
    assert leftovers(own_server.home, "shop") == []


def test_a_folder_is_carried_out_where_it_is(own_server: Server, tmp_path: Path) -> None:
    """Relative paths of statements are of the folder; a repository is the same; one that fails leaves nothing."""
    folder = tmp_path / "Garden 2"
    folder.mkdir()
    (folder / "plants.csv").write_text("name,height\nrose,1.5\n")
    (folder / "grow.py").write_text("def grow(ctx, by=1):\n    ctx.log_metric('height', by)\n")
    script = "CREATE TABLE plants AS FROM 'plants.csv';\nCREATE FUNCTION grow FROM 'grow.py';\nRUN grow WITH (by = 3)"
    (folder / "project.sql").write_text(script)
    done = own_server.cli("apply", str(folder))
    assert done.stdout == "created project garden_2: 3 statements\n", done.stderr
    assert own_server.sql("SELECT height FROM plants", "garden_2")[0]["rows"] == [[1.5]]
    assert own_server.sql("SELECT metrics.height::INTEGER FROM ml.runs", "garden_2")[0]["rows"] == [[3]]
    for arguments in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "one")):
        identity = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)
    own_server.sql(f"CREATE PROJECT yard FROM 'git+file://{str(folder).replace(' ', '%20')}'")
    assert own_server.sql("SELECT height FROM plants", "yard")[0]["rows"] == [[1.5]]
    (folder / "project.sql").write_text("CREATE TABLE plants AS SELECT 1 AS x; CREATE TABLE more AS SELECT nope")
    assert "nope" in own_server.error(f"CREATE PROJECT wild FROM '{folder}'")["message"]
    assert own_server.sql("SELECT name FROM ml.projects ORDER BY 1")[0]["rows"] == [["default"], ["garden_2"], ["yard"]]
    assert "has no project.sql" in own_server.error(f"CREATE PROJECT wild FROM '{tmp_path}'")["message"]
    own_server.stop()
    assert leftovers(own_server.home, "wild") == []
