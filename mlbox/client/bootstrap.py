"""The first code in the process of a run (:func:`main`): reads what to do, imports the user's file, calls the handler,
reports how it ended. Its last act is ``exit.json`` in the run's folder.

What it imports every run pays for, so that it is little."""

from __future__ import annotations

import atexit
import os
import sys
from _signal import SIG_IGN, SIGTERM, signal  # type: ignore[import-not-found]  # signal loads enum

from mlbox.client import masking
from mlbox.client.current import open_context, set_current
from mlbox.client.failures import WrongCall, describe
from mlbox.client.quick_json import dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Mapping, NoReturn, Optional

    from mlbox.client.context import Context
    from mlbox.client.outbox import Outbox
    from mlbox.client.transport import Transport

_STOPPED_STATUS = 143
_ONLY_SYNTAX = 0x400
"""``ast.PyCF_ONLY_AST``, without the module."""
_STOPPED_DELIVERY_SECONDS = 2.0


class Stopped(BaseException):
    """SIGTERM arrived: user code unwinds, its ``finally`` blocks run."""


class _Process:
    """The run that is this process: what it does, and how it ended."""

    def __init__(self) -> None:
        self.folder = os.environ.get("MLBOX_RUN_FOLDER") or os.getcwd()
        self.code_folder = os.environ.get("MLBOX_CODE_FOLDER") or ""
        self.report: Dict[str, Any] = {"state": "completed", "exit_code": 0, "error": None}
        self.outbox: Optional[Outbox] = None

    def run(self) -> int:
        """Call the user's code; the exit status of the process."""
        join_group(os.environ.get("MLBOX_CONTROL_GROUP"))
        limit_memory(os.environ.get("MLBOX_MEMORY_LIMIT"))
        masking.mask_streams()
        try:
            opened = open_context(main=True)
            self.outbox = opened.outbox
            set_current(opened.context)
            if not self.code_folder:
                self.code_folder = fetch_code(opened.transport, opened.context.run_id, self.folder)
                os.environ["MLBOX_CODE_FOLDER"] = self.code_folder
            os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # Spark's workers must be of the same version
            call(opened.context, self.code_folder, opened.spec)
        except Stopped:
            pass
        except SystemExit as end:
            self._exited(end)
        except BaseException as error:
            self._failed(error)
        return int(self.report["exit_code"])

    def stop(self, number: int, frame: Any) -> NoReturn:
        """Signal handler, works once: the killing of the group follows anyway."""
        signal(SIGTERM, SIG_IGN)
        self.report = {
            "state": "interrupted", "exit_code": _STOPPED_STATUS, "error": None, "reason": "stopped by SIGTERM"
        }  # fmt: skip
        raise Stopped

    def finish(self) -> None:
        """Deliver what is in line and leave word. Runs when the threads of the user's code have ended, after all
        exit handlers that the code registered."""
        signal(SIGTERM, SIG_IGN)
        _flush_streams()
        if self.outbox is not None:
            state = self.report["state"]
            if state == "interrupted":
                left = self.outbox.close(_STOPPED_DELIVERY_SECONDS)
            elif state == "completed" and self.outbox.has_nothing_to_tell:
                left = 0
            else:
                left = self.outbox.end({"kind": "finished", "state": state, "error": self.report["error"]})
            if left:
                self.report["undelivered"] = left
                spool = os.path.join(self.folder, "spool")
                _say(f"mlbox: the server could not be reached; {left} batches wait in {spool}")
        _write_exit(self.folder, self.report)

    def _failed(self, error: BaseException) -> None:
        described = masking.mask(describe(error, self.code_folder), masking.values())
        self.report = {"state": "error", "exit_code": 1, "error": described}
        _say(described["traceback"] or f"{described['type']}: {described['message']}")

    def _exited(self, end: SystemExit) -> None:
        if end.code is None or end.code == 0:
            return
        if not isinstance(end.code, int):
            print(end.code, file=sys.stderr)
        error = describe(end, self.code_folder)
        error["message"] = f"the function ended itself with status {end.code}"
        status = end.code & 0xFF if isinstance(end.code, int) else 1
        self.report = {"state": "error", "exit_code": status or 1, "error": error}


def limit_memory(limit: Optional[str]) -> None:
    """Data of this process and of each child (bytes); larger allocations fail with ``MemoryError``."""
    if not limit:
        return
    try:
        import resource

        # not the address space: numerical libraries reserve far more of it than they use
        resource.setrlimit(resource.RLIMIT_DATA, (int(limit), int(limit)))
    except (ImportError, ValueError, OSError) as error:
        _say(f"mlbox: the memory limit of {limit} bytes cannot be set here: {error}")


def join_group(folders: Optional[str]) -> None:
    """Enter the control group that the server made for this run, before anything else can be started."""
    for folder in (folders or "").split(os.pathsep):
        if folder:
            try:
                with open(os.path.join(folder, "cgroup.procs"), "w") as members:
                    members.write("0")  # the one who writes
            except OSError as error:
                _say(f"the control group {folder} cannot be entered: {error}")


def fetch_code(transport: Transport, run_id: str, folder: str) -> str:
    """Download the function's files into the run's folder (where they are not on this machine)."""
    import io
    import zipfile

    answer = transport.request("GET", f"/run-api/{run_id}/code", patience=120.0)
    target = os.path.join(folder, "code")
    with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
        archive.extractall(target)
    return target


def load_module(path: str, name: str) -> Any:
    """Import the user's file under its own name, or as ``__main__``."""
    try:  # where importlib.util has them from, which loads a quarter of the library besides
        from importlib._bootstrap import module_from_spec
        from importlib._bootstrap_external import spec_from_file_location
    except ImportError:
        from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise WrongCall(f"{os.path.basename(path)} is not a Python file")
    module = module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def call(context: Context, code_folder: str, spec: Mapping[str, Any]) -> None:
    """Import the file that ``spec`` names and call its handler; a file without functions is run as a script."""
    from mlbox.client.binding import bind, find_handler

    file = str(spec["file"])
    path = os.path.join(code_folder, file)
    if not os.path.isfile(path):
        raise WrongCall(f"the function's file {file} is missing from its code")
    if file.endswith(".sql"):
        from mlbox.client.sql_function import carry_out

        carry_out(context.transport, context.run_id, path)
        return
    # "-m" put the working folder first; the user's imports start where the file is
    sys.path[0] = os.path.dirname(path)
    if os.path.dirname(path) != code_folder:
        sys.path.insert(1, code_folder)
    sys.argv = [path]
    if not spec.get("handler") and not _has_functions(path):
        load_module(path, "__main__")
        return
    name = os.path.splitext(os.path.basename(file))[0]
    module = load_module(path, f"mlbox_user_{name}" if name in sys.modules else name)
    handler = find_handler(module, spec.get("handler"), file)
    hints = spec.get("returns") or getattr(handler, "__mlbox_returns__", None) or ()
    if hints:
        from mlbox.client.returned import check

        check(hints)
    inputs = {entry: (lambda kind, entry=entry: context.input(entry, kind)) for entry in context.inputs}
    positional, named = bind(handler, context, inputs, context.parameters)
    _log_defaults(context, named)
    result = handler(*positional, **named)
    if hasattr(result, "__await__"):
        import asyncio

        result = asyncio.run(_awaited(result))
    if result is not None or hints:
        from mlbox.client.returned import keep

        keep(context, getattr(handler, "__name__", "handler"), result, hints)


def _log_defaults(context: Any, named: Any) -> None:
    """A run is comparable only when the values that nobody gave are recorded too."""
    for name, value in named.items():
        if name not in context.parameters and isinstance(value, (bool, int, float, str)):
            context.log_param(name, value)


async def _awaited(result: Any) -> Any:
    return await result


def _has_functions(path: str) -> bool:
    """Whether the file defines a public function; a file without is a script."""
    with open(path, "rb") as file:
        tree: Any = compile(file.read(), path, "exec", _ONLY_SYNTAX)
    kinds = ("FunctionDef", "AsyncFunctionDef")
    return any(type(node).__name__ in kinds and not node.name.startswith("_") for node in tree.body)


def _say(text: str) -> None:
    try:
        print(text, file=sys.stderr)
    except (OSError, ValueError):
        pass  # nobody reads it


def _flush_streams() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            pass


def _write_exit(folder: str, report: Dict[str, Any]) -> None:
    file, text = os.path.join(folder, "exit.json"), dumps(report)
    try:
        with open(file + ".new", "w", encoding="utf-8") as out:
            out.write(text)
        os.replace(file + ".new", file)
        if os.environ.get("MLBOX_TERMINATION_FILE"):  # a cluster keeps what is in it
            with open(os.environ["MLBOX_TERMINATION_FILE"], "w", encoding="utf-8") as out:
                out.write(text)
    except OSError as error:
        _say(f"mlbox: how the run ended cannot be written: {error}")


def main() -> NoReturn:
    """Be the run that the environment names."""
    process = _Process()
    atexit.register(process.finish)  # the first to be registered is the last to run
    signal(SIGTERM, process.stop)
    sys.exit(process.run())
