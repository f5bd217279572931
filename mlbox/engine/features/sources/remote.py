"""Files at URLs, in object stores above all: listed and fetched through fsspec.

DuckDB reads local copies, so that files mean the same wherever they stand; each is fetched once, and the copy goes when
its rows are read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from mlbox.base.errors import Invalid, MlboxError, NotFound, Unavailable
from mlbox.base.object_stores import STORES, for_fsspec, type_of, without_credentials
from mlbox.engine.features.sources.base import Source
from mlbox.engine.security.profiles import PROFILE

T = TypeVar("T")
ACCESS = tuple(sorted({"client_kwargs", *(name for store in STORES.values() for name in store.options)} - {PROFILE}))
OPTIONS = (*ACCESS, PROFILE)
"""What tells an object store who asks: by themselves, or by the name of a profile."""
_TIMES = ("LastModified", "last_modified", "mtime", "updated", "created")


def is_remote(source: Source) -> bool:
    """Whether the URI is not of this machine."""
    return "://" in (source.uri or "") and not (source.uri or "").startswith("file://")


def find(source: Source, endings: tuple[str, ...]) -> Iterator[tuple[str, int, str, str | None]]:
    """(URL, bytes, time, entity tag) of the files of a pattern, by URL; of a folder all with these endings."""
    files, root = _files(source)
    scheme = (source.uri or "").partition("://")[0]

    def listed() -> dict[str, dict[str, Any]]:
        files.invalidate_cache()  # others write there too
        if any(sign in root for sign in "*?["):
            return dict(files.glob(root, detail=True))
        if scheme in ("http", "https") or not files.isdir(root):
            return {root: files.info(root)}
        found: dict[str, dict[str, Any]] = files.find(root, detail=True)
        return {path: info for path, info in found.items() if path.lower().endswith(endings)}

    try:
        found = _told(source, listed)
    except NotFound:
        return
    for path, info in sorted(found.items()):
        name = path.rpartition("/")[2]
        if info.get("type") == "directory" or not name or name.startswith((".", "_")):
            continue
        time = next((str(info[key]) for key in _TIMES if info.get(key) is not None), "")
        tag = info.get("ETag") or info.get("etag") or info.get("content_settings", {}).get("etag")
        url = path if "://" in path else f"{scheme}://{path}"
        yield url, int(info.get("size") or 0), time, str(tag) if tag else None


def fetch(source: Source, url: str, staging: Path) -> Path:
    """A copy under ``staging``, at the path that the file has there: its folders may tell columns."""
    files, _ = _files(source)
    inner = url.partition("://")[2]
    copy = staging / inner.replace("..", "_")
    copy.parent.mkdir(parents=True, exist_ok=True)
    _told(source, lambda: files.get_file(files._strip_protocol(url), str(copy)))
    return copy


def _files(source: Source) -> tuple[Any, str]:
    try:
        import fsspec
    except ImportError:
        raise Invalid(
            "sources at URLs need the package fsspec",
            hint="install it where the server runs: pip install 'mlbox[remote]'",
        ) from None
    options = {name.lower(): value for name, value in source.options.items() if name.lower() in OPTIONS}
    try:
        given = for_fsspec(type_of(source.uri or ""), options)
        files, root = fsspec.core.url_to_fs(source.uri, **given)
    except ImportError as error:
        raise Invalid(
            f"source {source.ref}: {error}", hint="pip install 'mlbox[remote]' has s3, gcs and azure"
        ) from None
    except (ValueError, TypeError) as error:
        raise Invalid(
            without_credentials(f"source {source.ref} at {source.uri} cannot be opened: {error}", source.options),
            hint="look at the address, its options and the credentials (CREATE PROFILE; WITH (profile = name))",
        ) from None
    return files, root


def _told(source: Source, act: Callable[[], T]) -> T:
    """Each kind of store has errors of its own."""
    try:
        return act()
    except MlboxError:
        raise
    except FileNotFoundError as error:
        raise NotFound(f"source {source.ref}: there is no {error.args[-1] if error.args else source.uri}") from None
    except Exception as error:
        raise Unavailable(
            without_credentials(
                f"source {source.ref} cannot be read from {source.uri}: {type(error).__name__}: {error}", source.options
            ),
            hint="look at the address, the credentials (CREATE PROFILE; WITH (profile = name)) and the network",
        ) from None
