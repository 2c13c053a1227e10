"""The page of a place map: its sessions, where it covers what, and which of its places look alike."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timezone
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from a2gc_ros.errors import MapError
from a2gc_ros.placemap import Keyframe, PlaceMap
from a2gc_ros.placemap.identity import source_name
from a2gc_ros.viz.album import album, kept_picture
from a2gc_ros.viz.look_alikes import compared, most_alike, positions
from a2gc_ros.viz.page_data import Fate, PageData, PairRow, Spot
from a2gc_ros.viz.report import Report, Section, View
from a2gc_ros.viz.session_layout import side_by_side
from a2gc_ros.viz.similarity_tiles import drawn_table, pooled, shades

MOST: Final = 5000
"""Keyframes of a page; of a larger map they are chosen evenly."""

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
    alike, strength = most_alike(shown, table, gap_s)
    spots = _spots(shown)
    rows, matches = compared(place_map, shown, alike)
    name = Path(place_map.path).name
    sections = [
        *(_ASK if served else []),
        *_where(shown, spots, strength),
        _sessions(place_map, every, shown),
        *_look_alikes(rows),
        _matrix(table),
        *_pairs(rows),
    ]
    agreeing = [n for n, row in enumerate(rows) if row.fate is Fate.NOT_SURE]
    names = {session.id: session.name for session in place_map.sessions()}
    maps = [name, *(names[part[0].session_id] for part in _parts(shown))]
    pictures = album(len(shown), lambda at: kept_picture(place_map, shown[at].id))
    shared = PageData(spots, rows, pictures, matches, maps, agreeing[0] if agreeing else None, WORDS)
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
    placed = side_by_side([positions(part)[:, :2] for part in _parts(shown)])
    for number, (part, places) in enumerate(zip(_parts(shown), placed, strict=True), 1):
        for keyframe, (x, y) in zip(part, places, strict=True):
            position = (float(x), float(y)) if math.isfinite(x) and math.isfinite(y) else None
            spots.append(Spot((keyframe.stamp_ns - part[0].stamp_ns) / 1e9, keyframe.stamp_ns, position, number))
    return spots


def _where(shown: Sequence[Keyframe], spots: Sequence[Spot], strength: npt.NDArray[np.float64]) -> list[Section]:
    if not any(spot.position for spot in spots):
        return []
    text = (
        "The paths of the sessions, each in its own odometry frame, side by side. The color of a keyframe is how "
        "alike another one looks that is not near by odometry: there the model alone may take the one for the other. "
        "Between sessions nobody knows the distance, so a place that two sessions share looks alike, too."
    )
    data = {"sessions": _ranges(shown), "missed": [], "heat": [round(float(value), 4) for value in strength]}
    return [Section("Where", text, views=[View("where", data)])]


def _ranges(shown: Sequence[Keyframe]) -> list[tuple[int, int]]:
    """First row of each session, and the row after its last."""
    return list(pairwise(accumulate(map(len, _parts(shown)), initial=0)))


def _sessions(place_map: PlaceMap, every: Sequence[Keyframe], shown: Sequence[Keyframe]) -> Section:
    """Sessions: age, length, coverage, and some of their pictures in order of time."""
    names = {session.id: session for session in place_map.sessions()}
    parts = {part[0].session_id: part for part in _parts(every)}
    table = [("session", "from", "recorded on (UTC)", "keyframes", "minutes", "metres", "metres between", "with poses")]
    for number, part in parts.items():
        way = max((keyframe.path_length for keyframe in part if keyframe.path_length is not None), default=None)
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
            "show two places, only neighbors and odometry can tell them apart. Between sessions nobody knows the "
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
