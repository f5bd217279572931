"""``mlbox config explain``: every setting, its value and where it came from."""

from __future__ import annotations

import argparse
import json

from mlbox.base.home import find_home
from mlbox.base.settings import load

HELP = "show settings and where each value comes from"


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("action", choices=("explain",), help="what to do")
    parser.add_argument("--json", action="store_true", help="as JSON")


def run(arguments: argparse.Namespace) -> int:
    """A table, or JSON; the token's value is not shown."""
    home = find_home(arguments.home)
    _, provenance = load(home.path / "mlbox.toml")
    rows = [
        {
            "name": entry.name,
            "value": ("set" if entry.value else "") if entry.name == "token" else entry.value,
            "unit": entry.unit,
            "source": entry.source,
            "doc": entry.doc,
        }
        for entry in provenance.values()
    ]
    if arguments.json:
        print(json.dumps(rows, indent=2))
        return 0
    width = max(len(str(row["name"])) for row in rows)
    for row in rows:
        value = f"{row['value']} {row['unit']}".strip() or "(empty)"
        print(f"{row['name']:<{width}}  {value:<16} {row['source']:<12} {row['doc']}")
    return 0
