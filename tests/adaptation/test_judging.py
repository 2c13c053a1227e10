"""The judge of an adaptation: on images that were not used, by poses where they can, else by time."""

from __future__ import annotations

import numpy as np
import pytest

from a2gc_ros import geometry
from a2gc_ros.adaptation import judging
from a2gc_ros.adaptation.judging import Shot, judge
from a2gc_ros.adaptation.statistics import SiteStatistics, fit

DIM = 48


def places(count: int, seed: int = 0, *, smooth: float = 0.8) -> np.ndarray:
    """Values (count, DIM) of a walk, each like the one before it."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(size=(count, DIM))
    for at in range(1, count):
        steps[at] = smooth * steps[at - 1] + (1 - smooth**2) ** 0.5 * steps[at]
    return steps


def in_time(count: int, run: int = 0) -> list[Shot]:
    return [Shot(run, 10**9 * at, None) for at in range(count)]


def test_what_all_images_of_a_site_share_hides_their_places_until_it_is_removed() -> None:
    rng = np.random.default_rng(1)
    # Lamps that are on or off at random, in every image alike.
    hidden = places(300) + 1.2 * rng.normal(size=(300, 1)) * rng.normal(size=(1, DIM)) + 1.5 * rng.normal(size=(1, DIM))
    found = judge(hidden.astype(np.float32), in_time(300))
    assert found is not None
    assert found.difference.low > 0.05
    assert found.queries == 300
    assert "2.0 to 6.0 s" in found.protocol


def test_noise_is_not_found_better() -> None:
    noise = np.random.default_rng(2).normal(size=(300, DIM)).astype(np.float32)
    found = judge(noise, in_time(300))
    assert found is not None
    assert found.difference.low <= 0 <= found.difference.high


def test_images_that_are_asked_for_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    values = places(200).astype(np.float32)
    used: list[set[bytes]] = []

    def remembered(given: np.ndarray) -> SiteStatistics:
        used.append({row.tobytes() for row in given})
        return fit(given)

    monkeypatch.setattr(judging, "fit", remembered)
    asked: list[set[bytes]] = []
    hits = judging.hits

    def watched(descriptors: np.ndarray, queries: np.ndarray, *truth: np.ndarray) -> np.ndarray:
        asked.append({values[at].tobytes() for at in queries})
        return hits(descriptors, queries, *truth)

    monkeypatch.setattr(judging, "hits", watched)
    assert judge(values, in_time(200)) is not None
    # The first search is that of the model as it was.
    assert len(asked) == len(used) + 1 == judging.PARTS + 1
    for fitted, questions in zip(used, asked[1:], strict=True):
        assert fitted
        assert questions
        assert not fitted & questions
    assert set.union(*asked[1:]) == {row.tobytes() for row in values}


def circles(turns: int, per_turn: int) -> tuple[np.ndarray, list[Shot]]:
    angles = np.arange(turns * per_turn) * 2 * np.pi / per_turn
    once = places(per_turn, smooth=0.5)
    rng = np.random.default_rng(5)
    values = np.concatenate([once + 0.3 * rng.normal(size=once.shape) for _ in range(turns)])
    shots = [
        Shot(0, 10**9 * at, geometry.pose_from_xy_yaw(30 * np.cos(a), 30 * np.sin(a), a)) for at, a in enumerate(angles)
    ]
    return values.astype(np.float32), shots


def test_poses_judge_where_the_robot_returns() -> None:
    values, shots = circles(2, 60)
    found = judge(values, shots)
    assert found is not None
    assert "by odometry" in found.protocol
    assert found.queries == 120
    assert found.before.value > 0.9
    # The same laps as two recordings, whose poses have nothing to do with each other.
    apart = [Shot(at // 60, shot.stamp_ns, shot.pose) for at, shot in enumerate(shots)]
    other = judge(values, apart)
    assert other is not None
    assert "before or after" in other.protocol


@pytest.mark.parametrize(
    ("shots", "why"),
    [
        (in_time(30), "too short for parts"),
        ([Shot(0, 10**9 * at, None) for at in range(0, 30000, 600)], "ten minutes apart, so every span has one image"),
    ],
)
def test_nothing_is_said_where_nothing_is_known(shots: list[Shot], why: str) -> None:
    found = judge(places(len(shots), smooth=0.0).astype(np.float32), shots)
    assert found is None or found.before.value < 0.2, why


def test_a_folder_is_judged_by_the_order_of_names() -> None:
    found = judge(places(120).astype(np.float32), [Shot(0, None, None)] * 120)
    assert found is not None
    assert "in the order of names" in found.protocol
