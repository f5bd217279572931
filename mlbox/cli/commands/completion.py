"""``mlbox completion``: what makes Tab complete the command line in bash, zsh and fish."""

from __future__ import annotations

import argparse
import shlex
from dataclasses import dataclass, field

HELP = "print the completion of this command line for a shell"
SHELLS = ("bash", "zsh", "fish")
USE = {
    "bash": 'add to ~/.bashrc:  eval "$(mlbox completion bash)"',
    "zsh": 'add to ~/.zshrc, below compinit:  eval "$(mlbox completion zsh)"',
    "fish": "mlbox completion fish > ~/.config/fish/completions/mlbox.fish",
}
BASH = """\
# {use}
_mlbox() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}} verb= at words
    for (( at = 1; at < COMP_CWORD; at++ )); do
        case ${{COMP_WORDS[at]}} in
            --home) (( at++ )) ;;
            -*) ;;
            *) verb=${{COMP_WORDS[at]}}; break ;;
        esac
    done
    case "$verb $before" in
{choices}
        *) case "$verb" in
            "") words={verbs} ;;
{options}
        esac ;;
    esac
    COMPREPLY=( $(compgen -W "$words" -- "$word") )
}}
complete -o default -F _mlbox mlbox
"""


@dataclass
class Words:
    """What may stand behind a verb: values, options with their help, and the values of options."""

    summary: str = ""
    values: list[str] = field(default_factory=list)
    options: dict[str, str] = field(default_factory=dict)
    choices: dict[str, list[str]] = field(default_factory=dict)


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("shell", choices=SHELLS, help="; ".join(USE[name] for name in SHELLS).replace("%", "%%"))


def run(arguments: argparse.Namespace) -> int:
    """Written from the parser itself, so that it cannot lag behind."""
    from mlbox.cli.main import parser

    known = words_of(parser())
    if arguments.shell == "fish":
        print(fish(known))
        return 0
    if arguments.shell == "zsh":
        print("autoload -U +X bashcompinit && bashcompinit")
    print(bash(known, USE[arguments.shell]), end="")
    return 0


def words_of(root: argparse.ArgumentParser) -> dict[str, Words]:
    """By verb; the empty one stands for the command itself."""
    found = {"": _words(root)}
    for action in root._actions:
        if isinstance(action, argparse._SubParsersAction):
            summaries = {entry.dest: entry.help or "" for entry in action._choices_actions}
            for verb, child in action.choices.items():
                found[verb] = _words(child)
                found[verb].summary = summaries.get(verb, "")
    return found


def _words(parser: argparse.ArgumentParser) -> Words:
    words = Words()
    for action in parser._actions:
        values = [str(value) for value in action.choices] if action.choices else []
        if not action.option_strings:
            words.values += values
            continue
        told = "" if action.help in (None, argparse.SUPPRESS) else str(action.help)
        for option in action.option_strings:
            words.options[option] = told.replace("%%", "%")
            if values:
                words.choices[option] = values
    return words


def bash(known: dict[str, Words], use: str) -> str:
    """A function for bash, which zsh understands as well."""
    choices = [
        f'        "{verb} {option}") words={shlex.quote(" ".join(values))} ;;'
        for verb, words in known.items()
        for option, values in words.choices.items()
    ]
    options = [
        f"            {verb}) words={shlex.quote(' '.join([*words.values, *words.options]))} ;;"
        for verb, words in known.items()
        if verb
    ]
    top = " ".join([*known[""].values, *known[""].options])
    return BASH.format(use=use, choices="\n".join(choices), verbs=shlex.quote(top), options="\n".join(options))


def fish(known: dict[str, Words]) -> str:
    """Commands of fish."""
    lines = [f"# {USE['fish']}"]
    for verb, words in known.items():
        seen = f"__fish_seen_subcommand_from {verb}" if verb else "__fish_use_subcommand"
        for value in words.values:
            told = f" -d {_fish(known[value].summary)}" if not verb else ""
            lines.append(f"complete -c mlbox {'-f ' if not verb else ''}-n '{seen}' -a {_fish(value)}{told}")
        for option, told in words.options.items():
            kind = f"-l {option[2:]}" if option.startswith("--") else f"-s {option[1:]}"
            values = words.choices.get(option)
            given = f" -x -a {_fish(' '.join(values))}" if values else ""
            lines.append(f"complete -c mlbox -n '{seen}' {kind}{given} -d {_fish(told)}")
    return "\n".join(lines)


def _fish(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
