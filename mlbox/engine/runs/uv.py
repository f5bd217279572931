"""uv, the tool that builds environments: where it is, and how it is told the host's package settings."""

from __future__ import annotations

import configparser
import os
import shutil
import ssl
import sys
from collections.abc import Mapping
from pathlib import Path

from mlbox.base.errors import Unavailable

_PIP_TO_UV = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "cert": "SSL_CERT_FILE",
    "trusted-host": "UV_INSECURE_HOST",
    "no-index": "UV_NO_INDEX",
}


def find_uv(configured: str = "") -> Path:
    """The uv binary: the configured one, the one inside our executable, of the Python package, on PATH."""
    if configured:
        path = Path(configured).expanduser()
        if not path.is_file():
            raise Unavailable(f"the uv of the settings is not there: {path}", hint="correct the setting uv")
        return path
    bundled = getattr(sys, "_MEIPASS", None)
    if bundled:
        for candidate in (Path(bundled) / "uv", Path(bundled) / "uv" / "uv"):
            if candidate.is_file():
                return candidate
    try:
        import uv

        return Path(uv.find_uv_bin())
    except (ImportError, FileNotFoundError):
        pass
    found = shutil.which("uv")
    if found:
        return Path(found)
    raise Unavailable(
        "uv was not found, so no environment can be built for the function's requirements",
        hint="install it (pip install uv), or name it with the setting uv",
    )


def pip_configuration(environment: Mapping[str, str], files: list[Path] | None = None) -> dict[str, str]:
    """What pip is told (files, lowest first, then ``PIP_…``), by option name; sections global and install."""
    found: dict[str, str] = {}
    for file in _pip_files(environment) if files is None else files:
        parser = configparser.RawConfigParser()
        try:
            parser.read(file, encoding="utf-8")
        except (configparser.Error, OSError, UnicodeDecodeError):
            continue  # a broken pip.conf is pip's to complain about
        for section in ("global", "install"):
            if parser.has_section(section):
                found.update({name: value for name, value in parser.items(section) if name in _PIP_TO_UV})
    for option in _PIP_TO_UV:
        value = environment.get("PIP_" + option.upper().replace("-", "_"))
        if value:
            found[option] = value
    return found


def _pip_files(environment: Mapping[str, str]) -> list[Path]:
    explicit = environment.get("PIP_CONFIG_FILE")
    if explicit == os.devnull:
        return []
    home = Path.home()
    configured = Path(environment.get("XDG_CONFIG_HOME") or home / ".config")
    files = [Path("/etc/xdg/pip/pip.conf"), Path("/etc/pip.conf"), home / ".pip" / "pip.conf"]
    files.append(configured / "pip" / "pip.conf")
    return [*files, Path(explicit)] if explicit else files


def trust_the_system(environment: dict[str, str]) -> None:
    """Let uv believe whom this machine believes, as pip does, and not its own list alone: a proxy that signs with a
    company's certificate is known to the machine only. Not where there is no certificate, since uv then does nothing.
    """
    if sys.platform == "linux":
        known = ssl.get_default_verify_paths()
        if not known.cafile and not (known.capath and os.listdir(known.capath)):
            return
    environment.setdefault("UV_SYSTEM_CERTS", "1")


def uv_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """``environment`` for a uv process: pip's indexes under uv's names; what is already said to uv wins."""
    result = dict(environment)
    pip = pip_configuration(environment)
    older = {"UV_DEFAULT_INDEX": "UV_INDEX_URL", "UV_INDEX": "UV_EXTRA_INDEX_URL"}
    for option, value in pip.items():
        variable = _PIP_TO_UV[option]
        if variable in result or older.get(variable) in result:
            continue
        joined = " ".join(value.split())
        if option == "find-links":
            joined = ",".join(value.split())
        elif option == "no-index":
            joined = "1" if value.strip().lower() in {"1", "true", "yes", "on"} else ""
        if joined:
            result[variable] = joined
    if "UV_INDEX" in result or "UV_EXTRA_INDEX_URL" in result:
        # pip takes the best version of all indexes, uv the first index that knows the name: be like pip
        result.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")
    trust_the_system(result)
    result.update(UV_NO_PROGRESS="1", NO_COLOR="1", UV_PYTHON_PREFERENCE=result.get("UV_PYTHON_PREFERENCE", "system"))
    for name in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        result.pop(name, None)
    return result
