"""What a predict returns, as columns."""

from __future__ import annotations

from typing import Any

import pytest

from mlbox.client.failures import WrongCall
from mlbox.client.serving.answering import as_columns


@pytest.mark.parametrize(
    ("result", "told"),
    [
        ([[None, 1.0], [2.0, 3.0]], r"'prediction' holds lists with missing or mixed values \(return numbers only"),
        ([[1.0], [2.0, 3.0]], "has lists of different lengths"),
        ([[1.0], [None, 3.0]], "has lists of different lengths"),
        ([b"x", 1], "holds a value of type bytes"),
        ([1.0], "has 1 values for 2 rows"),
        ({}, "an empty dictionary"),
    ],
)
def test_what_cannot_be_columns_is_said(result: Any, told: str) -> None:
    with pytest.raises(WrongCall, match=told):
        as_columns(result, 2)
