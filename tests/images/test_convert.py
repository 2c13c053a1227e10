"""Every encoding against pixels made by hand, and the properties that hold for all of them."""

from __future__ import annotations

from array import array
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from a2gc_ros.errors import ImageError
from a2gc_ros.images.convert import ENCODINGS, MAX_PIXELS, sensor_bits, to_rgb

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)
COLORS = np.array([[RED, GREEN, BLUE, (9, 90, 200)]] * 2, dtype=np.uint8)
BYTES_PER_PIXEL = {
    "rgb8": 3,
    "bgr8": 3,
    "rgba8": 4,
    "bgra8": 4,
    "8UC3": 3,
    "8UC4": 4,
    "rgb16": 6,
    "bgr16": 6,
    "mono16": 2,
    "yuv422": 2,
    "uyvy": 2,
    "yuv422_yuy2": 2,
    "yuyv": 2,
    "yuy2": 2,
    "rgba16": 8,
    "bgra16": 8,
    **{f"bayer_{cell}16": 2 for cell in ("rggb", "bggr", "gbrg", "grbg")},
}


def message_of(data: object, **fields: Any) -> Any:
    return SimpleNamespace(**{"data": data, "is_bigendian": 0, **fields})


def rgb(data: object, bits: int | None = None, **fields: Any) -> np.ndarray:
    return to_rgb(message_of(data, **fields), bits)


def row_bytes(encoding: str, width: int) -> int:
    return width * BYTES_PER_PIXEL.get(encoding, 1)


def rows(encoding: str, height: int) -> int:
    shares = {"nv16": 2, "nv24": 3, **dict.fromkeys(("nv12", "nv21", "i420", "yv12"), 1.5)}
    return int(height * shares.get(encoding, 1))


def convert(pixels: np.ndarray, encoding: str, **overrides: object) -> np.ndarray:
    height, width = pixels.shape[:2]
    message = {"height": height, "width": width, "encoding": encoding, "step": pixels[0].nbytes, **overrides}
    return rgb(pixels.tobytes(), **message)


def mosaic(rgb: np.ndarray, cell: str) -> np.ndarray:
    """Keeps of each pixel the color that a sensor with this cell (two rows of two) would measure."""
    out = np.empty(rgb.shape[:2], rgb.dtype)
    for i, color in enumerate(cell):
        row, column = divmod(i, 2)
        out[row::2, column::2] = rgb[row::2, column::2, "rgb".index(color)]
    return out


@pytest.mark.parametrize(
    ("encoding", "pixels"),
    [
        ("rgb8", COLORS),
        ("bgr8", COLORS[..., ::-1]),
        ("8UC3", COLORS[..., ::-1]),
        ("rgba8", np.dstack([COLORS, np.full((2, 4), 7, np.uint8)])),
        ("bgra8", np.dstack([COLORS[..., ::-1], np.full((2, 4), 7, np.uint8)])),
        ("8UC4", np.dstack([COLORS[..., ::-1], np.full((2, 4), 7, np.uint8)])),
        ("rgb16", COLORS.astype(np.uint16) * 257),
        ("bgr16", COLORS[..., ::-1].astype(np.uint16) * 257),
        ("rgba16", np.dstack([COLORS.astype(np.uint16) * 257, np.full((2, 4), 7, np.uint16)])),
        ("bgra16", np.dstack([COLORS[..., ::-1].astype(np.uint16) * 257, np.full((2, 4), 7, np.uint16)])),
        ("RGB8", COLORS),
    ],
)
def test_colours_arrive_in_their_channels(encoding: str, pixels: np.ndarray) -> None:
    np.testing.assert_array_equal(convert(pixels, encoding), COLORS)


@pytest.mark.parametrize("encoding", ["mono8", "8UC1"])
def test_grey_fills_all_channels(encoding: str) -> None:
    gray = np.arange(256, dtype=np.uint8).reshape(16, 16)
    np.testing.assert_array_equal(convert(gray, encoding), np.dstack([gray] * 3))


def test_mono16_is_scaled_and_rounded() -> None:
    gray = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    expected = np.rint(gray * (255 / 65535)).astype(np.uint8)
    np.testing.assert_array_equal(convert(gray, "mono16")[..., 1], expected)


@pytest.mark.parametrize(("most", "bits"), [(1023, 10), (1024, 12), (4095, 12), (4096, 14), (16384, 16), (0, 10)])
@pytest.mark.parametrize("encoding", ["mono16", "bayer_rggb16"])
def test_a_sensors_bits_are_told_by_the_brightest_sample(encoding: str, most: int, bits: int) -> None:
    gray = np.zeros((4, 4), np.uint16)
    gray[:] = most
    message = {"height": 4, "width": 4, "encoding": encoding, "step": 8}
    assert sensor_bits(message_of(gray.tobytes(), **message)) == bits
    for said in (None, bits):
        out = rgb(gray.tobytes(), bits=said, **message)
        assert (out == round(most * 255 / (2**bits - 1))).all()
    assert rgb(gray.tobytes(), bits=16, **message).max() == round(most * 255 / 65535)


def test_only_a_sensors_samples_are_scaled_by_what_they_show() -> None:
    dark = np.full((2, 2, 3), 1000, np.uint16)
    assert sensor_bits(message_of(dark.tobytes(), height=2, width=2, encoding="rgb16", step=12)) is None
    assert convert(dark, "rgb16").max() == round(1000 * 255 / 65535)


@pytest.mark.parametrize("cell", ["rggb", "bggr", "gbrg", "grbg"])
@pytest.mark.parametrize(("dtype", "suffix", "factor"), [(np.uint8, "8", 1), (np.uint16, "16", 257)])
def test_bayer_cell_is_named_from_the_first_pixel(cell: str, dtype: type, suffix: str, factor: int) -> None:
    rgb = np.full((8, 10, 3), (200, 100, 50), dtype=dtype) * np.array(factor, dtype)
    out = convert(mosaic(rgb, cell), f"bayer_{cell}{suffix}")
    np.testing.assert_array_equal(out, np.full((8, 10, 3), (200, 100, 50)))


def yuv_limited(y: float, u: float, v: float) -> list[float]:
    """ITU-R BT.601, limited range, written out."""
    luma = 255 / 219 * (y - 16)
    return [
        luma + 1.402 * 255 / 224 * (v - 128),
        luma - (0.114 * 1.772 * (u - 128) + 0.299 * 1.402 * (v - 128)) / 0.587 * 255 / 224,
        luma + 1.772 * 255 / 224 * (u - 128),
    ]


YUV = {
    "yuv422": lambda y, u, v: [u, y, v, y] * 8,
    "uyvy": lambda y, u, v: [u, y, v, y] * 8,
    "yuv422_yuy2": lambda y, u, v: [y, u, y, v] * 8,
    "yuyv": lambda y, u, v: [y, u, y, v] * 8,
    "yuy2": lambda y, u, v: [y, u, y, v] * 8,
    "nv12": lambda y, u, v: [y] * 16 + [u, v] * 4,
    "nv16": lambda y, u, v: [y] * 16 + [u, v] * 8,
    "nv21": lambda y, u, v: [y] * 16 + [v, u] * 4,
    "nv24": lambda y, u, v: [y] * 16 + [u, v] * 16,
    "i420": lambda y, u, v: [y] * 16 + [u] * 4 + [v] * 4,
    "yv12": lambda y, u, v: [y] * 16 + [v] * 4 + [u] * 4,
}


@pytest.mark.parametrize("encoding", list(YUV))
@pytest.mark.parametrize(
    ("y", "u", "v"), [(16, 128, 128), (235, 128, 128), (120, 100, 160), (90, 170, 110), (8, 128, 128)]
)
def test_yuv_is_bt601_with_limited_range(encoding: str, y: int, u: int, v: int) -> None:
    order = YUV[encoding](y, u, v)
    step = 4 if encoding.startswith(("nv", "i4", "yv")) else 8
    out = rgb(bytes(order), height=4, width=4, encoding=encoding, step=step)
    expected = np.clip(yuv_limited(max(y, 16), u, v), 0, 255)
    np.testing.assert_allclose(out.reshape(-1, 3), np.tile(expected, (16, 1)), atol=1.5)


def test_rgb8_is_a_view() -> None:
    data = np.arange(4 * 5 * 3, dtype=np.uint8)
    out = rgb(data, height=4, width=5, encoding="rgb8", step=15)
    assert np.shares_memory(out, data)


@pytest.mark.parametrize(
    "wrap", [bytes, bytearray, memoryview, lambda d: array("B", d), lambda d: np.frombuffer(d, np.uint8)]
)
def test_every_kind_of_buffer_is_read(wrap: object) -> None:
    data = bytes(range(12))
    out = rgb(wrap(data), height=2, width=2, encoding="rgb8", step=6)  # type: ignore[operator]
    assert out.tobytes() == data


sizes = st.tuples(st.integers(2, 8), st.integers(2, 8)).map(lambda s: (2 * s[0], 2 * s[1]))


@given(st.sampled_from(ENCODINGS), sizes, st.integers(1, 9), st.booleans(), st.randoms(use_true_random=False))
def test_padding_changes_nothing(encoding: str, size: tuple[int, int], padding: int, big: bool, random: object) -> None:
    height, width = size
    rng = np.random.default_rng(random.getrandbits(32))  # type: ignore[attr-defined]
    packed = rng.integers(0, 256, (rows(encoding, height), row_bytes(encoding, width)), np.uint8)
    message = {"height": height, "width": width, "encoding": encoding, "is_bigendian": big}
    plain = rgb(packed.tobytes(), step=packed.shape[1], **message)
    if encoding == "nv24":
        # A chroma row is twice as long as a luma row, and so is its padding.
        luma, chroma = packed[:height], packed[height:].reshape(height, 2 * width)
        planes = [np.pad(luma, ((0, 0), (0, padding))), np.pad(chroma, ((0, 0), (0, 2 * padding)))]
        data = b"".join(plane.tobytes() for plane in planes)
    elif encoding in ("i420", "yv12"):
        # Here it is half as long.
        padding *= 2
        luma, chroma = packed[:height], packed[height:].reshape(height, width // 2)
        planes = [np.pad(luma, ((0, 0), (0, padding))), np.pad(chroma, ((0, 0), (0, padding // 2)))]
        data = b"".join(plane.tobytes() for plane in planes)
    else:
        data = np.pad(packed, ((0, 0), (0, padding)), constant_values=77).tobytes()
    padded = rgb(data, step=packed.shape[1] + padding, **message)
    assert padded.shape == (height, width, 3)
    assert padded.dtype == np.uint8
    assert padded.flags.c_contiguous
    np.testing.assert_array_equal(padded, plain)


@given(st.sampled_from([e for e in ENCODINGS if e.endswith("16") and e != "nv16"]), sizes, st.integers(0, 2**32 - 1))
def test_byte_order_changes_nothing(encoding: str, size: tuple[int, int], seed: int) -> None:
    height, width = size
    samples = np.random.default_rng(seed).integers(0, 65536, (height, row_bytes(encoding, width) // 2), np.uint16)
    message = {"height": height, "width": width, "encoding": encoding, "step": row_bytes(encoding, width)}
    little = rgb(samples.astype("<u2").tobytes(), is_bigendian=0, **message)
    big = rgb(samples.astype(">u2").tobytes(), is_bigendian=1, **message)
    np.testing.assert_array_equal(big, little)


@settings(max_examples=300)
@given(
    st.binary(max_size=400),
    st.integers(-2, 2**32),
    st.integers(-2, 2**32),
    st.one_of(st.sampled_from(ENCODINGS), st.text(max_size=12)),
    st.integers(0, 2**32),
    st.booleans(),
)
def test_arbitrary_messages_raise_nothing_but_image_errors(
    data: bytes, height: int, width: int, encoding: str, step: int, big: bool
) -> None:
    try:
        out = rgb(data, height=height, width=width, encoding=encoding, step=step, is_bigendian=big)
    except ImageError:
        return
    assert out.shape == (height, width, 3)


@settings(max_examples=200)
@given(st.sampled_from(ENCODINGS), st.integers(1, 9), st.integers(1, 9), st.integers(-1, 3), st.binary(max_size=900))
def test_small_messages_are_converted_or_refused(
    encoding: str, height: int, width: int, extra: int, data: bytes
) -> None:
    step = row_bytes(encoding, width) + extra
    try:
        out = rgb(
            (data + bytes(2000))[: max(0, step * rows(encoding, height))],
            height=height,
            width=width,
            encoding=encoding,
            step=step,
        )
    except ImageError:
        return
    assert out.shape == (height, width, 3)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"height": 0}, "no pixels"),
        ({"width": 0}, "no pixels"),
        ({"height": -3}, "no pixels"),
        ({"height": 4}, "carries 24"),
        ({"height": 1}, "carries 24"),
        ({"step": 11}, "needs 12 bytes a row"),
        ({"step": 13}, "carries 24"),
        ({"step": 0}, "its step is 0"),
        ({"width": 2**31, "height": 2**31, "step": 2**32 - 1}, "million pixels"),
        ({"width": MAX_PIXELS // 2, "step": 3 * MAX_PIXELS // 2}, "carries 24"),
        ({"encoding": "16UC1"}, "depth image"),
        ({"encoding": "32FC1"}, "depth image"),
        ({"encoding": "jpeg"}, "known are rgb8"),
        ({"encoding": ""}, "known are rgb8"),
        ({"encoding": "yuv422", "width": 3}, "even width"),
        ({"encoding": "nv21", "height": 3}, "even height"),
        ({"encoding": "bayer_rggb8", "height": 2}, "3x3"),
    ],
)
def test_refusals_say_what_is_wrong(change: dict[str, object], sentence: str) -> None:
    message = {"height": 2, "width": 4, "encoding": "rgb8", "step": 12, **change}
    with pytest.raises(ImageError, match=sentence):
        rgb(bytes(24), **message)


def test_same_pixels_as_cv_bridge() -> None:
    cv_bridge = pytest.importorskip("cv_bridge", reason="comes with a ROS distribution only")
    messages = pytest.importorskip("sensor_msgs.msg")
    bridge = cv_bridge.CvBridge()
    rng = np.random.default_rng(0)
    for encoding in ("rgb8", "bgr8", "rgba8", "bgra8", "mono8", "mono16", "bayer_rggb8", "bayer_grbg8", "yuv422"):
        data = rng.integers(0, 256, (6, row_bytes(encoding, 8)), np.uint8)
        message = messages.Image(height=6, width=8, encoding=encoding, step=data.shape[1], data=data.tobytes())
        ours = rgb(data.tobytes(), height=6, width=8, encoding=encoding, step=data.shape[1])
        np.testing.assert_array_equal(ours, bridge.imgmsg_to_cv2(message, "rgb8"), err_msg=encoding)
