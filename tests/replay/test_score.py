"""Scores against hand-computed and naively computed ones."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from a2gc_ros.geometry import pose_from_xy_yaw
from a2gc_ros.loops.results import Match
from a2gc_ros.replay import ground_truth
from a2gc_ros.replay.ground_truth import GroundTruthPath, RevisitRule, earlier_visit
from a2gc_ros.replay.records import ClosureRecord, QueryRecord, RunRecord, read_queries, write_queries
from a2gc_ros.replay.score import precision_recall, score

SECOND = 1_000_000_000


def two_laps(side_m: float = 50.0) -> GroundTruthPath:
    """A square driven twice, one image every 10 m and every 5 s: image i and i + 20 are the same place."""
    corners = [(0.0, 0.0, 0.0), (side_m, 0.0, np.pi / 2), (side_m, side_m, np.pi), (0.0, side_m, -np.pi / 2)]
    poses = []
    for _ in range(2):
        for x, y, yaw in corners:
            for step in range(5):
                poses.append(pose_from_xy_yaw(x + 10 * step * np.cos(yaw), y + 10 * step * np.sin(yaw), yaw))
    return GroundTruthPath.from_poses([5 * SECOND * i for i in range(len(poses))], poses)


def closure(stamp: int, map_index: int = 0) -> ClosureRecord:
    return ClosureRecord(stamp, map_index, 0.8, 50, True)


def run(*queries: QueryRecord) -> RunRecord:
    return RunRecord("offline", "m", "b", queries)


def test_a_path_knows_its_length_and_its_images() -> None:
    path = two_laps()
    assert path.path_length[-1] == pytest.approx(390.0)
    assert path.index_of(50 * SECOND) == 10
    assert path.index_of(51 * SECOND) is None


def test_earlier_visits_need_time_and_travel() -> None:
    path = two_laps()
    admissible = earlier_visit(path, path, RevisitRule(min_time_gap_s=30, min_travel_m=100))
    assert admissible[30, 20]
    assert not admissible[29, 20]
    assert not admissible[20, 30]


def test_hand_computed_score() -> None:
    path, rule = two_laps(), RevisitRule(radius_m=3.0, min_time_gap_s=20, min_travel_m=50)
    queries = [QueryRecord(int(s)) for s in path.stamps_ns]
    stamps = [int(s) for s in path.stamps_ns]
    queries[20] = QueryRecord(stamps[20], (closure(stamps[0]),), 1.0)
    queries[25] = QueryRecord(stamps[25], (closure(stamps[5]), closure(stamps[12])), 1.0)
    queries[8] = QueryRecord(stamps[8], (closure(stamps[0]),), 1.0)
    queries[9] = QueryRecord(stamps[9], (closure(123),))
    best = [Match(stamps[20], 0, 0, 0, stamps[0], 0.9), Match(stamps[8], 0, 0, 0, stamps[0], 0.85)]
    best += [Match(stamps[25], 0, 0, 0, stamps[5], 0.8), Match(stamps[26], 0, 0, 0, 123, 0.99)]
    result = score(run(*queries), path, {}, rule, best)
    assert (result.queries, result.revisits, result.recognized) == (40, 20, 2)
    assert (result.closures, result.right, result.unjudged) == (4, 2, 1)
    assert result.precision == 0.5
    assert result.recall == pytest.approx(0.1)
    assert len(result.missed) == 18
    np.testing.assert_allclose(np.sort(result.distances_m)[:2], 0.0, atol=1e-9)
    assert result.curve is not None
    np.testing.assert_allclose(result.curve.precision, [1.0, 0.5, 2 / 3])
    np.testing.assert_allclose(result.curve.recall, [0.05, 0.05, 0.1])
    assert result.curve.recall_at_precision(1.0) == pytest.approx(0.05)


def test_of_a_long_run_no_table_of_all_pairs_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    lap = two_laps(500.0)
    poses = [pose_from_xy_yaw(x, y, yaw) for (x, y, _), yaw in zip(lap.positions, lap.headings, strict=True)] * 40
    path = GroundTruthPath.from_poses([5 * SECOND * i for i in range(len(poses))], poses)
    whole = score(run(*(QueryRecord(int(s)) for s in path.stamps_ns)), path, {1: lap}, RevisitRule())
    monkeypatch.setattr(ground_truth, "CELLS_AT_ONCE", 100_000)
    tracemalloc.start()
    in_parts = score(run(*(QueryRecord(int(s)) for s in path.stamps_ns)), path, {1: lap}, RevisitRule())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert in_parts.revisited == whole.revisited
    assert in_parts.revisits > 0
    assert peak < 24 * len(path) ** 2 / 4


def test_driving_the_other_way_is_no_expected_revisit_but_a_right_closure() -> None:
    there = [pose_from_xy_yaw(10.0 * i, 0.0, 0.0) for i in range(6)]
    back = [pose_from_xy_yaw(10.0 * i, 0.0, np.pi) for i in reversed(range(6))]
    path = GroundTruthPath.from_poses([20 * SECOND * i for i in range(12)], there + back)
    rule = RevisitRule(radius_m=3.0, min_travel_m=50)
    found = QueryRecord(220 * SECOND, (closure(0),))
    result = score(run(found), path, {}, rule)
    assert (result.revisits, result.right, result.closures) == (0, 1, 1)
    assert math.isnan(result.recall)


def test_relocalization_is_judged_against_the_keyframes_of_its_map() -> None:
    path = two_laps()
    town = GroundTruthPath.from_poses([7], [pose_from_xy_yaw(10.0, 0.0, 0.0)])
    right = QueryRecord(5 * SECOND, (closure(7, 1),))
    wrong = QueryRecord(50 * SECOND, (closure(7, 1),))
    foreign = QueryRecord(55 * SECOND, (closure(7, 2),))
    result = score(run(right, wrong, foreign), path, {1: town}, RevisitRule(radius_m=3.0))
    assert (result.right, result.closures, result.unjudged) == (1, 2, 1)
    assert result.revisits == 1


ranked_lists = st.lists(st.tuples(st.sampled_from([0.1, 0.2, 0.5, 0.9]), st.booleans(), st.booleans()), min_size=1)


@given(ranked_lists, st.integers(0, 5))
def test_curve_equals_counting_at_each_threshold(ranked: list[tuple[float, bool, bool]], more: int) -> None:
    positives = sum(revisit for _, _, revisit in ranked) + more
    curve = precision_recall(ranked, positives)
    assert list(curve.thresholds) == sorted({s for s, _, _ in ranked}, reverse=True)
    for threshold, precision, recall in zip(curve.thresholds, curve.precision, curve.recall, strict=True):
        kept = [entry for entry in ranked if entry[0] >= threshold]
        assert precision == pytest.approx(sum(r for _, r, _ in kept) / len(kept))
        assert recall == pytest.approx(sum(r and p for _, r, p in kept) / max(positives, 1))


@given(st.lists(st.tuples(st.integers(0, 10**18), st.one_of(st.floats(0, 1e4), st.just(math.nan)))))
def test_records_survive_the_file(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, float]]) -> None:
    queries = tuple(QueryRecord(stamp, (closure(stamp),) * (stamp % 3), latency) for stamp, latency in rows)
    path = tmp_path_factory.mktemp("records") / "queries.jsonl"
    write_queries(path, queries)
    assert repr(read_queries(path)) == repr(queries)


@pytest.mark.parametrize("line", ["{", "[]", '{"stamp_ns": 1}', '{"closures": [], "what": 1}'])
def test_a_damaged_record_is_named(tmp_path, line: str) -> None:
    path = tmp_path / "queries.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(Exception, match="line 1"):
        read_queries(path)
