"""Profiles on a real server, against a real S3 server that asks for their keys; their values appear nowhere."""

from __future__ import annotations

import io
import json
import shutil
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from everything import write_files
from real_server import Server
from s3_server import s3_server


class Lake:
    """moto's S3 server with the bucket ``lake``; it lets in whom its IAM has given a key, with the right signature."""

    def __init__(self, endpoint: str) -> None:
        import boto3

        self.endpoint = endpoint
        root = {"aws_access_key_id": "root", "aws_secret_access_key": "root", "region_name": "us-east-1"}
        users = boto3.client("iam", endpoint_url=self.endpoint, **root)
        users.create_user(UserName="ana")
        everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
        users.put_user_policy(UserName="ana", PolicyName="all", PolicyDocument=json.dumps(everything))
        key = users.create_access_key(UserName="ana")["AccessKey"]
        self.key, self.secret = key["AccessKeyId"], key["SecretAccessKey"]
        own = {"aws_access_key_id": self.key, "aws_secret_access_key": self.secret, "region_name": "us-east-1"}
        self.files = boto3.client("s3", endpoint_url=self.endpoint, **own)
        self.files.create_bucket(Bucket="lake")
        plain = {"Content-Type": "text/plain"}
        urllib.request.urlopen(urllib.request.Request(f"{self.endpoint}/moto-api/reset-auth", b"0", plain))

    def put(self, name: str, **columns: list[Any]) -> None:
        written = io.BytesIO()
        pyarrow.parquet.write_table(pyarrow.table(columns), written)
        self.files.put_object(Bucket="lake", Key=name, Body=written.getvalue())

    def names(self, prefix: str) -> list[str]:
        return [each["Key"] for each in self.files.list_objects_v2(Bucket="lake", Prefix=prefix).get("Contents", ())]


DAY = datetime(2026, 1, 1, tzinfo=UTC)
ALONE = {
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/nowhere",
    "AWS_SHARED_CREDENTIALS_FILE": "/nowhere",
}
"""No credentials but those of a profile."""


@pytest.fixture(scope="module")
def lake() -> Iterator[Lake]:
    with s3_server() as (address, _):
        yield Lake(address)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, lake: Lake) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("profiles") / "home", environment=ALONE)
    running.sql(profile(lake), parameters=[lake.secret])
    yield running
    running.stop()


def profile(lake: Lake) -> str:
    return (
        f"CREATE PROFILE lake TYPE s3 WITH (key = '{lake.key}', secret = $1, endpoint_url = '{lake.endpoint}', "
        "region = 'us-east-1')"
    )


def test_a_source_reads_by_its_profile(server: Server, lake: Lake) -> None:
    lake.put("tx/1.parquet", id=[1, 2], ts=[DAY, DAY], x=[0.5, 1.5])
    server.sql("CREATE SOURCE tx FROM 's3://lake/tx/*.parquet' WITH (profile = lake)")
    server.sql("CREATE FEATURE SET f (ENTITY id, TIMESTAMP ts) FROM tx; REFRESH FEATURE SET f")
    lake.put("tx/2.parquet", id=[3], ts=[DAY], x=[2.5])
    server.sql("REFRESH FEATURE SET f")
    assert server.sql("SELECT sum(x), count(*) FROM f")[0]["rows"] == [[4.5, 3]]
    server.sql("CREATE SOURCE bare FROM 's3://lake/tx/*.parquet'")
    assert (
        server.error("CREATE FEATURE SET g (ENTITY id, TIMESTAMP ts) FROM bare")["code"] == "unavailable"
    )  # nobody knows who asks


def test_a_wrong_secret_is_refused_by_the_store_and_not_told(server: Server, lake: Lake) -> None:
    wrong = "wrong-secret-4711"
    server.sql("SET SECRET rotated = $1", parameters=[wrong])
    server.sql(
        f"CREATE PROFILE rotating TYPE s3 WITH (key = '{lake.key}', secret = SECRET rotated, "
        f"endpoint_url = '{lake.endpoint}')"
    )
    lake.put("rotating/1.parquet", id=[1], ts=[DAY], x=[0.5])
    server.sql("CREATE SOURCE turning FROM 's3://lake/rotating/*.parquet' WITH (profile = rotating)")
    refused = server.error("CREATE FEATURE SET r (ENTITY id, TIMESTAMP ts) FROM turning")
    assert refused["code"] == "unavailable" and wrong not in json.dumps(refused)
    server.sql("SET SECRET rotated = $1", parameters=[lake.secret])
    server.sql("CREATE FEATURE SET r (ENTITY id, TIMESTAMP ts) FROM turning; REFRESH FEATURE SET r")
    assert server.sql("SELECT id FROM r")[0]["rows"] == [[1]]


@pytest.mark.parametrize("form", ["parquet", "delta"])
def test_a_location_is_written_by_its_profile(server: Server, lake: Lake, form: str) -> None:
    options = f"location = 's3://lake/{form}/placed', profile = lake, format = '{form}'"
    server.sql(
        f"CREATE OR REPLACE TABLE rows_{form} AS SELECT 1 AS id, TIMESTAMPTZ '2026-01-01' AS ts, 0.5 AS x; "
        f"CREATE FEATURE SET at_{form} (ENTITY id, TIMESTAMP ts) WITH ({options}) AS SELECT * FROM rows_{form}; "
        f"REFRESH FEATURE SET at_{form}"
    )
    assert [name for name in lake.names(f"{form}/placed/v1/") if name.endswith(".parquet")]
    script = server.home.parent / f"{form}.sql"
    server.sql(f"EXPORT PROJECT default TO '{script}'")
    assert "profile = 'lake'" in script.read_text() and lake.secret not in script.read_text()
    server.sql(f"CREATE SOURCE back_{form} TYPE {form} FROM 's3://lake/{form}/placed/v1/' WITH (profile = lake)")
    server.sql(
        f"CREATE FEATURE SET again_{form} (ENTITY id, TIMESTAMP ts) FROM back_{form}; REFRESH FEATURE SET again_{form}"
    )
    assert server.sql(f"SELECT count(*) FROM again_{form}")[0]["rows"] == [[1]]


def test_credentials_appear_nowhere(server: Server, lake: Lake) -> None:
    (shown,) = server.sql("SHOW PROFILES LIKE 'lake'")[0]["rows"]
    assert "us-east-1" in json.dumps(shown) and lake.secret not in json.dumps(shown)
    views = [name for (name,) in server.sql("SELECT view_name FROM duckdb_views() WHERE schema_name = 'ml'")[0]["rows"]]
    assert "profiles" in views
    for view in views:
        assert lake.secret not in json.dumps(server.sql(f"SELECT * FROM ml.{view}")), view
    literal = f"CREATE PROFILE x TYPE s3 WITH (secret = '{lake.secret}'"
    assert lake.secret not in json.dumps(server.sql(f"EXPLAIN {literal})"))
    for wrong in (f"{literal}) TIPE s3", f"{literal}, kee = 'a')", f"{literal}"):
        error = server.error(wrong)
        assert lake.secret not in json.dumps(error) and error["hint"]
    archive = server.home.parent / "all.zip"
    server.sql(f"EXPORT PROJECT default TO '{archive}'")
    server.stop()
    for path in (archive, *server.home.rglob("*")):
        assert not path.is_file() or lake.secret.encode() not in path.read_bytes(), path
    server.start()


def test_what_cannot_work_is_told(server: Server, lake: Lake) -> None:
    for statement, message, hint in (
        ("CREATE PROFILE p TYPE s4 WITH (key = 'k')", "no profiles of type 's4'", "s3"),
        ("CREATE PROFILE p TYPE s3 WITH (key_id = 'k')", "no option 'key_id'", "key"),
        ("CREATE PROFILE p TYPE s3 WITH (secret = SECRET nowhere)", "no secret 'nowhere'", "SET SECRET"),
        ("CREATE PROFILE p TYPE s3 WITH (anon = 'yes')", "anon is true or false", ""),
        ("CREATE PROFILE p TYPE s3 WITH (endpoint_url = 'http://u:pw@h:1')", "holds a login", "SECRET"),
        ("CREATE PROFILE p TYPE s3 WITH (endpoint_url = 'u:pw@h:1')", "holds a login", "SECRET"),
        ("CREATE PROFILE p TYPE gcs WITH (token = ' {bad json')", "JSON of a service account's key", "SECRET"),
        ("CREATE PROFILE lake TYPE s3 WITH (key = 'k')", "exists already", "CREATE OR REPLACE"),
        ("DROP PROFILE laake", "no profile", "lake"),
        ("CREATE SOURCE s FROM 'gs://b/x.csv' WITH (profile = laake)", "no profile 'laake'", "lake"),
        ("CREATE SOURCE s FROM 'gs://b/x.csv' WITH (profile = lake)", "of type s3", "s3://"),
        ("CREATE SOURCE s FROM 's3://b/x.csv' WITH (profile = lake, key = 'k')", "exclude each other", "REPLACE"),
        ("CREATE SOURCE s FROM 'az://b/x.csv' WITH (account_key = 'k')", "others read it", "SET SECRET"),
        ("CREATE FEATURE SET q (ENTITY id BIGINT) WITH (profile = lake)", "no location", "location ="),
    ):
        error = server.error(statement)
        assert message in error["message"] and hint in (error.get("hint") or ""), error
    assert server.sql("SELECT count(*) FROM ml.profiles WHERE name = 'p'")[0]["rows"] == [[0]]


def test_artifacts_lie_in_a_store_by_a_profile(lake: Lake, tmp_path: Path) -> None:
    """Workers ask by it too. Without it the server starts, says what is missing, and goes on once it is there."""
    settings = {"MLBOX_ARTIFACT_STORE": "s3://lake/artifacts", "MLBOX_ARTIFACT_STORE_PROFILE": "default.lake"}
    write_files(tmp_path)
    server = Server(tmp_path / "home", "--workers", "2", environment=ALONE | settings)
    try:
        create = f"CREATE FUNCTION train FROM '{tmp_path / 'train.py'}'"
        assert "CREATE PROFILE lake" in server.error(create)["hint"]
        server.sql(profile(lake), parameters=[lake.secret])
        server.sql(f"{create}; RUN train AS fit; CREATE MODEL m FROM RUN fit")
        assert lake.names("artifacts/")
        server.stop()
        shutil.rmtree(tmp_path / "home" / "artifacts")
        server.start()
        server.sql("CREATE ENDPOINT e USING MODEL m")
        body = {"inputs": [{"name": "spent", "shape": [1, 1], "datatype": "FP64", "data": [5.0]}]}
        for _ in range(8):  # the workers share the connections
            status, _, answer = server.request("POST", "/v2/models/e/infer", body)
            assert status == 200, answer
        server.stop()
        for path in (tmp_path / "home").rglob("*"):
            assert not path.is_file() or lake.secret.encode() not in path.read_bytes(), path
    finally:
        server.stop()
