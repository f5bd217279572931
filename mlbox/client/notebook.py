"""``%load_ext mlbox``: the magics ``%sql``, ``%%sql`` and ``%mlbox`` of IPython and Jupyter.

IPython hands itself over when it loads the extension, so nothing of it is imported here.
"""

from __future__ import annotations

import re
from typing import Any, Dict, List, Optional

from mlbox.client.connection import Connection, connect
from mlbox.client.failures import MlboxClientError
from mlbox.client.parameters import names_in
from mlbox.client.result import Result

_ASSIGNED = re.compile(r"\s*([A-Za-z_]\w*)\s*<<(.*)\Z", re.DOTALL)


class Notebook:
    """The connection of a notebook; made at the first statement."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._connection: Optional[Connection] = None

    def connect(self, words: str) -> Connection:
        """``%mlbox [URL] [PROJECT]``: choose the server and project, or show which they are."""
        parts = words.split()
        if parts or self._connection is None:
            url = parts.pop(0) if parts and "://" in parts[0] else None
            self._connection = connect(url, project=parts[0] if parts else None)
        return self._connection

    def sql(self, line: str, cell: Optional[str] = None) -> Optional[Result]:
        """``%sql STATEMENT``, or ``%%sql`` above statements. ``name <<`` before them puts the result into a variable.
        ``$name`` is the value of a variable of the notebook."""
        text = line if cell is None else f"{line}\n{cell}"
        assigned = _ASSIGNED.match(text)
        name, text = (assigned[1], assigned[2]) if assigned else (None, text)
        if not text.strip():
            raise MlboxClientError("there is no statement", "write it behind %sql or below %%sql")
        result = self.connect("").sql(text, self._variables(text))
        if name is None:
            return result
        self._shell.user_ns[name] = result
        return None

    def _variables(self, text: str) -> Optional[Dict[str, Any]]:
        known = self._shell.user_ns
        found = {name: known[name] for name in names_in(text) if name in known}
        return found or None


def load(shell: Any) -> None:
    """Add the magics to a running IPython."""
    notebook = Notebook(shell)

    def sql(line: str, cell: Optional[str] = None) -> Any:
        """SQL of mlbox: %sql STATEMENT, or %%sql above statements; ``name <<`` assigns, ``$name`` is a variable."""
        return _shown(notebook.sql, line, cell)

    def choose(line: str) -> Any:
        """%mlbox [URL] [PROJECT]: which server and project the magic %sql talks to."""
        return _shown(notebook.connect, line)

    _register(shell, sql, "line_cell", "sql")
    _register(shell, choose, "line", "mlbox")


def _register(shell: Any, function: Any, kind: str, name: str) -> None:
    function._ipython_magic_no_var_expand = True  # $name is ours to fill
    shell.register_magic_function(function, kind, name)


def _shown(function: Any, *arguments: Any) -> Any:
    """Errors of mlbox are shown as its own text; the frames between cell and server tell nothing."""
    try:
        return function(*arguments)
    except MlboxClientError as error:
        _without_frames(error, [f"error: {error}"])
        raise


def _without_frames(error: Any, lines: List[str]) -> None:
    error._render_traceback_ = lambda: lines  # IPython asks the error itself
