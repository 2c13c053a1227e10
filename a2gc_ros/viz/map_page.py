"""The page of a place map: its sessions, where it covers what, and which of its places look alike."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from a2gc_ros.errors import A2gcError, MapError
from a2gc_ros.images.decode import decode_compressed
from a2gc_ros.loops.config import LoopConfig
from a2gc_ros.placemap import Keyframe, PlaceMap
from a2gc_ros.placemap.identity import source_name
from a2gc_ros.viz.album import album
from a2gc_ros.viz.matched_features import FeatureMatcher
from a2gc_ros.viz.page_data import Fate, MatchedFeatures, PageData, PairRow, Spot
from a2gc_ros.viz.report import Report, Section, View
from a2gc_ros.viz.session_layout import side_by_side
from a2gc_ros.viz.similarity_tiles import drawn_table, pooled, shades

MOST: Final = 5000
"""Keyframes of a page; of a larger map they are chosen evenly."""

MOST_COMPARED: Final = (240, 60)
"""Pairs whose local features are compared, the most alike first: of other or unknown places, and of one place."""

NEAR_M: Final = 15.0
FAR_M: Final = 25.0
"""By odometry, keyframes of one session nearer than the first show one place, those beyond the second do not."""

OLDEST_YEAR: Final = 1990
"""Stamps from before are of a clock that counts from its start."""

STRIP: Final = 40
"""Pictures of a session's strip."""

WORDS: Final = {
    # A single session needs no name beside every keyframe.
    "quiet": True,
    "closure": "One place, seen twice",
    "pair": "Look-alikes",
    "apart": "apart by odometry",
    "by": "by odometry",
    "stages": [
        "alike to the model only",
        "alike to the geometric check, too",
        "",
        "one place, by odometry",
    ],
}


_ASK: Final = [
    Section(
        "Where was it taken?",
        "The picture goes to the program that serves this page, and nowhere else.",
        views=[View("ask")],
        short="Ask",
    ),
    Section(
        "Do two keyframes show one place?",
        "Their numbers are those of a2gc map list; a click on the similarity matrix below fills them in as well.",
        views=[View("verify")],
        short="Compare",
    ),
]


@dataclass(frozen=True)
class _Alike:
    """The keyframe most like another one.

    Attributes:
        query: Row of the later one.
        keyframe: Row of the earlier one.
        similarity: Cosine.
    """

    query: int
    keyframe: int
    similarity: float


def map_page(place_map: PlaceMap, *, gap_s: float = 30.0, served: bool = False) -> Report:
    """Builds the page of a map.

    Args:
        place_map: The map.
        gap_s: Seconds that keyframes of one session must lie apart to be compared.
        served: Whether the page may ask the program that serves it (:mod:`a2gc_ros.serving`).

    Raises:
        MapError: If the map is empty.
    """
    every = place_map.keyframes()
    if not every:
        raise MapError(f"{place_map.path} holds no keyframes, so there is nothing to show")
    shown = [every[i] for i in np.unique(np.linspace(0, len(every) - 1, min(len(every), MOST)).round().astype(int))]
    shown.sort(key=lambda keyframe: (keyframe.session_id, keyframe.stamp_ns))
    vectors = place_map.descriptors([keyframe.id for keyframe in shown])
    table = np.asarray(vectors @ vectors.T, dtype=np.float32)
    alike, strength = _most_alike(shown, table, gap_s)
    spots = _spots(shown)
    rows, matches = _compared(place_map, shown, alike)
    name = Path(place_map.path).name
    sections = [
        *(_ASK if served else []),
        *_where(shown, spots, strength),
        _sessions(place_map, every, shown),
        *_look_alikes(rows),
        _matrix(table),
        *_pairs(rows),
    ]

    def image(at: int) -> npt.NDArray[np.uint8] | None:
        jpeg = place_map.image(shown[at].id)
        try:
            return None if jpeg is None else decode_compressed(jpeg)
        except A2gcError:
            return None

    agreeing = [n for n, row in enumerate(rows) if row.fate is Fate.NOT_SURE]
    names = {session.id: session.name for session in place_map.sessions()}
    maps = [name, *(names[part[0].session_id] for part in _parts(shown))]
    shared = PageData(spots, rows, album(len(shown), image), matches, maps, agreeing[0] if agreeing else None, WORDS)
    seconds = [max(k.stamp_ns for k in part) - min(k.stamp_ns for k in part) for part in _parts(every)]
    subtitle = place_map.manifest.model_name
    if len(shown) < len(every):
        subtitle += f"; {len(shown):,} of {len(every):,} keyframes are shown, evenly chosen"
    return Report(
        f"Place map {name}",
        subtitle,
        [
            (f"{len(every):,}", "keyframes"),
            (str(len(names)), "session" if len(names) == 1 else "sessions"),
            (f"{sum(seconds) / 60e9:.1f} min", "recorded"),
            _taken_for_one([rows[n] for n in agreeing]),
        ],
        sections,
        shared.as_json() | {"keyframe_ids": [keyframe.id for keyframe in shown]},
        served,
    )


def _taken_for_one(agreeing: Sequence[PairRow]) -> tuple[str, str]:
    """The number that a map should have few of, and what it counts: without odometry nobody knows which are wrong."""
    if any(row.right is not None for row in agreeing):
        wrong = sum(row.right is False for row in agreeing)
        return str(wrong), "pairs of two places, by odometry, that geometry takes for one"
    return str(len(agreeing)), "pairs far apart in time that geometry takes for one place"


def _parts(keyframes: Sequence[Keyframe]) -> list[list[Keyframe]]:
    """Keyframes by session."""
    parts: dict[int, list[Keyframe]] = {}
    for keyframe in keyframes:
        parts.setdefault(keyframe.session_id, []).append(keyframe)
    return list(parts.values())


def _spots(shown: Sequence[Keyframe]) -> list[Spot]:
    """Keyframes with places; sessions lie side by side, because their frames are not the same."""
    spots: list[Spot] = []
    placed = side_by_side(
        [
            np.array([[np.nan, np.nan] if k.pose is None else k.pose[:2, 3] for k in part]).reshape(-1, 2)
            for part in _parts(shown)
        ]
    )
    for number, (part, places) in enumerate(zip(_parts(shown), placed, strict=True), 1):
        begin = part[0].stamp_ns
        for keyframe, (x, y) in zip(part, places, strict=True):
            position = (float(x), float(y)) if math.isfinite(x) and math.isfinite(y) else None
            spots.append(Spot((keyframe.stamp_ns - begin) / 1e9, keyframe.stamp_ns, position, number))
    return spots


def _most_alike(
    shown: Sequence[Keyframe], table: npt.NDArray[np.float32], gap_s: float
) -> tuple[list[_Alike], npt.NDArray[np.float64]]:
    """Finds for each keyframe the one most like it, and the one most like it that is not near by odometry.

    Returns:
        The pairs, the most alike first; and how alike the one that is not near is, float64 (N,), NaN without any.
    """
    sessions = np.array([keyframe.session_id for keyframe in shown])
    stamps = np.array([keyframe.stamp_ns for keyframe in shown], dtype=np.int64)
    places = np.array([[np.nan] * 3 if k.pose is None else k.pose[:3, 3] for k in shown])
    strength = np.full(len(shown), np.nan)
    found: dict[tuple[int, int], float] = {}
    for row in range(len(shown)):
        own = sessions == sessions[row]
        now = own & (np.abs(stamps - stamps[row]) < gap_s * 1e9)
        here = own & (np.linalg.norm(places - places[row], axis=1) <= FAR_M)
        for left_out in (now, now | here):
            cosines = np.where(left_out, -np.inf, table[row])
            other = int(cosines.argmax())
            if np.isfinite(cosines[other]):
                found[max(row, other), min(row, other)] = float(cosines[other])
        if np.isfinite(cosines[other]):
            strength[row] = cosines[other]
    pairs = [_Alike(query, keyframe, similarity) for (query, keyframe), similarity in found.items()]
    return sorted(pairs, key=lambda pair: -pair.similarity), strength


def _compared(
    place_map: PlaceMap, shown: Sequence[Keyframe], alike: Sequence[_Alike]
) -> tuple[list[PairRow], dict[int, MatchedFeatures]]:
    """Compares the local features of the pairs most alike, and says what odometry thinks of them."""
    matcher = FeatureMatcher(LoopConfig())
    rows: list[PairRow] = []
    matches: dict[int, MatchedFeatures] = {}
    compared = [0, 0]
    for pair in alike:
        a, b = shown[pair.query], shown[pair.keyframe]
        apart = None
        if a.session_id == b.session_id and a.pose is not None and b.pose is not None:
            apart = float(np.linalg.norm(a.pose[:3, 3] - b.pose[:3, 3]))
        one_place = None if apart is None or NEAR_M < apart <= FAR_M else apart <= NEAR_M
        kind = bool(one_place)
        asked = compared[kind] < MOST_COMPARED[kind]
        compared[kind] += asked
        found = matcher.match((place_map, a.id), (place_map, b.id)) if asked else None
        if found is None and not one_place:
            continue
        fate = Fate.NOT_SURE if found is not None and not found.comparison.reason else Fate.REFUSED
        reason = "" if found is None else found.comparison.reason
        if one_place:
            fate, reason = Fate.CLOSURE, ""
        if found is not None:
            matches[len(rows)] = found.drawn
        rows.append(
            PairRow(
                pair.query,
                pair.keyframe,
                fate,
                0,
                pair.similarity,
                inliers=0 if found is None else found.comparison.inliers,
                matches=None if found is None else found.comparison.matches,
                coverage=None if found is None else found.comparison.coverage,
                reason=reason,
                right=one_place,
                apart_m=apart,
            )
        )
    return rows, matches


def _where(shown: Sequence[Keyframe], spots: Sequence[Spot], strength: npt.NDArray[np.float64]) -> list[Section]:
    if not any(spot.position for spot in spots):
        return []
    text = (
        "The paths of the sessions, each in its own odometry frame, side by side. The colour of a keyframe is how "
        "alike another one looks that is not near by odometry: there the model alone may take the one for the other. "
        "Between sessions nobody knows the distance, so a place that two sessions share looks alike, too."
    )
    data = {"sessions": _ranges(shown), "missed": [], "heat": [round(float(value), 4) for value in strength]}
    return [Section("Where", text, views=[View("where", data)])]


def _ranges(shown: Sequence[Keyframe]) -> list[tuple[int, int]]:
    starts = [at for at, k in enumerate(shown) if at == 0 or k.session_id != shown[at - 1].session_id]
    return list(zip(starts, [*starts[1:], len(shown)], strict=True))


def _sessions(place_map: PlaceMap, every: Sequence[Keyframe], shown: Sequence[Keyframe]) -> Section:
    """Sessions: age, length, coverage, and some of their pictures in order of time."""
    names = {session.id: session for session in place_map.sessions()}
    parts = {part[0].session_id: part for part in _parts(every)}
    table = [("session", "from", "recorded on (UTC)", "keyframes", "minutes", "metres", "metres between", "with poses")]
    for number, part in parts.items():
        ways = [keyframe.path_length for keyframe in part if keyframe.path_length is not None]
        way = max(ways) if ways else None
        seconds = (part[-1].stamp_ns - part[0].stamp_ns) / 1e9
        # A simulation's clock begins at zero.
        began = datetime.fromtimestamp(part[0].stamp_ns / 1e9, tz=timezone.utc)
        posed = sum(keyframe.pose is not None for keyframe in part) / len(part)
        table.append(
            (
                names[number].name,
                source_name(names[number].source),
                f"{began:%Y-%m-%d %H:%M}" if began.year > OLDEST_YEAR else "–",
                f"{len(part):,}",
                f"{seconds / 60:.1f}",
                "–" if way is None else f"{way:.0f}",
                "–" if way is None or len(part) < 2 else f"{way / (len(part) - 1):.2f}",
                f"{posed:.0%}",
            )
        )
    strips = []
    for begin, end in _ranges(shown):
        chosen = np.unique(np.linspace(begin, end - 1, min(end - begin, STRIP)).round().astype(int))
        strips.append({"title": names[shown[begin].session_id].name, "spots": [int(i) for i in chosen]})
    return Section(
        "Sessions",
        "What was recorded when, from its first keyframe to its last.",
        table,
        views=[View("strips", {"strips": strips})],
    )


def _look_alikes(rows: Sequence[PairRow]) -> list[Section]:
    """The pairs that may be taken for one another, and the places that were truly seen twice."""
    by_fate = {fate: [n for n, row in enumerate(rows) if row.fate is fate] for fate in Fate}
    kinds = (
        (
            Fate.NOT_SURE,
            "Alike, and geometry agrees",
            "pairs look alike to the model, and their local features agree with one camera motion, too. Where they "
            "show two places, only neighbours and odometry can tell them apart. Between sessions nobody knows the "
            "distance: such pairs may well be one place.",
            "Look-alikes",
        ),
        (
            Fate.REFUSED,
            "Alike to the model only",
            "pairs look alike to the model, the most alike first; their local features tell them apart. Many at one "
            "spot mean that the model is of little help there: a model fitted to the site (a2gc adapt) may be.",
            "Told apart",
        ),
        (
            Fate.CLOSURE,
            "Places seen twice",
            "keyframes are most like one of the same place, by odometry: that is as it should be.",
            "Seen twice",
        ),
    )
    return [
        Section(heading, f"{len(of_fate)} {text}", views=[View("cards", {"pairs": of_fate})], short=short)
        for fate, heading, text, short in kinds
        if (of_fate := by_fate[fate])
    ]


def _pairs(rows: Sequence[PairRow]) -> list[Section]:
    text = "The keyframes most like one another, compared by their local features as well."
    return [Section("All pairs", text, views=[View("pairs")])] if rows else []


def _matrix(table: npt.NDArray[np.float32]) -> Section:
    range_ = shades(table, ~np.eye(len(table), dtype=bool))
    tables = [drawn_table("the map", pooled(table), range_, 0)]
    data = {"tables": tables, "truth": [], "low": range_.low, "high": range_.high}
    text = "Every keyframe against every other, session after session."
    return Section("What looks like what", text, views=[View("matrix", data)], short="Similarity")
