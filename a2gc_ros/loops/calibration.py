"""A map's own statistics: how alike its different places look, watched while it grows or measured in a stored one.

Odometry tells which keyframes cannot show what a query shows: those farther away than it can have drifted. Without
odometry, all are taken for others but those around the place where the robot was believed to be at the last keyframe,
in a stored map those around what the query resembles most. So the first keyframes of a return and a third visit count
as impostors, which only makes the statistics stricter; were the best match left out while nobody believes it,
look-alikes would never be counted. Each new keyframe is compared with a stretch of impostors, and the outcome is stored
in the map.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

from a2gc_ros.loops import matching
from a2gc_ros.loops.drift import out_of_reach
from a2gc_ros.loops.impostor_tail import LEVEL_QUANTILE, MIN_QUERIES, ImpostorTail, fit
from a2gc_ros.loops.matching import Ids
from a2gc_ros.placemap import PlaceMap
from a2gc_ros.placemap.columns import KeyframeColumns
from a2gc_ros.placemap.impostors import Impostor, read_impostors, write_impostors

FEWEST: Final = 8
MOST: Final = 512
"""Impostors a keyframe is compared with: enough to be typical, few enough that a day's map costs no more."""

BESIDE: Final = 4
"""Keyframes on either side of the last query's impostor in which it may live on."""

STRIDE: Final = 197
"""Where the next stretch of a large map begins, keyframes after the last one; it wanders over all of the map."""

LATEST: Final = 2000
"""Queries that a fit rests on: a law of the scenes of the last kilometres, at a cost that does not grow."""

REFIT: Final = 1.15
"""The tail is fitted again when there are this many times as many queries."""

QUANTILES: Final = (0.2, 0.4, 0.6, LEVEL_QUANTILE)
"""Of the impostors' maxima, where a tail may begin."""

UNSTORED: Final = 32
"""Outcomes that wait to be stored together: a transaction for each would cost more than the comparison."""

MEASURED: Final = 1000
BLOCK: Final = 50
"""Of a large stored map about this many keyframes are looked at, in blocks, so that neighbors are among them."""

MIN_SHARE: Final = 0.5
MOST_ROUNDS: Final = 10
"""Where less than this share of them had impostors, as many others are looked at, so many times at most."""

MOST_COMPARED: Final = 2000
NEAREST: Final = 256
"""In a longer session without odometry, what a keyframe resembles most is looked for among so many of the whole map."""

TIME_GAP_S: Final = 30.0
MAX_DRIFT: Final = 0.1


class ImpostorWatch:
    """Compares the keyframes of one session, in their order, with impostors."""

    def __init__(self, place_map: PlaceMap) -> None:
        self._map = place_map
        self._last: int | None = None
        self._begin = 0

    def restart(self) -> None:
        """Forgets the last keyframe: the next one does not follow it."""
        self._last = None

    def observe(self, descriptor: npt.NDArray[np.float32], impostors: Ids) -> Impostor | None:
        """Compares the next keyframe; None where there are too few impostors to tell.

        Args:
            descriptor: float32 (D,), L2-normalized.
            impostors: Ids of keyframes that cannot show the same place, ascending.
        """
        last, self._last = self._last, None
        if len(impostors) < FEWEST:
            return None
        stretch = impostors
        if len(impostors) > MOST:
            self._begin = (self._begin + STRIDE) % len(impostors)
            stretch = np.take(impostors, np.arange(self._begin, self._begin + MOST), mode="wrap")
        near = impostors[:0] if last is None else impostors[np.abs(impostors - last) <= BESIDE]
        similarities = self._map.compare(descriptor, np.concatenate([stretch, near]))
        best = int(np.argmax(similarities[: len(stretch)]))
        self._last = int(stretch[best])
        beside = float(similarities[len(stretch) :].max()) if len(near) else None
        return Impostor(float(similarities[best]), len(stretch), beside)


class Calibration:
    """The tail of a map's impostors, kept up to date as the map grows.

    Args:
        place_map: The map; what it has stored is taken over.
    """

    def __init__(self, place_map: PlaceMap) -> None:
        self._map = place_map
        self._impostors = deque(read_impostors(place_map), maxlen=LATEST)
        self._unstored: dict[int, Impostor] = {}
        self._count = self._fitted = len(self._impostors)
        self._tails: dict[float, ImpostorTail] = {}

    @classmethod
    def of_stored(cls, place_map: PlaceMap) -> Calibration:
        """Returns the calibration of a loaded map, measured now where nothing was stored; the map is not written to.

        Raises:
            MapError: If a descriptor is damaged.
        """
        calibration = cls(place_map)
        if calibration._fitted < MIN_QUERIES:
            calibration._impostors = deque(measure(place_map).values(), maxlen=LATEST)
        return calibration

    def add(self, keyframe_id: int, impostor: Impostor | None) -> None:
        """Takes in what was found for a new keyframe, and stores it before long.

        Raises:
            MapError: If the map cannot be written.
        """
        if impostor is None:
            return
        self._impostors.append(impostor)
        self._count += 1
        self._unstored[keyframe_id] = impostor
        if len(self._unstored) >= UNSTORED:
            write_impostors(self._map, self._unstored)
            self._unstored.clear()
        if self._count >= max(MIN_QUERIES, REFIT * self._fitted):
            self._fitted = self._count
            self._tails.clear()

    @property
    def tail(self) -> ImpostorTail:
        """The tail of the impostors, from the level at which its law holds best."""
        return self._tail(QUANTILES[-1])

    def tail_for(self, searched: int) -> ImpostorTail:
        """Returns the tail from the level that an impostor among so many keyframes passes once in five queries.

        Where few keyframes can be the place at all, a similarity tells more than the same one among all of a map.
        """
        compared = self.tail.compared
        wanted = QUANTILES[-1] ** (compared / max(1, searched))
        return self._tail(max((q for q in QUANTILES if q <= wanted), default=QUANTILES[0]))

    def _tail(self, quantile: float) -> ImpostorTail:
        if quantile not in self._tails:
            self._tails[quantile] = fit(self._impostors, quantile)
        return self._tails[quantile]


def measure(
    place_map: PlaceMap, on_keyframe: Callable[[int, int], None] = lambda _done, _total: None
) -> dict[int, Impostor]:
    """Compares keyframes of a stored map with impostors, as live sessions do; by keyframe id. Nothing is written.

    A small map's are all compared. Of a large one blocks of neighboring keyframes are, drawn at random without
    repetition from all of it, whatever its sessions look like, until enough had impostors to be compared with.

    Args:
        place_map: The map.
        on_keyframe: Called with keyframes done and in total; the total grows where few of them had impostors.

    Raises:
        MapError: If a descriptor is damaged.
    """
    place_map.prepare()
    columns = place_map.columns
    # In a session's order, session by session.
    rows = np.argsort(columns.sessions, kind="stable")
    blocks = np.random.default_rng(0).permutation(-(-len(rows) // BLOCK))
    found: dict[int, Impostor] = {}
    done = 0
    watch = ImpostorWatch(place_map)
    for number, some in enumerate(np.array_split(blocks, max(1, len(rows) // MEASURED))):
        if number == MOST_ROUNDS or (number and len(found) >= MIN_SHARE * MEASURED):
            break
        last = -2
        for at in (np.sort(some)[:, np.newaxis] * BLOCK + np.arange(BLOCK)).ravel().tolist():
            if at >= len(rows):
                break
            if at != last + 1 or columns.ordinals[rows[at]] == 0:
                watch.restart()
            last = at
            impostor = _watched(place_map, columns, rows, at, watch)
            if impostor is not None:
                found[int(columns.ids[rows[at]])] = impostor
            done += 1
            on_keyframe(done, min(len(rows), (number + 1) * MEASURED))
    return dict(sorted(found.items()))


def _watched(
    place_map: PlaceMap, columns: KeyframeColumns, rows: Ids, at: int, watch: ImpostorWatch
) -> Impostor | None:
    """Compares one keyframe with those before it in its session that must be other places."""
    row = rows[at]
    before = rows[at - columns.ordinals[row] : at]
    descriptor = place_map.descriptors([columns.ids[row]])[0]
    if np.isnan([*columns.positions[row], columns.path_length[row]]).any():
        elsewhere = _elsewhere(place_map, columns, row, before, descriptor)
    else:
        ends = columns.positions[row], columns.path_length[row]
        elsewhere = before[out_of_reach(columns.positions[before], columns.path_length[before], *ends, MAX_DRIFT)]
    return watch.observe(descriptor, columns.ids[elsewhere])


def _elsewhere(
    place_map: PlaceMap, columns: KeyframeColumns, row: int, before: Ids, descriptor: npt.NDArray[np.float32]
) -> Ids:
    """Returns the rows that must be other places in a session without odometry: all but what resembles most."""
    past = before[np.abs(columns.stamps_ns[before] - columns.stamps_ns[row]) >= TIME_GAP_S * 1e9]
    if len(past) == 0:
        return past
    if len(past) <= MOST_COMPARED:
        best = past[int(np.argmax(place_map.compare(descriptor, columns.ids[past])))]
    else:
        nearest = columns.rows_of(place_map.search(descriptor, NEAREST)[1][0])
        own = nearest[np.isin(nearest, past)]
        if len(own) == 0:
            return past
        best = own[0]
    return past[np.abs(columns.ordinals[past] - columns.ordinals[best]) > matching.APART_KEYFRAMES]
