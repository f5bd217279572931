"""Features from a script: as of the rows of a spine, or as they are online now."""

from __future__ import annotations

import json
import re
import uuid
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Mapping, Optional, Sequence, Union
from urllib.parse import quote

from mlbox.client.failures import MlboxClientError
from mlbox.client.frames import columns_of, write_table
from mlbox.client.parameters import as_json
from mlbox.client.result import Result

if TYPE_CHECKING:
    from mlbox.client.connection import Connection

Keys = Union[Mapping[str, Any], Sequence[Mapping[str, Any]]]
LARGE = 64 << 20
_NAME = re.compile(r'\s*(?:"[^"]+"|\w+)(?:\s*\.\s*(?:"[^"]+"|\w+)){0,2}\s*\Z')


class OnlineFeatures:
    """Features of keys; iterating gives a dictionary for each: the entities, then the features."""

    def __init__(self, body: Dict[str, Any]) -> None:
        self.rows: List[Dict[str, Any]] = body["rows"]
        """Times are texts of ISO 8601."""
        self.status: List[Dict[str, str]] = body["status"]
        """Of each key and feature set: ``present``, ``missing`` or ``stale``."""
        self.imputed: List[List[str]] = body.get("imputed") or [[] for _ in self.rows]
        """Of each key the features that got a substitute."""

    def __iter__(self) -> Iterator[Dict[str, Any]]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Dict[str, Any]:
        return self.rows[index]

    def to_pandas(self) -> Any:
        """A ``pandas.DataFrame``."""
        import pandas

        return pandas.DataFrame(self.rows)

    def __repr__(self) -> str:
        return f"<features of {len(self.rows)} keys>"


def online(connection: Connection, vector: str, keys: Keys, impute: Optional[Mapping[str, Any]]) -> OnlineFeatures:
    """See ``Connection.online``."""
    one = isinstance(keys, Mapping)
    given: Any = as_json(keys) if one else [as_json(key) for key in keys]
    body: Dict[str, Any] = {"keys": given}
    if impute:
        body["impute"] = as_json(impute)
    name = vector if "." in vector else f"{connection.project}.{vector}"
    return OnlineFeatures(connection.ask(f"/features/{quote(name, safe='.')}", json.dumps(body).encode()))


def ingest(connection: Connection, feature_set: str, frame: Any) -> Result:
    """See ``Connection.ingest``."""
    if isinstance(frame, str):
        raise MlboxClientError("a text is no frame", "connection.sql('INSERT INTO set SELECT ..') takes a query")
    columns = list(columns_of(frame))
    data, media, kind = write_table(frame)
    if len(data) <= LARGE:
        return _sent(connection, feature_set, columns, data, media)
    try:
        return _uploaded(connection, feature_set, columns, data, kind)
    except MlboxClientError as error:
        if error.code != "forbidden":
            raise
    return _sent(connection, feature_set, columns, data, media)  # a member, who has no files at the server


def _sent(connection: Connection, feature_set: str, columns: List[str], data: bytes, media: str) -> Result:
    name = ".".join(part.strip('"') for part in feature_set.split("."))
    if "." not in name:
        name = f"{connection.project}.{name}"
    taken = "&".join(f"columns={quote(str(column), safe='')}" for column in columns)
    told = connection.ask(f"/ingest/{quote(name, safe='.')}?{taken}", data, media)
    return Result({"message": told.get("message")}, project=connection.project)


def _uploaded(connection: Connection, feature_set: str, columns: List[str], data: bytes, kind: str) -> Result:
    """A large frame goes on where it was after an interruption."""
    names = ", ".join(_name(name) for name in columns)
    path = connection.upload(f"rows-{uuid.uuid4().hex}.{kind}", data)
    into = ".".join(_name(part.strip('"')) for part in feature_set.split("."))
    return connection.sql(f"INSERT INTO {into} ({names}) SELECT {names} FROM read_{kind}({_text(path)})")


def _name(text: Any) -> str:
    return '"' + str(text).replace('"', '""') + '"'


def features(connection: Connection, vector: str, spine: Any) -> Result:
    """See ``Connection.features``."""
    named = _text(vector)
    if isinstance(spine, str):
        if _NAME.match(spine):
            return connection.sql(f"FROM ml.features({named}, {_text(spine)})")
        return connection.sql(f"WITH _spine AS (\n{spine}\n) FROM ml.features({named}, '_spine')")
    data, _, kind = write_table(spine)
    if kind not in ("parquet", "csv"):
        raise MlboxClientError(f"a {type(spine).__name__} is no spine", "give a frame, a table's name or a query")
    path = connection.upload(f"spine-{uuid.uuid4().hex}.{kind}", data)
    return connection.sql(f"WITH _spine AS (FROM read_{kind}({_text(path)})) FROM ml.features({named}, '_spine')")


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
