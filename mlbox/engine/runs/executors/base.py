"""What an executor is: five verbs over a ``RunSpec``. An executor knows nothing of the catalog.

A newcomer adds one file to this package: a class with the five verbs and
``EXECUTORS.add("name", TheClass)``; it is built with ``TheClass(home=..., settings=...)``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from mlbox.base.registry import Registry
from mlbox.engine.runs.commands import Resources

if TYPE_CHECKING:
    from mlbox.base.home import Home
    from mlbox.base.settings import Settings

Handle = dict[str, Any]
"""What ``submit`` returns and the catalog keeps: JSON-able, enough to find the run after a server restart."""

State = Literal["running", "completed", "error", "cancelled", "interrupted"]


@dataclass(frozen=True)
class RunSpec:
    """One attempt of one run, all that an executor needs to start it.

    ``inputs`` are Parquet files of the caller; an executor whose environment cannot read Parquet converts them.
    ``requirements`` are PEP 508 lines. ``url`` and ``token`` open the run API for this run only.
    """

    run_id: str
    project: str
    function: str
    file: str
    """Name of the user's file inside ``code_folder``."""
    code_folder: Path
    run_folder: Path
    """Working folder of this attempt; holds ``exit.json`` and the spool."""
    log_path: Path
    url: str
    token: str
    handler: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    returns: tuple[str, ...] = ()
    """How what the handler returns is kept, ``[*|**]name[:kind[:format]]`` each."""
    inputs: Mapping[str, Path] = field(default_factory=dict)
    artifacts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Inputs that are artifacts, and what is known of them; everywhere the run API gives their bytes."""
    requirements: tuple[str, ...] = ()
    resources: Resources = field(default_factory=Resources)
    environment: Mapping[str, str] = field(default_factory=dict)
    """What the user asked to be set (ENV and secrets); wins over what is inherited, never over ours."""
    timeout_seconds: float | None = None
    server_file: Path | None = None
    python: str | None = None
    """Interpreter or version that the function asks for; None: the settings decide."""
    image: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    """What ``WITH (..)`` of the function says to the executor."""
    attempt: int = 1


class LogSink(Protocol):
    """Where preparation is told ("building environment: scikit-learn"), before the process writes its own log.

    ``write`` may raise (the run was cancelled meanwhile): preparation stops and leaves nothing half-made. While
    something takes long, nothing (``""``) is written twice a second, so that there is an occasion to raise.
    """

    def write(self, text: str) -> None:
        """Append ``text``; lines end with a newline."""
        ...


@dataclass(frozen=True, slots=True)
class Status:
    """How a run is. ``reason`` is one sentence for people; ``error`` is ``{type, message, traceback, file, line}``.

    A run that took too long is ``error`` with ``error["type"] == "Timeout"``. ``interrupted``: the run ended
    without saying how (machine restart, killed from outside after the server had lost it).
    """

    state: State
    exit_code: int | None = None
    reason: str | None = None
    error: dict[str, Any] | None = None

    @property
    def ended(self) -> bool:
        """Whether this is the last state."""
        return self.state != "running"


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an executor can hold to; the planner refuses what it cannot."""

    memory_limit: bool = False
    cpu_limit: bool = False
    gpu: bool = False
    images: bool = False
    remote: bool = False
    """Runs elsewhere: client, inputs and code are fetched through the run API, and the output is fetched with
    ``logs`` (a local process writes its log itself). Such an executor is a :class:`RemoteExecutor`."""


class Executor(Protocol):
    """Five verbs. All are called from any thread; all but ``submit`` return quickly."""

    name: str
    capabilities: Capabilities

    def submit(self, spec: RunSpec, sink: LogSink) -> Handle:
        """Prepare (this may take long and is told to ``sink``) and start. Raises ``Invalid`` when the request
        cannot be met (a requirement that does not exist), ``Unavailable`` when the engine is away."""
        ...

    def poll(self, handle: Handle) -> Status:
        """How it is now; after the end the same answer for ever. Enforces the time-out."""
        ...

    def logs(self, handle: Handle, offset: int) -> tuple[bytes, int]:
        """Output from byte ``offset`` on and the offset after it (at most 1 MiB a call)."""
        ...

    def cancel(self, handle: Handle) -> None:
        """Stop it with all its children; afterwards ``poll`` says ``cancelled`` unless it had ended before.

        Called once more when the end is on record: then the engine lets go of what it kept of it (a container)."""
        ...

    def reattach(self, handle: Handle) -> bool:
        """After a server restart: whether the run is still known (``poll`` then tells running or how it ended)."""
        ...


@runtime_checkable
class RemoteExecutor(Executor, Protocol):
    """An executor whose runs are not processes of this machine."""

    def call_home_host(self) -> str:
        """An address of this machine that its runs can reach; the run API is made to listen there.
        ``Unavailable`` when the engine does not answer."""
        ...


@runtime_checkable
class Telling(Protocol):
    """An executor that learns of the end of a run before it is polled."""

    def on_end(self, handle: Handle, act: Callable[[], None]) -> None:
        """Call ``act`` when the process of ``handle`` ends, from any thread; that it does is no promise."""
        ...


@dataclass(frozen=True, slots=True)
class Wish:
    """What a function asks of an executor, known before there is a run."""

    image: str | None = None
    requirements: tuple[str, ...] = ()
    python: str | None = None
    resources: Resources = field(default_factory=Resources)
    options: Mapping[str, Any] = field(default_factory=dict)


@runtime_checkable
class Foreseeing(Protocol):
    """An executor that can say beforehand what it will do."""

    def foresee(self, wish: Wish) -> Sequence[tuple[str, str, str]]:
        """Steps (action, object, detail) for the plan; raises ``Invalid`` for what cannot be met. Changes nothing,
        and an engine that does not answer is no error here."""
        ...


@dataclass(frozen=True, slots=True)
class Waste:
    """Something that may be removed: ``size`` in bytes, ``why`` for people, ``remove`` does it."""

    kind: str
    name: str
    why: str
    size: int
    remove: Callable[[], None]


@runtime_checkable
class Collecting(Protocol):
    """An executor that keeps things on its engine beyond a run."""

    def waste(self, is_over: Callable[[str], bool], before: datetime) -> Iterable[Waste]:
        """What may go: all of runs that are over (asked by their ids), and caches not used since ``before``.

        What the engine has is looked up first, then who it belongs to: a run is known before it is on its engine.
        """
        ...


class ExecutorFactory(Protocol):
    """How an executor is made: its class, called with keywords."""

    def __call__(self, *, home: Home, settings: Settings) -> Executor:
        """An executor for this home."""
        ...


EXECUTORS: Registry[ExecutorFactory] = Registry("executor", "mlbox.engine.runs.executors")
