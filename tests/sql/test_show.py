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
