"""Secrets that change while a run has them: what it prints stays hidden, and the key is never half there."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest
from waiting import wait_until

from mlbox.base.command import Caller, Command
from mlbox.engine.runs.ledger import Ledger
from mlbox.engine.security.commands import DropSecret, SetSecret
from mlbox.engine.security.secrets import Secrets

CODE = """
def work(ctx, gate=""):
    import os, subprocess, time
    subprocess.run(["sh", "-c", "echo first $FIRST second $SECOND"])  # not through Python's own streams
    while not os.path.exists(gate):
        time.sleep(0.01)
    raise ValueError("refused " + ctx.secret("FIRST"))
"""


def carry(secrets: Secrets, command: Command) -> None:
    handler = next(entry for entry in secrets.handlers() if entry.command is type(command))
    handler.carry_out(command, handler.plan(command, Caller()), Caller())


def test_a_secret_that_is_set_anew_or_dropped_meanwhile_stays_hidden(bench: Any, tmp_path: Path) -> None:
    secrets = bench.runs.secrets
    carry(secrets, SetSecret(project="default", name="FIRST", value="apple-pie-recipe"))
    carry(secrets, SetSecret(project="default", name="SECOND", value="apple-pie"))
    bench.function("work", CODE, secrets=("FIRST", "SECOND"))
    gate = tmp_path / "gate"
    run = bench.run("work", asynchronous=True, parameters={"gate": str(gate)}).facts["run"]
    log = bench.runs.log_path(run)
    wait_until(lambda: log.exists() and "second" in log.read_text())
    carry(secrets, SetSecret(project="default", name="FIRST", value="another value"))
    carry(secrets, DropSecret(project="default", name="SECOND"))
    gate.touch()
    ledger = Ledger(bench.catalog, bench.bus)
    wait_until(lambda: ledger.is_over(run))
    assert "apple" not in log.read_text() and "recipe" not in log.read_text()
    row = ledger.get(run)
    assert row.error and row.error.startswith("refused") and "recipe" not in row.error


def test_the_key_is_whole_whoever_comes_first(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many at once; and the death of a process that makes it leaves none, rather than an empty one."""
    secrets = bench.runs.secrets
    key = bench.home.path / "secrets.key"
    with monkeypatch.context() as dying:
        dying.setattr(os, "link", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            carry(secrets, SetSecret(project="default", name="X", value="value"))
    assert not key.exists()
    threads = [
        threading.Thread(target=carry, args=(secrets, SetSecret(project="default", name=f"S{n}", value=f"value {n}")))
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    names = [f"S{n}" for n in range(8)]
    assert secrets.values("default", names) == {f"S{n}": f"value {n}" for n in range(8)}
    assert key.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in bench.home.path.glob("secrets.key*")] == ["secrets.key"]
