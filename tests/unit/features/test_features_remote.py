"""What is said of an object store that cannot be opened; no store is asked."""

from __future__ import annotations

import pytest

from mlbox.base.errors import Invalid
from mlbox.engine.features.sources.base import Source
from mlbox.engine.features.sources.remote import find


def test_a_broken_credential_is_told_as_one_and_not_shown() -> None:
    token = "{bad json"
    source = Source("", "default", "s", "csv", f"gs://bucket/{token}.csv", options={"token": token})
    with pytest.raises(Invalid, match="Expecting property name") as caught:
        list(find(source, (".csv",)))
    assert token not in caught.value.message
    assert "CREATE PROFILE" in (caught.value.hint or "") and "pip" not in (caught.value.hint or "")
