"""Old sessions are thinned, and no place loses its last view."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from a2gc_ros.errors import MapError
from a2gc_ros.geometry import distance, pose_from_xy_yaw, rotation_angle
from a2gc_ros.placemap import Manifest, NewKeyframe, PlaceMap, Spacing
from a2gc_ros.placemap.pruning import prune

WIDE = Spacing(distance_m=3.0, angle_rad=math.radians(40), similarity=0.5)
DAY_NS = 86_400 * 10**9


@pytest.fixture
def year(tmp_path: Path, manifest: Manifest, unit: Callable) -> Path:
    """A way with a turn on the spot in January, July and December, and a walk without odometry in January."""
    path = tmp_path / "year.a2gc"
    poses = [pose_from_xy_yaw(x, 0, 0) for x in range(20)] + [pose_from_xy_yaw(19, 0, yaw) for yaw in (1, 2, 3)]
    with PlaceMap.create(path, manifest) as place_map:
        for day in (0, 180, 360):
            session = place_map.add_session(str(day))
            keyframes = [
                NewKeyframe(day * DAY_NS + at, vector, pose=pose, image_jpeg=b"j", path_length=float(at))
                for at, (pose, vector) in enumerate(zip(poses, unit(len(poses), seed=day), strict=True))
            ]
            place_map.add_many(session.id, keyframes)
        session = place_map.add_session("walk")
        twice = np.repeat(unit(10, seed=5), 2, axis=0)
        place_map.add_many(session.id, [NewKeyframe(at * 10**9, vector) for at, vector in enumerate(twice)])
    return path


def test_old_sessions_are_thinned_and_nothing_loses_its_last_view(year: Path) -> None:
    out = year.with_name("thin.a2gc")
    before = year.read_bytes()
    with PlaceMap.open(year, read_only=True) as source:
        behind = prune(source, out, WIDE, 200 * 86_400)
        with PlaceMap.open(out, read_only=True) as thinned:
            assert [s.uuid for s in thinned.sessions()] == [s.uuid for s in source.sessions()]
            # 0, 3, ... 18 m, and each turn; a walk's every second picture is another one.
            assert [thinned.count(s.id) for s in thinned.sessions()] == [10, 23, 23, 10]
            assert len(thinned) == len(source) - behind
            kept = [k.pose for k in thinned.keyframes(1)]
            for keyframe in source.keyframes(1):
                assert any(
                    distance(keyframe.pose, pose) < 3 and rotation_angle(keyframe.pose, pose) < math.radians(40)
                    for pose in kept
                )
            last = thinned.keyframes(1)[-1]
            assert thinned.image(last.id) == b"j"
            vector = thinned.descriptors([last.id])
            assert source.search(vector, 1)[1][0, 0] == 23
    assert year.read_bytes() == before


def test_nothing_is_old_enough(year: Path) -> None:
    with PlaceMap.open(year, read_only=True) as source:
        assert prune(source, year.with_name("thin.a2gc"), WIDE, 400 * 86_400) == 0
        with pytest.raises(MapError, match="exists already"):
            prune(source, year, WIDE, 0)
    assert sorted(p.name for p in year.parent.iterdir() if "thin" in p.name) == ["thin.a2gc"]
