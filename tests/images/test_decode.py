"""JPEG and PNG, whole, reduced, truncated and foreign."""

from __future__ import annotations

import io
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from a2gc_ros.errors import ImageError
from a2gc_ros.images.decode import decode_compressed, read_image


def picture(height: int = 96, width: int = 128) -> np.ndarray:
    """A smooth picture with three different channels, which JPEG keeps nearly whole."""
    y, x = np.mgrid[0:height, 0:width]
    return np.dstack([x * 255 / width, y * 255 / height, np.full_like(x, 60.0, dtype=float)]).astype(np.uint8)


def encode(rgb: np.ndarray, suffix: str = ".jpg") -> bytes:
    return cv2.imencode(suffix, rgb[..., ::-1])[1].tobytes()


PROGRESSIVE = cv2.imencode(".jpg", picture(), [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()
EXAMPLES = {".jpg": encode(picture()), ".png": encode(picture(), ".png"), "progressive": PROGRESSIVE}


def test_png_is_exact() -> None:
    np.testing.assert_array_equal(decode_compressed(EXAMPLES[".png"]), picture())


def test_jpeg_is_close_and_red_stays_red() -> None:
    error = np.abs(decode_compressed(EXAMPLES[".jpg"]).astype(int) - picture())
    assert error.mean() < 2


def test_grey_and_sixteen_bit_files_become_rgb() -> None:
    gray = np.arange(256, dtype=np.uint8).reshape(16, 16)
    wide = gray.astype(np.uint16) * 256
    for data in (cv2.imencode(".png", gray)[1], cv2.imencode(".png", wide)[1]):
        np.testing.assert_array_equal(decode_compressed(data.tobytes()), np.dstack([gray] * 3))


@pytest.mark.parametrize(
    ("max_size", "expected"),
    [
        (None, (96, 128)),
        ((97, 20), (96, 128)),
        ((49, 20), (96, 128)),
        ((48, 64), (48, 64)),
        ((20, 32), (24, 32)),
        ((12, 16), (12, 16)),
        ((1, 1), (12, 16)),
    ],
)
def test_a_jpeg_is_reduced_as_far_as_it_still_covers(
    max_size: tuple[int, int] | None, expected: tuple[int, int]
) -> None:
    reduced = decode_compressed(EXAMPLES[".jpg"], max_size=max_size)
    assert reduced.shape == (*expected, 3)
    small = cv2.resize(picture(), expected[::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(reduced.astype(int) - small).mean() < 3


def test_a_png_is_never_reduced() -> None:
    assert decode_compressed(EXAMPLES[".png"], max_size=(4, 4)).shape == (96, 128, 3)


@pytest.mark.parametrize("kind", EXAMPLES)
@settings(max_examples=60)
@given(share=st.floats(0, 0.999))
def test_truncated_data_are_refused(kind: str, share: float) -> None:
    data = EXAMPLES[kind]
    with pytest.raises(ImageError):
        decode_compressed(data[: int(share * len(data))])


def test_padding_behind_the_file_does_no_harm() -> None:
    for data in EXAMPLES.values():
        assert decode_compressed(data + bytes(64)).shape == (96, 128, 3)


@settings(max_examples=200)
@given(
    st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"]),
    st.binary(max_size=200),
    st.sampled_from([b"", b"\xff\xd9", b"\0\0\0\0IEND\xaeB`\x82"]),
)
def test_arbitrary_bytes_raise_nothing_but_image_errors(magic: bytes, body: bytes, tail: bytes) -> None:
    with pytest.raises(ImageError):
        decode_compressed(magic + body + tail)


@settings(max_examples=100)
@given(st.sampled_from(sorted(EXAMPLES)), st.integers(0, 10**6), st.integers(0, 255))
def test_a_changed_byte_gives_an_image_or_an_image_error(kind: str, at: int, value: int) -> None:
    data = bytearray(EXAMPLES[kind])
    data[at % len(data)] = value
    try:
        out = decode_compressed(bytes(data))
    except ImageError:
        return
    assert out.ndim == 3
    assert out.dtype == np.uint8


def test_a_huge_image_is_refused_before_its_pixels_are_made() -> None:
    data = bytearray(EXAMPLES[".png"])
    data[16:24] = (60_000).to_bytes(4, "big") * 2
    with pytest.raises(ImageError, match="60000x60000 has more than"):
        decode_compressed(bytes(data))


def test_a_jpeg_of_thousands_of_scans_is_refused_at_once() -> None:
    """Each scan of a few bytes goes over the whole picture again."""
    grown = bytearray(EXAMPLES["progressive"])
    at = grown.rindex(b"\xff\xda")
    scan = bytes(grown[at:-2])
    begin = grown.index(b"\xff\xc2") + 5
    grown[begin : begin + 4] = (8000).to_bytes(2, "big") * 2
    data = bytes(grown[:-2]) + scan * 2000 + b"\xff\xd9"
    start = time.monotonic()
    with pytest.raises(ImageError, match=r"8000x8000 comes in 20\d\d scans"):
        decode_compressed(data)
    assert time.monotonic() - start < 1


def test_cmyk_jpeg_becomes_rgb() -> None:
    pillow = pytest.importorskip("PIL.Image", reason="makes the picture")
    file = io.BytesIO()
    pillow.fromarray(picture()).convert("CMYK").save(file, "JPEG", quality=95)
    assert np.abs(decode_compressed(file.getvalue()).astype(int) - picture()).mean() < 4


@pytest.mark.parametrize("format", ["16UC1; compressedDepth png", "32FC1; compressedDepth", "16UC1; png compressed "])
def test_depth_is_refused(format: str) -> None:
    with pytest.raises(ImageError, match="depth"):
        decode_compressed(EXAMPLES[".png"], format=format)


@pytest.mark.parametrize("format", ["jpeg", "rgb8; jpeg compressed bgr8", ""])
def test_colours_are_those_of_the_file_whatever_the_format_says(format: str) -> None:
    np.testing.assert_array_equal(decode_compressed(EXAMPLES[".png"], format=format), picture())


def test_foreign_data_are_named() -> None:
    with pytest.raises(ImageError, match="neither JPEG nor PNG; they begin with 47 49 46"):
        decode_compressed(b"GIF89a....")


def test_read_image_names_the_file(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.png", tmp_path / "bad.jpg"
    good.write_bytes(EXAMPLES[".png"])
    bad.write_bytes(EXAMPLES[".jpg"][:100])
    np.testing.assert_array_equal(read_image(good), picture())
    for path in (bad, tmp_path / "missing.png"):
        with pytest.raises(ImageError, match=path.name):
            read_image(path)
