"""``mlbox features verify``: does the online store say what the offline one says?"""

from __future__ import annotations

import argparse
import json
import re

from mlbox.base.errors import Invalid
from mlbox.base.names import quote

HELP = "compare the online with the offline store"


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("action", choices=("verify",), help="what to do")
    parser.add_argument("name", help="feature vector or feature set: [project.]name")
    parser.add_argument("--set", action="store_true", help="the name is that of a feature set")
    parser.add_argument("--sample", type=int, default=1_000, metavar="N", help="entities to compare (default: 1000)")
    parser.add_argument("--json", action="store_true", help="as JSON")


def run(arguments: argparse.Namespace) -> int:
    """One line a difference; the status is 1 when there is one."""
    from mlbox.cli.door import open_door

    kind = "FEATURE SET" if arguments.set else "FEATURE VECTOR"
    if arguments.sample < 1:
        raise Invalid("--sample needs a whole number of 1 or more")
    parts = re.findall(r'"[^"]+"|[^.]+', arguments.name)
    name = ".".join(quote(part.strip('"')) for part in parts)
    with open_door(arguments) as door:
        (result,) = door.run(f"VERIFY {kind} {name} SAMPLE {arguments.sample}")
    names = [column["name"] for column in result["columns"]]
    rows = [dict(zip(names, row, strict=True)) for row in result["rows"]]
    if arguments.json:
        print(json.dumps({"message": result["message"], "differences": rows}, indent=2))
    else:
        for row in rows:
            values = f"offline {row['offline']}, online {row['online']}"
            print(f"{row['feature_set']}.{row['feature']} of {row['entity']}: {values}; {row['reason']}")
        print(result["message"])
    return 1 if rows else 0
