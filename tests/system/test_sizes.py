from __future__ import annotations

import pytest

from a2gc_ros.errors import ConfigError
from a2gc_ros.system.sizes import parse_size, show_size


@pytest.mark.parametrize(("text", "size"), [("4G", 4 << 30), ("500M", 500 << 20), ("1.5 gib", 3 << 29), ("64", 64)])
def test_sizes_are_read(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "four", "-1G", "0G", "4X"])
def test_other_words_are_no_size(text: str) -> None:
    with pytest.raises(ConfigError, match="no size of memory"):
        parse_size(text)


@pytest.mark.parametrize(
    ("size", "text"), [(12, "12 B"), (1536, "1.5 KiB"), (1 << 33, "8.0 GiB"), (1 << 43, "8.0 TiB")]
)
def test_sizes_are_said(size: int, text: str) -> None:
    assert show_size(size) == text
