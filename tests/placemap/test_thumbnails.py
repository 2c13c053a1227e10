"""Kept images and recordings' identities."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from a2gc_ros.errors import MapError
from a2gc_ros.placemap.identity import source_identity, source_name
from a2gc_ros.placemap.thumbnails import decode_jpeg, encode_jpeg, shrink


@pytest.mark.parametrize(
    ("shape", "kept"),
    [
        ((1080, 1920, 3), (360, 640)),
        ((1920, 1080, 3), (640, 360)),
        ((240, 320, 3), (240, 320)),
        ((1, 5000, 3), (1, 640)),
    ],
)
def test_kept_images_are_small_and_never_enlarged(shape: tuple[int, ...], kept: tuple[int, int]) -> None:
    image = np.full(shape, (200, 40, 90), dtype=np.uint8)
    decoded = decode_jpeg(encode_jpeg(image))
    assert decoded is not None
    assert decoded.shape == (*kept, 3)
    assert np.abs(decoded.astype(int) - (200, 40, 90)).max() <= 4
    assert shrink(image).shape[:2] == kept


@pytest.mark.parametrize("image", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)])
def test_what_is_no_rgb_image_is_refused(image: np.ndarray) -> None:
    with pytest.raises(MapError, match="must be RGB uint8"):
        encode_jpeg(image)


def test_a_damaged_image_is_none() -> None:
    assert decode_jpeg(b"no jpeg") is None


def test_a_recording_is_known_wherever_it_lies(tmp_path: Path) -> None:
    content = np.random.default_rng(0).bytes(200_000)
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "run.mcap").write_bytes(content)
    first = source_identity(tmp_path / "a" / "run.mcap", topic="/image")
    assert source_identity(tmp_path / "b" / "run.mcap", topic="/image", poses=None) == first
    assert source_identity(tmp_path / "a" / "run.mcap", topic="/other") != first
    assert source_name(first) == "run.mcap topic=/image"
    (tmp_path / "b" / "run.mcap").write_bytes(content[:-1] + b"!")
    assert source_identity(tmp_path / "b" / "run.mcap", topic="/image") != first
    folder_identity = source_identity(tmp_path / "a")
    (tmp_path / "a" / "second.mcap").write_bytes(b"x")
    assert source_identity(tmp_path / "a") != folder_identity
    with pytest.raises(MapError, match="cannot be read"):
        source_identity(tmp_path / "nothing.mcap")
