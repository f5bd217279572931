"""``.help``: the dot commands, and the grammar of a statement."""

from __future__ import annotations

from mlbox.cli.shell.state import DOT_COMMANDS, DotCommand, Shell, dot_command

HEAD = (
    "Statements end with a semicolon and may span lines. Tab completes; Ctrl-C drops the line or cancels a statement."
)
FOOT = "The rest is SQL: .help STATEMENTS lists those of mlbox, .help CREATE MODEL tells of one."


def _help(shell: Shell, words: list[str]) -> None:
    from mlbox.sql.manual import help_text

    asked = " ".join(words).rstrip(";")
    if not asked:
        print(_commands())
    elif asked.startswith("."):
        command = DOT_COMMANDS.get(asked)
        print(f"{command.name} {command.usage}\n  {command.summary}")
    elif asked.upper() == "STATEMENTS":
        print(_statements())
    else:
        print(help_text(asked))


def _commands() -> str:
    used = [(f"{name} {command.usage}".strip(), command.summary) for name, command in DOT_COMMANDS]
    room = max(len(usage) for usage, _ in used)
    return "\n".join([HEAD, "", *(f"  {usage:<{room}}  {summary}" for usage, summary in used), "", FOOT])


def _statements() -> str:
    from mlbox.sql.grammar import REGISTRY

    room = max(len(name) for name in REGISTRY.names())
    return "\n".join(f"  {name:<{room}}  {syntax.summary}" for name, syntax in REGISTRY)


def _complete(shell: Shell, begun: str) -> list[str]:
    from mlbox.sql.grammar import REGISTRY

    return [*REGISTRY.names(), "STATEMENTS", *DOT_COMMANDS.names()]


dot_command(DotCommand(".help", "[STATEMENT]", "this list, or the grammar of a statement", _help, _complete))
