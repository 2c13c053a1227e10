"""The picture of a place map joins keyframes that look alike and lie far enough apart."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from matplotlib.collections import LineCollection

from a2gc_ros.errors import MapError
from a2gc_ros.placemap import Manifest, PlaceMap
from a2gc_ros.viz import style
from a2gc_ros.viz.map_matches import best_matches, draw_map, session_paths
from a2gc_ros.viz.session_layout import side_by_side

SECOND = 1_000_000_000


def pose(x: float, y: float) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:2, 3] = x, y
    return matrix


@pytest.fixture
def place_map():
    """Two sessions over four places; the first comes back to its first place after a minute."""
    with PlaceMap.create(":memory:", Manifest(fingerprint="f" * 64, descriptor_dim=8)) as opened:
        places = np.eye(8, dtype=np.float32)
        for name, stamps, seen in (("first", (0, 10, 20, 60), (0, 1, 2, 0)), ("second", (100, 110), (1, 3))):
            session = opened.add_session(name, "")
            for stamp, place in zip(stamps, seen, strict=True):
                opened.add(session.id, stamp * SECOND, places[place], pose=pose(10.0 * place, stamp), path_length=None)
        yield opened


def test_matches_cross_sessions_and_time(place_map: PlaceMap) -> None:
    keyframes, sessions = session_paths(place_map)
    assert [(s.name, len(s.positions)) for s in sessions] == [("first", 4), ("second", 2)]
    matches = best_matches(place_map, keyframes, most=2, gap_s=30)
    assert sorted(map(tuple, matches.keyframes.tolist())) == [(0, 3), (1, 4)]
    np.testing.assert_allclose(matches.similarities, 1, atol=1e-3)
    alike = best_matches(place_map, keyframes, most=9, gap_s=61).similarities
    assert (alike > 0.5).sum() == 1


def test_every_match_has_its_line(place_map: PlaceMap, tmp_path: Path) -> None:
    keyframes, sessions = session_paths(place_map)
    matches = best_matches(place_map, keyframes, most=2, gap_s=30)
    figure = draw_map(sessions, matches, title="map")
    (lines,) = [c for c in figure.axes[0].collections if isinstance(c, LineCollection)]
    assert len(lines.get_segments()) == 2
    style.save(figure, tmp_path / "map.png")
    assert cv2.imread(str(tmp_path / "map.png")).shape == (864, 1440, 3)


def test_sessions_do_not_overlap() -> None:
    square = np.array([(0.0, 0.0), (10.0, 0.0), (10.0, 10.0)])
    placed = side_by_side([square, square - 100, square])
    np.testing.assert_array_equal(placed[0], square)
    assert placed[0][:, 0].max() < placed[1][:, 0].min()
    assert placed[1][:, 0].max() < placed[2][:, 0].min()
    np.testing.assert_allclose(placed[1] - placed[1][0], square - square[0])
    gaps = np.array([(np.nan, np.nan), (3.0, 0.0)])
    first, second, third = side_by_side([gaps[:1], gaps, square])
    assert np.isnan(first).all()
    np.testing.assert_array_equal(second, gaps)
    assert third[:, 0].min() > 3


def test_a_map_without_poses_is_refused() -> None:
    with PlaceMap.create(":memory:", Manifest(fingerprint="f" * 64, descriptor_dim=8)) as empty:
        session = empty.add_session("a", "")
        empty.add(session.id, 0, np.eye(8, dtype=np.float32)[0])
        with pytest.raises(MapError, match="no poses"):
            session_paths(empty)
