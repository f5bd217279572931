"""Values as artifacts and back: packagers of the user's, what is built in, hints of returned values."""

from __future__ import annotations

import datetime
import enum
import json
import pathlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest

from mlbox.client import packagers, returned
from mlbox.client.failures import MlboxClientError, WrongCall
from mlbox.client.hints import Hint, parse
from mlbox.client.packagers import packager
from mlbox.client.packing import Wanted, packed
from mlbox.client.unpacking import file_of, unpack


class Board:
    """A type of the user's."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Board) and other.text == self.text


class Larger(Board):
    """One that is made of it."""


class Boards:
    """The packager."""

    def pack(self, value: Board, folder: Path) -> tuple[Path, dict[str, Any]]:
        path = folder / "board.txt"
        path.write_text(value.text)
        return path, {"letters": len(value.text)}

    def unpack(self, path: Path) -> Board:
        assert path.name == "board.txt"
        return Board(path.read_text())


@pytest.fixture(autouse=True)
def alone() -> Iterator[None]:
    """What a test registers is gone after it."""
    tables = (packagers._BY_TYPE, packagers._BY_HINT, packagers._BY_NAME)
    yield
    for table in tables:
        table.clear()


class Kept:
    """What a run would have got, as the server keeps it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.metrics: dict[str, float] = {}
        self.rows: dict[str, dict[str, Any]] = {}

    def log_metric(self, name: str, value: float) -> None:
        self.metrics[name] = float(value)

    def log_metrics(self, metrics: dict[str, float]) -> None:
        self.metrics.update({name: float(value) for name, value in metrics.items()})

    def log_artifact(self, name: str, value: Any, kind: str | None = None, format: str | None = None) -> None:
        with packed(name, value, Wanted(kind, format)) as payload:
            content = payload.content
            data = content if isinstance(content, bytes) else Path(content).read_bytes()
            (self.folder / name).write_bytes(data)
            self.rows[name] = {
                "kind": payload.kind,
                "media_type": payload.media_type,
                "file_name": payload.file_name,
                "metadata": json.loads(json.dumps(payload.metadata)),
            }

    def log_dataset(self, name: str, frame: Any) -> None:
        self.log_artifact(name, frame, "dataset")

    def log_plot(self, name: str, figure: Any) -> None:
        self.log_artifact(name, figure, "plot")

    def back(self, name: str, annotation: Any = None) -> Any:
        """As another run gets it."""
        known, fetched = self.rows[name], self.folder / f"input-{name}"
        shutil.copyfile(self.folder / name, fetched)
        return unpack(name, known, file_of(known, str(fetched)), annotation)


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path)


def test_a_packager_of_the_users_own(kept: Kept) -> None:
    packager(Board, hint="board")(Boards)
    returned.keep(kept, "f", (Board("abc"), Larger("defg")), ["one", "two:board"])
    assert kept.rows["one"] == {
        "kind": "file",
        "media_type": "text/plain",
        "file_name": "board.txt",
        "metadata": {
            "letters": 3,
            "packaged": {"packager": f"{__name__}.Boards", "type": f"{__name__}.Board", "format": None},
        },
    }
    assert kept.back("one") == kept.back("one", Board) == Board("abc")
    assert kept.back("two", "Board") == Board("defg")
    assert kept.back("one", pathlib.Path).read_text() == "abc"


def test_the_users_packager_goes_before_what_is_built_in(kept: Kept) -> None:
    class Dates:
        def pack(self, value: dict[str, Any], folder: Path) -> str:
            (folder / "own.txt").write_text("own")
            return "own.txt"

        def unpack(self, path: Path) -> str:
            return path.read_text()

    packager(dict)(Dates)
    returned.keep(kept, "f", {"auc": 1.0}, ["scores"])
    assert kept.metrics == {} and kept.back("scores") == "own"
    returned.keep(kept, "f", {"auc": 0.5}, ["scores:metrics"])  # a hint that it does not make
    assert kept.metrics == {"auc": 0.5}


def test_a_folder_kinds_and_formats(kept: Kept) -> None:
    class Pictures:
        def pack(self, value: Board, folder: Path, format: str | None = None) -> Path:
            (folder / "deep").mkdir()
            (folder / "deep" / f"a.{format or 'txt'}").write_text(value.text)
            return folder / "deep"

        def unpack(self, path: Path) -> str:
            return ",".join(sorted(entry.name for entry in path.iterdir()))

    packager(f"{__name__}.Board", hint="drawn", kind="plot", formats=("svg",))(Pictures())
    returned.keep(kept, "f", [Board("x"), Board("y")], ["one:drawn:svg", "two:plot"])
    assert (kept.rows["one"]["kind"], kept.back("one"), kept.back("two")) == ("plot", "a.svg", "a.txt")
    with pytest.raises(MlboxClientError, match=r"Pictures has no format 'gif' for 'one' \(its formats: svg\)"):
        returned.keep(kept, "f", Board("x"), ["one:drawn:gif"])


def test_errors_name_the_packager(kept: Kept) -> None:
    class Broken:
        def __init__(self) -> None:
            self.act: Callable[[], Any] = lambda: {}["a"]

        def pack(self, value: Board, folder: Path) -> Any:
            return self.act()

        def unpack(self, path: Path) -> Any:
            raise ValueError("torn")

    broken = Broken()
    packager(Board)(broken)
    for act, told in (
        (broken.act, r"packager .*Broken could not pack 'b', a Board: KeyError: 'a'"),
        (lambda: None, r"packager .*Broken gave None for 'b', which is no file that it wrote"),
        (lambda: "nowhere", r"gave 'nowhere' for 'b'"),
        (lambda: (".", 5), r"Broken says 5 of 'b'"),
    ):
        broken.act = act
        with pytest.raises(MlboxClientError, match=told):
            returned.keep(kept, "f", Board("x"), ["b"])
    broken.act = lambda: "."
    returned.keep(kept, "f", Board("x"), ["b"])
    with pytest.raises(MlboxClientError, match=r"packager .*Broken could not unpack 'b': ValueError: torn"):
        kept.back("b")
    packagers._BY_TYPE.clear()
    packagers._BY_NAME.clear()
    with pytest.raises(MlboxClientError, match=r"was packed by .*Broken, which this function does not know .*import"):
        kept.back("b")


@pytest.mark.parametrize(
    ("types", "more", "told"),
    [
        ((), {}, "a packager is of a type"),
        ((5,), {}, "a packager is of a type"),
        ((Board,), {"hint": "plots"}, "'plots' is too near to 'plot'"),
        ((Board,), {"hint": "a-b"}, "is no word"),
        ((Board,), {"kind": "model"}, "no kind of artifact 'model'"),
    ],
)
def test_a_packager_that_is_wrongly_announced(types: Any, more: Any, told: str) -> None:
    with pytest.raises(MlboxClientError, match=told):
        packager(*types, **more)(Boards)


def test_a_packager_without_its_methods() -> None:
    class Half:
        def pack(self, value: Any, folder: Path) -> Path:
            return folder

    with pytest.raises(MlboxClientError, match="Half has no method unpack"):
        packager(Board)(Half)


ARRAY = numpy.arange(24, dtype=numpy.int16).reshape(2, 3, 4)


@pytest.mark.parametrize(
    "value",
    [
        {"a": [1, {"b": None}]},
        [{"x": 1}, {"x": 2}],
        {3, 1, 2},
        frozenset({"a"}),
        (1, "two", None),
        True,
        "a text",
        b"\0\1",
    ],
    ids=str,
)
def test_plain_values_come_back_as_they_were(kept: Kept, value: Any) -> None:
    returned.keep(kept, "f", value, ["v"])
    found = kept.back("v", bytes if isinstance(value, bytes) else None)
    assert found == value and type(found) is type(value)


class Level(enum.IntEnum):
    """An int, and more."""

    HIGH = 3


DAY = datetime.date(2026, 1, 2)


@pytest.mark.parametrize(
    "value",
    [{(1, 2)}, frozenset({DAY}), ((1, 2),), (DAY,), (Level.HIGH, 1), {Level.HIGH}],
    ids=["0", "1", "2", "3", "4", "5"],
)
def test_members_that_json_does_not_give_back(kept: Kept, value: Any) -> None:
    kept.log_artifact("v", value)
    assert repr(kept.back("v")) == repr(value)
    assert kept.rows["v"]["file_name"] == "v.pickle"


def test_what_json_has_no_word_for(kept: Kept) -> None:
    round_and_round: list[Any] = [1]
    round_and_round.append(round_and_round)
    for value in ({(1, 2): 3}, {"in": [{(1, 2): 3}]}, round_and_round):
        kept.log_artifact("v", value)
        assert repr(kept.back("v")) == repr(value)
        assert kept.rows["v"]["file_name"] == "v.pickle"
    with pytest.raises(MlboxClientError, match="artifact 'v': keys must be") as told:
        kept.log_artifact("v", {(1, 2): 3}, format="json")
    assert "format='pickle'" in str(told.value)
    with pytest.raises(MlboxClientError, match="Circular reference"):
        kept.log_artifact("v", round_and_round, format="json")


def test_a_set_as_json_where_that_is_asked_for(kept: Kept, capsys: pytest.CaptureFixture[str]) -> None:
    kept.log_artifact("v", {(1, 2)}, format="json")
    assert kept.rows["v"]["file_name"] == "v.json" and kept.back("v") == {(1, 2)}
    returned.keep(kept, "f", {DAY}, ["days"])
    assert "'days', a builtins.set, is kept as a pickle" in capsys.readouterr().err


def test_numbers_of_numpy_are_numbers(kept: Kept) -> None:
    scores = {"auc": numpy.float64(0.5), "n": numpy.int64(3), "low": numpy.float32(0.25), "word": numpy.str_("a")}
    for name, value in (("all", scores), ("one", numpy.float32(0.25)), ("two", numpy.array(7)), ("three", 0.5)):
        kept.log_artifact(name, value)
        assert kept.rows[name]["media_type"] == "application/json", name
    assert kept.back("all") == {"auc": 0.5, "n": 3, "low": 0.25, "word": "a"}
    assert [kept.back(name) for name in ("one", "two", "three")] == [0.25, 7, 0.5]
    kept.log_artifact("both", {"at": numpy.int8(1), "curve": ARRAY[0, 0]})
    assert kept.back("both") == {"at": 1, "curve": [0, 1, 2, 3]}
    kept.log_artifact("pair", (numpy.float64(0.5), numpy.int64(3)))
    assert kept.back("pair") == (0.5, 3)


def test_a_pickle_in_spite_of_a_packager(kept: Kept) -> None:
    packager(Board)(Boards)
    kept.log_artifact("b", Board("abc"), format="pickle")
    assert kept.rows["b"]["file_name"] == "b.pickle"
    assert kept.back("b") == kept.back("b", Board) == Board("abc")


def test_what_an_attempt_left_is_replaced(kept: Kept, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.txt").write_text("a")
    returned.keep(kept, "f", [tmp_path / "out", tmp_path / "out" / "a.txt"], ["folder", "file"])
    kept.back("file").write_text("changed")
    folder = kept.back("folder")
    (folder / "a.txt").unlink()
    (folder / "more.txt").write_text("more")
    assert kept.back("file", str) == "a"
    assert [entry.name for entry in kept.back("folder").iterdir()] == ["a.txt"]


def test_a_file_of_the_kind_folder_keeps_its_name(kept: Kept) -> None:
    packager(Board, kind="folder")(Boards)
    kept.log_artifact("b", Board("abc"))
    assert kept.rows["b"]["kind"] == "folder" and kept.back("b") == Board("abc")


def test_columns_that_begin_like_json(kept: Kept) -> None:
    import pandas

    frame = pandas.DataFrame({"[m/s]": [1.5, 2.5]})
    kept.log_artifact("rows", frame, "dataset", "csv")
    assert kept.back("rows").equals(frame)


@pytest.mark.parametrize(
    "value", [ARRAY, ARRAY[0, 0], {"a": ARRAY, "b": ARRAY[0, 0]}, [ARRAY, ARRAY], (ARRAY, ARRAY)], ids=type
)
def test_arrays_come_back_as_they_were(kept: Kept, value: Any) -> None:
    returned.keep(kept, "f", [value, 1], ["v", "n"])
    found = kept.back("v")
    assert type(found) is type(value)
    assert kept.metrics == {"n": 1.0}
    left, right = ([*each.values()] if isinstance(each, dict) else [*each] for each in (found, value))
    assert all(numpy.array_equal(a, b) and a.dtype == b.dtype for a, b in zip(left, right, strict=True))


@pytest.mark.parametrize("form", ["npy", "npz", "txt", "csv"])
def test_formats_of_an_array(kept: Kept, form: str) -> None:
    returned.keep(kept, "f", ARRAY[0], [f"v:artifact:{form}"])
    assert kept.rows["v"]["file_name"] == f"v.{form}"
    assert numpy.array_equal(kept.back("v"), ARRAY[0])


def test_paths(kept: Kept, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.txt").write_text("a")
    returned.keep(kept, "f", [tmp_path / "out", tmp_path / "out" / "a.txt"], ["folder", "file"])
    assert (kept.back("folder") / "a.txt").read_text() == "a"
    assert kept.back("file").name == "a.txt" and kept.back("file", str) == "a"


@pytest.mark.parametrize("form", ["parquet", "csv", "json", "feather"])
def test_frames_in_each_format(kept: Kept, form: str) -> None:
    import pandas
    import polars

    frame = pandas.DataFrame({"x": [1, 2], "word": ["007", "1"], "is": [True, False]})
    returned.keep(kept, "f", frame, [f"rows:dataset:{form}"])
    assert kept.rows["rows"]["kind"] == "dataset" and kept.rows["rows"]["file_name"] == f"rows.{form}"
    assert kept.back("rows").equals(frame)
    assert kept.back("rows", polars.DataFrame).to_dicts() == kept.back("rows", list) == frame.to_dict("records")


def test_columns_and_tables_of_each_library(kept: Kept) -> None:
    import pandas
    import polars
    import pyarrow

    given = {
        "one": pandas.Series([1.5, 2.5], name="x"),
        "two": polars.Series("x", [1.5, 2.5]),
        "three": pyarrow.table({"x": [1.5, 2.5]}),
        "four": polars.DataFrame({"x": [1.5, 2.5]}),
    }
    returned.keep(kept, "f", given, list(given))
    returned.keep(kept, "f", [ARRAY[0], given["three"], given["four"]], ["matrix", "table", "frame"])
    assert numpy.array_equal(kept.back("matrix"), ARRAY[0])
    assert [type(kept.back(name)) for name in ("table", "frame", "one")] == [
        pyarrow.Table, polars.DataFrame, pandas.DataFrame
    ]  # fmt: skip
    for name in given:
        assert kept.rows[name]["kind"] == "dataset"
        assert kept.back(name, pyarrow.Table).to_pydict() == {"x": [1.5, 2.5]}
    returned.keep(kept, "f", pandas.Series([1]), [])
    assert list(kept.back("result").columns) == ["value"]


def test_any_object_is_a_pickle_that_is_told_of(kept: Kept, capsys: pytest.CaptureFixture[str]) -> None:
    day = datetime.date(2026, 1, 2)
    returned.keep(kept, "f", day, ["day"])
    assert "'day', a datetime.date, is kept as a pickle" in capsys.readouterr().err
    assert kept.rows["day"]["metadata"]["packaged"]["type"] == "datetime.date"
    assert kept.back("day") == day
    returned.keep(kept, "f", day, ["day:object"])
    assert capsys.readouterr().err == ""
    returned.keep(kept, "f", (value for value in "ab"), ["stream"])
    assert "which is not kept" in capsys.readouterr().err and "stream" not in kept.rows
    (kept.folder / "day").write_bytes(b"torn")
    with pytest.raises(MlboxClientError, match=r"'day' cannot be unpickled.*made with Python"):
        kept.back("day")


def test_bundles(kept: Kept) -> None:
    returned.keep(kept, "f", ([0.1, 0.2], {"auc": 1, "f1": 2}), ["*fold:metric", "**test:metric"])
    assert kept.metrics == {"fold_0": 0.1, "fold_1": 0.2, "test_auc": 1.0, "test_f1": 2.0}
    returned.keep(kept, "f", {"a": ARRAY, "b": "text"}, ["**"])
    assert numpy.array_equal(kept.back("a"), ARRAY) and kept.back("b") == "text"
    with pytest.raises(WrongCall, match=r"f returned a list as \*\*test: it is no dictionary"):
        returned.keep(kept, "f", [1], ["**test:metric"])
    with pytest.raises(WrongCall, match=r"f returned a float as \*fold: it is no list"):
        returned.keep(kept, "f", 0.5, ["*fold:metric"])


def test_documents(kept: Kept) -> None:
    returned.keep(kept, "f", ("Dear {name}", {"template": "x"}), ["prompt:document:md", "parts:document"])
    assert kept.rows["prompt"]["kind"] == kept.rows["parts"]["kind"] == "document"
    assert (kept.rows["prompt"]["media_type"], kept.back("prompt")) == ("text/markdown", "Dear {name}")
    assert kept.back("parts") == {"template": "x"}
    with pytest.raises(MlboxClientError, match="input 'parts' is a dict, and the handler wants a list"):
        kept.back("parts", list)


def test_hints_as_they_are_written() -> None:
    assert parse(["a", "b:plot:SVG", "*c:metric", "**"]) == [
        Hint("a"), Hint("b", "plot", "svg"), Hint("c", "metric", bundle="*"), Hint("", bundle="**")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("hint", "told"),
    [
        ("", "'' is no hint"),
        ("*:metric", "is no hint"),
        ("a:b:c:d", "is no hint"),
        ("a::csv", "is no hint"),
        ("a:modle", r"no kind 'modle' to keep 'a' as \(did you mean model\?\)"),
        ("a:dataset:cvs", r"'a': a dataset has no format 'cvs' \(did you mean csv\?\)"),
        ("a:metric:csv", "a metric has no format 'csv'"),
    ],
)
def test_hints_that_are_none(hint: str, told: str) -> None:
    with pytest.raises(WrongCall, match=told):
        returned.check([hint])


def test_a_value_that_does_not_fit_its_hint(kept: Kept) -> None:
    with pytest.raises(WrongCall, match="f returned a str as 'v': it is no metrics"):
        returned.keep(kept, "f", "x", ["v:metrics"])
    with pytest.raises(MlboxClientError, match="a datetime.date|a date is no document"):
        returned.keep(kept, "f", datetime.date(2026, 1, 1), ["v:document"])
