"""Depth images in metres (REP 118)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from a2gc_ros.errors import ImageError
from a2gc_ros.images.convert import RawImage, check_dimensions

_TYPES = {"16UC1": ("u2", 0.001), "mono16": ("u2", 0.001), "32FC1": ("f4", 1.0)}
"""Sample type and metres per unit of each encoding; some drivers call millimetres ``mono16``."""


def to_meters(image: RawImage) -> npt.NDArray[np.float32]:
    """Turns the pixels of a depth image into metres along the optical axis.

    Args:
        image: In ``16UC1`` (millimetres, 0 where unknown) or ``32FC1`` (metres, NaN where unknown).

    Returns:
        float32 (height, width); 0 or NaN where unknown.

    Raises:
        ImageError: If the encoding is no depth, or the data are too short.
    """
    height, width, encoding, step = image.height, image.width, image.encoding, image.step
    if encoding not in _TYPES:
        raise ImageError(f"a depth image has the encoding {encoding!r}; it must be one of {', '.join(_TYPES)}")
    check_dimensions(width, height)
    kind, unit = _TYPES[encoding]
    sample = np.dtype((">" if image.is_bigendian else "<") + kind)
    raw = np.frombuffer(memoryview(image.data).cast("B"), dtype=np.uint8)  # type: ignore[arg-type]
    if step < width * sample.itemsize or len(raw) < step * height:
        raise ImageError(f"a depth image of {width}x{height} {encoding} carries {len(raw)} bytes in rows of {step}")
    rows = raw[: step * height].reshape(height, step)[:, : width * sample.itemsize]
    return np.ascontiguousarray(rows).view(sample).astype(np.float32) * np.float32(unit)
