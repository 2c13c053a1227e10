from __future__ import annotations

import json
from typing import Any

import pytest

from a2gc_ros.system.json_values import finite


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (float("nan"), None),
        (1.5, 1.5),
        ({"a": float("inf"), 3: [1, (float("-inf"), "nan")]}, {"a": None, "3": [1, [None, "nan"]]}),
        (True, True),
        (None, None),
    ],
)
def test_what_is_not_finite_is_null(value: Any, expected: Any) -> None:
    assert finite(value) == expected
    json.dumps(finite(value), allow_nan=False)
