from __future__ import annotations

from typing import Any

import pytest

from mlbox.base.errors import Invalid, NotFound
from mlbox.base.names import Ref
from mlbox.engine.runs.commands import CreateFunction, DropFunction

TRAIN = """
    def train(ctx, rate=0.1):
        return {"rate": rate}

    def score(ctx, rows):
        pass
"""


def create(bench: Any, source: str, **options: Any) -> Any:
    return bench.do(
        CreateFunction(ref=Ref("default", "train"), source=source, base_folder=str(bench.sources), **options)
    )


def versions(bench: Any) -> list[tuple[str, int, bool]]:
    rows = bench.rows("SELECT name, version, latest FROM catalog.ml.functions ORDER BY version")
    return [(row["name"], row["version"], row["latest"]) for row in rows]


def test_a_version_is_made_when_files_or_settings_change(bench: Any) -> None:
    first = bench.function("train", TRAIN, handler="train")
    assert first.message == "created function default.train version 1: train.py, handler train"
    again = bench.function("train", TRAIN, handler="train")
    assert again.message == "function default.train is unchanged, version 1"
    bench.function("train", TRAIN, handler="score")
    bench.function("train", TRAIN + "\n    # more\n", handler="score")
    bench.function("train", TRAIN + "\n    # more\n", handler="score", retries=2)
    assert versions(bench) == [("train", 1, False), ("train", 2, False), ("train", 3, False), ("train", 4, True)]
    row = bench.rows("SELECT handler, handlers, file, runtime FROM catalog.ml.functions WHERE version = 1")[0]
    assert row == {"handler": "train", "handlers": ["train", "score"], "file": "train.py", "runtime": "local"}
    kept = create(bench, "gone.py", if_not_exists=True)
    assert kept.message == "function default.train exists already, version 4"


def test_names_are_found_without_regard_to_case(bench: Any) -> None:
    bench.function("train", TRAIN, handler="train")
    assert bench.run("TRAIN").facts["rate"] == 0.1
    bench.do(
        CreateFunction(ref=Ref("default", "Train"), source="train.py", base_folder=str(bench.sources), handler="score")
    )
    assert versions(bench) == [("train", 1, False), ("train", 2, True)]


def test_a_folder_is_kept_whole_and_the_same_files_are_stored_once(bench: Any) -> None:
    folder = bench.sources / "project"
    (folder / "lib").mkdir(parents=True)
    (folder / "lib" / "numbers.py").write_text("ANSWER = 42\n")
    (folder / "main.py").write_text("from lib.numbers import ANSWER\ndef main(ctx):\n    return {'answer': ANSWER}\n")
    create(bench, "project")
    (folder / "main.py").unlink()  # what was registered is what runs
    assert bench.run("train").facts["answer"] == 42


@pytest.mark.parametrize(
    ("source", "options", "kind", "message", "hint"),
    [
        ("trian.py", {}, NotFound, "trian.py", "did you mean train.py?"),
        ("train.py", {"handler": "trane"}, NotFound, "no handler 'trane'", "did you mean train?"),
        ("broken.py", {}, Invalid, "broken.py, line 2", None),
        ("train.py", {"handler": "train", "runtime": "locale"}, NotFound, "executor 'locale'", "did you mean local?"),
        (
            "train.py",
            {"handler": "train", "secrets": ("KEY",)},
            NotFound,
            "no secret 'KEY'",
            "SET SECRET KEY = $1 IN PROJECT default",
        ),
        ("train.py", {"handler": "train", "retries": -1}, Invalid, "below 0", None),
        (
            "train.py",
            {"options": {"nonsense": 1}},
            Invalid,
            "runs on local have no option 'nonsense'",
            "known: prepare_timeout, wait_timeout",
        ),
        (
            "train.py",
            {"options": {"returns": ["auc:metric"]}},
            Invalid,
            "no option 'returns'",
            "RETURNS is a clause of RUN: RUN f RETURNS ('auc:metric')",
        ),
        (
            "train.py",
            {"options": {"timeout": 5}, "runtime": "docker"},
            Invalid,
            "runs on docker have no option 'timeout'",
            "TIMEOUT is a clause of its own: TIMEOUT INTERVAL 10 MINUTES",
        ),
        (
            "train.py",
            {"options": {"mount": "/a:/b"}, "runtime": "docker"},
            Invalid,
            "runs on docker have no option 'mount'",
            "did you mean mounts? known: commands, mounts, network, prepare_timeout, read_only, shm, user, "
            "wait_timeout",
        ),
        (
            "train.py",
            {"options": {"wait_timeout": "long"}},
            Invalid,
            "wait_timeout is an interval longer than nothing, not 'long'",
            "WITH (wait_timeout = INTERVAL '10 minutes')",
        ),
        ("train.py", {"options": {"mounts": 5}, "runtime": "docker"}, Invalid, "mounts is a list of texts", None),
        ("train.py", {"options": {"volume": "x"}, "runtime": "kubernetes"}, Invalid, "no option 'volume'", None),
        ("train.py", {"options": {"masters": "x"}, "runtime": "spark"}, Invalid, "no option 'masters'", None),
        ("train.py", {"options": {"worker": "x"}, "runtime": "dask"}, Invalid, "no option 'worker'", None),
    ],
)
def test_what_cannot_be_registered_leaves_nothing(
    bench: Any, source: str, options: dict[str, Any], kind: type[Exception], message: str, hint: str | None
) -> None:
    (bench.sources / "train.py").write_text("def train(ctx): pass\ndef score(ctx): pass\n")
    (bench.sources / "broken.py").write_text("def train(ctx):\n    return (1,\n")
    with pytest.raises(kind, match=message) as caught:
        create(bench, source, **options)
    if hint:
        assert caught.value.hint == hint
    assert versions(bench) == []
    assert not any(path.is_file() for path in bench.home.artifacts.rglob("*"))


def test_an_unknown_project(bench: Any) -> None:
    (bench.sources / "train.py").write_text("def train(ctx): pass\n")
    with pytest.raises(NotFound, match="no project 'defualt'") as caught:
        bench.do(CreateFunction(ref=Ref("defualt", "t"), source="train.py", base_folder=str(bench.sources)))
    assert "did you mean default?" in caught.value.hint


def test_a_dropped_function_is_gone_but_its_runs_can_be_repeated(bench: Any) -> None:
    from mlbox.engine.runs.commands import Rerun

    bench.function("train", TRAIN, handler="train")
    run = bench.run("train", parameters={"rate": 0.5}).facts["run"]
    drop = DropFunction(ref=Ref("default", "train"))
    assert bench.do(drop).message == "dropped function default.train: 1 version; its runs stay"
    assert versions(bench) == []
    with pytest.raises(NotFound, match="no function 'train'"):
        bench.run("train")
    with pytest.raises(NotFound):
        bench.do(drop)
    absent = bench.do(DropFunction(ref=Ref("default", "train"), if_exists=True))
    assert absent.message == "there is no function default.train"
    assert bench.do(Rerun(project="default", run=run)).facts["rate"] == 0.5
    bench.function("train", TRAIN, handler="train")
    assert versions(bench) == [("train", 2, True)]  # a number is not given twice


def test_one_version_is_dropped_and_asked_for(bench: Any) -> None:
    bench.function("train", TRAIN, handler="train")
    bench.function("train", TRAIN.replace("0.1", "0.2"), handler="train")
    bench.do(DropFunction(ref=Ref("default", "train", "2")))
    assert bench.run("train").facts["rate"] == 0.1
    from mlbox.engine.runs.commands import StartRun

    with pytest.raises(NotFound, match="has no version 2") as caught:
        bench.do(StartRun(function=Ref("default", "train", "2")))
    assert caught.value.hint == "its versions: 1"
    with pytest.raises(NotFound, match="no version or alias 'best'") as caught:
        bench.do(StartRun(function=Ref("default", "train", "best")))
    assert caught.value.hint == "set it: ALTER FUNCTION train SET ALIAS best = 1"


def test_an_image_needs_a_runtime_that_has_images(bench: Any) -> None:
    with pytest.raises(Invalid, match="runs on local have no image") as caught:
        bench.function("train", TRAIN, image="python:3.12-slim")
    assert "RUNTIME docker" in str(caught.value.hint)
