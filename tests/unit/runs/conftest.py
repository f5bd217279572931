"""Runs with all that they need: a catalog, an artifact store, real processes, and the run API over real HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from fresh_home import fresh_home

from mlbox.base.command import Caller, Command, Query, Result
from mlbox.base.errors import MlboxError
from mlbox.base.events import Bus, Event
from mlbox.base.names import Ref
from mlbox.base.settings import Settings
from mlbox.engine.catalog.database import Catalog
from mlbox.engine.runs.commands import CreateFunction, RunSource, StartRun
from mlbox.engine.runs.service import Runs
from mlbox.engine.storage.artifacts import ArtifactStore

CALLER = Caller()


class Bench:
    """A home whose runs are served; ``restart`` is what a stop and a start of the server are to the runs."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.home = fresh_home(folder / "home")
        self.settings = settings
        self.sources = folder / "sources"
        self.sources.mkdir()
        self.bus = Bus()
        self.events: list[Event] = []
        self.bus.listen(self.events.append)
        self._open()

    def _open(self) -> None:
        self.catalog = Catalog.open(self.home, self.settings)
        self.artifacts = ArtifactStore(self.home.artifacts)
        self.http = _serve(lambda: self.runs)
        self.runs = Runs(
            catalog=self.catalog,
            artifacts=self.artifacts,
            bus=self.bus,
            settings=self.settings,
            doors=self,
        )
        self.home.write_server(f"http://127.0.0.1:{self.http.server_port}")

    def url(self) -> str:
        """Where runs call home."""
        return f"http://127.0.0.1:{self.http.server_port}"

    def remote_url(self, host: str) -> str:
        """All run here."""
        return self.url()

    def reopen(self) -> None:
        """It is open."""

    def close(self) -> None:
        """Stop; processes of runs go on."""
        self.runs.shutdown()
        self.http.shutdown()
        self.http.server_close()
        self.catalog.close()

    def restart(self) -> None:
        """Stop and start again, without looking for runs yet."""
        self.close()
        self._open()

    def do(self, command: Command) -> Result:
        """Plan and execute, as the dispatcher does."""
        handler = next(entry for entry in self.runs.handlers() if entry.command is type(command))
        return handler.carry_out(command, handler.plan(command, CALLER), CALLER)

    def function(self, name: str, text: str, /, **options: Any) -> Result:
        """CREATE FUNCTION from a file with this text."""
        (self.sources / f"{name}.py").write_text(dedent(text))
        command = CreateFunction(
            ref=Ref("default", name), source=f"{name}.py", base_folder=str(self.sources), **options
        )
        return self.do(command)

    def run(self, function: str, query: str | None = None, /, **options: Any) -> Result:
        """RUN; ``query`` is what follows FROM."""
        source = RunSource(query=Query(query)) if query else None
        return self.do(StartRun(function=Ref("default", function), source=source, **options))

    def row(self, run: str) -> dict[str, Any]:
        """The run as the public view shows it."""
        found = self.catalog.row("SELECT * FROM catalog.ml.runs WHERE id = ?", [run])
        assert found is not None
        return found

    def rows(self, sql: str, *parameters: Any) -> list[dict[str, Any]]:
        """Rows of a query of views."""
        return self.catalog.rows(sql, list(parameters))

    def log(self, run: str) -> str:
        """Output of a run."""
        return self.runs.log_path(run).read_text()


@pytest.fixture
def make_bench(tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    """Benches with settings of their own."""
    made: list[Bench] = []

    def make(**settings: Any) -> Bench:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        made.append(Bench(folder, Settings(**settings)))
        return made[-1]

    yield make
    for bench in made:
        bench.close()


@pytest.fixture
def bench(make_bench: Callable[..., Bench]) -> Bench:
    """A bench with the default settings."""
    return make_bench()


def _serve(runs: Callable[[], Runs]) -> ThreadingHTTPServer:
    class Door(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _carry(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            try:
                self._answer(200, self._route(body))
            except MlboxError as error:
                self._answer(error.http_status, json.dumps({"error": error.to_dict()}).encode())

        def _route(self, body: bytes) -> bytes:
            calls = runs().calls_home
            _, run_id, *rest = self.path.strip("/").split("/")
            calls.check_token(run_id, (self.headers.get("Authorization") or "").removeprefix("Bearer "))
            if self.command == "PUT":
                blob = calls.put_blob(run_id, rest[1], (body,))
                return json.dumps({"digest": blob.digest, "size": blob.size}).encode()
            if self.command == "POST":
                sent = json.loads(body)
                return json.dumps({"accepted": calls.accept(run_id, sent["batch"], sent["events"])}).encode()
            if not rest:
                return json.dumps(calls.spec(run_id)).encode()
            path = calls.code_path(run_id) if rest[0] == "code" else calls.inputs.path(run_id, rest[1])
            return path.read_bytes()

        do_GET = do_PUT = do_POST = _carry  # noqa: N815 - as http.server asks for

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    return server
