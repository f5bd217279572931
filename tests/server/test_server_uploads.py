"""Files sent to the server, and completion for editors."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from real_server import Server, wait_until

from mlbox.base.errors import Invalid, NotFound
from mlbox.engine.storage.uploads import Uploads, safe_name

OCTETS = {"Content-Type": "application/octet-stream"}


def test_a_file_is_uploaded_and_read_by_a_statement(server: Any) -> None:
    """Its path is the one to read; the hash is of its bytes; it is listed, and can be taken away."""
    content = b"a,b\n1,x\n2,y\n"
    status, _, body = server.request("POST", f"/files?name={quote('my flights (1).csv')}", content, OCTETS)
    told = json.loads(body)
    assert (status, told["size"], told["digest"]) == (201, len(content), hashlib.sha256(content).hexdigest())
    assert Path(told["path"]).name == "my_flights_1_.csv"
    assert Path(told["path"]).is_relative_to(server.home / "uploads")
    assert server.sql(f"FROM read_csv('{told['path']}')")[0]["rows"] == [[1, "x"], [2, "y"]]
    listed = json.loads(server.request("GET", "/files")[2])["files"]
    assert next(one for one in listed if one["id"] == told["id"]) == told
    assert server.request("DELETE", f"/files/{told['id']}")[0] == 204
    assert not Path(told["path"]).exists()
    assert server.request("DELETE", f"/files/{told['id']}")[0] == 404
    assert server.request("DELETE", "/files/..%2F..")[0] == 404


def artifact_of_a_run(server: Server, data: bytes) -> tuple[int, int]:
    """What the run API and MLflow's say to an artifact with these bytes."""
    run = json.loads(server.request("POST", "/runs", {"name": "large"})[2])
    bearer = {**OCTETS, "Authorization": f"Bearer {run['token']}"}
    blob = f"/run-api/{run['run_id']}/blobs/{hashlib.sha256(data).hexdigest()}"
    file = f"/api/2.0/mlflow-artifacts/artifacts/0/{run['run_id']}/artifacts/large.bin"
    return server.request("PUT", blob, data, bearer)[0], server.request("PUT", file, data, OCTETS)[0]


def test_limits_of_uploads(tmp_path: Path) -> None:
    """Announced or not, a file that is too large is refused and leaves nothing behind; so does one that breaks off.

    What a run has made is stored, however large.
    """
    server = Server(tmp_path / "home", environment={"MLBOX_MAX_UPLOAD_MB": "1", "MLBOX_MAX_REQUEST_MB": "1"})
    try:
        big = b"x" * ((1 << 20) + 1)
        assert artifact_of_a_run(server, big) == (200, 200)
        status, _, body = server.request("POST", "/files?name=big.csv", big, OCTETS)
        assert (status, json.loads(body)["error"]["code"]) == (400, "invalid")
        connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=60)
        connection.request(
            "POST", "/files?name=big.csv", iter([big[:900_000], big[900_000:]]), OCTETS, encode_chunked=True
        )
        assert connection.getresponse().status == 400
        connection.close()
        broken = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=60)
        broken.putrequest("POST", "/files?name=half.csv")
        for name, value in {**OCTETS, "Content-Length": "1000"}.items():
            broken.putheader(name, value)
        broken.endheaders()
        broken.send(b"a,b\n")
        wait_until(lambda: os.listdir(server.home / "uploads"))
        broken.close()
        wait_until(lambda: not os.listdir(server.home / "uploads"))
        for name in ("", "..", "%2F", "___"):
            assert server.request("POST", f"/files?name={name}", b"x", OCTETS)[0] == 400, name
        assert server.request("POST", "/files?name=a.csv", b"x", {**OCTETS, "Origin": "http://evil.example"})[0] == 403
        assert os.listdir(server.home / "uploads") == []
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("orders.csv", "orders.csv"),
        ("../../etc/passwd", "passwd"),
        ("C:\\data\\o.parquet", "o.parquet"),
        (".hidden.csv", "hidden.csv"),
        ("größe 1.csv", "gr_e_1.csv"),
        ("x" * 200 + ".csv", "x" * 96 + ".csv"),
    ],
)
def test_safe_names(name: str, safe: str) -> None:
    """The ending stays, since it tells the format."""
    assert safe_name(name) == safe


def test_uploads_expire(tmp_path: Path) -> None:
    """Those of yesterday go, and folders that a dead process left; those of today stay."""
    old = Uploads(tmp_path / "up", max_bytes=100, keep=timedelta(seconds=-1))
    new = Uploads(tmp_path / "up", max_bytes=100, keep=timedelta(days=1))
    for uploads in (old, new):
        with uploads.receive("a.csv") as receiving:
            receiving.write(b"a\n1\n")
            uploads.keep(receiving, "a.csv")
    with pytest.raises(Invalid), new.receive("b.csv") as receiving:
        receiving.write(b"x" * 101)
    half = tmp_path / "up" / "half"
    half.mkdir()
    os.utime(half, (0, 0))
    assert len(new.all()) == 2
    assert new.clean() == 2
    (left,) = new.all()
    assert Path(left.path).read_bytes() == b"a\n1\n"
    with pytest.raises(NotFound):
        new.drop("../up")


def test_completion_over_http(server: Any) -> None:
    """Words of the language, names of the project; positions count characters."""
    server.sql("CREATE PROJECT IF NOT EXISTS typed; USE PROJECT typed; CREATE TABLE flights_of_july (carrier TEXT)")

    def texts(sql: str, project: str = "typed") -> tuple[int, list[str]]:
        body = {"sql": sql, "position": len(sql), "project": project}
        status, _, answer = server.request("POST", "/sql/complete", body)
        assert status == 200, answer
        told = json.loads(answer)
        return told["start"], [candidate["text"] for candidate in told["candidates"]]

    assert "MODEL" in texts("CREATE MO")[1]
    start, found = texts("SELECT 'ß🙂'; FROM flights_of")
    assert (start, found[0]) == (18, "flights_of_july")
    assert server.request("POST", "/sql/complete", {"sql": "x", "position": -1})[0] == 400


def test_columns_are_documented_in_sql(server: Any) -> None:
    """``ml.columns`` knows every column of every view, itself too."""
    rows = server.sql(
        "SELECT c.column_name FROM duckdb_columns() c LEFT JOIN ml.columns d "
        "ON d.view_name = c.table_name AND d.column_name = c.column_name "
        "WHERE c.database_name = 'catalog' AND c.schema_name = 'ml' AND (d.description IS NULL OR d.description = '')"
    )[0]["rows"]
    assert rows == []
    assert server.sql("SELECT count(*) > 100 FROM ml.columns")[0]["rows"] == [[True]]
