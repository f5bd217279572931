"""A zip or tar with the code in it: a file, an address of the web, or an object of a store."""

from __future__ import annotations

import shutil
import tarfile
import zipfile
from pathlib import Path
from urllib.parse import urlsplit

from mlbox.base.errors import Invalid, NotFound, Unavailable
from mlbox.engine.runs.origins.base import ORIGINS, Fetched, Place, inside

ENDINGS = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".whl")
_WEB = ("http://", "https://")
_STORES = ("s3://", "gs://", "gcs://", "az://", "abfs://")
_LARGEST = 512 << 20
_SECONDS = 60


class ArchiveOrigin:
    """Unpacked into a folder; a single folder at its top is looked into."""

    summary = "`code.zip`, `https://host/code.tar.gz[#path]`, `s3://bucket/code.zip`: an archive, or one `.py` file"

    def matches(self, text: str) -> bool:
        """By its ending, or an address (which may be of a single file)."""
        return text.startswith((*_WEB, *_STORES)) or text.lower().endswith(ENDINGS)

    def fetch(self, place: Place) -> Fetched:
        """Download where it is elsewhere, and unpack."""
        name = Path(urlsplit(place.text).path).name or "code"
        if place.text.startswith((*_WEB, *_STORES)):
            path = place.scratch / name
            _download(place.text, path)
        else:
            path = Path(place.base, place.text).expanduser()
            if not path.is_file():
                raise NotFound(f"there is no file {path}")
        if not name.lower().endswith(ENDINGS):
            return Fetched(path)
        folder = place.scratch / "unpacked"
        folder.mkdir()
        _unpack(path, folder)
        entries = [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
        top = entries[0] if len(entries) == 1 and entries[0].is_dir() else folder
        return inside(top, place.inner)


def _download(address: str, path: Path) -> None:
    import urllib.error
    import urllib.request

    if address.startswith(_STORES):
        _fetch_object(address, path)
        return
    try:
        with urllib.request.urlopen(address, timeout=_SECONDS) as answer, path.open("wb") as file:
            while chunk := answer.read(1 << 20):
                file.write(chunk)
                if file.tell() > _LARGEST:
                    raise Invalid(f"{address} has more than {_LARGEST >> 20} MB")
    except urllib.error.HTTPError as error:
        raise NotFound(f"{address} answers {error.code} {error.reason}") from None
    except OSError as error:
        raise Unavailable(f"{address} cannot be reached: {getattr(error, 'reason', error)}") from None


def _fetch_object(address: str, path: Path) -> None:
    try:
        import fsspec
    except ImportError:
        raise Invalid("object stores need fsspec, which is not installed", hint="pip install 'mlbox[remote]'") from None
    try:
        with fsspec.open(address, "rb") as source, path.open("wb") as file:
            shutil.copyfileobj(source, file)
    except FileNotFoundError:
        raise NotFound(f"there is no object {address}") from None
    except ImportError as error:
        raise Invalid(f"{address} needs another package: {error}", hint="pip install 'mlbox[remote]'") from None
    except Exception as error:  # each store has errors of its own
        raise Unavailable(f"{address} cannot be read: {error}") from None


def _unpack(path: Path, folder: Path) -> None:
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                archive.extractall(folder)  # keeps names inside of the folder
        else:
            with tarfile.open(path) as archive:
                archive.extractall(folder, filter="data")
    except (tarfile.TarError, zipfile.BadZipFile, OSError, EOFError) as error:
        raise Invalid(f"{path.name} is not an archive that can be unpacked: {error}") from None


ORIGINS.add("archive", ArchiveOrigin())
