"""The page of a map: look-alikes are told from places seen twice; large maps and those without poses have one, too."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from a2gc_ros.errors import MapError
from a2gc_ros.placemap import Manifest, PlaceMap
from a2gc_ros.placemap.thumbnails import encode_jpeg
from a2gc_ros.viz import map_page as pages
from a2gc_ros.viz.map_page import map_page
from a2gc_ros.viz.page_data import Fate

SECOND = 10**9
MANIFEST = Manifest("f" * 64, 8, "a model")


def textured(seed: int) -> bytes:
    noise = np.random.default_rng(seed).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    return encode_jpeg(np.asarray(cv2.resize(noise, (320, 240), interpolation=cv2.INTER_CUBIC), np.uint8))


def looking(angle: float) -> np.ndarray:
    return np.array([np.cos(angle), np.sin(angle), *[0] * 6], dtype=np.float32)


def at(x: float) -> np.ndarray:
    pose = np.eye(4)
    pose[0, 3] = x
    return pose


def grown(poses: bool = True) -> PlaceMap:
    """Six keyframes, a minute apart: 0 and 3 are one place, 1 and 4 look alike, 2 and 5 do to the model only."""
    place_map = PlaceMap.create(":memory:", MANIFEST)
    session = place_map.add_session("<b>morning</b>", "m.mcap").id
    for number, (x, look, picture) in enumerate(
        [(0, 0.0, 0), (30, 1.0, 1), (60, 2.0, 2), (1, 0.1, 0), (130, 1.1, 1), (160, 2.1, 3)]
    ):
        pose = at(x) if poses else None
        way = 50.0 * number if poses else None
        place_map.add(
            session, number * 60 * SECOND, looking(look), pose=pose, path_length=way, image_jpeg=textured(picture)
        )
    return place_map


@pytest.mark.slow
def test_look_alikes_are_told_from_places_seen_twice() -> None:
    data = map_page(grown()).shared
    pairs = data["pairs"]
    found = {
        (q, k): (Fate(stage), right)
        for q, k, stage, right in zip(*(pairs[n] for n in ("q", "k", "stage", "right")), strict=True)
    }
    assert found[3, 0] == (Fate.CLOSURE, True)
    assert found[4, 1] == (Fate.NOT_SURE, False)
    assert found[5, 2] == (Fate.REFUSED, False)
    assert data["pairs"]["apart"][list(zip(pairs["q"], pairs["k"], strict=True)).index((4, 1))] == 100
    assert ("1", "pairs of two places, by odometry, that geometry takes for one") in map_page(grown()).tiles
    headings = [section.heading for section in map_page(grown()).sections]
    assert {"Where", "Sessions", "Alike, and geometry agrees", "Places seen twice", "What looks like what"} <= set(
        headings
    )


def test_a_map_without_poses_has_no_path_and_judges_nothing() -> None:
    report = map_page(grown(poses=False))
    assert "Where" not in [section.heading for section in report.sections]
    assert set(report.shared["pairs"]["right"]) == {None}
    told = [pair for pair in report.shared["pairs"]["stage"] if pair == Fate.NOT_SURE]
    assert (str(len(told)), "pairs far apart in time that geometry takes for one place") in report.tiles
    assert "&lt;b&gt;morning&lt;/b&gt;" in report.to_html()


def test_of_a_large_map_some_are_shown_and_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "MOST", 3)
    report = map_page(grown())
    assert len(report.shared["keyframes"]["t"]) == 3
    assert "3 of 6 keyframes are shown" in report.subtitle


def test_an_empty_map_is_refused() -> None:
    with pytest.raises(MapError, match="nothing to show"):
        map_page(PlaceMap.create(":memory:", MANIFEST))
