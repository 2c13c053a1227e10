"""Settings: every range is held, every field says what it is."""

from __future__ import annotations

import math
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from a2gc_ros.errors import ConfigError
from a2gc_ros.loops import LoopConfig

NUMBERS = [entry for entry in fields(LoopConfig) if type(entry.default) in (int, float)]


@pytest.mark.parametrize("entry", NUMBERS, ids=lambda entry: entry.name)
def test_each_range_is_held(entry: Any) -> None:
    for bound, beyond in ((entry.metadata["low"], -1), (entry.metadata["high"], 1)):
        kind = type(entry.default)
        LoopConfig(**{entry.name: kind(bound)})
        with pytest.raises(ConfigError, match=rf"{entry.name} is .* must lie between"):
            LoopConfig(**{entry.name: kind(bound + beyond)})


@pytest.mark.parametrize("entry", fields(LoopConfig), ids=lambda entry: entry.name)
def test_each_setting_has_a_description_and_a_type(entry: Any) -> None:
    assert entry.metadata["help"].endswith(".")
    with pytest.raises(ConfigError, match=entry.name):
        LoopConfig(**{entry.name: [1]})


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"threshold": math.nan}, "threshold is nan"),
        ({"k": True}, "k is True, it must be a int"),
        ({"k": 2.5}, "k is 2.5"),
        ({"verify": 1}, "verify is 1"),
        ({"features": "surf"}, "one of sift, corners, orb"),
    ],
)
def test_what_makes_no_sense_is_refused(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        LoopConfig(**wrong)


def test_the_documentation_tells_every_setting_as_it_is(repository: Path) -> None:
    rows = [line.split(" | ") for line in (repository / "docs" / "loops.md").read_text().splitlines()]
    told = {row[0].strip("| `"): (row[1], row[3].rstrip(" |")) for row in rows if len(row) == 4}
    for entry in fields(LoopConfig):
        default = str(entry.default).lower() if isinstance(entry.default, bool) else str(entry.default)
        assert told[entry.name] == (default, entry.metadata["help"])


def test_whole_numbers_will_do_where_a_fraction_is_asked_for() -> None:
    assert LoopConfig(threshold=1).threshold == 1
