"""Writes ``docs/reference`` from the code: ``make docs``. A test fails when a page differs from what this would write.

A page depends on nothing but the code: no dates, no widths of a terminal, no order of a dictionary.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

REFERENCE = Path(__file__).resolve().parent / "reference"
NOTE = "<!-- Written by docs/generate.py (`make docs`); a test compares it with the code. -->"


def page(title: str, *parts: str) -> str:
    """A page with its heading."""
    return "\n\n".join([f"# {title}", NOTE, *(part.strip("\n") for part in parts if part.strip())]) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def block(text: str, language: str = "sql") -> str:
    """A fenced block."""
    return f"```{language}\n{text.strip()}\n```"


# -- SQL --------------------------------------------------------------------------------------------------------------


def executed_commands() -> tuple[frozenset[type], frozenset[str]]:
    """The commands that a house carries out, and the kinds of objects that ALTER changes."""
    from mlbox.app.house import House
    from mlbox.base.home import Home
    from mlbox.base.settings import Settings

    with tempfile.TemporaryDirectory() as folder:
        house = House.open(Home(Path(folder)), Settings())
        try:
            return frozenset(house.dispatcher.commands), frozenset(house.workflows.alterations.kinds)
        finally:
            house.close()


def commands_of(syntax: Any) -> set[type]:
    """What a statement's examples parse to; an example that does not parse is an error."""
    from mlbox.sql.script import SqlParser

    return {type(SqlParser().parse_one(example, "default", {})) for example in syntax.examples}


def sql_page() -> str:
    """Every statement of the language."""
    from mlbox.engine.workflows.commands import AlterObject
    from mlbox.sql.grammar import REGISTRY, StatementSyntax

    commands, altered = executed_commands()
    runs = {}
    for _, syntax in REGISTRY:
        needed = commands_of(syntax)
        kind = syntax.name.partition(" ")[2].lower()
        runs[syntax.name] = needed <= commands and (needed != {AlterObject} or kind in altered)

    def executed(syntax: StatementSyntax) -> str:
        if not runs[syntax.name]:
            return "not yet"
        return "in part" if syntax.later else "yes"

    rows = [(f"[{syntax.name}](#{anchor(syntax.name)})", syntax.summary, executed(syntax)) for _, syntax in REGISTRY]
    sections = []
    for _, syntax in REGISTRY:
        parts = [f"## {syntax.name}", syntax.summary]
        if not runs[syntax.name]:
            parts.append(
                "**Not executed yet.** The statement is part of the language and its text is checked; running it ends "
                "with the error `not_executed`."
            )
        elif syntax.later:
            clauses = ", ".join(f"`{clause}`" for clause in syntax.later)
            parts.append(f"Not executed yet in this version: {clauses}. The text is checked; running it is an error.")
        parts += [block(syntax.syntax), "For example:", block(";\n".join(syntax.examples) + ";")]
        sections.append("\n\n".join(parts))
    return page(
        "Statements",
        "Everything else is [DuckDB's SQL](https://duckdb.org/docs/stable/sql/introduction) and goes to DuckDB as it "
        "is written. Names may be written `project.name`; a version or an alias follows as `@2` or `@champion`. "
        "`EXPLAIN` before a statement shows what it would do.",
        table(("statement", "what it does", "executed"), rows),
        *sections,
    )


# -- views ------------------------------------------------------------------------------------------------------------


def views_page() -> str:
    """Every public view with its columns."""
    from mlbox.engine.catalog.views.base import all_views

    views = sorted(all_views(), key=lambda view: view.name)
    sections = [
        f"## ml.{view.name}\n\n{view.doc}\n\n"
        + table(
            ("column", "type", "unit", "meaning"),
            [(f"`{column.name}`", _code(column.type), column.unit, column.doc) for column in view.columns],
        )
        for view in views
    ]
    return page(
        "Views",
        "What mlbox knows, as views of the schema `ml`. They are a contract: a column keeps its name and meaning. "
        "Times are instants in UTC.",
        table(("view", "rows"), [(f"[ml.{view.name}](#{anchor(f'ml.{view.name}')})", view.doc) for view in views]),
        *sections,
    )


# -- functions --------------------------------------------------------------------------------------------------------


def functions_page() -> str:
    """Every function of ``ml`` with its arguments and what it gives."""
    from mlbox.sql.functions.base import FUNCTIONS

    shown = [entry for _, entry in FUNCTIONS if entry.public]
    sections = []
    for entry in shown:
        rows = [(_code(c.name), _code(c.type), c.unit, c.doc) for c in entry.columns]
        sections.append(
            "\n\n".join(
                filter(
                    None,
                    [
                        f"## {entry.call}",
                        entry.summary,
                        entry.more,
                        table(
                            ("argument", "type", "default", "meaning"),
                            [(_code(a.name), a.type, _code(a.default), a.doc) for a in entry.arguments],
                        ),
                        table(("gives", "type", "unit", "meaning"), rows),
                        "For example:",
                        block(entry.example + ";"),
                    ],
                )
            )
        )
    return page(
        "Functions",
        "Functions of the schema `ml`, inside any query. Those after `FROM` give rows; tables are named by a text, so "
        "that they may be tables, views or CTEs of the query. Arguments with `:=` may be left out and are given by "
        "name. Names without a project belong to the session's.",
        table(("function", "gives"), [(f"[{e.call}](#{anchor(e.call)})", e.summary) for e in shown]),
        *sections,
    )


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def anchor(heading: str) -> str:
    """The anchor that Markdown renderers make of a heading."""
    kept = "".join(character for character in heading.lower() if character.isalnum() or character in " -_")
    return kept.replace(" ", "-")


# -- settings and errors ----------------------------------------------------------------------------------------------


def settings_page() -> str:
    """Every setting with its default."""
    from mlbox.base.settings import Settings

    rows = []
    for entry in fields(Settings):
        default = "" if entry.default == "" else f"`{entry.default}`"
        rows.append(
            (
                f"`{entry.name}`",
                f"`MLBOX_{entry.name.upper()}`",
                default,
                entry.metadata["unit"],
                entry.metadata["doc"],
            )
        )
    return page(
        "Settings",
        "A setting is taken from, in this order of precedence: a flag of the command line, the environment, "
        "`mlbox.toml` in the home, the default. `mlbox config explain` shows each value and where it came from. "
        "An unknown name in `mlbox.toml` is an error.",
        table(("setting", "environment", "default", "unit", "meaning"), rows),
    )


def errors_page() -> str:
    """The tree of errors."""
    from mlbox.base.errors import MlboxError

    rows: list[tuple[str, ...]] = []

    def walk(kind: type[MlboxError], depth: int) -> None:
        indent = "&nbsp;&nbsp;" * depth
        name = f"{indent}{kind.__name__}"
        meaning = (kind.__doc__ or "").strip().splitlines()[0].replace("``", "`")
        again = "yes" if kind.transient else ""
        rows.append((name, f"`{kind.code}`", str(kind.http_status), str(kind.exit_status), again, meaning))
        for child in kind.__subclasses__():
            if child.__module__.startswith("mlbox.base."):
                walk(child, depth + 1)

    walk(MlboxError, 0)
    envelope = """{
  "error": {
    "code": "not_found",
    "message": "there is no model 'delay' in project flights",
    "hint": "did you mean delays?",
    "where": {"line": 1, "column": 12, "offset": 11, "text": "DROP MODEL delay"},
    "details": {}
  }
}"""
    inference = """{
  "error": "there is no endpoint 'scroe'",
  "code": "not_found",
  "hint": "did you mean score?"
}"""
    return page(
        "Errors",
        "Every door tells an error in the same words: what was wrong, a hint what to do next, and the place in the "
        "text where there is one. The command line ends with the exit status; the HTTP API answers with the status and "
        "this body (`hint`, `where` and `details` only when there is something to say):",
        block(envelope, "json"),
        "The inference door, `/v2/…`, answers as its protocol demands, with `error` as a text; what mlbox adds stands "
        "beside it (`hint` only when there is one):",
        block(inference, "json"),
        "`again` marks what may succeed later without a change; only these are retried.",
        table(("error", "code", "HTTP", "exit", "again", "meaning"), rows),
    )


# -- steps of graphs --------------------------------------------------------------------------------------------------


def graph_page() -> str:
    """Every kind of step with its options, and what expressions may hold."""
    from mlbox.serve.expressions.library import FUNCTIONS
    from mlbox.serve.graph.base import GRAPH_STEPS

    sections = []
    for name, kind in GRAPH_STEPS:
        options = [
            (f"`{key}`" + (" (needed)" if key in kind.needs else ""), told) for key, told in kind.options.items()
        ]
        sections.append(
            f"## {name}\n\n{kind.summary}" + ("\n\n" + table(("option", "meaning"), options) if options else "")
        )
    every = [
        ("`name`", "Its name; without it its kind, with a number if there are several"),
        ("`kind`", "What it does"),
        ("`after`", "The step, or the list of steps, that it comes after; without it the one before it in the file"),
        ("`on_error`", "The step that takes its failures, as `{error: {step, code, message, hint}, event: ..}`"),
        ("`timeout_ms`", "Its time limit for an event"),
    ]
    words = ", ".join(f"`{name}`" for name in sorted(FUNCTIONS) if name[0].isalpha())
    return page(
        "Steps of graphs",
        "What `CREATE ENDPOINT … USING GRAPH` takes: [how to serve a graph](../how-to/serve-a-graph.md).",
        "A graph has `steps`, and may have `on_error`, `timeout_ms`, `concurrency` (events of a request in a step at "
        "once, 16) and `description`. Every step may have:",
        table(("option", "meaning"), every),
        *sections,
        "## Expressions\n\nIn steps as in PREPROCESS and POSTPROCESS, a subset of DuckDB's: columns, constants, "
        "`+ - * / // % **`, `||`, comparisons, `AND OR NOT`, `IS [NOT] NULL`, `IS [NOT] DISTINCT FROM`, `BETWEEN`, "
        "`IN`, `CASE`, `coalesce`, `if`, `ifnull`, `concat`, casts to `DOUBLE`, `BIGINT`, `INTEGER`, `VARCHAR`, "
        f"`BOOLEAN`, `TIMESTAMP`, `TRY_CAST`, `extract`, and the functions {words}.",
    )


# -- command line -----------------------------------------------------------------------------------------------------


def cli_page() -> str:
    """Every verb with its arguments, read from the parser (its own help differs from Python to Python)."""
    from mlbox.cli.main import parser

    root = parser()
    verbs = _verbs(root)
    sections = [_parser_section("mlbox", root)]
    for name, child, summary in verbs:
        sections.append(_parser_section(f"mlbox {name}", child, summary))
    rows = [(f"[mlbox {name}](#{anchor(f'mlbox {name}')})", summary) for name, _, summary in verbs]
    return page(
        "Command line",
        f"{root.description}",
        "Exit status: 0 done, 1 your error, 2 ours, 130 interrupted.",
        table(("verb", "what it does"), rows),
        *sections,
    )


def _verbs(parser: argparse.ArgumentParser) -> list[tuple[str, argparse.ArgumentParser, str]]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            summaries = {choice.dest: choice.help or "" for choice in action._choices_actions}
            return [(name, child, summaries.get(name, "")) for name, child in action.choices.items()]
    return []


def _parser_section(title: str, parser: argparse.ArgumentParser, summary: str = "") -> str:
    actions = [
        action
        for action in parser._actions
        if not isinstance(action, argparse._SubParsersAction | argparse._HelpAction)
    ]
    nested = _verbs(parser)
    usage = " ".join([title, *map(_usage, actions), *(["VERB …"] if nested else [])])
    parts = [f"## {title}", summary, block(usage, "text")]
    if actions:
        parts.append(table(("argument", "meaning"), [(_name(action), _meaning(action)) for action in actions]))
    if nested and title != "mlbox":
        parts += [_parser_section(f"{title} {name}", child, told) for name, child, told in nested]
    return "\n\n".join(part for part in parts if part)


def _value(action: argparse.Action) -> str:
    if action.nargs == 0:
        return ""
    if isinstance(action.metavar, str):
        return action.metavar
    return "{" + ",".join(map(str, action.choices)) + "}" if action.choices else action.dest.upper()


def _usage(action: argparse.Action) -> str:
    flag = action.option_strings[-1] if action.option_strings else ""
    text = " ".join(filter(None, [flag, _value(action)]))
    if action.nargs in ("*", "+"):
        text += " …"
    return text if action.required and action.nargs not in ("?", "*") else f"[{text}]"


def _name(action: argparse.Action) -> str:
    if not action.option_strings:
        return f"`{_value(action)}`"
    return ", ".join(f"`{' '.join(filter(None, [flag, _value(action)]))}`" for flag in action.option_strings)


def _meaning(action: argparse.Action) -> str:
    if action.help == argparse.SUPPRESS:  # --home, which is taken behind the verb as well
        return "folder of all state, as before the verb"
    text = action.help or ""
    return text % {**vars(action), "prog": "mlbox"} if "%(" in text else text.replace("%%", "%")


# -- all of it --------------------------------------------------------------------------------------------------------

PAGES: dict[str, Callable[[], str]] = {
    "sql.md": sql_page,
    "views.md": views_page,
    "functions.md": functions_page,
    "graph-steps.md": graph_page,
    "settings.md": settings_page,
    "errors.md": errors_page,
    "cli.md": cli_page,
}


def main() -> int:
    """Write every page."""
    REFERENCE.mkdir(exist_ok=True)
    for name, write in PAGES.items():
        text = write()
        target = REFERENCE / name
        changed = not target.is_file() or target.read_text(encoding="utf-8") != text
        if changed:
            target.write_text(text, encoding="utf-8")
        print(f"docs/reference/{name}: {'written' if changed else 'as it was'}")
    return 0


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    os._exit(status)  # DuckDB complains on standard error when the interpreter takes it apart
