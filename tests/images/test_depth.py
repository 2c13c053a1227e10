"""Depth images become metres, whatever their samples."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from a2gc_ros.errors import ImageError
from a2gc_ros.images.depth import to_meters


@settings(max_examples=40, deadline=None)
@given(
    millimetres=st.lists(st.integers(0, 65535), min_size=6, max_size=6),
    padding=st.integers(0, 5),
    big=st.booleans(),
    floats=st.booleans(),
)
def test_metres_come_out(millimetres: list[int], padding: int, big: bool, floats: bool) -> None:
    expected = np.array(millimetres, dtype=np.float32).reshape(2, 3) / 1000
    order = ">" if big else "<"
    samples = expected.astype(f"{order}f4") if floats else np.array(millimetres, dtype=f"{order}u2").reshape(2, 3)
    step = samples.shape[1] * samples.itemsize + padding
    data = b"".join(row.tobytes() + bytes(padding) for row in samples)
    encoding = "32FC1" if floats else "16UC1"
    found = to_meters(SimpleNamespace(data=data, height=2, width=3, encoding=encoding, step=step, is_bigendian=big))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("encoding", "step", "size", "said"),
    [("rgb8", 9, 18, "encoding 'rgb8'"), ("16UC1", 6, 11, "carries 11 bytes"), ("32FC1", 6, 12, "in rows of 6")],
)
def test_what_is_no_depth_image_is_refused(encoding: str, step: int, size: int, said: str) -> None:
    with pytest.raises(ImageError, match=said):
        to_meters(SimpleNamespace(data=bytes(size), height=2, width=3, encoding=encoding, step=step, is_bigendian=0))
