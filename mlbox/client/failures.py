"""Errors as the user should see them: their own frames, their own file and line, none of ours."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterable, List, Optional

_OURS = os.path.dirname(os.path.abspath(__file__))


class MlboxClientError(Exception):
    """What the SDK raises on purpose. ``hint`` says what to do next; ``code`` is the server's when it said so."""

    def __init__(self, message: str, hint: Optional[str] = None, code: str = "client") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class WrongCall(MlboxClientError):
    """A handler was asked for that is not there, or with arguments that it does not take. No frames are shown."""


class SqlError(MlboxClientError):
    """The server refused or could not carry out a statement. ``where`` is the place in the text (``line``, ``column``,
    ``offset``, ``text``: the whole line), ``status`` the HTTP status, ``done`` the number of statements of the script
    that were carried out before."""

    def __init__(self, status: int, said: Dict[str, Any], message: str, done: int = 0) -> None:
        super().__init__(message, said.get("hint"), str(said.get("code") or "refused"))
        self.status = status
        self.where: Optional[Dict[str, Any]] = said.get("where")
        self.details: Dict[str, Any] = said.get("details") or {}
        self.done = done

    @property
    def caret(self) -> str:
        """The line of the statement with a caret below the place; empty where the place is not known."""
        if not self.where or not self.where.get("text"):
            return ""
        line, column, text = self.where["line"], int(self.where["column"]), str(self.where["text"])
        below = "".join("\t" if character == "\t" else " " for character in text[: column - 1])
        return f"  {line} | {text}\n" + " " * (len(str(line)) + 5) + below + "^"

    def __str__(self) -> str:
        traceback = self.details.get("traceback")
        indented = "\n".join("  " + line for line in str(traceback).rstrip().splitlines()) if traceback else ""
        hint = f"hint: {self.hint}" if self.hint else ""
        return "\n".join(part for part in (self.message, self.caret, indented, hint) if part)


class Undelivered(MlboxClientError):
    """The server could not be reached for so long that the client gave up."""


def nearest(word: str, known: Iterable[str]) -> str:
    """``did you mean x?`` or the known names."""
    from difflib import get_close_matches

    names = sorted(set(known))
    close = get_close_matches(word, names, n=3, cutoff=0.6)
    if close:
        return "did you mean " + " or ".join(close) + "?"
    return "there are: " + ", ".join(names) if names else "there are none"


def _said(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # code of the user's, as the rest of it
        return "it cannot be shown as a text"


def describe(error: BaseException, code_folder: str) -> Dict[str, Any]:
    """``{type, message, traceback, file, line}`` of an error: frames of ours are cut off, files of the user's folder
    are named relative to it."""
    body: Dict[str, Any] = {"type": type(error).__name__, "message": _said(error), "traceback": None}
    body["file"], body["line"] = None, None
    if isinstance(error, WrongCall):
        return body
    if isinstance(error, SyntaxError) and error.filename:
        body["file"], body["line"] = _relative(error.filename, code_folder), error.lineno
        body["message"] = f"{error.msg} ({body['file']}, line {error.lineno})"
    elif isinstance(error, ModuleNotFoundError) and error.name:
        body["message"] = f"{error}; add it to REQUIREMENTS of the function if it is a package"
    frames = _frames(error)
    inside = [frame for frame in frames if _is_below(frame.filename, code_folder)]
    if body["line"] is None and (inside or frames):
        frame = (inside or frames)[-1]
        body["file"], body["line"] = _relative(frame.filename, code_folder), frame.lineno
    body["traceback"] = _text(error, code_folder)
    return body


def _frames(error: BaseException) -> List[Any]:
    import traceback

    return [frame for frame in traceback.extract_tb(error.__traceback__) if not _is_ours(frame.filename)]


def _text(error: BaseException, code_folder: str) -> str:
    import traceback

    described = traceback.TracebackException.from_exception(error)
    seen = set()
    pending = [described]
    while pending:
        entry = pending.pop()
        if id(entry) in seen:
            continue
        seen.add(id(entry))
        kept = [frame for frame in entry.stack if not _is_ours(frame.filename)]
        entry.stack[:] = kept
        group = getattr(entry, "exceptions", None) or []
        pending.extend(other for other in [entry.__cause__, entry.__context__, *group] if other is not None)
    text = "".join(described.format())
    prefix = os.path.join(code_folder, "")
    return text.replace(f'File "{prefix}', 'File "').rstrip("\n")


def _is_ours(file: str) -> bool:
    return file.startswith((_OURS, "<frozen "))


def _is_below(file: str, folder: str) -> bool:
    return file.startswith(os.path.join(folder, ""))


def _relative(file: str, folder: str) -> str:
    return os.path.relpath(file, folder) if _is_below(file, folder) else file
