"""The local executor with real processes, against a small server that speaks the run API."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from waiting import wait_until

from mlbox.base.errors import Unavailable
from mlbox.base.home import Home
from mlbox.base.settings import Settings
from mlbox.client.spool import read_batches
from mlbox.engine.runs.commands import Resources
from mlbox.engine.runs.executors.base import EXECUTORS, Executor, Handle, RunSpec, Status, Telling
from mlbox.engine.runs.executors.control_groups import ControlGroup
from mlbox.engine.runs.executors.processes import group_alive, scrubbed_environment, start_time


class Sink:
    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> None:
        self.text += text


class Runner:
    """Starts functions given as text and waits for their end."""

    def __init__(self, home: Home, receiver: Any, settings: Settings) -> None:
        home.create()
        self.home = home
        self.receiver = receiver
        self.settings = settings
        self.executor = self.another()
        self.count = 0
        self.sink = Sink()

    def another(self) -> Executor:
        """A second executor on the same home: what a server has after its restart."""
        return EXECUTORS.get("local")(home=self.home, settings=self.settings)

    def start(self, code: str, **more: Any) -> Handle:
        self.count += 1
        name = f"run{self.count}"
        folder = self.home.runs / name / "code"
        folder.mkdir(parents=True)
        (folder / "job.py").write_text(textwrap.dedent(code))
        spec = RunSpec(
            run_id=name,
            project="p",
            function="job",
            file="job.py",
            code_folder=folder,
            run_folder=self.home.runs / name / "work",
            log_path=self.home.logs / f"{name}.log",
            url=self.receiver.url,
            token=self.receiver.token,
            server_file=self.receiver.server_file,
            **more,
        )
        return self.executor.submit(spec, self.sink)

    def wait(self, handle: Handle, executor: Executor | None = None, seconds: float = 60) -> Status:
        stop_by = time.monotonic() + seconds
        while not (status := (executor or self.executor).poll(handle)).ended:
            assert time.monotonic() < stop_by, "the run does not end:\n" + self.log(handle)
            time.sleep(0.01)
        return status

    def run(self, code: str, **more: Any) -> tuple[Status, str]:
        handle = self.start(code, **more)
        status = self.wait(handle)
        return status, self.log(handle)

    def told(self, kind: str | None = None) -> list[dict[str, Any]]:
        """What the runs have said: over the wire, and by what they left for us to read."""
        found = dict(self.receiver.batches)
        for folder in sorted(self.home.runs.glob("*/work")):
            found.update((batch.batch, batch.events) for batch in read_batches(folder))
        return [event for events in found.values() for event in events if kind in (None, event["kind"])]

    def log(self, handle: Handle) -> str:
        text, offset = b"", 0
        while True:
            data, offset = self.executor.logs(handle, offset)
            if not data:
                return text.decode()
            text += data


@pytest.fixture
def runner(home: Home, receiver: Any) -> Runner:
    return Runner(home, receiver, Settings())


def test_a_run_logs_and_completes(runner: Runner) -> None:
    status, log = runner.run(
        """
        import mlbox

        def train(ctx, learning_rate=0.1, name: str = "x"):
            print("größer, 你好")
            ctx.log_metric("loss", learning_rate, step=1)
            mlbox.log_param("seen", name)
            return {"auc": 0.75}
        """,
        parameters={"learning_rate": 0.5},
    )
    assert status == Status("completed", 0)
    assert log == "größer, 你好\n"
    metrics = [(event["name"], event["value"], event.get("step")) for event in runner.told("metric")]
    assert metrics == [("loss", 0.5, 1), ("auc", 0.75, None)]
    params = [(event["name"], event["value"]) for event in runner.told("param")]
    assert params == [("name", "x"), ("seen", "x")]
    assert runner.told()[-1]["kind"] == "finished"
    assert runner.told()[-1]["state"] == "completed"


def test_other_interpreters_run_the_same_function(home: Home, receiver: Any, other_python: Path) -> None:
    runner = Runner(home, receiver, Settings(python=str(other_python)))
    status, log = runner.run(
        """
        import sys

        def train(ctx, frame):
            ctx.logger.info("rows %d", len(frame))
            ctx.log_table("rows", frame)
            ctx.progress(1.0, "done")
            print(type(frame).__name__, "%d.%d" % sys.version_info[:2])
            print(sorted(frame[0].items()))
        """,
        inputs={"frame": write_parquet(home)},
    )
    assert status.state == "completed", log
    version = other_python.parents[1].name.rpartition(".")[0]
    assert f"list {version}\n" in log
    assert "[('code', '007'), ('when', datetime.datetime(2013, 1, 2, 3, 4, 5)), ('x', 1.5)]" in log
    assert "INFO rows 2" in log
    table = runner.told("artifact")[0]
    assert table["media_type"] == "text/csv"
    assert table["metadata"]["rows"] == 2
    assert receiver.blobs[table["digest"]].decode().splitlines()[0] == "x,code,when"


def write_parquet(home: Home) -> Path:
    import datetime

    import pyarrow
    import pyarrow.parquet

    path = home.path / "frame.parquet"
    home.create()
    moments = [datetime.datetime(2013, 1, 2, 3, 4, 5), None]
    pyarrow.parquet.write_table(pyarrow.table({"x": [1.5, None], "code": ["007", "x,y"], "when": moments}), path)
    return path


def test_frames_are_data_frames_where_pandas_is(runner: Runner) -> None:
    status, log = runner.run(
        """
        def train(context, frame):
            print(type(frame).__module__.split(".")[0], list(frame.columns), frame["code"].tolist(), frame["x"].sum())
        """,
        inputs={"frame": write_parquet(runner.home)},
    )
    assert status.state == "completed", log
    assert log == "pandas ['x', 'code', 'when'] ['007', 'x,y'] 1.5\n"


@pytest.mark.parametrize(
    ("code", "kind", "message", "line"),
    [
        ("def train(ctx):\n    helper()\n\ndef helper():\n    raise ValueError('no rows')", "ValueError", "no rows", 5),
        ("def train(ctx):\n    return 1 +\n", "SyntaxError", "invalid syntax (job.py, line 2)", 2),
        ("import no_such_package\ndef train(ctx): pass", "ModuleNotFoundError", "add it to REQUIREMENTS", 1),
        ("def train(ctx):\n    ctx.log_metric('auc', 'high')", "MlboxClientError", "'high' is a str, not a number", 2),
        ("import sys\ndef train(ctx):\n    sys.exit(3)", "SystemExit", "ended itself with status 3", 3),
    ],
)
def test_failures_show_the_users_frames_only(runner: Runner, code: str, kind: str, message: str, line: int) -> None:
    status, log = runner.run(code, handler=None if "helper" not in code else "train")
    assert status.state == "error"
    assert status.error is not None
    assert status.error["type"] == kind
    assert message in status.error["message"]
    assert (status.error["file"], status.error["line"]) == ("job.py", line)
    assert 'File "job.py"' in status.error["traceback"]
    assert "mlbox" not in status.error["traceback"].replace("mlbox.client.failures.MlboxClientError", "")
    assert "mlbox/client" not in log
    assert runner.told()[-1]["error"] == status.error
    assert status.exit_code == (3 if kind == "SystemExit" else 1)


def test_a_failure_in_a_chain_has_no_frames_of_ours(runner: Runner) -> None:
    status, _ = runner.run(
        """
        def train(ctx):
            try:
                {}["key"]
            except KeyError as error:
                raise RuntimeError("second") from error
        """
    )
    assert status.error is not None
    text = status.error["traceback"]
    assert "KeyError: 'key'" in text
    assert "direct cause" in text
    assert "bootstrap" not in text


@pytest.mark.parametrize(
    ("code", "more", "message"),
    [
        ("def train(ctx): pass", {"handler": "trian"}, "no handler 'trian' (did you mean train?)"),
        ("def a(): pass\ndef b(): pass", {}, "several functions and none was chosen: a, b"),
        (
            "def train(ctx, learning_rate=0.1): pass",
            {"parameters": {"learning_rte": 1}},
            "train has no parameter 'learning_rte' (did you mean learning_rate? the signature is "
            "train(ctx, learning_rate=0.1))",
        ),
        ("def train(ctx, frame, depth): pass", {}, "rows (RUN ... FROM) 'frame', 'depth'"),
        ("def train(depth: int): pass", {"parameters": {"depth": "deep"}}, "parameter 'depth' is 'deep', not int"),
    ],
)
def test_a_wrong_call_shows_the_signature_and_no_frames(
    runner: Runner, code: str, more: Mapping[str, Any], message: str
) -> None:
    status, log = runner.run(code, **more)
    assert status.state == "error"
    assert status.error is not None
    assert message in log.strip()
    assert status.error["traceback"] is None


def test_the_end_is_told_before_it_is_looked_for(runner: Runner) -> None:
    ended = threading.Event()
    handle = runner.start("def train(ctx): pass")
    assert isinstance(runner.executor, Telling)
    runner.executor.on_end(handle, ended.set)
    assert ended.wait(30)
    assert runner.executor.poll(handle) == Status("completed", 0)
    again = threading.Event()
    runner.executor.on_end(handle, again.set)  # it has ended already
    assert again.wait(30)


def test_a_file_without_functions_is_run_as_a_script(runner: Runner) -> None:
    status, _ = runner.run("import mlbox\nif __name__ == '__main__':\n    mlbox.log_metric('auc', 1)\n")
    assert status.state == "completed"
    assert [event["name"] for event in runner.told("metric")] == ["auc"]


def test_default_handlers_coroutines_and_types(runner: Runner) -> None:
    status, log = runner.run(
        """
        async def handler(ctx, depth: int, rate: float, *, wide: bool = False, **more):
            print(depth, rate, wide, more)

        def other():
            pass
        """,
        parameters={"depth": 3.0, "rate": 1, "wide": "true", "extra": [1]},
    )
    assert status.state == "completed", log
    assert log == "3 1.0 True {'extra': [1]}\n"


def test_cancel_ends_all_processes_and_lets_finally_run(runner: Runner) -> None:
    handle = runner.start(
        """
        import os, subprocess, sys, time

        def train(ctx):
            child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)"])
            ctx.log_metric("before", 1)
            print("ready", flush=True)
            try:
                time.sleep(100)
            finally:
                print("tidy", flush=True)
        """
    )
    wait_until(lambda: "ready" in runner.log(handle))
    runner.executor.cancel(handle)
    assert runner.wait(handle).state == "cancelled"
    assert "tidy" in runner.log(handle)
    wait_until(lambda: not group_alive(handle["pid"]))
    assert runner.executor.poll(handle).state == "cancelled"
    assert [event["name"] for event in runner.told("metric")] == ["before"]
    assert runner.told("finished") == []


def test_a_run_that_will_not_be_asked_is_killed(runner: Runner) -> None:
    handle = runner.start(
        """
        import signal, time

        def train(ctx):
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            print("ready", flush=True)
            time.sleep(100)
        """
    )
    wait_until(lambda: "ready" in runner.log(handle))
    runner.executor.cancel(handle)
    assert runner.wait(handle).state == "cancelled"
    wait_until(lambda: not group_alive(handle["pid"]))


def test_too_long_is_an_error_that_says_so(runner: Runner) -> None:
    status, _ = runner.run("import time\ndef train(ctx): time.sleep(100)", timeout_seconds=0.5)
    assert status.state == "error"
    assert status.error == {"type": "Timeout", "message": "timed out after 0.5 s; all its processes were ended"}


def test_a_killed_process_is_an_error_with_its_signal(runner: Runner) -> None:
    handle = runner.start("import os, signal\ndef train(ctx): os.kill(os.getpid(), signal.SIGKILL)")
    status = runner.wait(handle)
    assert status.state == "error"
    assert status.reason == "killed by signal 9 (SIGKILL); out of memory?"
    assert runner.another().poll(handle) == status


def test_the_end_without_a_word_is_an_error(runner: Runner) -> None:
    status, _ = runner.run("import os\ndef train(ctx): os._exit(7)")
    assert (status.state, status.exit_code) == ("error", 7)
    assert status.reason == "the process ended with status 7 before the handler did"


def test_the_memory_limit_gives_the_users_own_line(runner: Runner) -> None:
    code = "def train(ctx, size):\n    data = bytearray(size)\n    print(len(data))\n"
    limits = Resources(memory=200 << 20)
    status, log = runner.run(code, parameters={"size": 500 << 20}, resources=limits)
    assert status.error is not None, log
    assert (status.error["type"], status.error["line"]) == ("OutOfMemory", 2)
    status, log = runner.run(code, parameters={"size": 50 << 20}, resources=limits)
    assert status.state == "completed", log


def test_the_environment_is_scrubbed_and_the_users_is_added(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    monkeypatch.setenv("VIRTUAL_ENV", "/nowhere")
    monkeypatch.setenv("MLBOX_PORT", "1")
    monkeypatch.setenv("KEPT", "yes")
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    status, log = runner.run(
        """
        import json, os

        def train(ctx):
            print(json.dumps(dict(os.environ)))
        """,
        environment={"GREETING": "hello", "OMP_NUM_THREADS": "7"},
        resources=Resources(cpu=1),
    )
    assert status.state == "completed", log
    seen = json.loads(log)
    assert not {"PYTHONHOME", "VIRTUAL_ENV", "MLBOX_PORT"} & set(seen)
    assert (seen["KEPT"], seen["GREETING"]) == ("yes", "hello")
    assert (seen["OMP_NUM_THREADS"], seen["OPENBLAS_NUM_THREADS"]) == ("7", "1")


def test_a_frozen_executables_library_path_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    ours = {"LD_LIBRARY_PATH": "/tmp/_MEI1", "_PYI_ARCHIVE_FILE": "x", "PATH": "/bin"}
    assert scrubbed_environment(ours) == {"PATH": "/bin"}
    before = {**ours, "LD_LIBRARY_PATH_ORIG": "/opt/cuda"}
    assert scrubbed_environment(before) == {"PATH": "/bin", "LD_LIBRARY_PATH": "/opt/cuda"}


SERVER = """
import json, sys
from pathlib import Path
from mlbox.base.home import Home
from mlbox.base.settings import Settings
from mlbox.client.spool import read_batches
from mlbox.engine.runs.executors.base import EXECUTORS, RunSpec

home, code, url, token, server_file = sys.argv[1:]
class Sink:
    def write(self, text): pass
executor = EXECUTORS.get("local")(home=Home(Path(home)), settings=Settings())
work = Path(home) / "runs" / "r" / "work"
spec = RunSpec(run_id="r", project="p", function="job", file="job.py", code_folder=Path(code), run_folder=work,
    log_path=Path(home) / "logs" / "r.log", url=url, token=token, server_file=Path(server_file))
print(json.dumps(executor.submit(spec, Sink())), flush=True)
import time; time.sleep(100)
"""


def start_and_kill_the_server(runner: Runner, code: str, tmp_path: Path) -> Handle:
    """A process with an executor of its own starts the run and is killed as soon as it has."""
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "job.py").write_text(textwrap.dedent(code))
    receiver = runner.receiver
    command = [sys.executable, "-c", SERVER, runner.home.path, folder, receiver.url, receiver.token]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    arguments = [*map(str, command), str(receiver.server_file)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env=environment) as server:
        assert server.stdout is not None
        handle: Handle = json.loads(server.stdout.readline())
        server.send_signal(signal.SIGKILL)
    return handle


def test_a_run_outlives_its_server_and_is_found_again(runner: Runner, tmp_path: Path) -> None:
    handle = start_and_kill_the_server(
        runner,
        """
        import time
        from pathlib import Path

        def _say(ctx, steps):
            for step in steps:
                ctx.log_metric("loss", 1 / (step + 1), step=step)
                print(step, flush=True)
                time.sleep(0.02)

        def train(ctx):
            _say(ctx, range(25))
            while not Path("FOLDER/go").exists():
                time.sleep(0.02)
            _say(ctx, range(25, 50))
        """.replace("FOLDER", str(tmp_path)),
        tmp_path,
    )
    assert runner.executor.reattach(handle)
    assert runner.executor.poll(handle).state == "running"
    runner.receiver.stop()
    (tmp_path / "go").touch()
    wait_until(lambda: "30" in runner.log(handle).split())  # it goes on while nobody listens
    runner.receiver.start()
    assert runner.wait(handle) == Status("completed", 0)
    assert runner.log(handle).split() == [str(step) for step in range(50)]
    assert [event["step"] for event in runner.told("metric")] == list(range(50))
    assert runner.executor.reattach(handle)


def test_a_run_that_died_unseen_is_interrupted(runner: Runner, tmp_path: Path) -> None:
    handle = start_and_kill_the_server(runner, "import time\ndef train(ctx): time.sleep(100)", tmp_path)
    os.killpg(handle["pid"], signal.SIGKILL)
    wait_until(lambda: start_time(handle["pid"]) is None)
    assert not runner.executor.reattach(handle)
    status = runner.executor.poll(handle)
    assert status.state == "interrupted"
    assert "without saying how" in str(status.reason)


def test_another_process_with_the_same_number_is_not_taken_for_the_run(runner: Runner) -> None:
    handle = runner.start("def train(ctx): pass")
    runner.wait(handle)
    with subprocess.Popen(["sleep", "100"], start_new_session=True) as stranger:
        changed = {**handle, "pid": stranger.pid, "folder": str(runner.home.path / "gone")}
        Path(changed["folder"]).mkdir()
        assert not runner.executor.reattach(changed)
        assert runner.executor.poll(changed).state == "interrupted"
        assert stranger.poll() is None
        stranger.kill()


def test_the_end_is_kept_when_the_server_is_away(runner: Runner) -> None:
    runner.receiver.stop()
    soon = {"MLBOX_DELIVERY_SECONDS": "0.3"}
    handle = runner.start("def train(ctx): ctx.log_metric('auc', 0.5)", environment=soon)
    status = runner.wait(handle)
    assert status.state == "completed"
    assert runner.log(handle) == ""  # the server reads it when it is back
    left = [event["kind"] for batch in read_batches(handle["folder"]) for event in batch.events]
    assert left == ["metric", "finished"]
    runner.receiver.start()


def test_an_interpreter_that_is_missing_is_said(home: Home, receiver: Any, tmp_path: Path) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/no/such/interpreter\n")
    broken.chmod(0o755)
    runner = Runner(home, receiver, Settings(python=str(broken)))
    with pytest.raises(Unavailable, match="cannot be started"):
        runner.start("def train(ctx): pass")


def test_leftover_children_end_with_the_run(runner: Runner) -> None:
    code = (
        "import subprocess\n"
        "def train(ctx):\n"
        "    print(subprocess.Popen(['sleep', '100'], stdout=subprocess.DEVNULL).pid)\n"
    )
    status, log = runner.run(code)
    assert status.state == "completed"
    wait_until(lambda: start_time(int(log)) is None)  # a killed process needs a moment to die


def test_the_log_is_read_in_pieces(runner: Runner) -> None:
    handle = runner.start("def train(ctx):\n    for number in range(300_000): print(number)")
    assert runner.wait(handle).state == "completed"
    first, offset = runner.executor.logs(handle, 0)
    assert len(first) == offset == 1 << 20
    assert runner.log(handle) == "".join(f"{number}\n" for number in range(300_000))


def test_the_memory_limit_is_that_of_all_processes_together(runner: Runner) -> None:
    code = """
        import os, subprocess, sys, time

        CHILD = "data = bytearray(b'x' * 90_000_000); import time; time.sleep(600)"

        def train(ctx):
            children = [subprocess.Popen([sys.executable, "-c", CHILD]) for _ in range(3)]
            for child in children:
                child.wait()
        """
    status, log = runner.run(code, resources=Resources(memory=200_000_000))
    assert status.error == {
        "type": "OutOfMemory",
        "message": "out of memory: the run used more than its limit of 200 MB and was ended",
    }, log


def test_a_daemon_of_the_run_ends_with_it(runner: Runner) -> None:
    if (probe := ControlGroup.make("mlbox-test-daemon")) is None:
        pytest.skip("control groups are not permitted here")
    probe.remove()
    code = """
        import os, time

        def train(ctx):
            reading, writing = os.pipe()
            if os.fork() == 0:
                os.setsid()
                if os.fork() == 0:
                    os.write(writing, str(os.getpid()).encode())
                    time.sleep(600)
                os._exit(0)
            print("daemon", os.read(reading, 20).decode())
        """
    status, log = runner.run(code, resources=Resources(memory=500_000_000))
    assert status.state == "completed", log
    daemon = int(log.split("daemon ")[1].split()[0])
    wait_until(lambda: start_time(daemon) is None)


def test_memory_that_processes_share_counts_once(runner: Runner) -> None:
    code = """
        import multiprocessing, time

        DATA = bytearray(b"x") * 90_000_000

        def _look(number):
            time.sleep(1)
            return len(DATA)

        def train(ctx):
            with multiprocessing.get_context("fork").Pool(4) as pool:
                print(sum(pool.map(_look, range(4))))
        """
    status, log = runner.run(code, resources=Resources(memory=200_000_000))
    assert status.state == "completed" and "360000000" in log, (status, log)


def test_cpu_is_the_number_of_processors(runner: Runner) -> None:
    code = """
        import os, time

        def train(ctx):
            until = time.monotonic() + 60  # it is told of when the process has begun
            while len(os.sched_getaffinity(0)) > 1 and time.monotonic() < until:
                time.sleep(0.02)
            print("on", len(os.sched_getaffinity(0)))
        """
    status, log = runner.run(code, resources=Resources(cpu=0.5))
    assert status.state == "completed" and "on 1\n" in log


def test_a_child_with_a_group_of_its_own_ends_with_the_run(runner: Runner) -> None:
    handle = runner.start(
        """
        import os, subprocess, sys, time

        def train(ctx):
            command = [sys.executable, "-c", "import time; time.sleep(600)"]
            child = subprocess.Popen(command, preexec_fn=os.setpgrp)
            print("child", child.pid, flush=True)
            time.sleep(600)
        """
    )
    stop_by = time.monotonic() + 60
    while "child" not in runner.log(handle):
        assert time.monotonic() < stop_by
        time.sleep(0.01)
    child = int(runner.log(handle).split()[1])
    assert start_time(child) is not None
    runner.executor.cancel(handle)
    assert runner.wait(handle).state == "cancelled"
    while start_time(child) is not None:
        assert time.monotonic() < stop_by
        time.sleep(0.01)
