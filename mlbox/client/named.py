"""Artifacts by their names, from outside of a run."""

from __future__ import annotations

import atexit
import os
import re
import shutil
import tempfile
from typing import TYPE_CHECKING, Any, Dict

from mlbox.client.failures import MlboxClientError, nearest

if TYPE_CHECKING:
    from mlbox.client.connection import Connection

_ID = re.compile(r"[0-9a-f]{8,32}\Z")
_ROWS = "SELECT id, name, version, kind, media_type, file_name, metadata FROM catalog.ml.artifacts "
_NAMED = "WHERE project = $project AND lower(name) = lower($name)"
_WANTED = (
    " AND ($version = 'latest' OR version::VARCHAR = $version OR list_contains(aliases, $version)) "
    "ORDER BY version DESC, id DESC LIMIT 1"
)


def find(connection: Connection, text: str) -> Dict[str, Any]:
    """The row of ``ml.artifacts`` that ``text`` means: an id, the beginning of one, or ``name[@version]``; of several
    rows of a version the one that was logged last. Raises ``MlboxClientError`` with what is near."""
    if _ID.match(text):
        found = connection.sql(_ROWS + "WHERE starts_with(id, ?) LIMIT 2", [text]).rows()
        if len(found) == 1:
            return found[0]
        if found:
            raise MlboxClientError(f"several artifacts begin with {text}", "write more of the id")
    name, at, version = text.rpartition("@")
    name, version = (name, version) if at else (text, "latest")
    asked = {"project": connection.project, "name": name}
    rows = connection.sql(_ROWS + _NAMED + _WANTED, {**asked, "version": version.lower()}).rows()
    if rows:
        return rows[0]
    there = connection.sql("SELECT DISTINCT version, aliases FROM catalog.ml.artifacts " + _NAMED, asked).rows()
    if not there:
        known = "SELECT DISTINCT name FROM catalog.ml.artifacts WHERE project = ?"
        names = [str(row["name"]) for row in connection.sql(known, [connection.project]).rows()]
        raise MlboxClientError(f"project {connection.project} has no artifact {name!r}", nearest(name, names))
    marks = sorted({entry for row in there for entry in (str(row["version"]), *row["aliases"])})
    raise MlboxClientError(f"artifact {name!r} has no version or alias {version!r}", nearest(version, marks))


def fetched(connection: Connection, id: str, path: str) -> str:
    """The bytes of an artifact by its whole id as the file ``path``."""
    from mlbox.client.failures import SqlError
    from mlbox.client.transport import Refused
    from mlbox.client.uploading import fetch

    transport = connection.transport()
    try:
        fetch(transport, f"/artifacts/{id}/content", path)
    except Refused as refused:
        raise SqlError(refused.status, refused.error, refused.message) from None
    finally:
        transport.close()
    return path


def value(connection: Connection, text: str, type: Any = None) -> Any:
    """The value of the artifact that ``text`` means; its file goes with the process."""
    import json

    from mlbox.client.unpacking import file_of, unpack

    row = find(connection, text)
    folder = tempfile.mkdtemp(prefix="mlbox-")
    atexit.register(shutil.rmtree, folder, True)
    path = os.path.join(folder, "artifact")
    fetched(connection, str(row["id"]), path)
    metadata = row["metadata"]
    known = {**row, "metadata": json.loads(metadata) if isinstance(metadata, str) else metadata}
    return unpack(str(row["name"]), known, file_of(known, path), type)
