"""What a site's own images can say about an adaptation to them, none of them having been used for it.

The images are cut into spans of time, and the statistics are fitted several times, each time without a part of the
spans, whose images are then asked for. What is right comes from poses where the recording returns to places, else from
time: an image should look most like those taken a few seconds before and after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from a2gc_ros.adaptation.statistics import FEWEST, distinct, fit, normalized
from a2gc_ros.evaluation.recall import Interval, Recall
from a2gc_ros.geometry import Pose

PARTS = 4
"""How often the statistics are fitted, each time without one part of the images."""

SPAN_S = 10.0
"""Seconds that stay together in one part: images of one moment must not be on both sides."""

SPAN_IMAGES = 10
"""The same where there are no stamps."""

RADIUS_M, HEADING_DEG, RETURN_S = 5.0, 45.0, 20.0
"""By poses two images show the same place within this distance and difference of headings; those of less time between
them are not asked, and those within twice the distance are neither."""

NEAR_S, FAR_S = 2.0, 6.0
"""By time two images show the same place at this distance; nearer ones are not asked, further ones are wrong."""

NEAR_IMAGES, FAR_IMAGES = 3, 8
"""The same where there are no stamps."""

FEWEST_RETURNS = 20
"""Images that return to a place below which poses cannot judge."""


@dataclass(frozen=True)
class Shot:
    """When and where an image was taken.

    Attributes:
        run: Recording or session; stamps and poses are comparable within one.
        stamp_ns: Its stamp, or None.
        pose: ``t_odom_base``, or None.
    """

    run: int
    stamp_ns: int | None
    pose: Pose | None


@dataclass(frozen=True)
class Judgement:
    """Recall@1 of the images that were not used, before and after.

    Attributes:
        protocol: What counted as right, for people.
        queries: Images that were asked.
        before: With the model as it was.
        difference: After less before, paired.
    """

    protocol: str
    queries: int
    before: Interval
    after: Interval
    difference: Interval


def judge(values: NDArray[np.float32], shots: Sequence[Shot]) -> Judgement | None:
    """Compares a model with its adaptations to parts of the images.

    Args:
        values: (N, D), the model's output before its last normalization.
        shots: When and where each was taken, run by run in the order of time.

    Returns:
        None where the images are too few or nothing is known to be right.
    """
    spans = _spans(shots)
    if len(np.unique(spans)) < 2 * PARTS:
        return None
    right, asked, protocol = _truth(shots)
    queries = np.flatnonzero((right & asked).any(axis=1))
    if len(queries) < FEWEST:
        return None
    found = compare(values, spans, queries, right, asked)
    if found is None:
        return None
    groups = spans[queries]
    before, after = (Recall((1,), hit[:, None], np.ones(len(hit), dtype=bool)) for hit in found)
    intervals = before.interval(1, groups=groups), after.interval(1, groups=groups)
    return Judgement(protocol, len(queries), *intervals, after.margin_over(before, 1, groups=groups))


def compare(
    values: NDArray[np.float32],
    spans: NDArray[np.int64],
    queries: NDArray[np.int64],
    right: NDArray[np.bool_],
    asked: NDArray[np.bool_],
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]] | None:
    """Whether each query finds a right image first, before and after an adaptation to the other parts of the spans.

    Args:
        values: (N, D).
        spans: Number of each image's span, int64 (N,); span s is in part s modulo `PARTS`.
        queries: Positions of the images asked for, (Q,).
        right: Which images show the same place, bool (N, N).
        asked: Which are searched for which, bool (N, N).

    Returns:
        bool (Q,) before and after, or None where a part leaves too few distinct images.
    """
    before = hits(normalized(values), queries, right, asked)
    after = np.zeros(len(queries), dtype=bool)
    for part in range(PARTS):
        held = spans % PARTS == part
        used = np.flatnonzero(~held)
        chosen = used[distinct(values[used])]
        if len(chosen) < FEWEST:
            return None
        own = held[queries]
        after[own] = hits(fit(values[chosen]).describe(values), queries[own], right, asked)
    return before, after


def hits(
    descriptors: NDArray[np.float32], queries: NDArray[np.int64], right: NDArray[np.bool_], asked: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Whether the most similar image is right, for each query."""
    similarities = np.where(asked[queries], descriptors[queries] @ descriptors.T, -2)
    best = similarities.argmax(axis=1)
    return np.asarray(right[queries, best])


def _spans(shots: Sequence[Shot]) -> NDArray[np.int64]:
    """Numbers the span of time of each image, over all runs."""
    runs = np.array([shot.run for shot in shots])
    begins = {run: int(np.flatnonzero(runs == run)[0]) for run in np.unique(runs)}
    within = [
        (at - begins[shot.run]) // SPAN_IMAGES
        if shot.stamp_ns is None
        else int((shot.stamp_ns - (shots[begins[shot.run]].stamp_ns or 0)) // (SPAN_S * 1e9))
        for at, shot in enumerate(shots)
    ]
    return np.unique(np.stack([runs, within]), axis=1, return_inverse=True)[1].ravel().astype(np.int64)


def _truth(shots: Sequence[Shot]) -> tuple[NDArray[np.bool_], NDArray[np.bool_], str]:
    """Which images show the same place (N, N), which are asked at all, and why, for people."""
    runs = np.array([shot.run for shot in shots])
    same_run = runs[:, None] == runs
    stamped = all(shot.stamp_ns is not None for shot in shots)
    order = np.array([shot.stamp_ns for shot in shots], np.float64) / 1e9 if stamped else np.arange(len(shots)) * 1.0
    apart = np.where(same_run, np.abs(order[:, None] - order), np.inf)
    if stamped and all(shot.pose is not None for shot in shots):
        right, near = _by_poses(shots)
        # Poses of different runs cannot be compared.
        asked = same_run & (apart >= RETURN_S) & (right | ~near)
        right &= asked
        if right.any(axis=1).sum() >= FEWEST_RETURNS:
            words = f"images within {RADIUS_M:g} m and {HEADING_DEG:g}° by odometry, at least {RETURN_S:g} s apart"
            return right, asked, words
    if not stamped:
        asked = apart >= NEAR_IMAGES
        words = f"images {NEAR_IMAGES} to {FAR_IMAGES} before or after in the order of names"
        return asked & (apart <= FAR_IMAGES), asked, words
    steps = np.diff(order)[np.diff(runs) == 0]
    step = float(np.median(steps)) if len(steps) else np.inf
    near_s, far_s = max(NEAR_S, 0.99 * step), max(FAR_S, 1.5 * step)
    asked = apart >= near_s
    return asked & (apart <= far_s), asked, f"images {near_s:.1f} to {far_s:.1f} s before or after"


def _by_poses(shots: Sequence[Shot]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which pairs are within the radius and the heading, and which within twice the radius."""
    poses = np.stack([shot.pose for shot in shots if shot.pose is not None])
    meters = np.linalg.norm(poses[:, None, :3, 3] - poses[None, :, :3, 3], axis=2)
    # The angle between two rotations from the trace of their difference.
    traces = np.einsum("aij,bij->ab", poses[:, :3, :3], poses[:, :3, :3])
    turned = np.degrees(np.arccos(np.clip((traces - 1) / 2, -1, 1)))
    return (meters <= RADIUS_M) & (turned <= HEADING_DEG), meters <= 2 * RADIUS_M
