"""Reading user code without importing it."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlbox.base.errors import Invalid, NotFound
from mlbox.engine.runs.source import read_source

TRAIN = '''
# /// script
# requires-python = ">=3.10"
# dependencies = ["scikit-learn>=1.4", "skl2onnx"]
# ///
"""A module."""
import a_package_that_is_not_installed

raise RuntimeError("must never run")


def train(ctx, frame, learning_rate: float = 0.1, *, depth=3):
    """Fit a tree.

    More.
    """


async def predict(ctx: "mlbox.Context", **options): ...


def _helper(): ...


class Model:
    def fit(self): ...
'''


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_handlers_signatures_and_requirements_are_read(tmp_path: Path) -> None:
    source = read_source(write(tmp_path, "train.py", TRAIN))
    assert [handler.name for handler in source.handlers] == ["train", "predict"]
    train, predict = source.handlers
    assert train.signature == "train(ctx, frame, learning_rate: float = 0.1, depth=3)"
    assert train.doc == "Fit a tree.\n\nMore."
    assert train.line == TRAIN.split("\n").index("def train(ctx, frame, learning_rate: float = 0.1, *, depth=3):") + 1
    assert predict.accepts_any
    assert source.requirements == ("scikit-learn>=1.4", "skl2onnx")
    assert source.python == ">=3.10"
    assert source.file == "train.py"


def test_the_digest_changes_with_content_and_name_only(tmp_path: Path) -> None:
    first = read_source(write(tmp_path, "a/train.py", "x = 1\n")).digest
    assert read_source(write(tmp_path, "b/train.py", "x = 1\n")).digest == first
    assert read_source(write(tmp_path, "c/train.py", "x = 2\n")).digest != first
    assert read_source(write(tmp_path, "d/other.py", "x = 1\n")).digest != first


@pytest.mark.parametrize(
    ("code", "wanted", "chosen"),
    [
        ("def one(): ...\ndef handler(): ...", None, "handler"),
        ("def one(): ...\ndef _two(): ...", None, "one"),
        ("def one(): ...\ndef main(): ...", None, "main"),
        ("def one(): ...\ndef main(): ...", "one", "one"),
        ("print('script')", None, None),
    ],
)
def test_the_default_handler(tmp_path: Path, code: str, wanted: str | None, chosen: str | None) -> None:
    found = read_source(write(tmp_path, "f.py", code)).handler(wanted)
    assert (found.name if found else None) == chosen


def test_a_missing_handler_names_the_nearest(tmp_path: Path) -> None:
    source = read_source(write(tmp_path, "f.py", "def train(): ...\ndef evaluate(): ..."))
    with pytest.raises(NotFound) as caught:
        source.handler("evalute")
    assert caught.value.hint == "did you mean evaluate?"
    with pytest.raises(NotFound, match="none was chosen") as caught:
        source.handler(None)
    assert "train, evaluate" in str(caught.value.hint)


def test_arguments_are_checked_before_a_run(tmp_path: Path) -> None:
    train = read_source(write(tmp_path, "f.py", TRAIN)).handlers[0]
    train.check_arguments({"learning_rate"}, {"frame"})
    with pytest.raises(Invalid, match="no parameter 'learning_rte'") as caught:
        train.check_arguments({"learning_rte"}, {"frame"})
    assert caught.value.hint == (
        "did you mean learning_rate?; the signature is train(ctx, frame, learning_rate: float = 0.1, depth=3)"
    )
    with pytest.raises(Invalid, match=r"needs 'frame' \(rows: RUN \.\.\. FROM\)"):
        train.check_arguments(set(), set())
    predict = read_source(tmp_path / "f.py").handlers[1]
    predict.check_arguments({"anything"}, set())


def test_a_missing_file_names_the_nearest(tmp_path: Path) -> None:
    write(tmp_path, "train.py", "")
    with pytest.raises(NotFound) as caught:
        read_source(tmp_path / "trian.py")
    assert caught.value.hint == "did you mean train.py?"
    with pytest.raises(NotFound):
        read_source(tmp_path / "no" / "such" / "place.py")


def test_a_syntax_error_has_its_place(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="train.py, line 2: ") as caught:
        read_source(write(tmp_path, "train.py", "x = 1\ny = = 2\n"))
    where = caught.value.where
    assert where is not None
    assert (where.line, where.column, where.text) == (2, 5, "y = = 2")
    assert ("x = 1\ny = = 2\n"[where.offset]) == "="


@pytest.mark.parametrize("data", [b"\xff\xfe", b"x = '\x00'"])
def test_bytes_that_are_not_python(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "train.py").write_bytes(data)
    with pytest.raises(Invalid, match=r"train\.py"):
        read_source(tmp_path / "train.py")


def test_a_folder_is_taken_whole_but_for_what_is_hidden_or_made(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    write(folder, "main.py", "def train(): ...")
    write(folder, "helpers/shapes.py", "x = 1")
    write(folder, "requirements.txt", "six  # small\n\n-r other.txt\n# nothing\npandas>=2\n")
    write(folder, ".git/config", "")
    write(folder, "__pycache__/main.cpython-311.pyc", "")
    write(folder, "data.csv", "a\n1\n")
    source = read_source(folder)
    assert source.file == "main.py"
    assert source.requirements == ("six", "pandas>=2")
    target = tmp_path / "copy"
    source.copy_to(target)
    copied = sorted(path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file())
    assert copied == ["data.csv", "helpers/shapes.py", "main.py", "requirements.txt"]
    source.copy_to(target)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["copy", "project"]


def test_a_folder_must_say_which_file(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no Python file"):
        read_source(tmp_path)
    write(tmp_path, "a.py", "")
    assert read_source(tmp_path).file == "a.py"
    write(tmp_path, "b.py", "")
    with pytest.raises(Invalid, match=r"a\.py, b\.py"):
        read_source(tmp_path)


def test_a_copy_that_fails_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    write(folder, "main.py", "def train(): ...")
    doomed = write(folder, "data.bin", "x")
    source = read_source(folder)
    doomed.unlink()
    doomed.symlink_to("/proc/self/mem")  # reading it fails
    with pytest.raises(Invalid, match="cannot be copied"):
        source.copy_to(tmp_path / "copy")
    assert [entry.name for entry in tmp_path.iterdir()] == ["project"]


@pytest.mark.parametrize(
    ("block", "message"),
    [("dependencies = [1]", "list of strings"), ("dependencies = [", "not valid TOML")],
)
def test_a_broken_script_block_is_said(tmp_path: Path, block: str, message: str) -> None:
    with pytest.raises(Invalid, match=message):
        read_source(write(tmp_path, "f.py", f"# /// script\n# {block}\n# ///\n"))
