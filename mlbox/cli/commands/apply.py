"""``mlbox apply``: a project out of an archive, a folder or a repository."""

from __future__ import annotations

import argparse
import json
import re
import zipfile
from pathlib import Path

from mlbox.base.errors import Invalid
from mlbox.base.names import literal, quote

HELP = "make a project out of an archive of mlbox export, or a folder with a project.sql"


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("source", metavar="FILE|FOLDER", help="the archive, the folder, or git+https://host/repository")
    parser.add_argument("--project", help="its name (default: the archive's own, or the folder's name)")


def run(arguments: argparse.Namespace) -> int:
    """One statement; prints what was made."""
    from mlbox.cli.door import open_door

    name = arguments.project or _name(arguments.source)
    statement = f"CREATE PROJECT IF NOT EXISTS {quote(name)} FROM {literal(arguments.source)}"
    with open_door(arguments) as door:
        (result,) = door.run(statement)
    print(result["message"])
    return 0


def _name(source: str) -> str:
    """What the archive says, else the last word of the path."""
    path = Path(source).expanduser()
    try:
        if path.is_dir() and (path / "manifest.json").is_file():
            return str(json.loads((path / "manifest.json").read_text())["project"])
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                return str(json.loads(archive.read("manifest.json"))["project"])
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        pass  # the server says what is wrong with it
    word = re.sub(r"[^a-z0-9_]+", "_", path.absolute().name.split(".")[0].lower()).strip("_")
    if not word or "+" in source:
        raise Invalid("what is the project to be called?", hint="--project NAME")
    return word
