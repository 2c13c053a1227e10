"""What the page of a run lets people explore: its keyframes, all compared pairs, and their matched features."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from a2gc_ros.loops.config import LoopConfig
from a2gc_ros.loops.results import Stage
from a2gc_ros.loops.verification import GeometricVerifier
from a2gc_ros.placemap import Keyframe, PlaceMap
from a2gc_ros.replay.ground_truth import GroundTruthPath
from a2gc_ros.replay.judged import Judged
from a2gc_ros.replay.records import ClosureRecord, Key, PairRecord, RunRecord, key_of
from a2gc_ros.system.json_values import finite
from a2gc_ros.viz.album import Album, album, kept_picture
from a2gc_ros.viz.matched_features import match_features
from a2gc_ros.viz.page_data import Fate, MatchedFeatures, PairRow, Spot

MOST_PAIRS: Final = 20_000
"""On a page; of more, those that geometry refused are left out, the least similar of each keyframe first."""

MOST_MATCHED: Final = 400
"""Pairs whose features are matched once more, 10 ms each."""

MOST_OF_A_MAP: Final = 4000
"""Keyframes of a loaded map on a page, besides those that were compared."""

FATES: Final = {
    Stage.COMPARED.value: Fate.REFUSED,
    Stage.VERIFIED.value: Fate.NOT_SURE,
    Stage.SURE.value: Fate.NOT_GIVEN_OUT,
    Stage.GIVEN_OUT.value: Fate.CLOSURE,
}


@dataclass(frozen=True)
class Explored:
    """Keyframes and pairs of a run, counted as on its page.

    Attributes:
        own: The run's keyframes, in order of time.
        spots: Those, then the shown ones of each map.
        pairs: All that were compared and are shown.
        keyframes: (map, keyframe id) of each spot.
        ranges: The first spot of each map and the one behind its last, by map index; 0 for the run itself.
    """

    own: Sequence[Keyframe]
    spots: Sequence[Spot]
    pairs: Sequence[PairRow]
    numbers: Mapping[Key, int]
    keyframes: Sequence[tuple[PlaceMap, int]]
    ranges: Sequence[tuple[int, int]]

    @property
    def closures(self) -> list[int]:
        """Numbers of the pairs that became closures."""
        return [number for number, pair in enumerate(self.pairs) if pair.fate is Fate.CLOSURE]


def explore(judged: Judged) -> Explored:
    """Counts the keyframes and pairs of a run, with what is known of their truth."""
    live, maps, paths = judged.live, judged.maps, judged.paths
    own = sorted(live.keyframes(), key=lambda keyframe: keyframe.stamp_ns)
    records = _records(judged.run, judged.followed)
    wanted: dict[int, set[int]] = {}
    for _, map_index, stamp_ns in records:
        wanted.setdefault(map_index, set()).add(stamp_ns)
    chosen = [own, *(_shown(m, wanted.get(index, set())) for index, m in enumerate(maps, 1))]
    spots: list[Spot] = []
    keyframes: list[tuple[PlaceMap, int]] = []
    spot_of: dict[tuple[int, int], int] = {}
    ranges = []
    for index, (place_map, shown) in enumerate(zip((live, *maps), chosen, strict=True)):
        ranges.append((len(spots), len(spots) + len(shown)))
        begin = shown[0].stamp_ns if shown else 0
        for keyframe in shown:
            spot_of[index, keyframe.stamp_ns] = len(spots)
            position = _position(keyframe, index, paths)
            spots.append(Spot((keyframe.stamp_ns - begin) / 1e9, keyframe.stamp_ns, position, index))
            keyframes.append((place_map, keyframe.id))
    rows: list[PairRow] = []
    numbers: dict[Key, int] = {}
    for key, record in records.items():
        here, there = spot_of.get((0, key[0])), spot_of.get((key[1], key[2]))
        said = record[1] or record[0]
        if here is not None and there is not None and said is not None:
            numbers[key] = len(rows)
            apart = _apart(spots[here], spots[there], paths)
            rows.append(_row(record, here, there, judged.right(key[0], said), apart))
    return Explored(own, spots, rows, numbers, keyframes, ranges)


def pictures_of(explored: Explored) -> Album:
    """Encodes the pictures of all keyframes that a page shows."""
    return album(len(explored.spots), lambda at: kept_picture(*explored.keyframes[at]))


def matched(explored: Explored, config: LoopConfig, numbers: Iterable[int]) -> dict[int, MatchedFeatures]:
    """Matches the features of pairs once more, by what the maps keep of them.

    The most wanted numbers go first: no more than :data:`MOST_MATCHED` are done.
    """
    if not config.verify:
        return {}
    verifier = GeometricVerifier(config)
    found = {}
    # In order of time: neighbors share keyframes, and the verifier remembers some.
    for number in sorted(list(dict.fromkeys(numbers))[:MOST_MATCHED]):
        pair = explored.pairs[number]
        common = match_features(verifier, explored.keyframes[pair.query], explored.keyframes[pair.keyframe])
        if common is not None:
            found[number] = common.drawn
    return found


def _records(run: RunRecord, followed: RunRecord) -> dict[Key, tuple[PairRecord | None, ClosureRecord | None]]:
    """All pairs: what was compared, and what the run gave out of it."""
    compared = {key_of(query.stamp_ns, pair): pair for query in followed.queries for pair in query.pairs}
    given = {key_of(query.stamp_ns, closure): closure for query in run.queries for closure in query.closures}
    surplus = len(compared) - MOST_PAIRS
    if surplus > 0:
        refused = [key for key, pair in compared.items() if pair.stage == Stage.COMPARED.value]
        refused.sort(key=lambda key: -compared[key].rank)
        for key in refused[:surplus]:
            del compared[key]
    return {key: (compared.get(key), given.get(key)) for key in (compared | given)}


def _row(
    records: tuple[PairRecord | None, ClosureRecord | None],
    query: int,
    keyframe: int,
    right: bool | None,
    apart_m: float | None,
) -> PairRow:
    pair, closure = records
    said = closure or pair
    assert said is not None
    fate, reason = (Fate.CLOSURE, "") if closure is not None or pair is None else (FATES[pair.stage], pair.reason)
    if closure is None and fate is Fate.CLOSURE:
        fate, reason = Fate.NOT_GIVEN_OUT, "given out offline, not by the live node"
    return PairRow(
        query,
        keyframe,
        fate,
        0 if pair is None else pair.rank,
        said.similarity,
        finite(said.probability),
        said.inliers,
        None if pair is None else pair.matches,
        None if pair is None else pair.coverage,
        None if pair is None else finite(pair.share),
        None if pair is None else finite(pair.advance),
        0 if pair is None else pair.length,
        said.held_s,
        reason,
        right,
        apart_m,
        "" if closure is None else _pose(closure),
    )


def _pose(closure: ClosureRecord) -> str:
    """The pose of a closure in words."""
    if closure.relative_pose is None:
        return closure.reason
    pose = np.array(closure.relative_pose)
    turn = math.degrees(math.acos(float(np.clip((np.trace(pose[:3, :3]) - 1) / 2, -1, 1))))
    x, y, z = pose[:3, 3]
    if not closure.scale_known:
        return f"turned by {turn:.1f}°, direction only ({x:.2f}, {y:.2f}, {z:.2f}); {closure.reason}"
    return (
        f"{np.linalg.norm(pose[:3, 3]):.2f} m apart ({x:.2f} right, {y:.2f} down, {z:.2f} ahead), turned by {turn:.1f}°"
    )


def _shown(place_map: PlaceMap, wanted: set[int]) -> list[Keyframe]:
    """Keyframes of a loaded map that a page shows: those compared, and some of the others."""
    keyframes = place_map.keyframes()
    every = max(1, -(-len(keyframes) // MOST_OF_A_MAP))
    return [k for at, k in enumerate(keyframes) if at % every == 0 or k.stamp_ns in wanted]


def _position(keyframe: Keyframe, map_index: int, paths: Mapping[int, GroundTruthPath]) -> tuple[float, float] | None:
    """Where a keyframe lies: truly, else by the run's own odometry; maps have frames of their own."""
    path = paths.get(map_index)
    if path is not None:
        row = path.index_of(keyframe.stamp_ns)
        return None if row is None else (float(path.positions[row, 0]), float(path.positions[row, 1]))
    if map_index or keyframe.pose is None or 0 in paths:
        return None
    return float(keyframe.pose[0, 3]), float(keyframe.pose[1, 3])


def _apart(query: Spot, keyframe: Spot, paths: Mapping[int, GroundTruthPath]) -> float | None:
    if 0 not in paths or keyframe.map_index not in paths or query.position is None or keyframe.position is None:
        return None
    return math.dist(query.position, keyframe.position)
