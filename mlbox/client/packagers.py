"""Packagers: how values of a type become an artifact and come back. The user's go before those that are built in.

@mlbox.packager(Board, hint="board")
class Boards:
    def pack(self, value, folder):
        path = folder / "board.txt"
        path.write_text(str(value))
        return path

    def unpack(self, path):
        return Board(path.read_text())
"""

from __future__ import annotations

import pathlib
from difflib import get_close_matches
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Protocol, Sequence, Tuple, TypeVar, Union

from mlbox.client.failures import MlboxClientError
from mlbox.client.hints import FORMATS

T = TypeVar("T")
P = TypeVar("P")
KINDS = ("file", "folder", "dataset", "table", "plot", "document")
"""As what a packager may have its artifacts kept. A model is what ``log_model`` makes."""
Path = pathlib.Path
Packed = Union[str, Path, Tuple[Union[str, Path], Mapping[str, Any]]]
"""The path of what was written, a file or a folder; with a dictionary of what there is to say of it."""


class Packager(Protocol[T]):
    """What a packager of the user's has. One with ``formats`` takes ``format`` as well, which may be None."""

    def pack(self, value: T, folder: Path) -> Packed:
        """Write the value into a new, empty folder and give the path of what was written there."""
        ...

    def unpack(self, path: Path) -> T:
        """The value again, from what :meth:`pack` wrote: a file keeps its name, a folder has that of the artifact."""
        ...


class Registered(NamedTuple):
    """A packager as it was told of: types by their full names."""

    packager: Any
    name: str
    types: Tuple[str, ...]
    hint: Optional[str]
    kind: Optional[str]
    formats: Tuple[str, ...]


_BY_TYPE: Dict[str, Registered] = {}
_BY_HINT: Dict[str, Registered] = {}
_BY_NAME: Dict[str, Registered] = {}


def packager(
    *types: Union[type, str], hint: Optional[str] = None, kind: Optional[str] = None, formats: Sequence[str] = ()
) -> Callable[[P], P]:
    """Register a class (or an object) as the :class:`Packager` of types, given as classes or, to import nothing, by
    their names ``package.module.Class``; subclasses are meant too, and the last that registers a type has it.

    ``hint`` is a word of its own for hints (``returns=["board:board"]``), ``kind`` as what its artifacts are listed
    (else file or folder), ``formats`` what may follow in a hint (``board:board:svg``): ``pack`` then takes ``format``.
    """
    if not types or not all(isinstance(entry, (type, str)) for entry in types):
        raise MlboxClientError("a packager is of a type", "@mlbox.packager(MyType)")
    if hint is not None:
        close = get_close_matches(hint.lower(), FORMATS, n=1, cutoff=0.6)  # RUN would take it for a slip of the pen
        if close or not (hint.isascii() and hint.isidentifier()) or hint.startswith("_"):
            told = f"is too near to {close[0]!r}" if close else "is no word of letters, digits and _"
            raise MlboxClientError(f"hint {hint!r} {told}", "choose another word")
    if kind is not None and kind not in KINDS:
        raise MlboxClientError(
            f"there is no kind of artifact {kind!r} for a packager", f"there are: {', '.join(KINDS)}"
        )

    def register(made: P) -> P:
        owner: Any = made if isinstance(made, type) else type(made)
        name = f"{owner.__module__}.{owner.__qualname__}"
        for method in ("pack", "unpack"):
            if not callable(getattr(made, method, None)):
                raise MlboxClientError(f"packager {name} has no method {method}", "it has pack and unpack")
        found = Registered(
            made() if isinstance(made, type) else made,
            name,
            tuple(full_name(entry) for entry in types),
            hint,
            kind,
            tuple(form.lower() for form in formats),
        )
        _BY_TYPE.update((entry, found) for entry in found.types)
        _BY_NAME[name] = found
        if hint is not None:
            _BY_HINT[hint] = found
        return made

    return register


def full_name(kind: Union[type, str]) -> str:
    """``module.Class``."""
    return kind if isinstance(kind, str) else f"{kind.__module__}.{kind.__qualname__}"


def hints() -> List[str]:
    """Words that packagers have added."""
    return list(_BY_HINT)


def of_hint(word: Optional[str]) -> Optional[Registered]:
    """The packager that has added a word."""
    return _BY_HINT.get(word or "")


def of_name(name: str) -> Optional[Registered]:
    """The packager called ``module.Class``."""
    return _BY_NAME.get(name)


def of_type(kind: type) -> Optional[Registered]:
    """The packager of a type, or of the nearest of those that it is made of."""
    if not _BY_TYPE:
        return None
    for entry in kind.__mro__[:-1]:
        found = _BY_TYPE.get(full_name(entry))
        if found is not None:
            return found
    return None


def registered() -> List[Registered]:
    """All."""
    return list(_BY_NAME.values())


def pack(found: Registered, name: str, value: Any, folder: Path, form: Optional[str]) -> Tuple[Path, Dict[str, Any]]:
    """What the packager wrote, and what it says of it. Raises ``MlboxClientError`` that names the packager."""
    if form is not None and form not in found.formats:
        told = ", ".join(found.formats) or "none"
        raise MlboxClientError(f"packager {found.name} has no format {form!r} for {name!r}", f"its formats: {told}")
    more = {"format": form} if found.formats else {}
    kind = type(value).__name__
    try:
        given = found.packager.pack(value, folder, **more)
    except MlboxClientError:
        raise
    except Exception as error:
        told = f"packager {found.name} could not pack {name!r}, a {kind}: {type(error).__name__}: {error}"
        raise MlboxClientError(told) from error
    path, said = given if isinstance(given, tuple) and len(given) == 2 else (given, {})
    if not isinstance(path, (str, pathlib.Path)) or not (folder / path).exists():
        told = f"packager {found.name} gave {path!r} for {name!r}, which is no file that it wrote"
        raise MlboxClientError(told, "pack gives the path of what it wrote into the folder")
    if not isinstance(said, Mapping):
        raise MlboxClientError(f"packager {found.name} says {said!r} of {name!r}", "metadata are a dictionary")
    return folder / path, dict(said)


def unpack(found: Registered, name: str, path: Path) -> Any:
    """The value again. Raises ``MlboxClientError`` that names the packager."""
    try:
        return found.packager.unpack(path)
    except MlboxClientError:
        raise
    except Exception as error:
        told = f"packager {found.name} could not unpack {name!r}: {type(error).__name__}: {error}"
        raise MlboxClientError(told) from error
