"""SHOW as a newcomer types it: own tables only, rows of a run by its name, a noun that is misspelt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mlbox.base.command import Caller
from mlbox.base.errors import MlboxError, NotFound
from mlbox.sql.session import Session

TRAIN = """
def train(ctx, lr=0.1):
    print("lr is", lr)
    ctx.log_metric("auc", lr)
"""


def told(house: Any, text: str) -> list[dict[str, Any]]:
    *_, last = Session(house.catalog, house.dispatcher, Caller(), base_folder=None).run(text)
    return [] if last.result.table is None else last.result.table.to_pylist()


def test_show_reads_what_is_meant(house: Any, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(TRAIN)
    told(house, "CREATE TABLE orders (id INTEGER)")
    assert told(house, "show  tables") == [{"name": "orders"}]
    told(house, f"CREATE FUNCTION train FROM '{tmp_path}/train.py'; RUN train AS one")
    told(house, "RUN train SWEEP (lr IN (0.1, 0.3)) MAXIMIZE auc AS sweep")
    for text in ("SHOW METRICS OF one", "SHOW METRICS OF RUN one"):
        assert [row["value"] for row in told(house, text)] == [0.1]
    assert [row["value"] for row in told(house, "SHOW METRICS OF sweep")] == [0.3], "those of the best trial"
    assert [row["text"] for row in told(house, "SHOW LOGS OF RUN sweep")] == ["lr is 0.3"]
    with pytest.raises(NotFound, match="no run 'onne'") as missing:
        told(house, "SHOW METRICS OF onne")
    assert "one" in str(missing.value.hint)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("SHOW TABELS", "did you mean SHOW TABLES?"),
        ("SHOW FUNCTION", "SHOW FUNCTIONS"),
        ("SHOW run", "SHOW RUNS"),
        ("SHOW nothing_like_it", None),
    ],
)
def test_a_misspelt_noun_is_told(house: Any, text: str, hint: str | None) -> None:
    with pytest.raises(MlboxError) as caught:
        told(house, text)
    assert caught.value.message.startswith("there is no")
    assert (hint or "") in str(caught.value.hint)


def test_describe_writes_no_python(house: Any, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(TRAIN)
    told(house, f"CREATE FUNCTION train FROM '{tmp_path}/train.py'")
    values = {row["property"]: row["value"] for row in told(house, "DESCRIBE FUNCTION train")}
    assert values["latest"] == "true" and values["handlers"] == "train"


SIGNED = '''
def train(ctx, lr: float = 0.1, n=3, *, why, **more):
    """Fit it."""


def score(frame):
    pass
'''


def test_describe_shows_what_handlers_take(house: Any, tmp_path: Path) -> None:
    """As errors of RUN write it, and with the docstring."""
    (tmp_path / "train.py").write_text(SIGNED)
    told(house, f"CREATE FUNCTION train FROM '{tmp_path}/train.py' HANDLER train")
    values = {row["property"]: row["value"] for row in told(house, "DESCRIBE FUNCTION train")}
    written = "train(ctx, lr: float = 0.1, n=3, why, **more)"
    assert values["signatures"] == f"{written}: Fit it., score(frame)"
    with pytest.raises(MlboxError) as caught:
        told(house, "RUN train")
    assert caught.value.hint == f"the signature is {written}"
    (tmp_path / "script.py").write_text("print(1)")
    told(house, f"CREATE FUNCTION script FROM '{tmp_path}/script.py'")
    assert told(house, "SELECT signatures AS s FROM ml.functions WHERE name = 'script'") == [{"s": []}]


def test_members_of_every_project_are_shown_and_in_project_narrows(house: Any) -> None:
    told(house, "CREATE PROJECT a; CREATE PROJECT b")
    told(
        house,
        "GRANT viewer ON PROJECT a TO 'ana'; GRANT admin ON PROJECT b TO 'ana'; GRANT editor ON PROJECT b TO 'bo'",
    )
    rows = told(house, "SHOW MEMBERS")
    assert {(row["name"], row["role"], row["project"]) for row in rows} == {
        ("ana", "viewer", "a"),
        ("ana", "admin", "b"),
        ("bo", "editor", "b"),
    }
    assert [row["name"] for row in told(house, "SHOW MEMBERS IN PROJECT a")] == ["ana"]
    assert "project" not in told(house, "SHOW MEMBERS IN PROJECT a")[0]
    assert {row["project"] for row in told(house, "SHOW MEMBERS LIKE 'bo'")} == {"b"}


def test_describe_of_an_object_names_its_kind(house: Any, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(TRAIN)
    told(house, f"CREATE PROJECT far; CREATE FUNCTION train FROM '{tmp_path}/train.py'")
    told(house, f"CREATE FUNCTION far.w FROM '{tmp_path}/train.py'; CREATE WORKFLOW far.w AS (STEP a AS (SELECT 1))")
    for text, hint in (
        ("DESCRIBE train", "write DESCRIBE FUNCTION train"),
        ('desc "Train";', "write DESCRIBE FUNCTION Train"),
        ("DESCRIBE far.w", "write DESCRIBE FUNCTION far.w or DESCRIBE WORKFLOW far.w"),
    ):
        with pytest.raises(NotFound) as missing:
            told(house, text)
        assert missing.value.hint == hint
    with pytest.raises(NotFound) as missing:
        told(house, "DESCRIBE nowhere")
    assert "DESCRIBE" not in str(missing.value.hint)
    told(house, "CREATE TABLE train (id INTEGER)")
    assert told(house, "DESCRIBE train")[0]["column_name"] == "id"
