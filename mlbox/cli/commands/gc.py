"""``mlbox gc``: remove what nothing needs any more."""

from __future__ import annotations

import argparse
import json

HELP = "remove caches, run folders, logs and runs that the settings gc_.. call old"


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("--dry-run", action="store_true", help="only say what would go")
    parser.add_argument("--json", action="store_true", help="as JSON")


def run(arguments: argparse.Namespace) -> int:
    """One line a thing, then how many and how much."""
    from mlbox.cli.door import open_door

    statement = "COLLECT GARBAGE"
    with open_door(arguments) as door:
        (result,) = door.run(f"EXPLAIN {statement}" if arguments.dry_run else statement)
    names = [column["name"] for column in result["columns"]]
    rows = [dict(zip(names, row, strict=True)) for row in result["rows"]]
    if arguments.json:
        print(json.dumps(rows, indent=2))
        return 0
    if not rows or rows[0].get("detail") == "there is no garbage":
        print("there is no garbage")
        return 0
    for row in rows:
        if arguments.dry_run:
            print(f"{row['object']}: {row['detail']}")
        else:
            print(f"{row['kind']} {row['name']}: {row['bytes']:,} bytes; {row['why']}")
    print("nothing was removed" if arguments.dry_run else result["message"])
    return 0
