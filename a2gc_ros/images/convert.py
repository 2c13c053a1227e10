"""Turns the pixels of a ``sensor_msgs/Image`` into RGB.

The result has the pixels ``cv_bridge`` gives for ``rgb8``:

* ROS names a Bayer mosaic by its first two pixels of the first and second row; OpenCV names it by the second and third
  pixel of the second row. ROS's ``bayer_rggb8`` is therefore OpenCV's ``BayerBG``.
* 16-bit channels are scaled by 255/65535 and rounded; ``mono16`` and 16-bit mosaics by the bits that the camera
  uses, see ``to_rgb``.
* ``8UC3`` and ``8UC4`` carry no color order; they are read in OpenCV's order, blue first.
* YUV is ITU-R BT.601 with limited range. ``yuv422`` is UYVY, ``yuv422_yuy2`` YUYV; ``nv12`` is a luma plane followed by
  UV pairs for every 2x2 pixels, ``nv21`` by VU pairs, ``nv16`` by UV pairs for every 2x1, ``nv24`` for every pixel;
  ``i420`` and ``yv12`` have a plane of each.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from a2gc_ros.errors import ImageError

Buffer: TypeAlias = "bytes | bytearray | memoryview | array[int] | npt.NDArray[np.uint8]"

MAX_PIXELS = 8192 * 8192
"""Larger images are refused: their RGB copy alone would take more than 192 MiB."""


@dataclass(frozen=True)
class _Layout:
    """How an encoding lies in memory.

    Attributes:
        channels: Interleaved samples per pixel of the first plane.
        code: OpenCV's conversion to RGB; None where the samples are RGB already.
        depth: Bytes per sample.
        rows: Rows of ``step`` bytes per image row; more than one where chroma planes follow.
        even: (width, height) that must be even.
        sensor: Whether samples are a sensor's own numbers, of which the upper bits may be unused.
    """

    channels: int
    code: int | None
    depth: int = 1
    rows: Fraction = Fraction(1)
    even: tuple[bool, bool] = (False, False)
    sensor: bool = False


_BAYER = {
    "rggb": cv2.COLOR_BayerBG2RGB,
    "bggr": cv2.COLOR_BayerRG2RGB,
    "gbrg": cv2.COLOR_BayerGR2RGB,
    "grbg": cv2.COLOR_BayerGB2RGB,
}
_NV24, _NV16 = -1, -2
_PLANES = (cv2.COLOR_YUV2RGB_I420, cv2.COLOR_YUV2RGB_YV12)

_UYVY = _Layout(2, cv2.COLOR_YUV2RGB_UYVY, even=(True, False))
_YUYV = _Layout(2, cv2.COLOR_YUV2RGB_YUY2, even=(True, False))

_LAYOUTS = {
    "rgb8": _Layout(3, None),
    "bgr8": _Layout(3, cv2.COLOR_BGR2RGB),
    "rgba8": _Layout(4, cv2.COLOR_RGBA2RGB),
    "bgra8": _Layout(4, cv2.COLOR_BGRA2RGB),
    "mono8": _Layout(1, cv2.COLOR_GRAY2RGB),
    "8UC1": _Layout(1, cv2.COLOR_GRAY2RGB),
    "8UC3": _Layout(3, cv2.COLOR_BGR2RGB),
    "8UC4": _Layout(4, cv2.COLOR_BGRA2RGB),
    "rgb16": _Layout(3, None, depth=2),
    "bgr16": _Layout(3, cv2.COLOR_BGR2RGB, depth=2),
    "rgba16": _Layout(4, cv2.COLOR_RGBA2RGB, depth=2),
    "bgra16": _Layout(4, cv2.COLOR_BGRA2RGB, depth=2),
    "mono16": _Layout(1, cv2.COLOR_GRAY2RGB, depth=2, sensor=True),
    **{f"bayer_{name}8": _Layout(1, code) for name, code in _BAYER.items()},
    **{f"bayer_{name}16": _Layout(1, code, depth=2, sensor=True) for name, code in _BAYER.items()},
    "yuv422": _UYVY,
    "uyvy": _UYVY,
    "yuv422_yuy2": _YUYV,
    "yuyv": _YUYV,
    "yuy2": _YUYV,
    "nv12": _Layout(1, cv2.COLOR_YUV2RGB_NV12, rows=Fraction(3, 2), even=(True, True)),
    "nv16": _Layout(1, _NV16, rows=Fraction(2), even=(True, False)),
    "i420": _Layout(1, cv2.COLOR_YUV2RGB_I420, rows=Fraction(3, 2), even=(True, True)),
    "yv12": _Layout(1, cv2.COLOR_YUV2RGB_YV12, rows=Fraction(3, 2), even=(True, True)),
    "nv21": _Layout(1, cv2.COLOR_YUV2RGB_NV21, rows=Fraction(3, 2), even=(True, True)),
    "nv24": _Layout(1, _NV24, rows=Fraction(3)),
}

ENCODINGS: tuple[str, ...] = tuple(_LAYOUTS)
"""Every encoding that ``to_rgb`` reads, in these and in capital letters."""

SENSOR_ENCODINGS: tuple[str, ...] = tuple(name for name, layout in _LAYOUTS.items() if layout.sensor)
"""Those whose samples are a sensor's own numbers, which may leave the upper of their 16 bits unused."""

_BITS = (10, 12, 14, 16)
"""Bits of the sensors that are in use."""

_DEPTH_ENCODINGS = ("16UC1", "16SC1", "32FC1", "64FC1")

# BT.601 limited range on (Y, U, V); the last column takes the offsets 16 and 128 out.
_YUV_TO_RGB = np.array([[1.164, 0.0, 1.596], [1.164, -0.391, -0.813], [1.164, 2.018, 0.0]])
_YUV_TO_RGB = np.column_stack([_YUV_TO_RGB, -_YUV_TO_RGB @ [16.0, 128.0, 128.0]])


class RawImage(Protocol):
    """A ``sensor_msgs/Image``, or what has its fields.

    Attributes:
        data: ``step * height`` bytes (nv21: 3/2 times, nv24: 3 times as many).
        height: Rows.
        width: Columns.
        encoding: How the pixels are written.
        step: Bytes per row including padding.
        is_bigendian: Whether samples of several bytes have their high byte first.
    """

    data: Buffer
    height: int
    width: int
    encoding: str
    step: int
    is_bigendian: bool | int


def to_rgb(image: RawImage, bits: int | None = None) -> npt.NDArray[np.uint8]:
    """Returns the pixels of a raw image message as RGB.

    ``rgb8`` without padding is returned as a view of ``data``, read-only where ``data`` is; everything else is
    copied once.

    Args:
        image: The message, its encoding one of ``ENCODINGS``.
        bits: How many of 16 bits a sensor's samples use; None takes the fewest of 10, 12, 14 and 16 that hold the
            brightest of this image.

    Returns:
        uint8 (height, width, 3), contiguous.

    Raises:
        ImageError: If the encoding holds no colors or is unknown, or if sizes do not fit each other.
    """
    layout, padded = _planes(image)
    rows, height, width = len(padded), image.height, image.width
    if layout.code in (_NV24, _NV16):
        return _semiplanar_to_rgb(padded, height, width, halved=layout.code == _NV16)
    if layout.code in _PLANES and image.step != width:
        padded = _without_padding(padded, height, width)
    packed = padded[:, : width * layout.channels * layout.depth]
    samples = _samples(packed, layout, bool(image.is_bigendian)).reshape(rows, width, layout.channels)
    most = (1 << (bits or _bits_used(samples) if layout.sensor else 16)) - 1
    try:
        pixels = samples if layout.code is None else cv2.cvtColor(samples, layout.code)
        if layout.depth == 2:
            pixels = cv2.convertScaleAbs(pixels, alpha=255 / most)
    except cv2.error as error:
        raise ImageError(f"OpenCV cannot convert {width}x{height} {image.encoding}: {error.err}") from error
    return np.ascontiguousarray(pixels)


def sensor_bits(image: RawImage) -> int | None:
    """Returns how many of 16 bits the samples of a raw image message seem to use; None where they are no sensor's.

    Raises:
        ImageError: As ``to_rgb``.
    """
    layout, padded = _planes(image)
    if not layout.sensor:
        return None
    return _bits_used(_samples(padded[:, : 2 * image.width], layout, bool(image.is_bigendian)))


def _planes(image: RawImage) -> tuple[_Layout, npt.NDArray[np.uint8]]:
    """Returns the layout, and the bytes as rows of ``step``, (rows, step)."""
    height, width, encoding, step = image.height, image.width, image.encoding, image.step
    layout = _layout_of(encoding)
    _check_size(width, height, encoding, layout)
    rows = int(height * layout.rows)
    row_bytes = width * layout.channels * layout.depth
    flat = _as_bytes(image.data)
    if step < row_bytes:
        raise ImageError(
            f"an image of {width}x{height} {encoding} needs {row_bytes} bytes a row but its step is {step}; "
            "the publisher fills in the message wrongly"
        )
    if flat.size != step * rows:
        raise ImageError(
            f"an image of {width}x{height} {encoding} with a step of {step} needs {step * rows} bytes "
            f"but carries {flat.size}; the message is cut off or its publisher fills it in wrongly"
        )
    return layout, flat.reshape(rows, step)


def _bits_used(samples: npt.NDArray[np.uint16] | npt.NDArray[np.uint8]) -> int:
    """Returns how many bits a sensor seems to use: the fewest of 10, 12, 14 and 16 that hold the brightest sample."""
    brightest = int(samples.max(initial=0))
    return next(bits for bits in _BITS if brightest < 1 << bits)


def _layout_of(encoding: str) -> _Layout:
    if encoding in _DEPTH_ENCODINGS:
        raise ImageError(
            f"encoding {encoding} is a depth image, which has no colors to recognize a place by; "
            "choose the camera's color or gray topic"
        )
    layout = _LAYOUTS.get(encoding) or _LAYOUTS.get(encoding.lower())
    if layout is None:
        raise ImageError(f"encoding {encoding[:40]!r} is not known; known are {', '.join(ENCODINGS)}")
    return layout


def _check_size(width: int, height: int, encoding: str, layout: _Layout) -> None:
    check_dimensions(width, height)
    for name, value, even in zip(("width", "height"), (width, height), layout.even, strict=True):
        if even and value % 2:
            raise ImageError(f"a {encoding} image needs an even {name} but this one is {width}x{height}")
    if encoding.startswith("bayer") and min(width, height) < 3:
        raise ImageError(
            f"a {encoding} image of {width}x{height} is too small to interpolate its mosaic; it needs 3x3 pixels"
        )


def check_dimensions(width: int, height: int) -> None:
    """Refuses empty images and those whose pixels would exhaust the memory.

    Raises:
        ImageError: If either side is not positive or there are more than ``MAX_PIXELS`` pixels.
    """
    if width <= 0 or height <= 0:
        raise ImageError(f"an image of {width}x{height} has no pixels")
    if width * height > MAX_PIXELS:
        raise ImageError(
            f"an image of {width}x{height} has more than {MAX_PIXELS // 1_000_000} million pixels; "
            "let the camera driver scale it down"
        )


def _as_bytes(data: Buffer) -> npt.NDArray[np.uint8]:
    if isinstance(data, np.ndarray):
        return np.ascontiguousarray(data).reshape(-1).view(np.uint8)
    return np.frombuffer(data, dtype=np.uint8) if len(data) else np.empty(0, np.uint8)


def _samples(
    packed: npt.NDArray[np.uint8], layout: _Layout, is_bigendian: bool
) -> npt.NDArray[np.uint8] | npt.NDArray[np.uint16]:
    contiguous = np.ascontiguousarray(packed)
    if layout.depth == 1:
        return contiguous
    return contiguous.view(">u2" if is_bigendian else "<u2").astype(np.uint16, copy=False)


def _semiplanar_to_rgb(
    padded: npt.NDArray[np.uint8], height: int, width: int, *, halved: bool
) -> npt.NDArray[np.uint8]:
    """OpenCV has no conversion for chroma in full height, so the matrix is applied here."""
    step = padded.shape[1]
    luma = np.maximum(padded[:height, :width], 16)
    if halved:
        chroma = padded[height:, :width].reshape(height, width // 2, 2).repeat(2, axis=1)
    else:
        chroma = padded[height:].reshape(height, 2 * step)[:, : 2 * width].reshape(height, width, 2)
    return np.asarray(cv2.transform(np.dstack([luma, chroma]), _YUV_TO_RGB), dtype=np.uint8)


def _without_padding(padded: npt.NDArray[np.uint8], height: int, width: int) -> npt.NDArray[np.uint8]:
    """Returns three planes without padding, (3/2 height, width): a chroma row is half a luma row, and so is its pad."""
    step = padded.shape[1]
    if step % 2:
        raise ImageError(f"an image with three planes needs an even step, and its step is {step}")
    chroma = padded[height:].reshape(height, step // 2)[:, : width // 2]
    return np.vstack([padded[:height, :width], np.ascontiguousarray(chroma).reshape(-1, width)])
