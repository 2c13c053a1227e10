"""Pixels out of image messages and into them: by cv_bridge where it is sound, by our own converter else.

cv_bridge is a Python half that always imports and a C++ half that may not: it is built for one NumPy and one OpenCV,
and meeting others it raises or ends the process. Hence it is tried in a process of its own (this module, run), which
compares it with our converter for every encoding; only where all pixels agree is it used. Padded rows and the high byte
first, which it gets wrong, never go through it.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import subprocess
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from a2gc_ros.bags.message_types import IMAGE
from a2gc_ros.bags.messages import decode_image
from a2gc_ros.errors import ConfigError, ImageError
from a2gc_ros.images.camera_options import MOST_BITS
from a2gc_ros.images.convert import ENCODINGS, SENSOR_ENCODINGS, to_rgb

# The trial, which is a process of its own, starts faster without.
if TYPE_CHECKING:
    from a2gc_ros.nodes.parameters import ImageConversion

RGB = "rgb8"
_SIZE = (12, 16)
"""Rows and columns of the images that are compared: even, as chroma needs it, and larger than a mosaic."""

_TRIAL_S = 30.0


class ImageConverter:
    """Decodes images, and makes messages of pictures.

    Args:
        choice: ``cv_bridge``, ``own``, or ``auto`` for cv_bridge where it can be used.

    Attributes:
        used: What converts, and why, in one sentence.

    Raises:
        ConfigError: If cv_bridge is wanted and cannot be used.
    """

    def __init__(self, choice: ImageConversion = "auto") -> None:
        self._bridge: Any = None
        self._encodings: frozenset[str] = frozenset()
        self.used = "own"
        if choice == "own":
            return
        agreed, problem = try_cv_bridge()
        if RGB not in agreed and problem is None:
            problem = f"cv_bridge gives other pixels than NumPy for {RGB}"
        if problem is not None and choice == "cv_bridge":
            raise ConfigError(f"image_conversion is cv_bridge, but {problem}: repair that, or set auto or own")
        if problem is not None:
            self.used = f"own ({problem})"
            return
        self._bridge = importlib.import_module("cv_bridge").CvBridge()
        self._encodings = frozenset(agreed)
        self.used = (
            f"cv_bridge for {', '.join(sorted(agreed))}; own for others, for padded rows and the high byte first"
        )

    def pixels(self, message: Any, message_type: str, sensor_bits: int = 0) -> npt.NDArray[np.uint8]:
        """Returns the pixels of an Image or CompressedImage message, uint8 (H, W, 3) RGB.

        Raises:
            ImageError: If the image cannot be decoded.
        """
        # What a sensor's bits are is for our converter to tell: cv_bridge takes all 16 as used.
        whole = sensor_bits == MOST_BITS or message_type != IMAGE or message.encoding not in SENSOR_ENCODINGS
        if message_type == IMAGE and whole and self._takes(message):
            try:
                return np.ascontiguousarray(self._bridge.imgmsg_to_cv2(message, RGB))
            # cv_bridge raises what OpenCV, NumPy and Boost raise.
            except Exception as error:
                raise ImageError(f"cv_bridge cannot convert {message.encoding}: {error}") from error
        return decode_image(message, message_type, sensor_bits=sensor_bits)

    def message(self, image: npt.NDArray[np.uint8], header: Any) -> Any:
        """Returns an RGB image as a sensor_msgs/Image."""
        if self._bridge is not None:
            return self._bridge.cv2_to_imgmsg(image, encoding=RGB, header=header)
        height, width = image.shape[:2]
        # Bytes are copied as they are; an array would go through a check of every element.
        made = importlib.import_module("sensor_msgs.msg").Image
        return made(header=header, height=height, width=width, encoding=RGB, step=3 * width, data=image.tobytes())

    def _takes(self, message: Any) -> bool:
        """Whether cv_bridge converts it; a message whose sizes do not fit each other is refused by our converter."""
        if message.encoding not in self._encodings or message.is_bigendian:
            return False
        return message.step == message.width * _row_bytes(message.encoding) and (
            len(message.data) == message.step * message.height > 0
        )


def try_cv_bridge() -> tuple[list[str], str | None]:
    """Returns the encodings for which cv_bridge gives our pixels, and why it cannot be used, or None."""
    if importlib.util.find_spec("cv_bridge") is None:
        return [], "cv_bridge is not installed"
    try:
        tried = subprocess.run(
            [sys.executable, "-m", __name__], capture_output=True, text=True, timeout=_TRIAL_S, check=False
        )
    except subprocess.TimeoutExpired:
        return [], f"cv_bridge did not convert an image in {_TRIAL_S:g} s"
    if tried.returncode < 0:
        number = -tried.returncode
        return [], f"its C++ half ends the process (signal {number}); it is built for another NumPy or OpenCV"
    try:
        answer: dict[str, Any] = json.loads(tried.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        return [], f"cv_bridge cannot be tried: {tried.stderr.strip().splitlines()[-1:] or tried.returncode}"
    return list(answer["agreed"]), answer["problem"]


def compare() -> dict[str, Any]:
    """Compares cv_bridge with our converter, in this process.

    Returns:
        ``agreed``, the encodings with equal pixels, and ``problem``, a sentence or None.
    """
    try:
        bridge: Any = importlib.import_module("cv_bridge").CvBridge()
        importlib.import_module("cv_bridge.boost.cv_bridge_boost")
    # A C++ half for another NumPy raises what it likes.
    except Exception as error:
        return {"agreed": [], "problem": f"cv_bridge's C++ half does not load ({error})"}
    agreed, refused = [], ""
    for encoding in ENCODINGS:
        image = _trial(encoding)
        if image is None:
            continue
        try:
            theirs = bridge.imgmsg_to_cv2(image, RGB)
        except Exception as error:
            refused = f" ({type(error).__name__}: {error})"
            continue
        if np.array_equal(to_rgb(image, 16), theirs):
            agreed.append(encoding)
    return {"agreed": agreed, "problem": None if agreed else f"cv_bridge converts nothing as we do{refused}"}


def _trial(encoding: str) -> Any:
    """Returns a random image as a message; None for encodings that only our converter reads."""
    row_bytes = _row_bytes(encoding) * _SIZE[1]
    # 16-bit samples of sensors are scaled by the bits in use, of which cv_bridge knows nothing.
    if not row_bytes or encoding.endswith("16"):
        return None
    data = np.random.default_rng(0).integers(0, 256, row_bytes * _SIZE[0], np.uint8).tobytes()
    return SimpleNamespace(
        height=_SIZE[0], width=_SIZE[1], encoding=encoding, step=row_bytes, is_bigendian=0, data=data
    )


def _row_bytes(encoding: str) -> int:
    """Returns the bytes of a pixel; 0 for encodings in several planes."""
    name = encoding.lower()
    if name.startswith(("nv", "i4", "yv12")):
        return 0
    if name.startswith(("yuv", "uyvy", "yuy")):
        return 2
    if name.startswith(("mono8", "8uc1", "bayer")):
        return 1
    return {"rgb8": 3, "bgr8": 3, "8uc3": 3, "rgba8": 4, "bgra8": 4, "8uc4": 4}.get(name, 0)


if __name__ == "__main__":
    print(json.dumps(compare()))
