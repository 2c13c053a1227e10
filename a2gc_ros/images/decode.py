"""Decodes JPEG and PNG, from messages and from files."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from a2gc_ros.errors import ImageError
from a2gc_ros.images.convert import Buffer, check_dimensions

IMAGE_FORMATS: Final = {".jpg": "jpeg", ".jpeg": "jpeg", ".png": "png"}
"""By suffix, what the files that can be read are called in a ``sensor_msgs/CompressedImage``."""

_JPEG_MAGIC = b"\xff\xd8\xff"
_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
_REDUCED = {2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4, 8: cv2.IMREAD_REDUCED_COLOR_8}
# Start-of-frame markers; 0xC4, 0xC8 and 0xCC are tables and extensions, not frames.
_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_START_OF_SCAN = 0xDA
_SCAN = b"\xff\xda"
MAX_SCANNED_PIXELS = 600_000_000
"""Pixels times scans of a JPEG: each scan of a progressive one goes over the whole picture again, and about 10^8 pixels
are done in a second. A camera's has ten scans at most; a few hundred bytes a scan are enough to keep a decoder busy."""

_END_OF_IMAGE = b"\xff\xd9"


@dataclass(frozen=True)
class _Header:
    width: int
    height: int
    is_jpeg: bool
    scans: int = 1


def decode_compressed(
    data: Buffer, *, format: str = "", max_size: tuple[int, int] | None = None
) -> npt.NDArray[np.uint8]:
    """Decodes the data of a ``sensor_msgs/CompressedImage``.

    Colors are those of the file; the color names in ``format`` only say what was compressed.

    Args:
        data: A JPEG or PNG file.
        format: The message's ``format``, used to recognize depth images.
        max_size: (height, width) beyond which pixels are of no use to the caller. A JPEG is then decoded at 1/2, 1/4 or
            1/8 of its size, the smallest that still covers ``max_size`` in both directions, which is several times
            faster than decoding it whole.

    Returns:
        uint8 (H, W, 3), RGB.

    Raises:
        ImageError: If the data are a depth image, neither JPEG nor PNG, truncated, damaged or too large.
    """
    if "compresseddepth" in format.lower() or format.startswith(("16UC1", "32FC1")):
        raise ImageError(
            f"a compressed image of format {format[:40]!r} is a depth image, which has no colors to recognize a place "
            "by; choose the camera's color or gray topic"
        )
    raw = bytes(data)
    header = _read_header(raw)
    check_dimensions(header.width, header.height)
    if header.width * header.height * header.scans > MAX_SCANNED_PIXELS:
        raise ImageError(
            f"a JPEG of {header.width}x{header.height} comes in {header.scans} scans, which would take many seconds; "
            "let the camera send baseline JPEG"
        )
    flag = cv2.IMREAD_COLOR
    if max_size is not None and header.is_jpeg:
        flag = _REDUCED.get(_reduction(header, max_size), flag)
    try:
        bgr = cv2.imdecode(np.frombuffer(raw, np.uint8), flag)
    except cv2.error as error:
        raise ImageError(f"OpenCV cannot decode a compressed image: {error.err}") from error
    if bgr is None:
        raise ImageError(
            f"the pixels of a compressed image of {header.width}x{header.height} are damaged and cannot be decoded"
        )
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def compressed_size(data: Buffer) -> tuple[int, int]:
    """Returns (width, height) of a JPEG or PNG file, by its header.

    Raises:
        ImageError: If it is neither, or cut off.
    """
    header = _read_header(bytes(data))
    return header.width, header.height


def read_image(path: str | Path, *, max_size: tuple[int, int] | None = None) -> npt.NDArray[np.uint8]:
    """Reads a JPEG or PNG file; ``max_size`` is as in ``decode_compressed``.

    Returns:
        uint8 (H, W, 3), RGB.

    Raises:
        ImageError: If the file cannot be read or decoded; the message names it.
    """
    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        raise ImageError(f"the image {path} cannot be read: {error.strerror}") from error
    try:
        return decode_compressed(raw, max_size=max_size)
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from error


def is_image(path: Path) -> bool:
    """Whether a file's name is that of an image that can be read."""
    return path.suffix.lower() in IMAGE_FORMATS


def image_files(folder: Path) -> list[Path]:
    """The images in a folder and the folders in it, in order of their paths; none where there is no such folder."""
    return sorted(path for path in folder.rglob("*") if is_image(path)) if folder.is_dir() else []


def _reduction(header: _Header, max_size: tuple[int, int]) -> int:
    """Returns the largest of 8, 4, 2 whose result still covers ``max_size``, or 1."""
    height, width = max_size
    return next((n for n in (8, 4, 2) if header.height >= n * height and header.width >= n * width), 1)


def _read_header(raw: bytes) -> _Header:
    if raw.startswith(_JPEG_MAGIC):
        return _read_jpeg_header(raw)
    if raw.startswith(_PNG_MAGIC):
        return _read_png_header(raw)
    if not raw:
        raise ImageError("a compressed image carries no data")
    raise ImageError(f"compressed data are neither JPEG nor PNG; they begin with {raw[:8].hex(' ')}")


def _read_jpeg_header(raw: bytes) -> _Header:
    """Walks the segments up to the scan and looks for the end marker behind it.

    OpenCV fills the missing rows of a truncated file with gray and says so only on stderr. Inside a scan 0xFF is always
    followed by a stuffed zero, so the end marker cannot appear there by chance.
    """
    width = height = 0
    at = 2
    while at + 4 <= len(raw) and raw[at] == 0xFF:
        marker = raw[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        length = int.from_bytes(raw[at + 2 : at + 4], "big")
        if marker in _START_OF_FRAME and at + 9 <= len(raw):
            frame = struct.unpack(">HH", raw[at + 5 : at + 9])
            height, width = max(height, frame[0]), max(width, frame[1])
        at += 2 + length
        if marker == _START_OF_SCAN:
            if raw.find(_END_OF_IMAGE, at) < 0:
                break
            # Inside a scan no marker appears by chance either.
            return _Header(width, height, is_jpeg=True, scans=1 + raw.count(_SCAN, at))
    raise ImageError(f"a JPEG image is truncated after {len(raw)} bytes")


def _read_png_header(raw: bytes) -> _Header:
    if len(raw) < 24 or raw[12:16] != b"IHDR":
        raise ImageError(f"a PNG image is truncated after {len(raw)} bytes")
    width, height = struct.unpack(">II", raw[16:24])
    at = len(_PNG_MAGIC)
    while at + 12 <= len(raw):
        length = int.from_bytes(raw[at : at + 4], "big")
        if raw[at + 4 : at + 8] == b"IEND":
            return _Header(width, height, is_jpeg=False)
        at += 12 + length
    raise ImageError(f"a PNG image is truncated after {len(raw)} bytes")
