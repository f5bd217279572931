"""Talking to a server from a script or notebook: ``mlbox.connect().sql("SELECT ..").to_pandas()``."""

from __future__ import annotations

import hashlib
import json
import os
import time
import uuid
from importlib.util import find_spec
from types import TracebackType
from typing import TYPE_CHECKING, Any, Dict, Mapping, Optional, Tuple, Type, Union

from mlbox.client.failures import MlboxClientError, SqlError
from mlbox.client.parameters import Given, as_json
from mlbox.client.result import ARROW, Result
from mlbox.client.transport import Refused, Response, Transport, url_of

if TYPE_CHECKING:
    from mlbox.client.features import Keys, OnlineFeatures

PAUSES = (0.2, 0.5, 1.0)
"""Seconds before each new attempt where trying again is harmless and may help."""
CANCEL_SECONDS = 5.0


class Connection:
    """A server, and the project in use. Safe from several threads, which then share the project."""

    def __init__(
        self,
        url: str,
        token: Optional[str] = None,
        project: Optional[str] = None,
        server_file: Optional[str] = None,
    ) -> None:
        self.project = project or "default"
        """Where names without a project are looked up; ``USE PROJECT`` changes it."""
        self.server_file = server_file
        """The ``server.json`` of the home, where the server is on this machine."""
        self._token = token
        self._transport = Transport(url, token, server_file, timeout=None)  # a RUN may take hours

    @property
    def url(self) -> str:
        """The address of the server."""
        return self._transport.url

    def sql(self, text: str, parameters: Given = None, project: Optional[str] = None) -> Result:
        """Carry out statements and give the result of the last one. ``parameters`` fill ``?`` (a sequence) or
        ``$name`` (a mapping). Raises ``SqlError``; a statement that Ctrl-C interrupts is cancelled at the server."""
        query_id = uuid.uuid4().hex
        body: Dict[str, Any] = {
            "sql": text,
            "project": project or self.project,
            "folder": os.getcwd(),
            "query_id": query_id,
            "row_limit": 2**31 - 1,
        }
        if parameters is not None:
            body["parameters"] = as_json(parameters)
        arrow = find_spec("pyarrow") is not None
        headers = {"Content-Type": "application/json", "Accept": ARROW if arrow else "application/json"}
        try:
            answer = self._send(json.dumps(body).encode(), headers, query_id)
        except KeyboardInterrupt:
            self._cancel(query_id)
            raise
        finally:
            self._transport.close()  # a kept connection that has gone stale would make a statement's fate unknown
        result = Result.of(answer)
        if project is None:
            self.project = result.project or self.project
        return result

    def post_through(self, transport: Transport, path: str, data: bytes) -> Any:
        """As :meth:`post`, by a transport of the caller's own, which keeps its connection for what comes next."""
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        return self._send(data, headers, path=path, transport=transport).json()

    def transport(self) -> Transport:
        """A new one to the same server, with the same token."""
        return Transport(self.url, self._token, self.server_file)

    def post(self, path: str, data: bytes, content_type: str = "application/json") -> Any:
        """A request besides statements; its JSON answer. Raises ``SqlError``, ``MlboxClientError``."""
        try:
            return self._send(data, {"Content-Type": content_type, "Accept": "application/json"}, path=path).json()
        finally:
            self._transport.close()

    def ask(self, path: str, data: bytes, kind: str = "application/json") -> Any:
        """The answer to ``data`` of a media type, sent again only while the server says that it cannot take it; the
        connection to the server is kept for the next one."""
        headers = {"Content-Type": kind, "Accept": "application/json"}
        return self._send(data, headers, path=path).json()

    def features(self, vector: str, spine: Any) -> Result:
        """The features of a vector as of each row of ``spine``: a table's name, a query, or a frame (pandas, polars,
        Arrow, a list of dictionaries) with the entities and ``event_time`` (where the vector has a label: the event
        time of the label's set). Gives the spine's columns, then the features."""
        from mlbox.client.features import features

        return features(self, vector, spine)

    def ingest(self, feature_set: str, frame: Any) -> Result:
        """Rows of a frame (pandas, polars, Arrow, a list of dictionaries) into a feature set, by the names of their
        columns: checked, and all of them or none, unless the set puts wrong rows aside."""
        from mlbox.client.features import ingest

        return ingest(self, feature_set, frame)

    def online(self, vector: str, keys: Keys, impute: Optional[Mapping[str, Any]] = None) -> OnlineFeatures:
        """The features of a vector that are online now. ``keys`` is one mapping of the entities, or a list of them;
        ``impute`` says by feature (``*``: all others) what stands for a missing value: a constant, ``$mean``,
        ``$median``, ``$min``, ``$max``, ``$most_frequent`` or ``$previous``, the value that has become too old."""
        from mlbox.client.features import online

        return online(self, vector, keys, impute)

    @property
    def is_local(self) -> bool:
        """Whether the server can read files of this machine."""
        from urllib.parse import urlsplit

        return urlsplit(self.url).hostname in ("127.0.0.1", "localhost", "::1")

    def upload(self, name: str, source: Union[bytes, "os.PathLike[str]", str]) -> str:
        """Bring bytes, or a file by its path, to the server; the path that statements read it by. After an
        interruption, also of this process, the same file goes on where it was."""
        from urllib.parse import quote

        from mlbox.client.uploading import digest_of, put

        given = source if isinstance(source, bytes) else os.path.abspath(os.path.expanduser(os.fspath(source)))
        digest = digest_of(given)
        id = hashlib.sha256(f"{digest} {name}".encode()).hexdigest()[:32]
        try:
            answer = put(self._transport, f"/files/{id}?name={quote(name)}&digest={digest}", given)
        except Refused as refused:
            raise _refused(refused)[0] from None
        finally:
            self._transport.close()
        return str(answer.json()["path"])

    def download(self, artifact: str, target: Union["os.PathLike[str]", str]) -> str:
        """The bytes of an artifact as a file, compared with their hash; the file's path. The artifact is an id of
        ``ml.artifacts``, eight digits of it or more, or a name of the project with a version or alias,
        ``report@stable``. After an interruption, also of this process, the same call goes on where it was."""
        from mlbox.client.named import fetched, find

        path = os.path.abspath(os.path.expanduser(os.fspath(target)))
        return fetched(self, str(find(self, artifact)["id"]), path)

    def artifact(self, artifact: str, type: Any = None) -> Any:
        """The value of an artifact, named as in :meth:`download`: what was logged, made again by its packager; as
        ``type``, where that is given. A path of it is a file that stays for as long as the process."""
        from mlbox.client.named import value

        return value(self, artifact, type)

    def get(self, path: str) -> Response:
        """What stands at a path of the server."""
        try:
            return self._transport.request("GET", path)
        except Refused as refused:
            raise _refused(refused)[0] from None
        finally:
            self._transport.close()

    def close(self) -> None:
        """Nothing is kept open between two statements, so this is for symmetry."""
        self._transport.close()

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<mlbox connection to {self.url}, project {self.project}>"

    def _send(
        self,
        data: bytes,
        headers: Dict[str, str],
        query_id: str = "",
        path: str = "/sql",
        transport: Optional[Transport] = None,
    ) -> Response:
        sender = transport or self._transport
        pauses = list(PAUSES)
        while True:
            try:
                return sender.request("POST", path, data, headers)
            except Refused as refused:
                error, again = _refused(refused)
            except MlboxClientError as unreachable:
                error, again = _unreachable(unreachable, self.url)
                if not again and query_id:
                    error = self._kept(query_id) or error
            if not again or not pauses:
                raise error from None
            time.sleep(pauses.pop(0))

    def _kept(self, query_id: str) -> Optional[MlboxClientError]:
        """The reason why an answer broke off: behind its first rows an answer cannot tell an error any more."""
        asking = Transport(self.url, self._token, timeout=CANCEL_SECONDS)
        try:
            said = (asking.request("GET", f"/sql/{query_id}").json() or {}).get("error")
        except MlboxClientError:
            return None
        finally:
            asking.close()
        return SqlError(0, said, str(said.get("message"))) if said else None

    def _cancel(self, query_id: str) -> None:
        sender = Transport(self.url, self._token, timeout=CANCEL_SECONDS)
        try:
            sender.request("POST", f"/sql/{query_id}/cancel", b"{}", {"Content-Type": "application/json"})
        except MlboxClientError:
            pass  # it has ended meanwhile, or nobody is there to be told
        finally:
            sender.close()


def _refused(error: Refused) -> Tuple[MlboxClientError, bool]:
    """The error with its place, and whether it passes and nothing of the script was carried out."""
    try:
        done = len(json.loads(error.body).get("results") or [])
    except (ValueError, AttributeError):
        done = 0
    told = SqlError(error.status, error.error, error.message, done)
    return told, error.status == 503 and not done


def _unreachable(error: MlboxClientError, url: str) -> Tuple[MlboxClientError, bool]:
    """The error as the user should see it, and whether the statements surely did not begin."""
    if error.code != "unavailable":
        return error, False
    if isinstance(error.__cause__, ConnectionRefusedError):
        return MlboxClientError(f"no server answers at {url}", "start it with: mlbox up", "unavailable"), True
    told = f"{error.message}; whether the statement was carried out is not known"
    return MlboxClientError(told, "look before you send it again", "unavailable"), False


def connect(url: Optional[str] = None, token: Optional[str] = None, project: Optional[str] = None) -> Connection:
    """A connection to ``url``, else to ``MLBOX_URL``, else to the server that runs on the home: ``MLBOX_HOME``, else
    ``.mlbox`` of this folder or one above it, else ``~/.mlbox``. The token is ``MLBOX_TOKEN`` when none is given, else
    that of the home's owner. Raises ``MlboxClientError`` when no server runs on the home; nothing is sent yet."""
    token = token or os.environ.get("MLBOX_TOKEN")
    url = url or os.environ.get("MLBOX_URL")
    if url:
        return Connection(url, token, project)
    home = find_home()
    server_file = os.path.join(home, "server.json")
    found = url_of(server_file)
    if found is None:
        hint = f"start it with: mlbox --home {home} up; or name another: mlbox.connect('http://127.0.0.1:7070')"
        raise MlboxClientError(f"no server runs on the home {home}", hint, "unavailable")
    return Connection(found, token or _owner_token(home), project, server_file)


def _owner_token(home: str) -> Optional[str]:
    """The token of the home's owner, for whoever may read its file; a home without members has none."""
    try:
        with open(os.path.join(home, "owner.token"), encoding="utf-8") as file:
            return file.read().strip() or None
    except OSError:
        return None


def find_home() -> str:
    """The folder that the command line would take."""
    known = os.environ.get("MLBOX_HOME")
    if known:
        return os.path.abspath(os.path.expanduser(known))
    folder = os.getcwd()
    while True:
        candidate = os.path.join(folder, ".mlbox")
        if os.path.isdir(candidate):
            return candidate
        above = os.path.dirname(folder)
        if above == folder:
            return os.path.join(os.path.expanduser("~"), ".mlbox")
        folder = above
