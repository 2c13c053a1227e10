"""Pictures of keyframes, small enough that a page with thousands of them can be mailed."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from a2gc_ros.errors import A2gcError
from a2gc_ros.images.decode import decode_compressed
from a2gc_ros.placemap import PlaceMap

Image = npt.NDArray[np.uint8]

BUDGET_BYTES: Final = 8_000_000
"""Of all pictures of a page, before base64 makes a third more of them."""

SIZES: Final = ((480, 72), (400, 70), (320, 66), (240, 62), (192, 58), (144, 52), (112, 46))
"""(longest side in pixels, WebP quality), the best first."""

SAMPLES: Final = 12
"""Pictures that are tried to learn how large the others will be."""


@dataclass(frozen=True)
class Album:
    """Pictures as a page holds them.

    Attributes:
        type: Media type of all.
        pictures: Base64, in the order in which they were asked for; None where there is none.
        aspect: Width over height of most of them.
    """

    type: str
    pictures: tuple[str | None, ...]
    aspect: float


def album(count: int, image: Callable[[int], Image | None], budget: int = BUDGET_BYTES) -> Album:
    """Encodes pictures at the best size at which they fit into a budget, learned from some of them.

    Args:
        count: How many there are.
        image: Gives each, RGB uint8 (H, W, 3), or None.
        budget: Bytes for all.
    """
    chosen = np.unique(np.linspace(0, max(count - 1, 0), min(count, SAMPLES)).astype(int))
    samples = [found for i in chosen if (found := image(int(i))) is not None]
    if not samples:
        return Album("image/webp", (None,) * count, 4 / 3)
    side, quality = SIZES[-1]
    for side, quality in SIZES:
        if count * np.mean([len(_encode(sample, side, quality)) for sample in samples]) <= budget:
            break
    encoded = [None if (found := image(i)) is None else _encode(found, side, quality) for i in range(count)]
    pictures = tuple(None if data is None else base64.b64encode(data).decode("ascii") for data in encoded)
    return Album("image/webp", pictures, float(np.median([s.shape[1] / s.shape[0] for s in samples])))


def kept_picture(place_map: PlaceMap, keyframe_id: int) -> Image | None:
    """Returns the image that a map keeps of a keyframe, RGB uint8 (H, W, 3); None without one, or a damaged one."""
    jpeg = place_map.image(keyframe_id)
    try:
        return None if jpeg is None else decode_compressed(jpeg)
    except A2gcError:
        return None


def _encode(image: Image, side: int, quality: int) -> bytes:
    scale = min(1.0, side / max(image.shape[:2]))
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode(".webp", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_WEBP_QUALITY, quality])
    return bytes(data)
