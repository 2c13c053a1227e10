"""Local features as bytes, small enough to be kept with every keyframe.

A blob is a header (count, width, height: three uint16, little-endian), then for all features together the points
(uint16 (N, 2), in 1/64 pixel), the spreads (uint8 (N,), in 1/8), the inverse depths (float16 (N,), 1/metres, NaN where
unknown) and the descriptors: for ORB the 256 bits themselves, uint8 (N, 32); for SIFT half a byte for each value of
RootSIFT, a fiftieth the step, the first of two in the lower half, byte by byte of all features together, uint8 (64, N).
For SIFT all that follows the header is deflated: 60 bytes a feature, of which 2 % match otherwise than before.

The older form "rootsift/1" has a whole byte for each value, 512 times as large, feature by feature, not deflated.
"""

from __future__ import annotations

import struct
import zlib
from typing import Final

import numpy as np
import numpy.typing as npt

from a2gc_ros.errors import MapError
from a2gc_ros.loops.verification.features import LocalFeatures
from a2gc_ros.placemap import FeatureBlob

KINDS: Final = {"sift": "rootsift/2", "orb": "orb/1"}
"""Name of each kind of features together with how they are written."""

OLD_SIFT: Final = "rootsift/1"

_HEADER: Final = struct.Struct("<3H")
_LENGTHS: Final = {"sift": 128, "orb": 32}
_SUBPIXEL: Final = 64
_SPREAD_STEPS: Final = 8
_STEPS: Final = 50
_LARGEST: Final = 15
"""0.3 of RootSIFT: one value of a thousand is larger."""


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
    header = _HEADER.pack(count, features.width, features.height)
    if kind == "orb":
        bits = np.packbits(features.descriptors > 0, axis=1) if count else np.empty((0, 32), dtype=np.uint8)
        body = b"".join(part.tobytes() for part in (points, coarse, inverse, bits))
    else:
        body = zlib.compress(b"".join(part.tobytes() for part in (points, coarse, inverse, _halved(features))))
    return FeatureBlob(KINDS[kind], header + body)


def decode(blob: FeatureBlob, kind: str) -> LocalFeatures | None:
    """Reads features back; None where they are of another kind.

    Raises:
        MapError: If the bytes are damaged.
    """
    if blob.kind not in (KINDS[kind], OLD_SIFT if kind == "sift" else ""):
        return None
    packed = blob.kind == KINDS["sift"]
    length = 64 if packed else _LENGTHS[kind]
    try:
        count, width, height = _HEADER.unpack_from(blob.data)
        size = count * (4 + 1 + 2 + length)
        body = _inflated(blob.data[_HEADER.size :], size) if packed else blob.data[_HEADER.size :]
        if len(body) != size:
            raise ValueError(f"{len(body)} bytes for {count} features")
        if min(width, height) < 1:
            raise ValueError(f"an image of {width}x{height}")
    except (struct.error, ValueError, zlib.error) as error:
        raise MapError(f"local features in the map are damaged ({error}): build the map again") from error
    points = np.frombuffer(body, "<u2", 2 * count).reshape(count, 2) / float(_SUBPIXEL)
    spreads = np.frombuffer(body, np.uint8, count, 4 * count) / np.float32(_SPREAD_STEPS)
    inverse = np.frombuffer(body, "<f2", count, 5 * count).astype(np.float32)
    raw = np.frombuffer(body, np.uint8, length * count, 7 * count)
    raw = _doubled(raw.reshape(length, count)) if packed else raw.reshape(count, length)
    known = np.isfinite(inverse).any()
    return LocalFeatures(points, _unit(raw, kind), width, height, spreads, inverse if known else None)


def _halved(features: LocalFeatures) -> npt.NDArray[np.uint8]:
    """Returns SIFT descriptors as half bytes, (64, N)."""
    if len(features.points) == 0:
        return np.empty((64, 0), dtype=np.uint8)
    coarse = np.clip(np.round(features.descriptors * _STEPS), 0, _LARGEST).astype(np.uint8)
    return np.ascontiguousarray((coarse[:, ::2] | (coarse[:, 1::2] << 4)).T)


def _doubled(halves: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Returns the values of half bytes, (64, N) to (N, 128)."""
    out = np.empty((halves.shape[1], 2 * halves.shape[0]), dtype=np.uint8)
    out[:, ::2], out[:, 1::2] = halves.T & 15, halves.T >> 4
    return out


def _inflated(data: bytes, size: int) -> bytes:
    """Returns what was deflated; no more than a little over ``size`` bytes of it, whatever the data say."""
    inflater = zlib.decompressobj()
    body = inflater.decompress(data, size + 1)
    if not inflater.eof:
        raise ValueError("their end is missing")
    return body


def _unit(raw: npt.NDArray[np.uint8], kind: str) -> npt.NDArray[np.float32]:
    if kind == "orb":
        signs = np.unpackbits(raw, axis=1).astype(np.float32) * 2 - 1
        return signs / np.float32(np.sqrt(max(1, signs.shape[1])))
    values = raw.astype(np.float32)
    return values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), np.float32(1e-6))
