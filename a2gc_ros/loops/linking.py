"""Closures between the sessions of two stored maps, such as those of two robots.

Each session of one map is taken for a live one and the other map for a loaded one: its keyframes are looked for,
compared and held against the odometry of both sides as in the node, from the descriptors and features that the maps
keep. What is found of one pair of sessions must, besides, agree over all of their ways: two robots share no frame by
which anything else could tell that a whole stretch is a look-alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from a2gc_ros.errors import ConfigError, MapError
from a2gc_ros.loops import matching
from a2gc_ros.loops.by_geometry import ByGeometry
from a2gc_ros.loops.cliques import large_clique
from a2gc_ros.loops.config import LoopConfig
from a2gc_ros.loops.evidence import shipped
from a2gc_ros.loops.matching import Ids
from a2gc_ros.loops.pairwise_consistency import PairwiseConsistency, PlacedClosure
from a2gc_ros.loops.query import Query
from a2gc_ros.loops.results import Detection, LoopClosure
from a2gc_ros.loops.verification import GeometricVerifier
from a2gc_ros.placemap import Keyframe, PlaceMap, Session

OTHER: Final = 1
"""``Match.map_index`` of the map that is searched."""

TURNING: Final = 0.03
"""By how much headings may drift over whole sessions, radians per root metre: three times what wheels do. Without
it true closures of the two ends of a lap of the demo, 220 m, contradict each other."""

_NO_KEYFRAMES: Final[Ids] = np.empty(0, dtype=np.int64)


@dataclass(frozen=True)
class Link:
    """A closure between two sessions.

    Attributes:
        closure: Its map index is :data:`OTHER`.
        keyframe: The keyframe of the other map that shows the same place.
    """

    closure: LoopClosure
    query: Keyframe
    keyframe: Keyframe

    @property
    def in_metres(self) -> bool:
        """Whether its pose is known with its scale."""
        return self.closure.verification is not None and self.closure.verification.scale_known

    @property
    def placed(self) -> PlacedClosure:
        """The closure between the odometry of the two sessions."""
        query, keyframe = self.query, self.keyframe
        ways = (query.pose, query.path_length, keyframe.pose, keyframe.path_length)
        return PlacedClosure(self.closure, query.id, *ways, query.t_base_camera, keyframe.t_base_camera)


@dataclass(frozen=True)
class Links:
    """All closures between the sessions of two maps.

    Attributes:
        found: Session by session, in the order of the keyframes that were looked for.
        contradicting: How many more there were that contradict most of their two sessions' closures.
        unreadable: How many keyframes have neither features nor an image to be compared by.
    """

    found: list[Link]
    contradicting: int
    unreadable: int


def find_links(
    place_map: PlaceMap,
    other: PlaceMap,
    config: LoopConfig | None = None,
    on_keyframe: Callable[[int, int], None] = lambda _done, _total: None,
) -> Links:
    """Finds the closures between the sessions of one map and those of another.

    Each pair of sessions is looked at once, and none with itself, whichever of them both maps hold.

    Args:
        place_map: Its keyframes are looked for.
        other: The map that is searched; may be the same one.
        config: Settings of loop detection.
        on_keyframe: Called with keyframes done and in total.

    Raises:
        ConfigError: If the geometric check is switched off.
        MapError: If the maps are of different extractors, hold the same session only, or are damaged.
    """
    config = config or LoopConfig()
    if not config.verify:
        raise ConfigError("closures between robots are never given out unchecked: leave verify out")
    other.require(place_map.manifest.fingerprint, place_map.manifest.model_name)
    other.prepare()
    partners = _partners(place_map.sessions(), other.sessions())
    total = sum(place_map.count(session) for session in partners)
    if not total:
        raise MapError(
            f"{place_map.path} and {other.path} hold no two sessions that could be linked: push and pull the maps of "
            "several robots, or name the maps of two"
        )
    verifier = GeometricVerifier(config)
    links: list[Link] = []
    contradicting = unreadable = done = 0
    for session, wanted in partners.items():
        linker = _Linker((place_map, other), wanted, verifier, config)
        for step, keyframe in enumerate(place_map.keyframes(session)):
            unreadable += not linker.look_for(keyframe, step)
            done += 1
            on_keyframe(done, total)
        agreeing = linker.agreeing()
        contradicting += len(linker.links) - len(agreeing)
        links += agreeing
    return Links(links, contradicting, unreadable)


class _Linker:
    """Looks for the keyframes of one session in another map."""

    def __init__(
        self, maps: tuple[PlaceMap, PlaceMap], wanted: Sequence[int], verifier: GeometricVerifier, config: LoopConfig
    ) -> None:
        self._maps = maps
        place_map, other = maps
        self._verifier = verifier
        self._config = config
        self._judge = ByGeometry(config, self._maps, verifier, shipped(place_map.manifest.fingerprint))
        self._excluded = other.columns.ids[~np.isin(other.columns.sessions, wanted)]
        self.links: list[Link] = []

    def look_for(self, keyframe: Keyframe, step: int) -> bool:
        """Looks for the next keyframe; False where it has nothing to be compared by."""
        place_map, other = self._maps
        view = self._verifier.view_of_keyframe(place_map, keyframe.id)
        if view is None:
            return False
        descriptor = place_map.descriptors([keyframe.id])[0]
        located = matching.nearest(other, OTHER, keyframe.stamp_ns, descriptor, self._config.k, self._excluded)
        query = Query(
            keyframe, descriptor, view, step, keyframe.path_length, located, {OTHER: self._excluded}, _NO_KEYFRAMES
        )
        detection = Detection(keyframe.stamp_ns)
        self._judge.look(query, detection)
        self._judge.decide(query, keyframe.id, detection)
        self.links += [self._link(closure) for closure in reversed(detection.closures)]
        return True

    def _link(self, closure: LoopClosure) -> Link:
        place_map, other = self._maps
        assert closure.query_keyframe_id is not None
        return Link(closure, place_map.keyframe(closure.query_keyframe_id), other.keyframe(closure.match.keyframe_id))

    def agreeing(self) -> list[Link]:
        """Returns the links that agree with one another over all of the ways of their two sessions.

        Without odometry nothing more can be said than what gave them out.
        """
        by_session: dict[int, list[Link]] = {}
        for link in self.links:
            by_session.setdefault(link.keyframe.session_id, []).append(link)
        return [link for links in by_session.values() for link in self._consistent(links)]

    def _consistent(self, links: list[Link]) -> list[Link]:
        config = self._config
        agreement = PairwiseConsistency(config.min_agreeing, config.hold_keyframes, config.max_drift, TURNING)
        placed = [link.placed for link in links]
        posed = [at for at, closure in enumerate(placed) if closure.posed]
        chosen = large_clique(len(posed), lambda i, j: agreement.agree(placed[posed[i]], placed[posed[j]]))
        left_out = set(posed) - {posed[at] for at in chosen}
        return [link for at, link in enumerate(links) if at not in left_out]


def _partners(ours: Sequence[Session], theirs: Sequence[Session]) -> dict[int, list[int]]:
    """Returns with which sessions of one map each session of another is compared; those with none are left out."""
    order = {session.uuid: number for number, session in enumerate(ours)}
    known = {session.uuid for session in theirs}
    partners = {
        mine.id: [
            their.id
            for their in theirs
            # Where both maps hold both, the later one is looked for among the earlier.
            if their.uuid != mine.uuid and not (mine.uuid in known and order.get(their.uuid, -1) > order[mine.uuid])
        ]
        for mine in ours
    }
    return {session: some for session, some in partners.items() if some}
