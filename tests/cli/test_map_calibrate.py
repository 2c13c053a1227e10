"""``a2gc map calibrate``: says what a map's look-alikes are like, keeps it, draws it."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
from typer.testing import CliRunner

from a2gc_ros.cli.main import app
from a2gc_ros.errors import MapError
from a2gc_ros.geometry import pose_from_xy_yaw
from a2gc_ros.placemap import Manifest, PlaceMap
from a2gc_ros.placemap.impostors import read_impostors
from a2gc_ros.placemap.records import NewKeyframe


def write_map(path: Path, keyframes: int) -> Path:
    rng = np.random.default_rng(0)
    descriptors = rng.normal(size=(keyframes, 64))
    descriptors /= np.linalg.norm(descriptors, axis=1, keepdims=True)
    with PlaceMap.create(path, Manifest("f" * 64, 64)) as place_map:
        session = place_map.add_session("run")
        new = [
            NewKeyframe(at * 10**9, d.astype(np.float32), pose_from_xy_yaw(float(at), 0, 0), float(at))
            for at, d in enumerate(descriptors)
        ]
        place_map.add_many(session.id, new)
    return path


def test_it_tells_keeps_and_draws(tmp_path: Path) -> None:
    path, picture = write_map(tmp_path / "town.a2gc", 120), tmp_path / "town.png"
    result = CliRunner().invoke(app, ["map", "calibrate", str(path), "--json", "--out", str(picture)])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    with PlaceMap.open(path, read_only=True) as place_map:
        assert len(read_impostors(place_map)) == found["queries"] > 80
    needed = [row["similarity"] for row in found["thresholds"]]
    assert needed == sorted(needed)
    assert -1 < needed[0] < needed[-1] <= 1
    assert min(cv2.imread(str(picture)).shape[:2]) > 400
    told = CliRunner().invoke(app, ["map", "calibrate", str(path)])
    assert f"{found['queries']} of 120 keyframes" in told.output


def test_a_map_of_one_place_is_refused(tmp_path: Path) -> None:
    path = write_map(tmp_path / "small.a2gc", 12)
    result = CliRunner().invoke(app, ["map", "calibrate", str(path)])
    assert isinstance(result.exception, MapError)
    assert "map a longer way" in str(result.exception)
