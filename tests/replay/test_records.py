"""Records of a run: closures stand with the image they are about, and files give back what was written."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from a2gc_ros.errors import A2gcError
from a2gc_ros.replay.records import (
    Answer,
    ClosureRecord,
    PairRecord,
    QueryRecord,
    by_query,
    read_queries,
    rows_of,
    write_queries,
)

FIRST = ClosureRecord(10, 0, 0.7, 50, True, 0.999)
SECOND = ClosureRecord(20, 1, 0.6, 40, True, reason="no pose: a camera is not calibrated")
POSED = ClosureRecord(10, 0, 0.7, 50, True, 0.999, rows_of(np.eye(4)), True, rows_of(np.diag(np.arange(1.0, 7.0))), "")


def test_a_closure_that_was_held_back_stands_with_its_own_image() -> None:
    answers = [Answer(100, 1.0), Answer(200, 2.0, ((200, SECOND), (100, FIRST)))]
    assert by_query(answers) == (QueryRecord(100, (FIRST,), 1.0), QueryRecord(200, (SECOND,), 2.0))


def test_compared_pairs_stand_with_their_image_best_first() -> None:
    best, next_best = (PairRecord(10 * (rank + 1), 0, rank, 0.7, 60, 50, 0.4, "verified") for rank in (0, 1))
    answers = [Answer(100, 1.0), Answer(200, 2.0, (), ((100, next_best), (100, best)))]
    assert [query.pairs for query in by_query(answers)] == [(best, next_best), ()]


def test_what_is_written_is_read(tmp_path: Path) -> None:
    pair = PairRecord(20, 1, 3, 0.6, 60, 40, 0.4, "given out", "", 0.9995, 0.7, 0.1, 6, 2.5)
    write_queries(tmp_path / "run.jsonl", [QueryRecord(100, (POSED, SECOND), 1.5, (pair,)), QueryRecord(200)])
    first, second = read_queries(tmp_path / "run.jsonl")
    assert first.closures[0] == POSED
    assert first.closures[1].reason == SECOND.reason
    assert math.isnan(first.closures[1].probability)
    assert math.isnan(second.latency_ms)
    assert first.pairs == (pair,)


def test_every_closure_has_the_keys_of_the_interface(tmp_path: Path) -> None:
    write_queries(tmp_path / "run.jsonl", [QueryRecord(100, (POSED, SECOND), 1.5)])
    posed, bare = json.loads((tmp_path / "run.jsonl").read_text())["closures"]
    assert posed["relative_pose"] == np.eye(4).tolist()
    assert np.asarray(posed["covariance"]).shape == (6, 6)
    assert (posed["scale_known"], posed["reason"]) == (True, "")
    assert (bare["relative_pose"], bare["covariance"], bare["scale_known"]) == (None, None, False)
    assert bare["reason"]


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    (tmp_path / "run.jsonl").write_text('{"stamp_ns": 1}\n')
    with pytest.raises(A2gcError, match="line 1"):
        read_queries(tmp_path / "run.jsonl")
