"""What only the Docker executor does: images, options, the second listener, an engine that is away."""

from __future__ import annotations

import hashlib
import json
import sys
import textwrap
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from engines import docker as fixture
from real_server import Server, wait_until

from mlbox.base.errors import Invalid, Unavailable
from mlbox.base.home import Home
from mlbox.base.ids import new_id
from mlbox.base.settings import Settings
from mlbox.engine.runs.executors.base import EXECUTORS, Foreseeing, Wish
from mlbox.engine.runs.executors.docker_engine import Engine
from mlbox.engine.runs.executors.docker_options import DockerOptions


def executor(folder: Path, **settings: Any) -> Any:
    return EXECUTORS.get("docker")(home=Home(folder), settings=Settings(**settings))


def test_an_engine_that_is_away_is_told_with_what_was_tried(tmp_path: Path) -> None:
    away = executor(tmp_path, docker_host=f"unix://{tmp_path}/no.sock")
    with pytest.raises(Unavailable) as caught:
        away.call_home_host()
    assert f"unix://{tmp_path}/no.sock does not answer" in caught.value.message
    assert "DOCKER_HOST" in str(caught.value.hint) and "docker_host" in str(caught.value.hint)
    assert isinstance(away, Foreseeing)
    ((action, what, detail),) = away.foresee(Wish(image="some", requirements=("six",)))  # a plan needs no engine
    assert (action, what) == ("create", "image") and "from some; install six (" in detail


def test_the_address_is_the_setting_then_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://elsewhere:2375")
    assert Engine("unix:///one").address == "unix:///one"
    assert Engine().address == "tcp://elsewhere:2375"
    monkeypatch.delenv("DOCKER_HOST")
    assert Engine().address == "unix:///var/run/docker.sock"


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "docker", None)  # as if it were not installed
    with pytest.raises(Unavailable, match="Python package docker") as caught:
        executor(tmp_path).call_home_host()
    assert caught.value.hint == "install mlbox[docker]"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"netwrok": "x"}, "no option 'netwrok'"),
        ({"read_only": "maybe"}, "true or false"),
        ({"commands": 5}, "list of texts"),
        ({"mounts": ["/a"]}, "'/a' is not a mount"),
        ({"mounts": ["/a:b"]}, "'/a:b' is not a mount"),
        ({"mounts": ["/a:/b:rx"]}, "is not a mount"),
        ({"network": True}, "is a text"),
    ],
)
def test_options_that_it_does_not_know_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(Invalid, match=message):
        DockerOptions.read(options)


def test_the_default_image_follows_the_functions_python(tmp_path: Path) -> None:
    away = executor(tmp_path, docker_host=f"unix://{tmp_path}/no.sock")

    def base(**wish: Any) -> str:
        ((_, what, _),) = away.foresee(Wish(**wish))
        return str(what)

    assert base(python=">=3.10,<3.12") == "image python:3.11-slim"
    assert base(python="3.9") == "image python:3.9-slim"
    assert base() == f"image python:{sys.version_info[0]}.{sys.version_info[1]}-slim"
    assert base(image="mine:1") == "image mine:1"
    with pytest.raises(Invalid, match="no image is known"):
        base(python=">=4")


@pytest.fixture(scope="module")
def docker_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Any, Path]]:
    reason = fixture.why_not()
    if reason:
        pytest.skip(reason)
    import docker

    folder = tmp_path_factory.mktemp("docker")
    with fixture.engine(folder / "engine") as variables:
        server = Server(folder / "home", environment={**variables, "MLBOX_GC_CACHE_DAYS": "0"})
        client = docker.DockerClient(base_url=variables["MLBOX_DOCKER_HOST"])
        try:
            yield server, client, folder
        finally:
            server.stop()
            client.close()


def make(place: tuple[Server, Any, Path], name: str, code: str, clauses: str = "") -> None:
    server, _, folder = place
    (folder / f"{name}.py").write_text(textwrap.dedent(code))
    body = {"sql": f"CREATE FUNCTION {name} FROM '{name}.py' RUNTIME docker {clauses}", "folder": str(folder)}
    status, _, answer = server.request("POST", "/sql", body)
    assert status == 200, answer


def label_of(server: Server) -> str:
    return hashlib.sha256(str(server.home).encode()).hexdigest()[:16]


def log_of(server: Server, run: str) -> str:
    return server.request("GET", f"/runs/{run}/log")[2].decode()


@pytest.mark.engine
def test_an_image_is_built_once_and_told_beforehand(docker_server: Any) -> None:
    server, client, _ = docker_server
    once = new_id()  # another image each time
    code = "import six\ndef handler(ctx):\n    print('six', six.__version__, open('/made').read())\n"
    make(docker_server, "built", code, f"REQUIREMENTS ('six==1.17.0') WITH (commands = ['echo {once} > /made'])")
    (plan,) = server.sql("EXPLAIN RUN built")
    step = plan["rows"][0]
    assert step[0] == "create" and step[1].startswith("image mlbox-function:")
    assert step[2] == f"from {fixture.IMAGE}; run echo {once} > /made; install six==1.17.0"
    tag = step[1].removeprefix("image ")
    run = server.sql("RUN built")[0]["rows"][0][0]
    assert f"building image {tag}" in log_of(server, run) and f"six 1.17.0 {once}" in log_of(server, run)
    config = client.images.get(tag).attrs["Config"]
    assert (config["Cmd"], config["Env"]) == (["python3"], ["PATH=/usr/bin:/bin"])
    assert b"3." in client.containers.run(tag, ["python3", "--version"], remove=True)
    with pytest.raises(Exception, match="No such file|Could not find"):  # nothing of the build is left in it
        client.containers.run(tag, ["cat", "/mlbox-build/install.sh"], remove=True)
    again = server.sql("RUN built")[0]["rows"][0][0]
    assert "building" not in log_of(server, again)
    assert server.sql("EXPLAIN RUN built")[0]["rows"][0][0] == "reuse"
    left = client.containers.create(tag, labels={"mlbox.home": label_of(server), "mlbox.run": "gone"})
    done = server.cli("gc", "--dry-run")
    assert f"image {tag}" in done.stdout and f"container {left.short_id}" in done.stdout, done
    done = server.cli("gc")
    assert done.returncode == 0 and "collected " in done.stdout, done
    assert not client.images.list(tag) and not client.containers.list(all=True, filters={"id": left.id})
    make(docker_server, "broken", "def handler(ctx): pass\n", "REQUIREMENTS ('no-such-package-of-mlbox')")
    error = server.error("RUN broken")
    assert error["code"] == "invalid" and "no-such-package-of-mlbox" in error["hint"]


@pytest.mark.engine
def test_options_and_limits_arrive(docker_server: Any) -> None:
    server, client, folder = docker_server
    (folder / "data").mkdir()
    (folder / "data" / "given.txt").write_text("given")
    code = """
        import os, pathlib, time

        def handler(ctx):
            try:
                pathlib.Path("/new").write_text("x")
            except OSError as error:
                print("root is", error.strerror)
            pathlib.Path("/tmp/new").write_text("x")
            given = pathlib.Path("/data/given.txt").read_text()
            print(given, "user", os.getuid(), "threads", os.environ["OMP_NUM_THREADS"])
            while not pathlib.Path("/data/go").exists():
                time.sleep(0.05)
    """
    options = f"read_only = true, user = '1234', shm = '32m', mounts = ['{folder / 'data'}:/data:ro']"
    make(docker_server, "limited", code, f"RESOURCES (cpu = 1.5, memory = '200MB') WITH ({options})")
    run = server.sql("RUN limited ASYNC")[0]["rows"][0][0]
    (container,) = wait_until(lambda: client.containers.list(filters={"label": f"mlbox.run={run}"}))
    limits = container.attrs["HostConfig"]
    assert (limits["Memory"], limits["MemorySwap"], limits["NanoCpus"]) == (200_000_000, 200_000_000, 1_500_000_000)
    assert limits["ShmSize"] == 32 << 20 and limits["ReadonlyRootfs"]
    assert container.labels["mlbox.function"] == "default.limited"
    (folder / "data" / "go").touch()
    wait_until(lambda: server.sql(f"SELECT state FROM ml.runs WHERE id = '{run}'")[0]["rows"] == [["completed"]], 60)
    assert "root is Read-only file system\n" in log_of(server, run)
    assert "given user 1234 threads 2\n" in log_of(server, run)
    wait_until(lambda: not client.containers.list(all=True, filters={"label": f"mlbox.run={run}"}))  # let go of
    kept = {volume.name for volume in client.volumes.list()}
    assert not kept & {mount["Name"] for mount in container.attrs["Mounts"] if mount["Type"] == "volume"}


@pytest.mark.engine
def test_containers_reach_the_run_api_and_nothing_else(docker_server: Any) -> None:
    server, _, _ = docker_server
    code = """
        import os, json, time, urllib.request

        def handler(ctx):
            keep = {name: os.environ[name] for name in ("MLBOX_URL", "MLBOX_TOKEN", "MLBOX_RUN_ID")}
            print("address", json.dumps(keep), flush=True)
            time.sleep(600)
    """
    make(docker_server, "caller", code)
    run, other = (server.sql("RUN caller ASYNC")[0]["rows"][0][0] for _ in range(2))
    for entry in (run, other):
        wait_until(lambda entry=entry: "address" in log_of(server, entry), 60)
    known = json.loads(log_of(server, run).partition("address ")[2].splitlines()[0])
    assert not known["MLBOX_URL"].startswith("http://127.")

    def ask(path: str, token: str = known["MLBOX_TOKEN"], **headers: str) -> int:
        message = urllib.request.Request(
            known["MLBOX_URL"] + path, headers={"Authorization": f"Bearer {token}", **headers}
        )
        try:
            with urllib.request.urlopen(message, timeout=10) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    assert ask(f"/run-api/{run}") == ask(f"/run-api/{run}/client") == 200
    assert ask(f"/run-api/{run}", token="guessed") == ask(f"/run-api/{other}") == 401  # tokens of one run
    assert ask(f"/run-api/{run}", Host="evil.example") == 403
    assert {ask(path) for path in ("/sql", "/health", "/", "/v2", "/stream", f"/runs/{run}/log")} == {404}
    for entry in (run, other):
        server.sql(f"CANCEL RUN '{entry}'")
    assert ask(f"/run-api/{run}") == 401  # worthless after the end


@pytest.mark.engine
def test_a_container_that_is_taken_away_is_told(docker_server: Any) -> None:
    server, client, _ = docker_server
    make(docker_server, "taken", "import time\ndef handler(ctx):\n    print('on', flush=True)\n    time.sleep(600)\n")
    run = server.sql("RUN taken ASYNC")[0]["rows"][0][0]
    (container,) = wait_until(lambda: client.containers.list(filters={"label": f"mlbox.run={run}"}))
    container.remove(force=True, v=True)

    def ended() -> Any:
        rows = server.sql(f"SELECT state, reason FROM ml.runs WHERE id = '{run}'")[0]["rows"]
        return rows[0] if rows[0][0] not in ("pending", "preparing", "running") else None

    state, reason = wait_until(ended, 60)  # removing is killing first, which may be seen
    seen = (state, reason.partition(";")[0])
    assert seen in {
        ("interrupted", "its container was removed from outside"),
        ("error", "killed by signal 9 (SIGKILL)"),
    }


@pytest.mark.engine
def test_what_was_being_started_when_the_server_died_is_ended(docker_server: Any) -> None:
    server, client, _ = docker_server
    make(docker_server, "slowly", "def handler(ctx): pass\n", f"WITH (commands = ['sleep 600', 'echo {new_id()}'])")
    run = server.sql("RUN slowly ASYNC")[0]["rows"][0][0]
    ours = {"label": f"mlbox.home={label_of(server)}"}
    wait_until(lambda: client.containers.list(filters={"label": ["mlbox.build", ours["label"]]}))
    labels = {"mlbox.home": label_of(server), "mlbox.run": run}  # as if it had been started, and not recorded yet
    client.containers.run(fixture.IMAGE, ["sleep", "600"], labels=labels, detach=True)
    server.kill()
    server.start()
    assert not client.containers.list(all=True, filters=ours)
    (state,) = server.sql(f"SELECT state, reason FROM ml.runs WHERE id = '{run}'")[0]["rows"]
    assert state == ["interrupted", "the server stopped while it was prepared"]


@pytest.mark.engine
def test_an_image_that_cannot_be_had_is_told(docker_server: Any) -> None:
    server, _, _ = docker_server
    make(docker_server, "nowhere", "def handler(ctx): pass\n", "IMAGE 'registry.invalid/none:1'")
    error = server.error("RUN nowhere")
    assert "image 'registry.invalid/none:1' is not on the engine and cannot be pulled" in error["message"]
