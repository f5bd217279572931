"""``mlbox up`` in a process of its own, and a client for it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from waiting import wait_until

__all__ = ["Server", "wait_until"]


class Server:
    """``mlbox up`` in a process of its own."""

    seconds = 60.0
    """Longest wait for an answer."""

    def __init__(
        self,
        home: Path,
        *flags: str,
        environment: dict[str, str] | None = None,
        program: tuple[str, ...] = ("-m", "mlbox"),
    ) -> None:
        self.home = home
        self.program = program
        self.environment = {**os.environ, **(environment or {})}
        self.flags = flags
        self.start()

    def start(self) -> None:
        """Start it and wait until it says that it is ready."""
        self.process = subprocess.Popen(
            [
                sys.executable,
                *self.program,
                "--home",
                str(self.home),
                "up",
                "--port",
                "0",
                "--pg-port",
                "0",
                *self.flags,
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self.environment,
        )
        assert self.process.stdout is not None
        self.output: list[str] = []
        for line in self.process.stdout:
            self.output.append(line)
            if " ready " in line:
                break
        else:
            raise AssertionError("the server did not start:\n" + "".join(self.output))
        # What is not read would stop the server once the pipe is full.
        threading.Thread(target=self.output.extend, args=(self.process.stdout,), daemon=True).start()
        told = json.loads((self.home / "server.json").read_text())
        self.url, self.pg_port = told["url"], told.get("pg_port")

    def kill(self) -> None:
        """As the out-of-memory killer does."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """As an operator does."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout=100)

    def request(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        """Any request; no exception for 4xx and 5xx."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"Content-Type": "application/json", **(headers or {})}
        message = urllib.request.Request(self.url + path, data, sent, method=method)
        try:
            with urllib.request.urlopen(message, timeout=self.seconds) as answer:
                return answer.status, dict(answer.headers), answer.read()
        except urllib.error.HTTPError as error:
            return error.code, dict(error.headers), error.read()

    def sql(self, text: str, project: str = "default", parameters: Any = None) -> list[dict[str, Any]]:
        """Results of a script; an error is an assertion error."""
        status, _, body = self.request("POST", "/sql", {"sql": text, "project": project, "parameters": parameters})
        answer = json.loads(body)
        assert status == 200, answer
        results: list[dict[str, Any]] = answer["results"]
        return results

    def error(self, text: str, project: str = "default", folder: str | None = None) -> dict[str, Any]:
        """The error of a script."""
        status, _, body = self.request("POST", "/sql", {"sql": text, "project": project, "folder": folder})
        assert status >= 400, body
        error: dict[str, Any] = json.loads(body)["error"]
        return error

    def cli(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """The command line on the same home."""
        return subprocess.run(
            [sys.executable, "-m", "mlbox", "--home", str(self.home), *arguments],
            capture_output=True,
            text=True,
            input=stdin if stdin is not None else "",
            env=self.environment,
            timeout=120,
        )
