"""Small maps and frames made of numbers alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from a2gc_ros.placemap import Manifest, NewKeyframe, PlaceMap

DIM = 32
FINGERPRINT = "0123456789abcdef" * 4


@pytest.fixture(autouse=True)
def cache_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's cache folder, empty."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder


@pytest.fixture
def manifest() -> Manifest:
    return Manifest(FINGERPRINT, DIM, "numbers")


@pytest.fixture
def unit() -> Callable[..., npt.NDArray[np.float32]]:
    """Draws random unit vectors, float32 (n, dim)."""

    def draw(n: int, dim: int = DIM, seed: int = 0) -> npt.NDArray[np.float32]:
        vectors = np.random.default_rng(seed).standard_normal((n, dim)).astype(np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    return draw


@pytest.fixture
def filled(tmp_path: Path, manifest: Manifest, unit: Callable) -> Path:
    """A closed map of 60 keyframes in two sessions, one metre and one second apart; the second has no poses."""
    path = tmp_path / "town.a2gc"
    vectors = unit(60)
    with PlaceMap.create(path, manifest) as place_map:
        first = place_map.add_session("morning", "morning.mcap")
        second = place_map.add_session("evening", "evening.mcap")
        for at, vector in enumerate(vectors):
            pose = np.eye(4)
            pose[0, 3] = at
            with_pose = at < 40
            place_map.add_many(
                first.id if with_pose else second.id,
                [
                    NewKeyframe(
                        stamp_ns=at * 10**9,
                        descriptor=vector,
                        pose=pose if with_pose else None,
                        path_length=float(at) if with_pose else None,
                        image_jpeg=b"\xff\xd8jpeg%d" % at,
                        frame_id="camera",
                    )
                ],
            )
    return path
