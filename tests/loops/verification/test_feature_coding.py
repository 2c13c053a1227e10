"""Features come back from bytes as they were, nearly."""

from __future__ import annotations

import struct
import tracemalloc
import zlib
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from a2gc_ros.errors import MapError
from a2gc_ros.loops.local_features import FEATURES
from a2gc_ros.loops.verification.feature_coding import decode, encode
from a2gc_ros.loops.verification.feature_finder import FeatureFinder
from a2gc_ros.loops.verification.features import LocalFeatures, match
from a2gc_ros.placemap import FeatureBlob

ROBOT_CAMERA = np.array([[0.0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 1.5], [0, 0, 0, 1]])


@dataclass(frozen=True)
class Kept:
    """What a form keeps.

    Attributes:
        kind: Of the features.
        form: Its number among the kind's.
        bytes_each: Of a feature, at most.
        cosine: Of a feature as it was and as it is read, at least.
        matches: Share of two images' matches that are the same, at least.
    """

    kind: str
    form: int
    bytes_each: int
    cosine: float = 0.9999
    matches: float = 0.99


@pytest.mark.parametrize(
    "kept",
    [
        Kept("sift", 0, 64, 0.998, 0.95),
        Kept("sift", 1, 112),
        Kept("sift", 2, 135),
        Kept("corners", 0, 64, 0.998, 0.95),
        Kept("orb", 0, 39),
    ],
    ids=str,
)
def test_what_is_read_back_matches_as_before(town, monkeypatch: pytest.MonkeyPatch, kept: Kept) -> None:
    kind = kept.kind
    monkeypatch.setattr(FEATURES[kind], "forms", FEATURES[kind].forms[kept.form :])
    extractor = FeatureFinder(kind, 500)
    a, b = (extractor.extract(town.view(town.pose(way) @ ROBOT_CAMERA)) for way in (10.0, 10.5))
    blob = encode(a, kind)
    assert len(blob.data) <= 6 + kept.bytes_each * len(a.points)
    again = decode(blob, kind)
    assert again is not None
    assert (again.width, again.height) == (400, 300)
    np.testing.assert_allclose(again.points, a.points, atol=1 / 128)
    np.testing.assert_allclose(again.spreads, a.spreads, atol=1 / 16)
    np.testing.assert_allclose(np.linalg.norm(again.descriptors, axis=1), 1, atol=1e-5)
    assert (again.descriptors * a.descriptors).sum(axis=1).min() > kept.cosine
    assert again.inverse_depths is None
    before, after = ({tuple(pair) for pair in match(view, b, 0.85)} for view in (a, again))
    assert len(before & after) > kept.matches * len(before | after)


@settings(max_examples=30, deadline=None)
@given(depths=st.lists(st.one_of(st.just(float("nan")), st.floats(0.005, 5.0)), max_size=20))
def test_depths_are_kept_to_a_thousandth_and_gaps_stay_gaps(depths: list[float]) -> None:
    count = len(depths)
    inverse = np.array(depths, dtype=np.float32)
    descriptors = np.zeros((count, 128), dtype=np.float32)
    descriptors[:, 0] = 1
    features = LocalFeatures(np.zeros((count, 2)), descriptors, 640, 480, np.ones(count, np.float32), inverse)
    again = decode(encode(features, "sift"), "sift")
    assert again is not None
    if not np.isfinite(inverse).any():
        assert again.inverse_depths is None
    else:
        np.testing.assert_allclose(again.inverse_depths, inverse, rtol=1e-3)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 40), peaks=st.floats(0.01, 10))
def test_a_spectrum_gives_each_descriptor_back(seed: int, count: int, peaks: float) -> None:
    form = FEATURES["sift"].forms[0]
    shares = np.random.default_rng(seed).dirichlet(np.full(128, peaks), count)
    rooted = np.sqrt(shares).astype(np.float32)
    again = form.unpack(form.pack(rooted).ravel(), count)
    # Rounding moves each of 128 values by 1/128 at most, and by the root of a third of that in the mean.
    assert np.linalg.norm(again - rooted, axis=1).max() < 128**0.5 / 128
    np.testing.assert_allclose(np.linalg.norm(again, axis=1), 1, atol=1e-5)


def test_an_image_without_features_is_kept_too() -> None:
    nothing = FeatureFinder("sift", 100).extract(np.zeros((40, 60, 3), np.uint8))
    again = decode(encode(nothing, "sift"), "sift")
    assert again is not None
    assert len(again.points) == 0


def test_features_of_another_kind_are_not_compared() -> None:
    blob = encode(FeatureFinder("orb", 100).extract(np.zeros((40, 60, 3), np.uint8)), "orb")
    assert decode(blob, "sift") is None
    assert decode(FeatureBlob("superpoint/1", b"whatever"), "sift") is None


HEADER = b"\x01\x00\x80\x02\xe0\x01"
ONE = zlib.compress(bytes(135))
DAMAGED = {
    "rootsift/1": [b"", b"123", b"\x05" + HEADER[1:], HEADER + bytes(134), HEADER + ONE],
    "rootsift/2": [
        b"",
        HEADER,
        HEADER + bytes(135),
        HEADER + ONE[:-1],
        HEADER + zlib.compress(bytes(134)),
        HEADER[:2] + bytes(4) + ONE,
    ],
    "rootsift/3": [b"", HEADER, HEADER + bytes(135), HEADER + ONE[:-1], HEADER + zlib.compress(bytes(136))],
    "orb/1": [b"", HEADER + bytes(38), HEADER + bytes(40)],
}


@pytest.mark.parametrize(("kind", "data"), [(kind, data) for kind, some in DAMAGED.items() for data in some])
def test_damaged_bytes_are_refused(kind: str, data: bytes) -> None:
    with pytest.raises(MapError, match="features in the map are damaged"):
        decode(FeatureBlob(kind, data), "orb" if kind == "orb/1" else "sift")


def test_what_inflates_without_end_is_refused_at_once() -> None:
    bomb = HEADER + zlib.compress(bytes(200_000_000))
    tracemalloc.start()
    try:
        with pytest.raises(MapError, match="features in the map are damaged"):
            decode(FeatureBlob("rootsift/3", bomb), "sift")
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_forms_of_older_maps_are_read_to_the_last_step() -> None:
    rng = np.random.default_rng(0)
    rooted = np.sqrt(rng.dirichlet(np.full(128, 0.2), 9)).astype(np.float32)
    points = rng.uniform(0, 300, (9, 2))
    steps = np.clip(np.round(rooted * 512), 0, 255).astype(np.uint8)
    parts = (np.round(points * 64).astype("<u2"), np.full(9, 20, np.uint8), np.full(9, 0.25, "<f2"))
    before, header = b"".join(part.tobytes() for part in parts), struct.pack("<3H", 9, 640, 480)
    for blob in (
        FeatureBlob("rootsift/1", header + before + steps.tobytes()),
        FeatureBlob("rootsift/2", header + zlib.compress(before + steps.T.tobytes())),
    ):
        again = decode(blob, "sift")
        assert again is not None
        np.testing.assert_allclose(again.points, points, atol=1 / 128)
        assert set(again.spreads) == {2.5}
        assert set(again.inverse_depths) == {0.25}
        lengths = np.linalg.norm(steps.astype(np.float64), axis=1, keepdims=True)
        np.testing.assert_allclose(again.descriptors, steps / lengths, atol=1e-6)


def test_depth_is_read_at_the_features_whatever_its_size() -> None:
    image = np.random.default_rng(0).integers(0, 256, (120, 160, 3)).astype(np.uint8)
    depth = np.zeros((60, 80), dtype=np.float32)
    depth[:, 40:] = 4.0
    features = FeatureFinder("sift", 200).extract(image, depth)
    assert features.inverse_depths is not None
    right = features.points[:, 0] > 82
    left = features.points[:, 0] < 78
    np.testing.assert_allclose(features.inverse_depths[right], 0.25)
    assert np.isnan(features.inverse_depths[left]).all()
