"""``git+https://host/repository[@ref][#path]``: a branch, tag or commit, and a file or folder in it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from mlbox.base.errors import Invalid, Unavailable
from mlbox.engine.runs.origins.base import ORIGINS, Fetched, Place, inside

_SECONDS = 300
_URL = re.compile(r"git\+(?P<url>(?:https?|ssh|git|file)://[^#]+?)(?:@(?P<ref>[^@/:#][^@:#]*))?$")
_COMMIT = re.compile(r"[0-9a-f]{7,40}")


class GitOrigin:
    """Fetched by the git of this machine, the wanted state only."""

    summary = "`git+https://host/repository[@ref][#path]`: a branch, tag or commit of a Git repository"

    def matches(self, text: str) -> bool:
        """``git+…``."""
        return text.startswith("git+")

    def fetch(self, place: Place) -> Fetched:
        """Clone without history; the commit is the revision."""
        found = _URL.match(place.text)
        if found is None:
            raise Invalid(
                f"{place.text!r} is not the address of a Git repository",
                hint="git+https://host/repository@ref#path; ssh, http, git and file are known too",
            )
        if shutil.which("git") is None:
            raise Unavailable("git is not installed on the server", hint="install git, or fetch the code into a folder")
        url, ref = found["url"], found["ref"]
        target = place.scratch / "repository"
        if ref is not None and _COMMIT.fullmatch(ref):
            _git("clone", "--quiet", "--no-checkout", "--", url, str(target))
            _git("-C", str(target), "checkout", "--quiet", ref, "--")
        else:
            branch = ("--branch", ref) if ref else ()
            _git("clone", "--quiet", "--depth", "1", *branch, "--", url, str(target))
        revision = _git("-C", str(target), "rev-parse", "HEAD").strip()
        shutil.rmtree(target / ".git", ignore_errors=True)
        chosen = inside(target, place.inner)
        return Fetched(chosen.root, chosen.main, revision)


def _git(*arguments: str) -> str:
    environment = {
        **os.environ,
        "GIT_TERMINAL_PROMPT": "0",  # who is asked for a password cannot answer
        "GIT_SSH_COMMAND": os.environ.get("GIT_SSH_COMMAND", "ssh -o BatchMode=yes"),
    }
    try:
        done = subprocess.run(
            ["git", "-c", "protocol.ext.allow=never", *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
            cwd=Path("/"),
        )
    except subprocess.TimeoutExpired:
        raise Unavailable(f"git did not answer within {_SECONDS} seconds") from None
    if done.returncode:
        said = [line for line in done.stderr.strip().splitlines() if line.strip()]
        reason = next((line for line in said if line.startswith(("fatal:", "error:"))), said[-1] if said else "")
        raise Invalid(
            f"git: {reason.removeprefix('fatal: ').removeprefix('error: ')}",
            hint="look at the address, the ref, and whether the server may read the repository",
        )
    return done.stdout


ORIGINS.add("git", GitOrigin())
