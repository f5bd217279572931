"""``mlbox config explain``: every setting, its value and where it came from."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from mlbox.base.errors import NotFound
from mlbox.base.home import find_home
from mlbox.base.settings import SECRET, Provenance, load
from mlbox.base.suggest import did_you_mean

HELP = "show settings and where each value comes from"


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("action", nargs="?", choices=("explain",), default="explain", help="what to do (the default)")
    parser.add_argument("names", nargs="*", metavar="SETTING", help="those to show; all without a name")
    parser.add_argument("--json", action="store_true", help="as JSON")


def run(arguments: argparse.Namespace) -> int:
    """A table, or JSON; secrets are not shown."""
    home = find_home(arguments.home)
    _, provenance = load(home.path / "mlbox.toml")
    rows = [
        {
            "name": entry.name,
            "value": _value(entry),
            "unit": entry.unit,
            "source": entry.source,
            "doc": entry.doc,
        }
        for entry in _chosen(arguments.names, provenance)
    ]
    if arguments.json:
        print(json.dumps(rows, indent=2))
        return 0
    width = max(len(str(row["name"])) for row in rows)
    for row in rows:
        value = f"{row['value']} {row['unit']}".strip() or "(empty)"
        print(f"{row['name']:<{width}}  {value:<16} {row['source']:<12} {row['doc']}")
    return 0


def _value(entry: Provenance) -> Any:
    if entry.name in SECRET:
        return "set" if entry.value else ""
    return re.sub(r"//[^@/]*@", "//…@", entry.value) if isinstance(entry.value, str) else entry.value


def _chosen(names: Sequence[str], known: Mapping[str, Provenance]) -> list[Provenance]:
    """Those that are named, as ``pg_port``, ``pg-port`` or ``MLBOX_PG_PORT``; all without a name."""
    folded = [name.lower().replace("-", "_").removeprefix("mlbox_") for name in names]
    for name in folded:
        if name not in known:
            raise NotFound(f"there is no setting {name!r}", hint=did_you_mean(name, known))
    return [known[name] for name in folded or known]
