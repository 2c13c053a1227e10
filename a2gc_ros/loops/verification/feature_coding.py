"""Local features as bytes, small enough to be kept with every keyframe.

A blob is a header (count, width, height: three uint16, little-endian), then for all features together the points
(uint16 (N, 2), in 1/64 pixel), the spreads (uint8 (N,), in 1/8), the inverse depths (float16 (N,), 1/metres, NaN where
unknown) and the descriptors in the form that their kind gives them. Some forms are deflated: then all that follows the
header is. Some have planes: the lower bytes of all x, then the upper ones, and so on for y and the depths.
"""

from __future__ import annotations

import struct
import zlib
from typing import Final

import numpy as np
import numpy.typing as npt

from a2gc_ros.errors import MapError
from a2gc_ros.loops.local_features import FEATURES
from a2gc_ros.loops.verification.features import LocalFeatures
from a2gc_ros.placemap import FeatureBlob

_HEADER: Final = struct.Struct("<3H")
_SUBPIXEL: Final = 64
_SPREAD_STEPS: Final = 8


def encode(features: LocalFeatures, kind: str) -> FeatureBlob:
    """Writes features, at most 65,535, of an image of at most 1,000 pixels a side; ``kind`` is in ``FEATURES``."""
    count = len(features.points)
    points = np.clip(np.round(features.points * _SUBPIXEL), 0, 65535).astype("<u2").reshape(count, 2)
    spreads = np.ones(count) if features.spreads is None else features.spreads
    coarse = np.clip(np.round(spreads * _SPREAD_STEPS), 0, 255).astype(np.uint8)
    depths = features.inverse_depths
    inverse = np.full(count, np.nan, dtype="<f2") if depths is None else depths.astype("<f2")
    form = FEATURES[kind].forms[0]
    packed = form.pack(features.descriptors) if count else np.empty(0, dtype=np.uint8)
    columns = [part.view(np.uint8) for part in (points, coarse[:, np.newaxis], inverse[:, np.newaxis])]
    body = b"".join((part.T if form.planes else part).tobytes() for part in columns) + packed.tobytes()
    header = _HEADER.pack(count, features.width, features.height)
    return FeatureBlob(form.name, header + (_deflated(body) if form.deflated else body))


def decode(blob: FeatureBlob, kind: str) -> LocalFeatures | None:
    """Reads features back; None where they are of another kind.

    Raises:
        MapError: If the bytes are damaged.
    """
    form = next((form for form in FEATURES[kind].forms if form.name == blob.kind), None)
    if form is None:
        return None
    try:
        count, width, height = _HEADER.unpack_from(blob.data)
        size = count * (4 + 1 + 2 + form.length)
        body = _inflated(blob.data[_HEADER.size :], size) if form.deflated else blob.data[_HEADER.size :]
        if len(body) != size:
            raise ValueError(f"{len(body)} bytes for {count} features")
        if min(width, height) < 1:
            raise ValueError(f"an image of {width}x{height}")
    except (struct.error, ValueError, zlib.error) as error:
        raise MapError(f"local features in the map are damaged ({error}): build the map again") from error
    places, coarse, halves = (
        _columns(body, count, begin, end, planes=form.planes) for begin, end in ((0, 4), (4, 5), (5, 7))
    )
    points = places.view("<u2") / float(_SUBPIXEL)
    spreads = coarse[:, 0] / np.float32(_SPREAD_STEPS)
    inverse = halves.view("<f2")[:, 0].astype(np.float32)
    descriptors = form.unpack(np.frombuffer(body, np.uint8, form.length * count, 7 * count), count)
    known = np.isfinite(inverse).any()
    return LocalFeatures(points, descriptors, width, height, spreads, inverse if known else None)


def _columns(body: bytes, count: int, begin: int, end: int, *, planes: bool) -> npt.NDArray[np.uint8]:
    """Returns these bytes of each feature, (N, end - begin), of those before the descriptors."""
    raw = np.frombuffer(body, np.uint8, (end - begin) * count, begin * count)
    return raw.reshape(end - begin, count).T.copy() if planes else raw.reshape(count, end - begin)


def _deflated(body: bytes) -> bytes:
    """Returns bytes deflated by codes for values and runs of one value: a fifth of the time of a search for repeats.

    There are none to be found in descriptors, and codes that are not for repeats are shorter: 2 % of SIFT. With little
    memory the codes are made anew every 4,096 values, for slow waves have other values than quick ones: 2 %.
    """
    deflater = zlib.compressobj(memLevel=6, strategy=zlib.Z_RLE)
    return deflater.compress(body) + deflater.flush()


def _inflated(data: bytes, size: int) -> bytes:
    """Returns what was deflated; no more than a little over ``size`` bytes of it, whatever the data say."""
    inflater = zlib.decompressobj()
    body = inflater.decompress(data, size + 1)
    if not inflater.eof:
        raise ValueError("their end is missing")
    return body
