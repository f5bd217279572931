"""What a defect of ours looks like from outside: the owner is told what happened, everybody else a number."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from fenced import Member, shared_server


def _broken(server: Any, members: dict[str, Member], folder: Path) -> tuple[str, str]:
    """A run whose log, and an artifact whose bytes, cannot be read in a way that nobody has foreseen: something else
    lies in their place."""
    (folder / "f.py").write_text("def handler(ctx):\n    ctx.log_artifact('a', b'bytes of it')\n")
    owner = members["owner"]
    owner.rows(f"CREATE FUNCTION open_p.f FROM '{folder / 'f.py'}'; RUN open_p.f; SELECT 1")
    run = owner.rows("SELECT id FROM ml.runs")[0][0]
    artifact = owner.rows("SELECT id FROM ml.artifacts")[0][0]
    files = (path for path in (server.home / "artifacts").rglob("*") if path.is_file())
    (blob,) = [path for path in files if path.read_bytes() == b"bytes of it"]
    blob.unlink()
    blob.mkdir()
    log = server.home / "logs" / f"{run}.log"
    log.unlink(missing_ok=True)
    log.symlink_to("/proc/self/mem")  # a file that says it is one, and cannot be read from its beginning
    return f"/artifacts/{artifact}/content", f"/runs/{run}/log"


def test_members_get_a_number_and_the_log_has_the_rest(tmp_path: Path) -> None:
    with shared_server(tmp_path / "home") as (server, members):
        for path in _broken(server, members, tmp_path):
            status, _, body = members["owner"].request("GET", path)
            error = json.loads(body)["error"]
            assert (status, error["code"]) == (500, "internal"), body
            assert "Error: [Errno" in error["message"] and "this is a defect" in error["hint"]
            status, headers, body = members["vera"].request("GET", path)
            error = json.loads(body)["error"]
            assert (status, error["code"]) == (500, "internal")
            assert error["message"] == "the request met a defect of mlbox"
            assert "Errno" not in body.decode() and str(tmp_path) not in body.decode() and "details" not in error
            number = re.search(r"the id ([0-9a-f]{32})", error["hint"])
            assert number is not None, error
            assert headers.get("x-request-id", number[1]) == number[1]
            log = (server.home / "logs" / "server.log").read_text()
            told = log[log.index(f"(request {number[1]})") :]
            assert "Traceback" in told and "[Errno" in told and f"GET {path}" in log
