"""Code from notebooks, repositories, archives, addresses and packages."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from mlbox.base.errors import Invalid, MlboxError, NotFound
from mlbox.base.names import Ref
from mlbox.engine.runs.commands import CreateFunction
from mlbox.engine.runs.origins.base import ORIGINS, origin_of
from mlbox.engine.runs.source import fetch_source

TRAIN = "def train(ctx, lr=0.1):\n    return {'lr': lr}\n"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Two commits; the first is tagged v1, the second is on main."""
    folder = tmp_path / "repository"
    (folder / "jobs").mkdir(parents=True)

    def git(*arguments: str) -> str:
        who = ("-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "init.defaultBranch=main")
        return subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout

    git("init", "-q")
    (folder / "train.py").write_text("def first(ctx): ...\n")
    (folder / "jobs" / "main.py").write_text("import shared\ndef job(ctx): return {'x': shared.X}\n")
    (folder / "shared.py").write_text("X = 1\n")
    (folder / "requirements.txt").write_text("numpy>=1\n")
    git("add", ".")
    git("commit", "-qm", "one")
    git("tag", "v1")
    (folder / "train.py").write_text(TRAIN)
    git("commit", "-qam", "two")
    return folder


def names(source: Any) -> list[str]:
    return [handler.name for handler in source.handlers]


def test_a_repository_with_ref_and_path(repository: Path, tmp_path: Path) -> None:
    url = f"git+file://{repository}"
    newest = fetch_source(url, tmp_path)
    assert (newest.file, names(newest), newest.requirements) == ("train.py", ["train"], ("numpy>=1",))
    assert newest.revision is not None and len(newest.revision) == 40
    tagged = fetch_source(f"{url}@v1#train.py", tmp_path)
    assert names(tagged) == ["first"] and tagged.revision != newest.revision
    by_commit = fetch_source(f"{url}@{newest.revision}#train.py", tmp_path)
    assert by_commit.revision == newest.revision
    nested = fetch_source(f"{url}#jobs/main.py", tmp_path)
    assert nested.file == "jobs/main.py" and (nested.root / "shared.py").is_file()
    assert fetch_source(f"{url}#subdirectory=jobs", tmp_path).file == "main.py"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("git+file:///no/such/repository", "git: "),
        ("git+{url}@no_such_branch", "no_such_branch"),
        ("git+{url}#trian.py", "there is no trian.py in it"),
        ("git+{url}#../../etc", "leaves the folder"),
        ("git+ext::sh -c date", "not the address of a Git repository"),
    ],
)
def test_what_is_wrong_with_a_repository(repository: Path, tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(MlboxError) as caught:
        fetch_source(text.format(url=f"file://{repository}"), tmp_path)
    assert message in caught.value.message
    if "trian" in text:
        assert caught.value.hint == "did you mean train.py?"


def notebook(path: Path, *cells: str) -> None:
    body = {"cells": [{"cell_type": "code", "source": cell.splitlines(True)} for cell in cells], "nbformat": 4}
    body["cells"].insert(0, {"cell_type": "markdown", "source": ["# Title"]})
    path.write_text(json.dumps(body))


def test_a_notebook_with_marks_and_without(tmp_path: Path) -> None:
    notebook(tmp_path / "my fit.ipynb", "%matplotlib inline\nimport math", TRAIN, "# mlbox: ignore\nraise SystemExit")
    plain = fetch_source("my fit.ipynb", tmp_path)
    assert (plain.file, names(plain)) == ("my_fit.py", ["train"])
    text = (plain.root).read_text()
    assert "# %matplotlib inline\nimport math" in text and "SystemExit" not in text
    notebook(tmp_path / "marked.ipynb", "import nothing_that_exists", f"# mlbox: code\n{TRAIN}", "train(None)")
    marked = fetch_source("marked.ipynb", tmp_path)
    assert names(marked) == ["train"] and "nothing_that_exists" not in marked.root.read_text()
    (tmp_path / "broken.ipynb").write_text("{")
    with pytest.raises(Invalid, match="broken.ipynb is not a notebook"):
        fetch_source("broken.ipynb", tmp_path)
    with pytest.raises(NotFound) as caught:
        fetch_source("markd.ipynb", tmp_path)
    assert caught.value.hint is not None and caught.value.hint.startswith("did you mean marked.ipynb")


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    """A server of the files in ``tmp_path``."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_archives_and_addresses(tmp_path: Path, web: str) -> None:
    with zipfile.ZipFile(tmp_path / "code.zip", "w") as archive:
        archive.writestr("project/train.py", TRAIN)
        archive.writestr("project/other.py", "def other(ctx): ...\n")
    with tarfile.open(tmp_path / "code.tar.gz", "w:gz") as archive:
        entry = tarfile.TarInfo("handler.py")
        entry.size = len(TRAIN)
        archive.addfile(entry, io.BytesIO(TRAIN.encode()))
    (tmp_path / "single.py").write_text(TRAIN)
    assert names(fetch_source("code.zip", tmp_path)) == ["train"]
    assert names(fetch_source("code.zip#other.py", tmp_path)) == ["other"]
    assert fetch_source(f"{web}/code.tar.gz", tmp_path).file == "handler.py"
    assert fetch_source(f"{web}/single.py", tmp_path).file == "single.py"
    with pytest.raises(NotFound, match="answers 404"):
        fetch_source(f"{web}/missing.zip", tmp_path)
    (tmp_path / "torn.zip").write_bytes(b"PK\3\4 torn")
    with pytest.raises(Invalid, match="not an archive that can be unpacked"):
        fetch_source("torn.zip", tmp_path)


def test_an_archive_stays_in_its_folder(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "evil.tar", "w") as archive:
        entry = tarfile.TarInfo("../../outside.py")
        entry.size = len(TRAIN)
        archive.addfile(entry, io.BytesIO(TRAIN.encode()))
    with pytest.raises(Invalid, match="cannot|outside"):
        fetch_source("evil.tar", tmp_path)
    assert not list(tmp_path.parent.rglob("outside.py"))


def test_requirements_of_a_project_and_of_a_file(bench: Any) -> None:
    folder = bench.sources / "project"
    folder.mkdir()
    (folder / "main.py").write_text(TRAIN)
    (folder / "pyproject.toml").write_text('[project]\nname = "x"\ndependencies = ["rich>=13"]\n')
    assert fetch_source("project", bench.sources).requirements == ("rich>=13",)
    (bench.sources / "more.txt").write_text("# pinned\nsix==1.16.0  # small\n-e .\n")
    (bench.sources / "f.py").write_text(TRAIN)
    command = CreateFunction(
        ref=Ref("default", "f"), source="f.py", base_folder=str(bench.sources), requirements=("more.txt", "idna")
    )
    bench.do(command)
    row = bench.rows("SELECT requirements FROM catalog.ml.functions")[0]
    assert row["requirements"] == ["six==1.16.0", "idna"]


def test_a_function_of_a_package_runs(bench: Any) -> None:
    """Its signature is checked where the package is."""
    command = CreateFunction(
        ref=Ref("default", "product"), source="module:math", handler="prod", base_folder=str(bench.sources)
    )
    bench.do(command)
    result = bench.run("product", parameters={"iterable": [2, 3, 7]})
    assert result.facts["result"] == 42
    with pytest.raises(Invalid, match="which function of the module"):
        fetch_source("module:math", Path("/"))


def test_a_repository_runs_with_all_its_files(bench: Any, repository: Path) -> None:
    command = CreateFunction(
        ref=Ref("default", "job"), source=f"git+file://{repository}#jobs/main.py", base_folder=str(bench.sources)
    )
    bench.do(command)
    # requirements of the repository's root belong to functions of its root folder
    assert bench.run("job").facts["x"] == 1


def test_every_origin_knows_its_own_only() -> None:
    examples = {
        "git": "git+https://host/x",
        "archive": "https://host/code.zip",
        "module": "module:package.module",
        "notebook": "train.ipynb",
    }
    assert set(ORIGINS.names()) == set(examples)
    for name, text in examples.items():
        assert [kind for kind, origin in ORIGINS if origin.matches(text)] == [name]
    assert origin_of("train.py") is None and origin_of("folder") is None
