"""A real server with members: a viewer, an editor and an admin of ``open_p``, none of ``closed``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fresh_home import fresh_home
from real_server import Server

from mlbox.app.house import House
from mlbox.base.command import Caller
from mlbox.base.settings import Settings
from mlbox.sql.session import Session

SECRET = "do_not_tell_4711"


class Member:
    """Somebody with a token."""

    def __init__(self, server: Server, token: str, project: str = "open_p") -> None:
        self.server = server
        self.token = token
        self.project = project

    def request(self, method: str, path: str, body: Any = None) -> tuple[int, dict[str, str], bytes]:
        """Any request."""
        return self.server.request(method, path, body, {"Authorization": f"Bearer {self.token}"})

    def answer(self, text: str, **more: Any) -> tuple[int, dict[str, Any]]:
        """Status and body of a script."""
        status, _, body = self.request("POST", "/sql", {"sql": text, "project": self.project, **more})
        return status, json.loads(body)

    def rows(self, text: str, **more: Any) -> list[list[Any]]:
        """Rows of its last statement; an error is an assertion error."""
        status, body = self.answer(text, **more)
        assert status == 200, body
        rows: list[list[Any]] = body["results"][-1]["rows"]
        return rows

    def error(self, text: str, **more: Any) -> dict[str, Any]:
        """The error of a script; success is an assertion error."""
        status, body = self.answer(text, **more)
        assert status >= 400, body
        error: dict[str, Any] = body["error"]
        return error


@contextmanager
def shared_server(home: Path, **environment: str) -> Iterator[tuple[Server, dict[str, Member]]]:
    """Members are made before the server starts: they are let in when the fence stands from the start on."""
    tokens = _with_members(home)
    running = Server(home, environment=environment)
    try:
        yield running, {user: Member(running, token) for user, token in tokens.items()}
    finally:
        running.stop()


def _with_members(home: Path) -> dict[str, str]:
    """Tokens by user."""
    house = House.open(fresh_home(home), Settings())
    try:
        session = Session(house.catalog, house.dispatcher, Caller())
        list(
            session.run(
                f"""
                CREATE PROJECT open_p; CREATE PROJECT closed;
                CREATE TABLE open_p.t AS SELECT i AS k, i * 2 AS x FROM range(100) r(i);
                CREATE TABLE closed.hidden_table AS SELECT '{SECRET}' AS word;
                CREATE VIEW open_p.shown AS SELECT length(word) AS n FROM closed.hidden_table;
                GRANT viewer ON PROJECT open_p TO 'vera'; GRANT editor ON PROJECT open_p TO 'eddie';
                GRANT admin ON PROJECT open_p TO 'ada';
                """
            )
        )
        tokens = {"owner": (home / "owner.token").read_text().strip()}
        for user in ("vera", "eddie", "ada"):
            (made,) = session.run(f"CREATE TOKEN FOR '{user}'")
            assert made.result.table is not None
            tokens[user] = made.result.table.column("token")[0].as_py()
        return tokens
    finally:
        house.close()
