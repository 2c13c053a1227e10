"""Counts that are kept, not taken again, are the counts that the file would give."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from a2gc_ros.placemap import NewKeyframe, PlaceMap
from a2gc_ros.placemap.summary import summaries


def test_counts_follow_this_and_other_programs(filled: Path, unit: Callable) -> None:
    (vector,) = unit(1)
    with PlaceMap.open(filled) as writer, PlaceMap.open(filled, read_only=True) as reader:
        for place_map in (writer, reader):
            assert (len(place_map), place_map.count(1), place_map.count(2), place_map.count(9)) == (60, 40, 20, 0)
        writer.add_many(1, [NewKeyframe(99, vector), NewKeyframe(100, vector)])
        for place_map in (writer, reader):
            assert (len(place_map), place_map.count(1), place_map.last_of(1)) == (62, 42, 62)


def test_what_is_taken_back_was_never_counted(filled: Path, unit: Callable) -> None:
    (vector,) = unit(1)
    with PlaceMap.open(filled) as place_map:
        with pytest.raises(KeyboardInterrupt):
            add_and_fail(place_map)
        assert len(place_map) == 60
        # The next one gets the number that was given before.
        assert place_map.add(2, 99, vector) == 61
        assert (len(place_map), place_map.count(1), place_map.count(2)) == (61, 40, 21)


def add_and_fail(place_map: PlaceMap) -> None:
    with place_map.transaction() as connection:
        connection.execute("INSERT INTO keyframes (session_id, stamp_ns, frame_id) VALUES (1, 5, '')")
        assert len(place_map) == 61
        raise KeyboardInterrupt


def test_counting_and_looking_into_sessions_walk_no_keyframes(filled: Path) -> None:
    with PlaceMap.open(filled) as place_map:
        len(place_map)
        plans = []
        with place_map.reading() as connection:
            connection.set_trace_callback(plans.append)
        len(place_map)
        summaries(place_map)
        place_map.keyframes(1)
        with place_map.reading() as connection:
            connection.set_trace_callback(None)
            steps = [
                row[3] for query in set(plans) for row in connection.execute(f"EXPLAIN QUERY PLAN {query}").fetchall()
            ]
    assert any("USING INDEX keyframes_of_session" in step for step in steps)
    assert not [step for step in steps if step.startswith("SCAN k")]


def test_a_session_in_numbers(filled: Path) -> None:
    with PlaceMap.open(filled) as place_map:
        place_map.add_session("empty")
        found = [(s.session.name, s.keyframes, s.seconds, s.path_length) for s in summaries(place_map)]
    assert found == [("morning", 40, 39.0, 39.0), ("evening", 20, 19.0, None), ("empty", 0, 0.0, None)]
