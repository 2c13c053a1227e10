"""Records of a run: closures stand with the image they are about, and files give back what was written."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from a2gc_ros.errors import A2gcError
from a2gc_ros.replay.records import Answer, ClosureRecord, QueryRecord, by_query, read_queries, write_queries

FIRST = ClosureRecord(10, 0, 0.7, 50, True, 0.999)
SECOND = ClosureRecord(20, 1, 0.6, 40, True)


def test_a_closure_that_was_held_back_stands_with_its_own_image() -> None:
    answers = [Answer(100, 1.0), Answer(200, 2.0, ((200, SECOND), (100, FIRST)))]
    assert by_query(answers) == (QueryRecord(100, (FIRST,), 1.0), QueryRecord(200, (SECOND,), 2.0))


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_queries(tmp_path / "run.jsonl", [QueryRecord(100, (FIRST, SECOND), 1.5), QueryRecord(200)])
    first, second = read_queries(tmp_path / "run.jsonl")
    assert first.closures[0] == FIRST
    assert math.isnan(first.closures[1].probability)
    assert math.isnan(second.latency_ms)


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    (tmp_path / "run.jsonl").write_text('{"stamp_ns": 1}\n')
    with pytest.raises(A2gcError, match="line 1"):
        read_queries(tmp_path / "run.jsonl")
