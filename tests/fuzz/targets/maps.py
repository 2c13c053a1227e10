"""Map files, changed byte by byte and by SQL."""

from __future__ import annotations

import contextlib
import random
import sqlite3
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
from harness import Target, mutated

from a2gc_ros.errors import CalibrationError, MapError
from a2gc_ros.loops.verification.camera import parse_intrinsics
from a2gc_ros.loops.verification.feature_coding import encode
from a2gc_ros.loops.verification.feature_finder import FeatureFinder
from a2gc_ros.loops.verification.features import LocalFeatures
from a2gc_ros.loops.verification.views import KeyframeViews
from a2gc_ros.placemap import Manifest, PlaceMap

DIM = 8
CALIBRATION = (
    '{"width": 32, "height": 24, "matrix": [[20,0,15],[0,20,11],[0,0,1]], "distortion": [], "model": "plumb_bob"}'
)


@cache
def a_map() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "town.a2gc"
        with PlaceMap.create(path, Manifest("f" * 64, DIM, "test")) as place_map:
            session = place_map.add_session("one").id
            points = np.random.default_rng(0).uniform(0, 24, (20, 2))
            seen = LocalFeatures(points, np.ones((20, 256), np.float32) / 16, 32, 24)
            for stamp in range(5):
                vector = np.random.default_rng(stamp).standard_normal(DIM).astype(np.float32)
                place_map.add(
                    session,
                    stamp,
                    vector / np.linalg.norm(vector),
                    pose=np.eye(4),
                    image_jpeg=b"\xff\xd8\xff",
                    intrinsics_json=CALIBRATION,
                    t_base_camera=np.eye(4),
                    features=encode(seen, "orb"),
                )
        return path.read_bytes()


def used(path: Path, *, writing: bool) -> None:
    """Everything that a node reads of a map, and writes to it."""
    views = KeyframeViews(FeatureFinder("orb", 100))
    with PlaceMap.open(path, read_only=not writing) as place_map:
        for keyframe in place_map.keyframes():
            assert keyframe.pose is None or np.isfinite(keyframe.pose).all()
            place_map.image(keyframe.id)
            place_map.features(keyframe.id)
            with contextlib.suppress(MapError, CalibrationError):
                parse_intrinsics(keyframe.intrinsics_json)
            view = views.get(place_map, keyframe.id)
            assert view is None or view.rays is None or np.isfinite(view.rays).all()
        place_map.sessions()
        place_map.search(np.full(DIM, DIM**-0.5, np.float32), 3)
        if writing:
            session = place_map.add_session("two").id
            place_map.add(session, 9, np.full(DIM, DIM**-0.5, np.float32))


def bytes_of(rng: random.Random, folder: Path) -> None:
    path = folder / "town.a2gc"
    path.write_bytes(mutated(rng, a_map()))
    used(path, writing=rng.random() < 0.3)


TABLES = {
    "keyframes": ("id", "session_id", "stamp_ns", "pose", "travelled", "frame_id", "intrinsics_id", "t_base_camera"),
    "descriptors": ("keyframe_id", "crc32", "data"),
    "manifest": ("value",),
    "sessions": ("id", "name", "source"),
    "intrinsics": ("json",),
    "images": ("jpeg",),
    "features": ("kind", "data"),
}
VALUES = (
    "NULL",
    "-1",
    "9e999",
    "9223372036854775807",
    "'text'",
    "x'ff'",
    "CAST(x'ff' AS TEXT)",
    "zeroblob(17000000)",
    "randomblob(128)",
    "'[[[['",
    "'1e999'",
)


def values(rng: random.Random, folder: Path) -> None:
    """Values of another type or size in any column."""
    path = folder / "town.a2gc"
    path.write_bytes(a_map())
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        for _ in range(rng.choice((1, 1, 2))):
            table = rng.choice(list(TABLES))
            with contextlib.suppress(sqlite3.Error):
                connection.execute(
                    f"UPDATE {table} SET {rng.choice(TABLES[table])} = {rng.choice(VALUES)} "
                    f"WHERE rowid = {rng.randrange(1, 4)}"
                    if table != "manifest"
                    else f"UPDATE manifest SET value = {rng.choice(VALUES)}"
                )
        connection.commit()
    used(path, writing=False)


def from_corpus(file: Path, folder: Path) -> None:
    """SQL that was run on a map, or a map as it was."""
    path = folder / "town.a2gc"
    path.write_bytes(a_map() if file.suffix == ".sql" else file.read_bytes())
    if file.suffix == ".sql":
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.executescript(file.read_text())
    used(path, writing=False)


def targets() -> list[Target]:
    """Maps."""
    return [Target("map_bytes", bytes_of, 2.0), Target("map_values", values, 1.0, from_corpus)]
