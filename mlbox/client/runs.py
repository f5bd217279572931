"""Runs from the outside: start one from a script or notebook, follow it, look at what it gave."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Union

from mlbox.client.connection import Connection, connect
from mlbox.client.failures import MlboxClientError
from mlbox.client.portable import source_of
from mlbox.client.recorded import Recorded

_POLL_SECONDS = 0.25
_NAMED = ("on", "name", "requirements", "wait")
_CLAUSES = ("source", "inputs", "labels", "returns", "sweep", "handler", "retry", "timeout", "connection")
"""What :func:`run` takes by name."""
_FILES = (".parquet", ".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".arrow", ".feather")
_FINAL = ("completed", "error", "cancelled", "interrupted")


class Run(Recorded):
    """A run at the server, to follow and to change."""

    def __init__(self, connection: Connection, run_id: str) -> None:
        super().__init__(connection, run_id)
        self._printed = 0

    @property
    def best(self) -> Optional[Run]:
        """Of a sweep, the best trial; None where there is none (yet)."""
        found = self.row["best_trial"]
        return Run(self._connection, str(found)) if found else None

    def artifact(self, name: str) -> bytes:
        """The bytes of an artifact, the last of that name."""
        found = [row for row in self.artifacts if row["name"] == name]
        if not found:
            known = ", ".join(str(row["name"]) for row in self.artifacts) or "none"
            raise MlboxClientError(f"run {self.id} has no artifact {name!r}", f"it has: {known}")
        return self._connection.get(f"/artifacts/{found[-1]['id']}/content").body

    def value(self, name: str, type: Any = None) -> Any:
        """What an artifact was made from, by its packager; see :meth:`Connection.artifact`."""
        found = [row for row in self.artifacts if row["name"] == name]
        if not found:
            self.artifact(name)
        return self._connection.artifact(str(found[-1]["id"]), type)

    def log(self) -> str:
        """The output so far."""
        pieces: List[bytes] = []
        offset = 0
        while True:
            answer = self._connection.get(f"/runs/{self.id}/log?offset={offset}")
            if not answer.body:
                return b"".join(pieces).decode(errors="replace")
            pieces.append(answer.body)
            offset = int(answer.headers["x-mlbox-offset"])

    def wait(self, show: bool = True) -> Run:
        """Until it has ended, printing its output; raises ``MlboxClientError`` with the user's traceback when it did
        not complete. Ctrl-C stops waiting, not the run."""
        while True:
            answer = self._connection.get(f"/runs/{self.id}/log?offset={self._printed}")
            self._printed = int(answer.headers["x-mlbox-offset"])
            if show and answer.body:
                sys.stdout.write(answer.body.decode(errors="replace"))
                sys.stdout.flush()
            if answer.headers["x-mlbox-state"] in _FINAL and not answer.body:
                break
            if not answer.body:
                time.sleep(_POLL_SECONDS)
        row = self.row
        if row["state"] != "completed":
            told = row["traceback"] or row["error"] or row["reason"] or ""
            raise MlboxClientError(f"run {row['name'] or self.id} is {row['state']}: {told}".rstrip(": "))
        return self

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Set labels; others stay."""
        if tags:
            given = ", ".join(f"{_text(name)} = {_text(value)}" for name, value in tags.items())
            self._connection.sql(f"ALTER RUN '{self.id}' SET LABELS ({given})")

    def delete_tags(self, *names: str) -> None:
        """Take labels away."""
        self._connection.sql(f"ALTER RUN '{self.id}' DROP LABELS ({', '.join(map(_text, names))})")

    def cancel(self) -> None:
        """End it."""
        self._connection.sql(f"CANCEL RUN '{self.id}'")


def run(
    function: Union[str, Callable[..., Any]],
    parameters: Optional[Mapping[str, Any]] = None,
    *,
    on: Optional[str] = None,
    name: Optional[str] = None,
    requirements: Sequence[str] = (),
    wait: bool = True,
    **clauses: Any,
) -> Run:
    """Run a Python function, or a function of the project by its name, and wait for its end.

    ``on`` is the executor (local, docker, …). Further clauses: ``source`` (what ``RUN .. FROM`` reads: a table, vector
    or query), ``inputs`` (the same by name; a path is a file, ``"ARTIFACT 'name'@version"`` what a run has logged),
    ``handler``, ``labels``, ``returns`` (see :func:`mlbox.returns`), ``sweep`` (the words of the clause), ``retry``
    (how often), ``timeout`` (seconds), ``connection``.
    Raises ``MlboxClientError`` with the traceback of the function when it fails."""
    _check_clauses(clauses)
    if requirements and isinstance(function, str):
        raise MlboxClientError(f"function {function!r} has its requirements already", "leave requirements out")
    connection: Connection = clauses.get("connection") or connect()
    called = function if isinstance(function, str) else _create(connection, function, requirements)
    given: Dict[str, Any] = dict(parameters or {})
    parts = [f"RUN {_quoted(called)}"]
    if clauses.get("handler"):
        parts.append(f"HANDLER {_quoted(clauses['handler'])}")
    if clauses.get("source"):
        parts.append(f"FROM {_source(clauses['source'])}")
    if given:
        parts.append(f"WITH ({', '.join(f'{_quoted(key)} = $p{index}' for index, key in enumerate(given))})")
    parts += _more_clauses(clauses)
    parts += [f"AS {_quoted(name)}"] if name else []
    if clauses.get("labels"):
        labels = clauses["labels"].items()
        parts.append(f"LABELS ({', '.join(f'{_quoted(key)} = {_text(value)}' for key, value in labels)})")
    parts += [f"ON {on}"] if on else []
    if clauses.get("retry") is not None:
        parts.append(f"RETRY {int(clauses['retry'])}")
    if clauses.get("timeout") is not None:
        parts.append(f"TIMEOUT INTERVAL '{float(clauses['timeout'])} seconds'")
    values = {f"p{index}": value for index, value in enumerate(given.values())}
    result = connection.sql(" ".join([*parts, "ASYNC"]), values or None)
    started = Run(connection, str(result.rows()[0]["id"]))
    return started.wait() if wait else started


def _check_clauses(clauses: Mapping[str, Any]) -> None:
    """Before anything is made at the server."""
    unknown = sorted(set(clauses) - set(_CLAUSES))
    if unknown:
        from difflib import get_close_matches

        close = get_close_matches(unknown[0], [*_NAMED, *_CLAUSES], n=1)
        hint = (
            f"did you mean {close[0]}? " if close else "what the function takes is its second argument: {'lr': 0.1}; "
        )
        raise MlboxClientError(f"a run has no clause {unknown[0]!r}", f"{hint}known: {', '.join([*_NAMED, *_CLAUSES])}")


def _more_clauses(clauses: Mapping[str, Any]) -> List[str]:
    """Inputs, returns and sweep."""
    parts = []
    if clauses.get("inputs"):
        inputs = clauses["inputs"].items()
        parts.append(f"INPUTS ({', '.join(f'{_quoted(key)} = {_source(value, files=True)}' for key, value in inputs)})")
    if clauses.get("returns"):
        parts.append(f"RETURNS ({', '.join(_text(hint) for hint in clauses['returns'])})")
    if clauses.get("sweep"):
        parts.append(f"SWEEP {clauses['sweep']}")
    return parts


def _source(given: Any, files: bool = False) -> str:
    """A query stands in parentheses, a file in quotes; the rest is a name."""
    text = str(given).strip()
    if files and text.split(None, 1)[0].upper() == "ARTIFACT":
        return text
    if text.split(None, 1)[0].upper() in ("SELECT", "FROM", "WITH", "VALUES", "(SELECT", "(FROM"):
        return text if text.startswith("(") else f"({text})"
    if files and ("/" in text or os.path.splitext(text)[1].lower() in _FILES):
        return _text(os.path.abspath(text) if "://" not in text else text)
    return text if " " not in text else f"({text})"


def _create(connection: Connection, function: Callable[..., Any], requirements: Sequence[str]) -> str:
    """CREATE FUNCTION of a callable; the same text again makes no new version."""
    source = source_of(function)
    name = source.handler.split(".")[-1]
    with tempfile.TemporaryDirectory(prefix="mlbox-") as folder:  # the server keeps its own copy
        path = source.path
        if source.text:
            path = os.path.join(folder, f"{name}.py")
            with open(path, "w", encoding="utf-8") as file:
                file.write(source.text)
        if not connection.is_local:
            with open(path, "rb") as content:
                path = str(connection.upload(os.path.basename(path), content.read()))
        wanted = f" REQUIREMENTS ({', '.join(_text(entry) for entry in requirements)})" if requirements else ""
        before = _latest(connection, name)
        connection.sql(f"CREATE OR REPLACE FUNCTION {_quoted(name)} FROM {_text(path)} HANDLER {name}{wanted}")
        if before is not None and not _same_place(before["source"], path):
            now = _latest(connection, name) or before
            if now["version"] != before["version"]:
                told = f"version {before['version']}, which was made from {before['source']}"
                print(f"mlbox: function {name} version {now['version']} takes the place of {told}", file=sys.stderr)
    return name


def _latest(connection: Connection, name: str) -> Optional[Dict[str, Any]]:
    """Version and source of a function, if there is one."""
    query = "SELECT version, source FROM catalog.ml.functions WHERE project = ? AND lower(name) = lower(?) AND latest"
    rows = connection.sql(query, [connection.project, name]).rows()
    return rows[0] if rows else None


def _same_place(former: str, path: str) -> bool:
    """Whether a function was made from this file, or as this one is, from a copy that is made for each call."""
    folders = [os.path.dirname(each) for each in (former, path)]
    copies = os.path.dirname(folders[0]) == os.path.dirname(folders[1]) and folders[0] != folders[1]
    temporary = [os.path.basename(each).startswith("mlbox-") for each in folders]
    alike = copies and os.path.basename(former) == os.path.basename(path)
    return former == path or (alike and temporary[0] == temporary[1])


def _quoted(name: str) -> str:
    return ".".join('"' + part.replace('"', '""') + '"' for part in name.split("."))


def _text(value: Any) -> str:
    return "'" + str(value).replace("'", "''") + "'"
