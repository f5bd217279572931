"""Where packages of user code come from: the settings, else what the host's pip and uv are told."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlbox.base.errors import Invalid
from mlbox.engine.runs.uv import pip_configuration

if TYPE_CHECKING:
    from mlbox.base.settings import Settings

CERTIFICATES = "certificates.pem"
"""Name of that file in a container."""

_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


@dataclass(frozen=True, slots=True)
class PackageSources:
    """An index, more indexes, a proxy, certificates, a folder of wheels; empty: as the host's pip has it."""

    index: str = ""
    more_indexes: tuple[str, ...] = ()
    proxy: str = ""
    certificates: Path | None = None
    wheelhouse: Path | str | None = None
    """A folder, or the address of a page with links to wheels."""
    offline: bool = False

    @classmethod
    def of(cls, settings: Settings) -> PackageSources:
        """Those of the settings. ``Invalid`` when a file or folder is not there."""
        return cls(
            settings.package_index,
            tuple(settings.package_more_indexes.split()),
            settings.package_proxy,
            _existing(settings.package_certificates, "package_certificates"),
            _folder_or_address(settings.package_wheelhouse),
            settings.package_offline,
        )

    def uv_variables(self) -> dict[str, str]:
        """For a uv of this machine; what is not set here is left as it is."""
        found: dict[str, str] = {}
        if self.index:
            found["UV_DEFAULT_INDEX"] = self.index
        if self.more_indexes:
            found["UV_INDEX"] = " ".join(self.more_indexes)
        if self.certificates:
            found["SSL_CERT_FILE"] = str(self.certificates)
        if self.wheelhouse:
            found["UV_FIND_LINKS"] = str(self.wheelhouse)
        if self.offline:
            found["UV_NO_INDEX"] = "1"
        if self.proxy:
            found.update({name: self.proxy for spelling in _PROXIES for name in (spelling, spelling.lower())})
        return found

    def container_files(self) -> dict[str, Path]:
        """Name in the folder of a build → file of this machine."""
        found: dict[str, Path] = {}
        certificates = self.certificates or _host_certificates()
        if certificates is not None:
            found[CERTIFICATES] = certificates
        if isinstance(self.wheelhouse, Path):
            files = sorted(path for path in self.wheelhouse.iterdir() if path.is_file())
            found.update({f"wheels/{path.name}": path for path in files})
        return found

    def container_variables(self, folder: str) -> dict[str, str]:
        """For uv and pip in a container; ``folder`` is where the files are there. Folders that the host's pip is told
        of are not there, addresses are."""
        pip = pip_configuration(os.environ)
        index = self.index or _addresses(pip.get("index-url", ""))
        more = " ".join(self.more_indexes) or _addresses(pip.get("extra-index-url", ""))
        found = {"UV_NO_PROGRESS": "1", "NO_COLOR": "1", "UV_NO_CACHE": "1", "UV_LINK_MODE": "copy"}
        found.update(PIP_NO_CACHE_DIR="1", PIP_DISABLE_PIP_VERSION_CHECK="1", PIP_ROOT_USER_ACTION="ignore")
        found["UV_PYTHON_DOWNLOADS"] = "never"
        if index:
            found.update(UV_DEFAULT_INDEX=index, PIP_INDEX_URL=index)
        if more:
            found.update(UV_INDEX=more, PIP_EXTRA_INDEX_URL=more, UV_INDEX_STRATEGY="unsafe-best-match")
        if self.certificates or _host_certificates():
            path = f"{folder}/{CERTIFICATES}"
            found.update(SSL_CERT_FILE=path, PIP_CERT=path)
        if self.wheelhouse:
            links = f"{folder}/wheels" if isinstance(self.wheelhouse, Path) else self.wheelhouse
            found.update(UV_FIND_LINKS=links, PIP_FIND_LINKS=links)
        if self.offline:
            found.update(UV_NO_INDEX="1", PIP_NO_INDEX="1")
        found.update(self._proxies())
        return found

    def _proxies(self) -> Mapping[str, str]:
        if self.proxy:
            return {name: self.proxy for spelling in _PROXIES for name in (spelling, spelling.lower())}
        spellings = [name for spelling in (*_PROXIES, "NO_PROXY") for name in (spelling, spelling.lower())]
        return {name: os.environ[name] for name in spellings if os.environ.get(name)}


def _folder_or_address(text: str) -> Path | str | None:
    return text if text.startswith(("http://", "https://")) else _existing(text, "package_wheelhouse")


def _existing(text: str, setting: str) -> Path | None:
    if not text:
        return None
    path = Path(text).expanduser()
    if not path.exists():
        raise Invalid(f"the setting {setting} names {text}, which is not there")
    return path.absolute()


def _host_certificates() -> Path | None:
    configured = pip_configuration(os.environ).get("cert") or os.environ.get("SSL_CERT_FILE")
    path = Path(configured) if configured else None
    return path if path is not None and path.is_file() else None


def _addresses(text: str) -> str:
    return " ".join(word for word in text.split() if word.startswith(("http://", "https://")))
