"""Do closures agree with one another, by the odometry between them?

Two closures and the odometry between their queries and between their keyframes make a loop that must close, but for
drift. False matches of look-alike places rarely close it with the true ones around them, so of all closures of the last
stretch the largest set whose members agree pairwise is taken to be true (pairwise consistent measurement set
maximization: Mangelson, Dominic, Eustice, Vasudevan, ICRA 2018). A closure is held back until enough others agree.

A closure without known scale says the rotation between the cameras and the direction between them, not how far they
stand apart: any distance up to that of cameras which still share a view will do. Without odometry closures agree whose
keyframes follow one another about as their queries do.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from a2gc_ros import geometry
from a2gc_ros.geometry import Pose
from a2gc_ros.loops.cliques import largest_clique
from a2gc_ros.loops.drift import VIEW_M
from a2gc_ros.loops.place_filter import PACE, REACH_KEYFRAMES
from a2gc_ros.loops.results import LoopClosure

MOST: Final = 64
"""Closures that are compared with a new one, the newest ones."""

SUPPORT: Final = 20
"""For how many keyframes a closure can support later ones."""

BASE_ERROR_M: Final = 2.0
"""How far a loop of two closures may stay open beside drift, metres: the error of a direction over a few metres."""

SIGMAS: Final = 3.0

ROTATION_RAD: Final = 0.02
"""Error of a rotation whose covariance is not known."""

METERS, RADIANS = slice(0, 3), slice(3, 6)


@dataclass(frozen=True)
class PlacedClosure:
    """A closure and where odometry puts its two ends.

    Attributes:
        step: Number of the query's keyframe.
        query: ``t_odom_base`` of the query, or None.
        query_way: Metres travelled at the query, or None.
        keyframe: ``t_odom_base`` of the keyframe in its session, or None.
        keyframe_way: Metres travelled at the keyframe in its session, or None.
        query_camera: ``t_base_camera`` of the robot at the query, or None.
        keyframe_camera: ``t_base_camera`` of the robot that made the keyframe, which may be another one, or None.
    """

    closure: LoopClosure
    step: int
    query: Pose | None
    query_way: float | None
    keyframe: Pose | None
    keyframe_way: float | None
    query_camera: Pose | None
    keyframe_camera: Pose | None

    @property
    def posed(self) -> bool:
        """Whether odometry knows both ends."""
        return self.query is not None and self.keyframe is not None

    @cached_property
    def relative_base(self) -> tuple[Pose, tuple[float, float], float, float] | None:
        """How the robot at the query stands to the robot at the keyframe, as far as the closure tells.

        ``t_keyframeBase_queryBase`` with a translation of any length, the least and largest factor on that length, and
        the standard deviations of the rotation in radians and of a known translation in metres; None where the closure
        has no pose or the camera's place on the robot is unknown.
        """
        verification = self.closure.verification
        camera = None if verification is None else verification.relative_pose
        at_query, at_keyframe = self.query_camera, self.keyframe_camera
        if verification is None or camera is None or at_query is None or at_keyframe is None:
            return None
        sigma, error = ROTATION_RAD, 0.0
        if verification.covariance is not None:
            error, sigma = (float(np.sqrt(np.trace(verification.covariance[part, part]))) for part in (METERS, RADIANS))
        if verification.scale_known:
            return at_keyframe @ camera @ geometry.inverse(at_query), (1.0, 1.0), sigma, error
        # The lever from the base to the camera is short against the tolerance: the rotation is turned, the direction
        # too.
        pose = np.eye(4)
        pose[:3, :3] = at_keyframe[:3, :3] @ camera[:3, :3] @ at_query[:3, :3].T
        pose[:3, 3] = at_keyframe[:3, :3] @ camera[:3, 3]
        return pose, (0.0, VIEW_M), sigma, 0.0


@dataclass(frozen=True)
class _Node:
    """A closure of the last stretch, its number among all, and those of the earlier ones that it agrees with."""

    placed: PlacedClosure
    number: int
    agrees: frozenset[int]


class PairwiseConsistency:
    """Holds closures back until enough others agree with them.

    Args:
        least: How many closures, the new one counted, must agree; 1 lets every closure pass.
        hold: Keyframes for which a closure waits.
        max_drift: Largest error of the odometry as a share of the way.
        turning: Largest error of its heading besides, radians per root metre of both ways; 0 does for closures whose
            ways are short.
    """

    def __init__(self, least: int, hold: int, max_drift: float, turning: float = 0.0) -> None:
        self._least = least
        self._hold = hold
        self._max_drift = max_drift
        self._turning = turning
        self._recent: deque[_Node] = deque(maxlen=MOST)
        self._released: deque[int] = deque(maxlen=MOST)
        self._count = 0

    def release(self, step: int, stamp_ns: int, closures: Sequence[PlacedClosure]) -> list[LoopClosure]:
        """Takes in closures and returns those that now have support, the newest first, with how long they were held.

        Step and stamp are the newest keyframe's; some of the closures that came with it may be about earlier ones.
        """
        if self._least == 1:
            supported = list(closures)
        else:
            window = max(SUPPORT, self._hold)
            self._recent = deque((n for n in self._recent if step - n.placed.step <= window), maxlen=MOST)
            supported = [ready for placed in closures for ready in self._supported_by(placed)]
        supported.sort(key=lambda placed: -placed.step)
        return [
            replace(p.closure, held_s=(stamp_ns - p.closure.match.query_stamp_ns) / 1e9)
            for p in supported
            if step - p.step <= self._hold
        ]

    def _supported_by(self, placed: PlacedClosure) -> list[PlacedClosure]:
        """Returns the closures that a new one gives the support they lacked."""
        group = [node for node in self._recent if _target(node.placed) == _target(placed)]
        fresh = _Node(placed, self._count, frozenset(n.number for n in group if self.agree(n.placed, placed)))
        self._recent.append(fresh)
        self._count += 1
        # The newest first: of two sets of one size the clique search keeps the first it finds.
        group = [fresh, *reversed(group)]
        chosen = largest_clique(len(group), lambda i, j: group[j].number in group[i].agrees)
        if len(chosen) < self._least:
            return []
        ready = [group[at] for at in sorted(chosen) if group[at].number not in self._released]
        self._released.extend(node.number for node in ready)
        return [node.placed for node in ready]

    def agree(self, a: PlacedClosure, b: PlacedClosure) -> bool:
        """Says whether two closures between the same two sessions can both be true."""
        if a.query is None or b.query is None or a.keyframe is None or b.keyframe is None:
            return _in_order(a, b)
        on_query = geometry.relative(a.query, b.query)
        on_map = geometry.relative(a.keyframe, b.keyframe)
        ways = abs((a.query_way or 0) - (b.query_way or 0)) + abs((a.keyframe_way or 0) - (b.keyframe_way or 0))
        open_m = BASE_ERROR_M + self._max_drift * ways
        first, second = a.relative_base, b.relative_base
        if first is None or second is None:
            # Neither end is farther from the other than cameras that share a view.
            apart = float(np.linalg.norm(on_query[:3, 3])) - float(np.linalg.norm(on_map[:3, 3]))
            return abs(apart) <= 2 * VIEW_M + open_m
        (pose_a, length_a, sigma_a, error_a), (pose_b, length_b, sigma_b, error_b) = first, second
        open_m += SIGMAS * (error_a + error_b)
        around = pose_a[:3, :3] @ on_query[:3, :3] @ (on_map[:3, :3] @ pose_b[:3, :3]).T
        turned = self._max_drift + self._turning * math.sqrt(ways)
        if _angle(around) > turned + SIGMAS * (sigma_a + sigma_b):
            return False
        # a's keyframe to b's query, by way of a's query and by way of b's keyframe.
        fixed = pose_a[:3, :3] @ on_query[:3, 3] - on_map[:3, 3]
        return _least_gap(fixed, pose_a[:3, 3], length_a, on_map[:3, :3] @ pose_b[:3, 3], length_b) <= open_m


def _in_order(a: PlacedClosure, b: PlacedClosure) -> bool:
    """Says whether the keyframes of two closures lie as far apart along their session as the queries, but for pace."""
    queries = abs(a.step - b.step)
    keyframes = abs(a.closure.match.keyframe_id - b.closure.match.keyframe_id)
    return queries / PACE - REACH_KEYFRAMES <= keyframes <= PACE * queries + REACH_KEYFRAMES


def _target(placed: PlacedClosure) -> tuple[int, int]:
    match = placed.closure.match
    return match.map_index, match.session_id


def _least_gap(
    fixed: npt.NDArray[np.float64],
    along_a: npt.NDArray[np.float64],
    span_a: tuple[float, float],
    along_b: npt.NDArray[np.float64],
    span_b: tuple[float, float],
) -> float:
    """Returns the least ``|x along_a + fixed - y along_b|`` over x and y within their spans."""
    if span_a[0] == span_a[1] and span_b[0] == span_b[1]:
        return float(np.linalg.norm(span_a[0] * along_a + fixed - span_b[0] * along_b))
    matrix = np.column_stack([along_a, -along_b])
    ends = [(x, y) for x in span_a for y in span_b]
    tried = [np.array(end) for end in ends]
    inner, *_ = np.linalg.lstsq(matrix, -fixed, rcond=None)
    tried.append(np.clip(inner, [span_a[0], span_b[0]], [span_a[1], span_b[1]]))
    # On each edge of the rectangle one unknown is left.
    for x in span_a:
        y = float((fixed + x * along_a) @ along_b) / max(float(along_b @ along_b), 1e-12)
        tried.append(np.array([x, np.clip(y, *span_b)]))
    for y in span_b:
        x = -float((fixed - y * along_b) @ along_a) / max(float(along_a @ along_a), 1e-12)
        tried.append(np.array([np.clip(x, *span_a), y]))
    return float(min(np.linalg.norm(fixed + matrix @ at) for at in tried))


def _angle(rotation: npt.NDArray[np.float64]) -> float:
    return float(np.arccos(np.clip((np.trace(rotation) - 1) / 2, -1, 1)))
