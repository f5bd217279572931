"""ALTER kind name SET: comment and owner, told in the views, refused where there is nothing of the name."""

from __future__ import annotations

import pytest
from everything import Everything

from mlbox.base.errors import Invalid, NotExecuted, NotFound
from mlbox.engine.catalog.tables.descriptions import COLUMNS

NAMES = {
    "project": "shop",
    "function": "train",
    "model": "m",
    "endpoint": "e",
    "feed": "rows",
    "workflow": "w",
    "schedule": "hourly",
    "monitor": "watch",
    "alert": "late",
}


@pytest.mark.parametrize("kind", COLUMNS)
def test_comment_and_owner_of_every_kind(everything: Everything, kind: str) -> None:
    table, columns = COLUMNS[kind]
    options = ", ".join(f"{column} = 'new {column}'" for column in columns)
    everything.run(f"ALTER {kind.upper()} {NAMES[kind]} SET ({options})")
    with everything.house.catalog.read() as cursor:
        rows = cursor.execute(
            f"SELECT {', '.join(columns)} FROM catalog.main.{table} WHERE name = ?", [NAMES[kind]]
        ).fetchall()
    assert rows and set(rows) == {tuple(f"new {column}" for column in columns)}
    everything.run(f"ALTER {kind.upper()} {NAMES[kind]} SET (comment = NULL)")
    with pytest.raises(NotFound) as caught:
        everything.run(f"ALTER {kind.upper()} {NAMES[kind]}x SET (comment = 'c')")
    assert caught.value.hint and NAMES[kind] in caught.value.hint


def test_what_is_no_text_and_what_is_not_changed_so(everything: Everything) -> None:
    with pytest.raises(Invalid):
        everything.run("ALTER MODEL m SET (comment = 3)")
    with pytest.raises(Invalid):
        everything.run("ALTER PROJECT shop SET (owner = NULL)")
    with pytest.raises(NotExecuted) as caught:
        everything.run("ALTER FUNCTION train SET (handler = 'other')")
    assert caught.value.hint == "possible is SET (comment = ..)"
