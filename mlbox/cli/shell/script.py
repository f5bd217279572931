"""Scripts with dot commands between their statements: ``mlbox sql FILE``, standard input, ``.read``."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mlbox.base.errors import Invalid, MlboxError, Where
from mlbox.cli.shell.state import DOT_COMMANDS, Shell, run_dot

_LINE = re.compile(r"^\.[A-Za-z][^\n]*", re.M)
MOST_NESTED = 16
"""So many files may read one another."""


def parts(text: str) -> Iterator[tuple[int, int, bool]]:
    """Start and end of each piece, and whether it is a dot command: a line that begins with one between statements."""
    done = 0
    for line in _LINE.finditer(text):
        before = text[done : line.start()]
        if not _complete(before):
            continue
        if before.strip():
            yield done, line.start(), False
        yield line.start(), line.end(), True
        done = line.end()
    if text[done:].strip():
        yield done, len(text), False


def has_dots(text: str) -> bool:
    """Whether a dot command stands between the statements of ``text``."""
    return _LINE.search(text) is not None and any(is_dot for _, _, is_dot in parts(text))


def _complete(text: str) -> bool:
    """Whether what follows ``text`` begins a statement, and stands in no string, comment or bracket."""
    from mlbox.sql.lexer import pieces
    from mlbox.sql.script import split

    try:
        operators = "".join(text[piece.start : piece.stop] for piece in pieces(text) if piece.label == "operator")
        depth = sum(map(operators.count, "([{")) - sum(map(operators.count, ")]}"))
        return depth <= 0 and len(split(f"{text}\nSELECT 1")) == len(split(text)) + 1
    except MlboxError:
        return False


def run_script(shell: Shell, text: str) -> None:
    """Carry out statements and dot commands in their order; raises ``MlboxError`` with its place, and ``Leave``."""
    if shell.nested >= MOST_NESTED:
        raise Invalid(f"scripts read one another, {MOST_NESTED} deep", hint="does one of them read itself?")
    shell.nested += 1
    try:
        for start, stop, is_dot in parts(text):
            if not is_dot:
                shell.run(re.sub(r"[^\n]", " ", text[:start]) + text[start:stop])  # places are those of the script
                continue
            try:
                _refuse(text[start:stop])
                run_dot(shell, text[start:stop].strip())
            except MlboxError as error:
                if error.where is None:
                    error.where = Where.at(text, start)
                raise
    finally:
        shell.nested -= 1


def _refuse(line: str) -> None:
    name = line.split()[0].rstrip(";")
    if name in DOT_COMMANDS and DOT_COMMANDS.get(name).terminal_only:
        raise Invalid(f"{name} is for the shell on a terminal", hint="--home DIR says where a script is carried out")
