"""``mlbox export``: a project as one file."""

from __future__ import annotations

import argparse

from mlbox.base.names import literal, quote

HELP = "write a project to one file: an archive (.zip), or its statements alone (.sql)"


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("project", help="the project")
    parser.add_argument("file", metavar="FILE", help="a .zip takes data and bytes too, a .sql the statements alone")
    parser.add_argument("--without-runs", action="store_true", help="leave runs and their artifacts out")


def run(arguments: argparse.Namespace) -> int:
    """One statement; prints what was written."""
    from mlbox.cli.door import open_door

    without = " WITHOUT RUNS" if arguments.without_runs else ""
    with open_door(arguments) as door:
        (result,) = door.run(f"EXPORT PROJECT {quote(arguments.project)} TO {literal(arguments.file)}{without}")
    print(result["message"])
    return 0
