"""Local features as bytes, small enough to be kept with every keyframe.

A blob is a header (count, width, height: three uint16, little-endian), then for all features together the points
(uint16 (N, 2), in 1/64 pixel), the spreads (uint8 (N,), in 1/8), the inverse depths (float16 (N,), 1/metres, NaN where
unknown) and the descriptors: for SIFT uint8 (N, 128), 512 times the root of the histogram's share, as COLMAP keeps
RootSIFT; for ORB the 256 bits themselves, uint8 (N, 32).
"""

from __future__ import annotations

import struct
from typing import Final

import numpy as np
import numpy.typing as npt

from a2gc_ros.errors import MapError
from a2gc_ros.loops.verification.features import LocalFeatures
from a2gc_ros.placemap import FeatureBlob

KINDS: Final = {"sift": "rootsift/1", "orb": "orb/1"}
"""Name of each kind of features together with how they are written."""

_HEADER: Final = struct.Struct("<3H")
_LENGTHS: Final = {"sift": 128, "orb": 32}
_SUBPIXEL: Final = 64
_SPREAD_STEPS: Final = 8
_STEPS: Final = 512


def encode(features: LocalFeatures, kind: str) -> FeatureBlob:
    """Writes features of an image of at most 1,000 pixels a side.

    Args:
        features: What was found; at most 65,535.
        kind: "sift" or "orb".
    """
    count = len(features.points)
    points = np.clip(np.round(features.points * _SUBPIXEL), 0, 65535).astype("<u2")
    spreads = np.ones(count) if features.spreads is None else features.spreads
    coarse = np.clip(np.round(spreads * _SPREAD_STEPS), 0, 255).astype(np.uint8)
    depths = features.inverse_depths
    inverse = np.full(count, np.nan, dtype="<f2") if depths is None else depths.astype("<f2")
    descriptors = np.empty((0, _LENGTHS[kind]), dtype=np.uint8)
    if count and kind == "orb":
        descriptors = np.packbits(features.descriptors > 0, axis=1)
    elif count:
        descriptors = np.clip(np.round(features.descriptors * _STEPS), 0, 255).astype(np.uint8)
    header = _HEADER.pack(count, features.width, features.height)
    parts = (points, coarse, inverse, descriptors)
    return FeatureBlob(KINDS[kind], header + b"".join(part.tobytes() for part in parts))


def decode(blob: FeatureBlob, kind: str) -> LocalFeatures | None:
    """Reads features back; None where they are of another kind.

    Raises:
        MapError: If the bytes are damaged.
    """
    if blob.kind != KINDS[kind]:
        return None
    length = _LENGTHS[kind]
    try:
        count, width, height = _HEADER.unpack_from(blob.data)
        if len(blob.data) != _HEADER.size + count * (4 + 1 + 2 + length):
            raise ValueError(f"{len(blob.data)} bytes for {count} features")
        if min(width, height) < 1:
            raise ValueError(f"an image of {width}x{height}")
    except (struct.error, ValueError) as error:
        raise MapError(f"local features in the map are damaged ({error}): build the map again") from error
    at = _HEADER.size
    points = np.frombuffer(blob.data, "<u2", 2 * count, at).reshape(count, 2) / float(_SUBPIXEL)
    spreads = np.frombuffer(blob.data, np.uint8, count, at + 4 * count) / np.float32(_SPREAD_STEPS)
    inverse = np.frombuffer(blob.data, "<f2", count, at + 5 * count).astype(np.float32)
    raw = np.frombuffer(blob.data, np.uint8, length * count, at + 7 * count).reshape(count, length)
    known = np.isfinite(inverse).any()
    return LocalFeatures(points, _unit(raw, kind), width, height, spreads, inverse if known else None)


def _unit(raw: npt.NDArray[np.uint8], kind: str) -> npt.NDArray[np.float32]:
    if kind == "orb":
        signs = np.unpackbits(raw, axis=1).astype(np.float32) * 2 - 1
        return signs / np.float32(np.sqrt(max(1, signs.shape[1])))
    values = raw.astype(np.float32)
    return values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), np.float32(1e-6))
