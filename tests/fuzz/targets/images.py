"""Pictures, raw and compressed, and calibrations, whose truth is known."""

from __future__ import annotations

import contextlib
import io
import random
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
from harness import Target, mutated

from a2gc_ros.errors import CalibrationError, ImageError
from a2gc_ros.images.calibration import CameraCalibration, fitted
from a2gc_ros.images.convert import ENCODINGS, sensor_bits, to_rgb
from a2gc_ros.images.decode import compressed_size, decode_compressed
from a2gc_ros.images.depth import to_meters
from a2gc_ros.loops.verification.camera import normalized_points, parse_intrinsics
from a2gc_ros.placemap.thumbnails import intrinsics_json


@cache
def pictures() -> tuple[bytes, ...]:
    y, x = np.mgrid[0:48, 0:64]
    picture = np.dstack([4 * x, 5 * y, 100 + x + y]).astype(np.uint8)
    seeds = [
        cv2.imencode(suffix, image, flags)[1].tobytes()
        for suffix, image, flags in (
            (".jpg", picture, []),
            (".jpg", picture[..., 0], []),
            (".jpg", picture, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]),
            (".jpg", picture, [cv2.IMWRITE_JPEG_RST_INTERVAL, 2]),
            (".png", picture, []),
            (".png", picture.astype(np.uint16) * 257, []),
            (".png", np.dstack([picture, picture[..., :1]]), []),
        )
    ]
    try:
        from PIL import Image
    except ModuleNotFoundError:
        return tuple(seeds)
    file = io.BytesIO()
    Image.fromarray(picture).convert("CMYK").save(file, "JPEG")
    return (*seeds, file.getvalue())


def decoded(data: bytes, max_size: tuple[int, int] | None = None) -> None:
    image = decode_compressed(data, max_size=max_size)
    width, height = compressed_size(data)
    assert image.dtype == np.uint8
    assert image.shape[2] == 3
    assert image.shape[0] <= height
    assert image.shape[1] <= width


def compressed(rng: random.Random, _: Path) -> None:
    seed = rng.choice(pictures())
    data = mutated(rng, seed, pictures())
    if rng.random() < 0.2 and seed[:2] == b"\xff\xd8":
        # As a hostile sender would: another size in the header, and the last scan again and again.
        changed = bytearray(seed)
        for marker in (b"\xff\xc0", b"\xff\xc2"):
            if (at := changed.find(marker)) > 0:
                changed[at + 5 : at + 9] = rng.choice((1, 4000, 8000, 65535)).to_bytes(2, "big") * 2
        scan = bytes(changed[changed.rfind(b"\xff\xda") : -2])
        data = bytes(changed[:-2]) + scan * rng.choice((0, 5, 3000)) + b"\xff\xd9"
    decoded(data, rng.choice((None, (10, 10), (720, 1280))))


def raw(rng: random.Random, _: Path) -> None:
    width, height = rng.choice((0, 1, 2, 3, 8, 33, 2**31)), rng.choice((0, 1, 2, 4, 7, 2**31))
    encoding = rng.choice((*ENCODINGS, "16UC1", "32FC1", "sepia", "", "RGB8", "\0", "x" * 5000))
    step = rng.choice((0, width, 2 * width, 3 * width, 4 * width, 8 * width, 3 * width + 5))
    length = rng.choice((0, 7, step * height, step * height * 3 // 2, step * height * 2, step * height * 3))
    data = rng.randbytes(min(length, 4096))
    big = rng.randrange(2)
    message = SimpleNamespace(data=data, height=height, width=width, encoding=encoding, step=step, is_bigendian=big)
    with contextlib.suppress(ImageError):
        to_meters(message)  # type: ignore[arg-type]
    image = to_rgb(message, rng.choice((None, 8, 12, 16)))  # type: ignore[arg-type]
    assert image.shape == (height, width, 3)
    sensor_bits(message)  # type: ignore[arg-type]


WIDTH, HEIGHT = 640, 480
LENSES = {
    "plumb_bob": (("plumb_bob", "radtan"), ((), (-0.2, 0.05, 0.001, -0.001), (-0.2, 0.05, 0.001, -0.001, 0.01))),
    "rational_polynomial": (("rational_polynomial",), ((0.5, 0.1, 0.0, 0.0, 0.01, 0.7, 0.2, 0.02),)),
    "equidistant": (("equidistant", "fisheye", "kannala_brandt4"), ((-0.02, 0.01, -0.003, 0.0004),)),
}
PIXELS = np.array([(x, y) for x in (60.0, 200.0, 319.5, 500.0, 580.0) for y in (60.0, 239.5, 400.0)])


def seen(pixels: np.ndarray, matrix: np.ndarray, model: str, coefficients: tuple[float, ...]) -> np.ndarray:
    """Directions of pixels of the whole image, by another way than the library's: Newton's steps on the projection."""
    wanted = pixels.copy()
    rays = (pixels - matrix[:2, 2]) / np.diag(matrix)[:2]
    for _ in range(200):
        points = np.column_stack([rays, np.ones(len(rays))])[:, None]
        if model == "equidistant":
            there, _ = cv2.fisheye.projectPoints(points, np.zeros(3), np.zeros(3), matrix, np.array(coefficients))
        else:
            there, _ = cv2.projectPoints(points, np.zeros(3), np.zeros(3), matrix, np.array(coefficients))
        rays = rays + (wanted - there.reshape(-1, 2)) / np.diag(matrix)[:2]
    return rays


def metres(rng: random.Random, _: Path) -> None:
    """A camera of which all is known, and what it says: right, wrong, or half right.

    Whatever comes out must be true to a quarter of a pixel, or be refused, or say what it assumes.
    """
    focal = rng.uniform(300, 500)
    matrix = np.array([[focal, 0, 319.5 + rng.uniform(-9, 9)], [0, focal * 1.01, 239.5], [0, 0, 1]])
    family = rng.choice(list(LENSES))
    names, sets = LENSES[family]
    coefficients = rng.choice(sets)
    x, y = rng.choice((0, 40)), rng.choice((0, 30))
    width, height = rng.choice((WIDTH - x, 480)), rng.choice((HEIGHT - y, 360))
    binning = rng.choice((1, 1, 2))
    rectified = rng.random() < 0.3
    said = {
        "width": WIDTH,
        "height": HEIGHT,
        "matrix": matrix,
        "distortion": np.array(coefficients),
        "model": rng.choice(names),
        "projection": np.hstack([matrix * [[1.1], [1.1], [1]], np.zeros((3, 1))]),
        "window": (x, y, width, height),
        "binning": (binning, binning),
    }
    sent = (width // binning, height // binning)
    topic = rng.choice(("/c/image_rect", "/c/image_rect_color")) if rectified else "/c/image_raw"
    lies = rng.choice((None, None, "size", "window", "binning", "model", "length", "nan", "topic", "scaled"))
    match lies:
        case "size":
            sent = rng.choice([(640, 360), (480, 480), (641, 500), (sent[0], sent[1] + 7)])
        case "window":
            # An offset that is merely wrong cannot be told from a right one.
            said["window"] = rng.choice([(x + 900, y, width, height), (x, y, width - 40, height), (x, y, 0, height)])
        case "binning":
            said["binning"] = (binning * 2, binning * 2)
        case "model":
            said["model"] = rng.choice(("double_sphere", "", "equidistan", "fov", "ftheta", "mei", "inverse_brown"))
        case "length":
            said["distortion"] = np.full(rng.choice((1, 2, 3, 6, 7, 9, 13, 15)), 0.01)
        case "nan":
            said[rng.choice(("matrix", "distortion", "projection"))] *= np.nan
        case "topic":
            topic = "/c/image"
        case "scaled":
            said |= {"window": (0, 0, 0, 0), "binning": (0, 0)}
    try:
        found = fitted(CameraCalibration(**said), *sent, topic)  # type: ignore[arg-type]
    except CalibrationError:
        if lies is None:
            raise AssertionError(f"a calibration that fits was refused: {said}, {sent}, {topic}") from None
        raise
    stored = parse_intrinsics(intrinsics_json(found.intrinsics))
    assert stored is not None
    if found.assumed:
        return
    # Pixels of the whole image, as the one that is sent has them.
    pixels = (PIXELS - (x, y) + 0.5) / binning - 0.5
    rays = normalized_points(pixels, stored)
    if rectified:
        truth = (PIXELS - said["projection"][:2, 2]) / np.diag(said["projection"])[:2]
    else:
        truth = seen(PIXELS, matrix, family, coefficients)
    off = np.abs(rays - truth)[np.isfinite(rays)].max(initial=0.0) * focal
    assert off < 0.25, f"{off:.2f} pixels off, {lies}, {said}, {sent}, {topic}"


def targets() -> list[Target]:
    """Images, and calibrations."""
    return [
        Target("compressed", compressed, 3.0, lambda file, _: decoded(file.read_bytes())),
        Target("raw", raw, 3.0),
        Target("calibration", metres, 4.0),
    ]
