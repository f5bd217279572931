"""What only the Spark executor does: sessions, options, a heap that is too small, a Spark or a master that is away."""

from __future__ import annotations

import os
import shlex
import shutil
import socket
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from engines import spark as fixture
from real_server import Server
from waiting import wait_until

from mlbox.base.errors import Invalid, Unavailable
from mlbox.base.home import Home
from mlbox.base.settings import Settings
from mlbox.engine.runs.commands import Resources
from mlbox.engine.runs.executors import spark_place
from mlbox.engine.runs.executors.base import EXECUTORS, RunSpec, Wish
from mlbox.engine.runs.executors.spark_options import SparkOptions, submit_arguments


def executor(folder: Path, **settings: Any) -> Any:
    return EXECUTORS.get("spark")(home=Home(folder), settings=Settings(**settings))


class Told:
    def write(self, text: str) -> None:
        """Nobody reads it."""


def spec(folder: Path) -> RunSpec:
    return RunSpec("r" * 32, "default", "f", "f.py", folder / "code", folder / "run", folder / "log", "http://x", "t")


@pytest.fixture
def spark_folder(tmp_path: Path) -> Path:
    """As much of Spark's folder as is looked at before anything is started."""
    home = tmp_path / "spark"
    for name in ("bin/spark-submit", "python/lib/pyspark.zip", "python/lib/py4j-0.10-src.zip"):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).touch()
    return home


def test_a_master_that_is_away_is_told_with_what_was_tried(
    tmp_path: Path, spark_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "java" / "bin").mkdir(parents=True)
    (tmp_path / "java" / "bin" / "java").touch()
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "java"))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens
        port = taken.getsockname()[1]
        spark = executor(tmp_path, spark_master=f"spark://127.0.0.1:{port}", spark_home=str(spark_folder))
        with pytest.raises(Unavailable, match=f"spark://127.0.0.1:{port} does not answer") as caught:
            spark.submit(spec(tmp_path), Told())
    assert "refused" in caught.value.message and "spark_master" in str(caught.value.hint)


def test_without_spark_the_ways_to_it_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPARK_HOME", raising=False)
    monkeypatch.setattr(spark_place, "find_spec", lambda name: None)  # as if it were not installed
    with pytest.raises(Unavailable, match="pyspark is not installed") as caught:
        executor(tmp_path).foresee(Wish())
    assert "mlbox[spark]" in str(caught.value.hint) and "spark_home" in str(caught.value.hint)
    ((_, _, detail),) = executor(tmp_path).foresee(Wish(requirements=("pyspark>=4",)))
    assert "the requirements" in detail
    with pytest.raises(Invalid, match="the setting spark_home is /nowhere"):
        executor(tmp_path, spark_home="/nowhere").foresee(Wish())


def test_without_java_it_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("JAVA_HOME", "/nowhere")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match="Spark needs Java"):
        spark_place.check_java()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mastr": "local"}, "no option 'mastr'"),
        ({"master": "http://x"}, "'http://x' is no master"),
        ({"driver_memory": "much"}, "driver_memory is a size"),
        ({"executors": "two"}, "executors is a whole number"),
        ({"conf": {"ui": True}}, "'ui' is no property"),
        ({"packages": 5}, "list of texts"),
    ],
)
def test_options_that_it_does_not_know_are_refused(
    options: dict[str, Any], message: str, tmp_path: Path, spark_folder: Path
) -> None:
    with pytest.raises(Invalid, match=message):
        executor(tmp_path, spark_home=str(spark_folder)).foresee(Wish(options=options))


def test_an_image_is_for_kubernetes(tmp_path: Path, spark_folder: Path) -> None:
    with pytest.raises(Invalid, match="IMAGE is for executors on Kubernetes"):
        executor(tmp_path, spark_home=str(spark_folder)).foresee(Wish(image="spark:4"))
    options = {"master": "k8s://https://host:6443"}
    steps = executor(tmp_path, spark_home=str(spark_folder)).foresee(Wish(image="spark:4", options=options))
    assert steps[0][1] == "Spark master k8s://https://host:6443"


def test_options_become_arguments() -> None:
    options = SparkOptions.read(
        {"executor_memory": "2g", "cores": 4, "packages": ["a:b:1", "c:d:2"], "conf": {"spark.x": "with space"}}
    )
    properties = options.properties(Resources(memory=4_000_000_000), None)
    words = shlex.split(submit_arguments("local[2]", "a name", properties))
    assert words[:6] == ["--master", "local[2]", "--deploy-mode", "client", "--name", "a name"]
    assert words[-1] == "pyspark-shell"
    assert {"spark.x=with space", "spark.driver.memory=2000m", "spark.executor.memory=2g"} <= set(words)
    assert {"spark.cores.max=4", "spark.jars.packages=a:b:1,c:d:2", "spark.ui.enabled=false"} <= set(words)
    chosen = SparkOptions.read({"conf": {"spark.ui.enabled": True}}).properties(Resources(), None)
    assert chosen["spark.ui.enabled"] == "true"


@pytest.mark.parametrize(
    ("master", "addresses"),
    [
        ("local[*]", []),
        ("yarn", []),
        ("spark://a:7077,b", [("a", 7077), ("b", 7077)]),
        ("k8s://https://host:6443", [("host", 6443)]),
        ("k8s://host", [("host", 443)]),
        ("spark://[::1]:7", [("::1", 7)]),
    ],
)
def test_addresses_of_masters(master: str, addresses: list[tuple[str, int]]) -> None:
    assert spark_place.check_master(master) == addresses


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    reason = fixture.why_not()
    if reason:
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("spark")
    with fixture.engine(folder / "engine") as variables:
        running = Server(folder / "home", environment=variables)
        yield running
        running.stop()


def make(server: Server, folder: Path, name: str, code: str, clauses: str = "") -> None:
    (folder / "train.py").write_text(textwrap.dedent(code))
    text = f"CREATE FUNCTION {name} FROM '{folder}' RUNTIME spark {clauses}"
    status, _, body = server.request("POST", "/sql", {"sql": text, "folder": str(folder)})
    assert status == 200, body


def run(server: Server, text: str, states: tuple[str, ...] = ("completed", "error")) -> dict[str, Any]:
    run_id = server.sql(f"RUN {text} ASYNC")[0]["rows"][0][0]

    def over() -> Any:
        (result,) = server.sql(f"SELECT * FROM ml.runs WHERE id = '{run_id}'")
        row = dict(zip([column["name"] for column in result["columns"]], result["rows"][0], strict=True))
        return row if row["state"] in states else None

    found: dict[str, Any] = wait_until(over, 200)
    return found


@pytest.mark.engine
def test_scenario_of_a_session(server: Server, tmp_path: Path) -> None:
    """Rows of the catalog become a frame of the cluster; functions of the user's files work there."""
    (tmp_path / "shapes.py").write_text("def square(value):\n    return value * value\n")
    make(
        server,
        tmp_path,
        "squares",
        """
        import pyspark.sql
        import shapes

        def main(ctx, frame: pyspark.sql.DataFrame, spark, factor: int = 2):
            assert ctx.spark is spark
            numbers = frame.rdd.map(lambda row: shapes.square(row["n"]) * factor).collect()
            print("master", spark.sparkContext.master)
            ctx.log_table("numbers", frame.filter("n > 1"))
            return {"total": sum(numbers)}
        """,
    )
    (plan,) = server.sql("EXPLAIN RUN squares FROM (SELECT 1 AS n)")
    assert "Spark master spark://127.0.0.1:" in str(plan["rows"])
    row = run(server, "squares FROM (SELECT unnest([1, 2, 3]) AS n) WITH (factor = 10)")
    assert (row["state"], row["metrics"]) == ("completed", {"total": 140}), row["traceback"]
    status, _, body = server.request("GET", f"/runs/{row['id']}/log?offset=0")
    assert b"master spark://127.0.0.1:" in body


@pytest.mark.engine
def test_scenario_on_this_machine(server: Server, tmp_path: Path) -> None:
    """As without any setting; elsewhere a session with a default is not made."""
    code = """
        import os
        from pyspark.sql import SparkSession

        def main(ctx, session: SparkSession):
            assert session.sparkContext.master == "local[2]"
            scratch = session.sparkContext.getConf().get("spark.local.dir")
            assert scratch == os.path.join(ctx.folder, "spark") and os.listdir(scratch)
            return {"rows": session.range(10).repartition(2).rdd.map(lambda row: os.getpid() != 0).count()}
        """
    make(server, tmp_path, "here", code, "WITH (master = 'local[2]', conf = {'spark.sql.shuffle.partitions': 2})")
    row = run(server, "here")
    assert (row["state"], row["metrics"]) == ("completed", {"rows": 10}), row["traceback"]
    assert not list((server.home / "runs" / row["id"]).glob("attempt-1/spark"))
    make(server, tmp_path, "plain", "def main(ctx, spark=None):\n    return {'given': int(spark is not None)}\n")
    assert run(server, "plain ON local")["metrics"] == {"given": 0}


@pytest.mark.engine
@pytest.mark.nightly
def test_a_heap_that_is_too_small_is_told(server: Server, tmp_path: Path) -> None:
    make(
        server,
        tmp_path,
        "heap",
        """
        def main(ctx, spark):
            spark.range(1).selectExpr("id").rdd.context._jvm.java.util.ArrayList(2_000_000_000)
        """,
        "WITH (driver_memory = '512m')",
    )
    row = run(server, "heap")
    assert (row["state"], row["error_type"]) == ("error", "OutOfMemory"), row
    assert "driver_memory" in row["reason"]


@pytest.mark.engine
@pytest.mark.nightly
def test_cancel_ends_the_work_on_the_cluster(server: Server, tmp_path: Path) -> None:
    beats = tmp_path / "beats"
    make(
        server,
        tmp_path,
        "forever",
        f"""
        import time

        def beat(number):
            while True:
                with open({str(beats)!r}, "a") as file:
                    file.write(".")
                time.sleep(0.05)

        def main(ctx, spark):
            spark.sparkContext.parallelize([1], 1).foreach(beat)
        """,
    )
    run_id = server.sql("RUN forever ASYNC")[0]["rows"][0][0]
    wait_until(beats.exists, 120)
    server.sql(f"CANCEL RUN '{run_id}'")

    def still() -> bool:
        before = beats.stat().st_size
        time.sleep(1)
        return beats.stat().st_size == before

    wait_until(still, 60)


def test_java_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "java").write_text("")
    os.chmod(tmp_path / "java", 0o755)
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert shutil.which("java") is not None
    spark_place.check_java()


def test_the_library_is_that_of_the_jvm(spark_folder: Path, tmp_path: Path) -> None:
    assert [Path(file).name for file in spark_place.library_path(spark_folder)] == ["pyspark.zip", "py4j-0.10-src.zip"]
    with pytest.raises(Invalid, match="no Python library"):
        spark_place.library_path(tmp_path)
