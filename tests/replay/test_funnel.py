"""How far keyframes come, and what a page says of those that were nearly closures."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import numpy as np
import pytest

from a2gc_ros.loops.config import LoopConfig
from a2gc_ros.loops.results import Match, Stage
from a2gc_ros.placemap import FeatureBlob, Manifest, NewKeyframe, PlaceMap
from a2gc_ros.replay import why
from a2gc_ros.replay.funnel import APART, Fallen, features_per_keyframe, funnel
from a2gc_ros.replay.records import ClosureRecord, PairRecord, QueryRecord

SECOND = 10**9


def pair(
    stage: str, keyframe: int = 0, rank: int = 0, inliers: int = 9, probability: float = float("nan")
) -> PairRecord:
    reason = {"compared": "too few inliers", "verified": "too little around it agrees", "given out": ""}.get(
        stage, "odd"
    )
    return PairRecord(keyframe * SECOND, 0, rank, 0.5, 40, inliers, 0.2, stage, reason, probability, 0.7, 0.1, 4, 0.0)


def query(at: int, *pairs: PairRecord) -> QueryRecord:
    return QueryRecord(at * SECOND, pairs=pairs)


def unknown(_stamp_ns: int, _pair: PairRecord) -> None:
    return None


RUN = (
    query(0),
    query(1),
    query(40, pair("compared"), pair("verified", rank=1, inliers=30, probability=0.9)),
    query(41, pair("given out"), pair("sure", rank=1)),
    query(42, pair("sure", inliers=25, probability=0.9995)),
    query(43, pair("compared", inliers=12)),
)


def test_every_keyframe_counts_once_where_its_best_pair_came() -> None:
    found = funnel(RUN, 6, None, unknown, {})
    assert [step.keyframes for step in found.steps] == [6, 4, 3, 2, 1]
    assert {step.revisits for step in found.steps} == {None}
    fallen = {stage: [entry.query_stamp_ns // SECOND for entry in entries] for stage, entries in found.fallen.items()}
    assert fallen == {Stage.COMPARED: [43], Stage.VERIFIED: [40], Stage.SURE: [42]}
    # What became a closure lost nothing, whatever its other pairs did.
    assert found.reasons[Stage.SURE] == (("odd", 1),)
    assert found.reasons[Stage.COMPARED] == (("too few inliers", 2),)


def test_counts_never_grow_on_the_way() -> None:
    rng = np.random.default_rng(0)
    stages = [stage.value for stage in Stage]
    run = [query(at, *(pair(stages[s], rank=r) for r, s in enumerate(rng.integers(0, 4, 3)))) for at in range(50)]
    right = {(q.stamp_ns, p.rank): bool(rng.integers(2)) for q in run for p in q.pairs}
    found = funnel(run, 50, [q.stamp_ns for q in run[:30]], lambda stamp, p: right[stamp, p.rank], {})
    for counts in (
        [step.keyframes for step in found.steps if step.keyframes is not None],
        [step.revisits for step in found.steps if step.keyframes is not None],
    ):
        assert counts == sorted(counts, reverse=True)


def test_a_closure_counts_even_where_its_pair_is_not_told() -> None:
    closed = QueryRecord(40 * SECOND, closures=(ClosureRecord(0, 0, 0.5, 30, True),))
    found = funnel([closed], 1, [40 * SECOND], lambda *_: True, {})
    assert [step.keyframes for step in found.steps if step.keyframes is not None] == [1] * 5
    assert found.steps[-1].revisits == 1


def test_revisits_are_followed_by_right_pairs_only() -> None:
    right = {40: 1, 41: 0, 43: 5}
    found = funnel(
        RUN,
        6,
        [40 * SECOND, 41 * SECOND, 43 * SECOND],
        lambda stamp, p: getattr(p, "rank", p.keyframe_stamp_ns) == right.get(stamp // SECOND),
        # As that truth has it: the second is right for the first, the first for the second, and none for the third.
        {at * SECOND: tuple(Match(at * SECOND, 0, 0, 0, rank, 0.5) for rank in range(4)) for at in (40, 41, 43)},
    )
    assert [step.revisits for step in found.steps] == [3, 2, 1, 2, 2, 1, 1]
    assert [step.key for step in found.steps] == [
        "keyframes",
        "top_k",
        "top_1",
        "compared",
        "agree",
        "sure",
        "given_out",
    ]
    assert "among the 4 most like them" in found.steps[1].name
    (lost,) = found.fallen[Stage.VERIFIED]
    assert (lost.right, lost.pair.rank) == (True, 1)


def test_pictures_are_of_different_moments() -> None:
    run = [query(at, pair("compared", inliers=100 - at)) for at in range(40)]
    shown = funnel(run, 40, None, unknown, {}).fallen[Stage.COMPARED]
    first = [entry.query_stamp_ns // SECOND for entry in shown[:6]]
    assert first == [0, APART, 2 * APART, 3 * APART, 4 * APART, 5 * APART]
    assert len(shown) == 40


def test_right_pairs_of_revisits_come_first_and_those_of_other_keyframes_do_not() -> None:
    run = [query(10 * at, pair("verified", keyframe=at, probability=0.1 * at)) for at in range(4)]
    # The first was to be found; the second is beside it, but looks the other way.
    found = funnel(run, 4, [0], lambda _, p: p.keyframe_stamp_ns <= SECOND, {})
    assert [entry.query_stamp_ns // SECOND for entry in found.fallen[Stage.VERIFIED]] == [0, 30, 20, 10]
    assert [entry.right for entry in found.fallen[Stage.VERIFIED]] == [True, False, False, True]


def key(entry: Fallen) -> tuple[int, int, int]:
    return entry.query_stamp_ns, entry.pair.map_index, entry.pair.keyframe_stamp_ns


def page(run: tuple[QueryRecord, ...], features: list[int], **settings: object) -> str:
    found = funnel(run, len(run), None, unknown, {})
    numbers = {key(entry): n for n, entry in enumerate(e for fell in found.fallen.values() for e in fell)}
    made = why.sections(found, LoopConfig(**settings), np.array(features, np.int64), 43.0, numbers)  # type: ignore[arg-type]
    shown = [number for section in made[1:] for view in section.views for number in view.data["pairs"]]
    assert sorted(shown) == sorted(numbers.values())
    return "\n".join([part for s in made for part in (s.heading, s.text, *(" ".join(row) for row in s.table))])


def test_the_page_says_where_and_why() -> None:
    config = LoopConfig()
    text = page(RUN, [900] * 6)
    assert "3 of 4 keyframes agree in geometry with an older one, 2 became sure and 1 were given out" in text
    assert "too few inliers 2" in text
    for name in ("min_inliers", "max_false_positive_rate", "hold_keyframes", "max_drift"):
        assert name in text
    assert str(config.min_inliers) in text
    assert "900 local features" in text
    assert "too few for the" not in text


def test_the_rate_that_would_have_let_the_likeliest_through_is_named() -> None:
    run = (query(40, pair("verified", probability=0.99623)), query(41, pair("verified", probability=0.5)))
    text = page(run, [])
    rate = float(re.search(r"max_false_positive_rate=([\d.]+) would", text)[1])  # type: ignore[index]
    assert 0.99623 >= 1 - rate >= 0.9960
    assert "would have let" not in page((query(40, pair("verified", probability=0.2)),), [])


@pytest.mark.parametrize(
    ("run", "features", "settings", "words"),
    [
        ((query(0), query(1)), [500], {}, r"No keyframe had an older one .* 30 s \(min_time_gap_s\) .* is 43 s long"),
        ((query(0), query(1)), [500], {"verify": False}, "geometric check is switched off"),
        ((), [], {}, "No image became a keyframe"),
        (
            tuple(query(at, pair("compared")) for at in range(12)),
            [60] * 12,
            {},
            "60 local .* 12 of 12 .* fewer than 70",
        ),
        (
            (*(query(at, pair("compared")) for at in range(19)), query(20, pair("given out"))),
            [60] * 20,
            {},
            "20 of 20 have fewer than 70, which is few .* Revisits in such pictures may be missed",
        ),
        (tuple(query(at, pair("compared")) for at in range(12)), [60, *[90] * 11], {}, "90 local features .* enough"),
        (tuple(query(at, pair("verified")) for at in range(12)), [60] * 12, {}, "60 local features .* enough"),
    ],
)
def test_what_else_may_be_wrong(run: tuple[QueryRecord, ...], features: list[int], settings: dict, words: str) -> None:
    assert re.search(words, page(run, features, **settings))


def test_steps_and_limits_are_handed_to_the_page() -> None:
    made = why.sections(funnel(RUN, 6, None, unknown, {}), LoopConfig(), np.array([]), 9.0, {})
    (drawn,) = made[0].views
    assert [step["all"] for step in drawn.data["steps"]] == [6, 4, 3, 2, 1]
    assert drawn.data["rate"] == LoopConfig().max_false_positive_rate
    assert [section.views[0].data["pairs"] for section in made[1:]] == [[], [], []]


def test_features_are_counted_without_reading_them(tmp_path: Path) -> None:
    with PlaceMap.create(tmp_path / "m.a2gc", Manifest("a" * 64, 2, "x")) as place_map:
        session = place_map.add_session("s").id
        for count in (7, 300):
            blob = FeatureBlob("rootsift/1", struct.pack("<3H", count, 64, 48) + bytes(9))
            place_map.add_many(session, [NewKeyframe(count, np.array([1, 0], np.float32), features=blob)])
        place_map.add(session, 999, np.array([1, 0], np.float32))
        assert sorted(features_per_keyframe(place_map)) == [7, 300]
