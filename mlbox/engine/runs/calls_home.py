"""What the process of a run asks of the server, and what it tells: the run API without its wire."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from mlbox.base.clock import now
from mlbox.base.errors import Invalid, NotFound, Unauthorized
from mlbox.base.events import Bus, Event
from mlbox.engine.catalog.tables import functions, runs
from mlbox.engine.catalog.tables.runs import RunRow, TokenRow
from mlbox.engine.runs.batches import Batches
from mlbox.engine.runs.incoming import Digested, digest_events
from mlbox.engine.runs.ledger import Ledger
from mlbox.engine.runs.output import Output
from mlbox.engine.runs.run_inputs import RunInputs
from mlbox.engine.storage.artifacts import ArtifactStore, ArtifactWriter, Blob, check_digest
from mlbox.engine.storage.parts import Part

if TYPE_CHECKING:
    from mlbox.engine.catalog.database import Catalog

_METRIC_EVENT_SECONDS = 0.2
_MAX_BATCH_ID = 200


class CallsHome:
    """One object for all runs. Methods raise ``NotFound``, ``Invalid``, ``Unauthorized``; all are safe in threads."""

    def __init__(
        self,
        *,
        catalog: Catalog,
        artifacts: ArtifactStore,
        bus: Bus,
        output: Output,
        ledger: Ledger,
        wake: Callable[[str], None],
    ) -> None:
        self._catalog = catalog
        self._ledger = ledger
        self._artifacts = artifacts
        self._bus = bus
        self._output = output
        self._wake = wake
        self.on_end: list[Callable[[str], None]] = []
        """Called with the id of a run that has ended."""
        self._tokens: dict[str, str] = {}
        self._told: dict[str, float] = {}
        self._known: dict[str, RunRow] = {}
        """Runs that have told something, as they were then."""
        self._batches = Batches(catalog.run_memory, catalog.journal)
        self._lock = threading.Lock()
        self.inputs = RunInputs(catalog, artifacts)

    def issue_token(self, project: str, run_id: str, beginning: RunRow | None = None) -> tuple[str, TokenRow]:
        """A new token of this run, the only one that is good from now on, and what is to be kept of it: its hash.
        ``beginning`` is the run when it begins with that write: what it tells need not read it."""
        token = secrets.token_urlsafe(32)
        kept = TokenRow(project, run_id, _hash(token), now())
        with self._lock:
            self._tokens[run_id] = kept.digest
            if beginning is not None:
                self._known[run_id] = beginning
        return token, kept

    def check_token(self, run_id: str, token: str | None) -> None:
        """Raise ``Unauthorized`` unless ``token`` is the one of this run."""
        with self._lock:
            known = self._tokens.get(run_id)
        if known is None:
            with self._catalog.read() as cursor:
                known = runs.token(cursor, run_id)
            if known is not None:
                with self._lock:
                    self._tokens[run_id] = known
        if not token or known is None or not hmac.compare_digest(known, _hash(token)):
            raise Unauthorized("this token does not open the run", hint="a run uses the MLBOX_TOKEN that it was given")

    def forget(self, run_id: str) -> None:
        """The run has ended: its token is worthless."""
        with self._lock:
            self._tokens.pop(run_id, None)
            self._told.pop(run_id, None)
            self._known.pop(run_id, None)
        for act in self.on_end:
            act(run_id)

    def spec(self, run_id: str) -> dict[str, Any]:
        """What the process needs to know of its run."""
        row = self._row(run_id)
        request = row.request
        function = self._function(row)
        return {
            "run_id": row.id,
            "project": row.project,
            "name": row.name,
            "function": row.function,
            "handler": row.handler,
            "parameters": request.get("parameters", {}),
            "returns": request.get("returns", []),
            "inputs": self.inputs.told(row),
            "file": function.file,
            "attempt": row.attempt,
        }

    def code_path(self, run_id: str) -> Path:
        """The zip of the function's files."""
        return self._artifacts.path(self._function(self._row(run_id)).code)

    def put_blob(self, run_id: str, digest: str, stream: BinaryIO | Iterable[bytes]) -> Blob:
        """Store bytes before they are named by an artifact event; ``Invalid`` when their hash is another."""
        check_digest(digest)
        self._row(run_id)
        if self._artifacts.claim(digest):
            return Blob(digest, self._artifacts.size(digest))
        return self._artifacts.put_stream(stream, expected=digest)

    def blob_writer(self, run_id: str, digest: str) -> ArtifactWriter:
        """For bytes that come at once and are not kept when they are cut off."""
        check_digest(digest)
        self._row(run_id)
        return self._artifacts.writer()

    def blob_offset(self, run_id: str, digest: str) -> tuple[int, bool]:
        """Bytes that have arrived, and whether that is all."""
        row = self._row(run_id)
        if self._artifacts.claim(check_digest(digest)):
            return self._artifacts.size(digest), True
        return self._artifacts.arrived(_part_key(row.project, digest)), False

    def begin_blob(self, run_id: str, digest: str, offset: int) -> Part | None:
        """Bytes from ``offset`` on, from any run of the project that has the same; None when all are here already."""
        row = self._row(run_id)
        if self._artifacts.claim(check_digest(digest)):
            return None
        return self._artifacts.part(_part_key(row.project, digest), offset)

    def end_blob(self, part: Part, digest: str) -> Blob:
        """All have arrived; ``Invalid`` when their hash is another."""
        return self._artifacts.adopt(part, digest)

    def accept(self, run_id: str, batch: str, events: Sequence[Any]) -> int:
        """Take a batch of events in, once; how many were taken. What was wrong with others the run's log tells.

        Durable when it returns. The same batch again changes nothing and is answered alike.
        """
        with self._lock:
            row = self._known.get(run_id)
        if row is None:  # its project and name are all that is read of it, and do not change
            row = self._row(run_id)
            with self._lock:
                self._known[run_id] = row
        digested = self._take(row, batch, events)
        if digested.refused:
            lines = [f"mlbox: left out: {refusal}\n" for refusal in digested.refused]
            with suppress(OSError):
                self._output.say(run_id, "".join(lines))
        return digested.accepted

    def _take(self, row: RunRow, batch: str, events: Sequence[Any]) -> Digested:
        """As :meth:`accept`; the events sorted out, with what was refused."""
        if not isinstance(batch, str) or not 0 < len(batch) <= _MAX_BATCH_ID:
            raise Invalid("a batch of events needs an id", hint="any text of 1 to 200 characters, another each time")
        if not isinstance(events, Sequence) or isinstance(events, str | bytes):
            raise Invalid("the events of a batch are a list")
        digested = digest_events(row.project, row.id, events)
        self._check_artifacts(digested)
        ended = self._catalog.write(
            lambda cursor: self._batches.enter(cursor, row.id, batch, digested),
            journaled=self._batches.are_journaled(row.id, digested),
        )
        self._publish(row, digested)
        if ended is not None:
            self._ledger.tell_end(ended)
            self.forget(row.id)
        elif digested.outcome is not None:
            self._wake(row.id)
        return digested

    def log(
        self,
        run: tuple[str, str],
        events: Sequence[Any],
        checked: Callable[[RunRow], Mapping[str, Any]] = lambda row: {},
        *,
        batch: str | None = None,
    ) -> RunRow:
        """Take in what is told of a run (its project and id) all together, or nothing of it: ``Invalid``, ``NotFound``.

        ``checked`` sees the run inside of the one write and says what else of it changes; it may raise. What comes
        under the same ``batch`` again changes nothing. The run as it was before.
        """
        project, run_id = run
        digested = digest_events(project, run_id, events)
        self._check_artifacts(digested)
        if digested.refused:
            raise Invalid(digested.refused[0].partition(": ")[2])

        def check(row: RunRow | None) -> Mapping[str, Any]:
            if row is None or row.project != project:
                raise NotFound(f"there is no run {run_id!r} in project {project}", hint="SELECT id, name FROM ml.runs")
            return checked(row)

        row = self._catalog.write(
            lambda cursor: self._batches.log(cursor, run_id, digested, check, batch),
            journaled=self._batches.are_journaled(run_id, digested),
        )
        self._publish(row, digested)
        return row

    def accept_leftovers(self, run_id: str, folder: Path) -> int:
        """Take in what a process could not deliver before it ended; the number of batches."""
        from mlbox.client import spool

        for blob in spool.read_blobs(folder):
            path = Path(blob.path)
            try:
                with path.open("rb") as stream:
                    self.put_blob(run_id, blob.digest, stream)
            except Invalid:
                continue  # torn by the end of the process; the event that names it is refused
            spool.discard(blob.path)
        count = 0
        for batch in spool.read_batches(folder):
            self.accept(run_id, batch.batch, batch.events)
            spool.discard(batch.path)
            count += 1
        return count

    def _row(self, run_id: str) -> RunRow:
        return self.inputs.run(run_id)

    def _function(self, row: RunRow) -> functions.FunctionRow:
        with self._catalog.read() as cursor:
            found = functions.get_kept(cursor, row.project, row.function, row.function_version)
        if found is None:
            raise NotFound(f"version {row.function_version} of function {row.function!r} is gone")
        return found

    def _check_artifacts(self, digested: Digested) -> None:
        """An artifact is entered only when its bytes are here; its size is theirs."""
        kept = []
        for row in digested.artifacts:
            if self._artifacts.claim(row.digest):
                kept.append(replace(row, size=self._artifacts.size(row.digest)))
            else:
                digested.accepted -= 1
                digested.refused.append(f"artifact {row.name!r}: its bytes have not arrived")
        digested.artifacts = kept

    def _publish(self, row: RunRow, digested: Digested) -> None:
        if not digested.latest and digested.progress is None:
            return
        moment = time.monotonic()
        with self._lock:
            if moment - self._told.get(row.id, -1.0) < _METRIC_EVENT_SECONDS:
                return
            self._told[row.id] = moment
        data: dict[str, Any] = {"id": row.id, "name": row.name, "metrics": digested.latest}
        if digested.progress is not None:
            data["progress"] = digested.progress
        self._bus.publish(Event("run.metric", row.project, row.name or row.id, data))


def _part_key(project: str, digest: str) -> str:
    """The file of a part; another project is told nothing of it."""
    return f"{digest}-{hashlib.sha256(project.encode()).hexdigest()[:16]}"


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
