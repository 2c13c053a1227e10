"""The resize against Pillow, and against Pillow's algorithm written out naively."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from a2gc_ros.images.resample import antialias_weights, resize_antialiased

PILLOW = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


def naive_kernel(interpolation, x):
    x = abs(x)
    if interpolation == "bilinear":
        return max(1.0 - x, 0.0)
    if x < 1:
        return (1.5 * x - 2.5) * x * x + 1
    return ((-0.5 * x + 2.5) * x - 4) * x + 2 if x < 2 else 0.0


def naive_axis(values, target, interpolation):
    """One axis of Pillow's resize in float64; the result is rounded to bytes."""
    scale = len(values) / target
    width = max(scale, 1.0)
    support = width * (1 if interpolation == "bilinear" else 2)
    result = np.empty((target, *values.shape[1:]))
    for i in range(target):
        center = (i + 0.5) * scale
        low, high = max(int(center - support + 0.5), 0), min(int(center + support + 0.5), len(values))
        weights = [naive_kernel(interpolation, (j - center + 0.5) / width) for j in range(low, high)]
        total = math.fsum(weights)
        result[i] = sum(w / total * values[j] for w, j in zip(weights, range(low, high), strict=True))
    return np.clip(np.floor(result + 0.5), 0, 255)


def naive_resize(image, size, interpolation):
    columns = naive_axis(image.astype(float).transpose(1, 0, 2), size[1], interpolation)
    return naive_axis(columns.transpose(1, 0, 2), size[0], interpolation)


def pillow_resize(image, size, interpolation):
    return np.asarray(Image.fromarray(image).resize(size[::-1], PILLOW[interpolation]))


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def scene(height, width):
    """Edges and texture at the sharpness of a camera image."""
    coarse = cv2.resize(noise(height // 60, width // 60), (width, height), interpolation=cv2.INTER_NEAREST)
    fine = cv2.GaussianBlur(noise(height, width, 1), (0, 0), 1.0)
    return cv2.GaussianBlur(cv2.addWeighted(coarse, 0.8, fine, 0.2, 0), (0, 0), 0.8)


def difference(a, b):
    return np.abs(a.astype(int) - b.astype(int))


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize(
    ("source", "target"),
    [
        ((40, 61), (14, 28)),
        ((33, 20), (33, 41)),
        ((50, 70), (49, 35)),
        ((9, 7), (20, 30)),
        ((1, 1), (3, 2)),
        ((5, 90), (5, 31)),
        ((90, 130), (30, 40)),
        ((97, 211), (14, 28)),
        ((20, 400), (3, 7)),
    ],
)
def test_every_pixel_is_pillows_within_a_grey_level(source, target, interpolation):
    image = noise(*source)
    ours = resize_antialiased(image, target, interpolation)
    assert ours.shape == (*target, 3)
    assert ours.dtype == np.uint8
    assert difference(ours, naive_resize(image, target, interpolation)).max() <= 1
    assert difference(ours, pillow_resize(image, target, interpolation)).max() <= 1


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("source", [(720, 1280), (1080, 1920), (1081, 1923)])
def test_a_large_cameras_image_has_nearly_all_of_pillows_pixels(source, interpolation):
    image = scene(*source)
    off = difference(
        resize_antialiased(image, (224, 322), interpolation), pillow_resize(image, (224, 322), interpolation)
    )
    assert off.max() <= 1
    assert off.mean() < 0.02


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_torchs_antialiased_resize_gives_the_same_pixels(interpolation):
    image = noise(90, 120)
    # Bytes in, bytes out, as torchvision calls it.
    tensor = torch.from_numpy(image).permute(2, 0, 1)[None]
    theirs = torch.nn.functional.interpolate(tensor, (56, 70), mode=interpolation, antialias=True)
    theirs = theirs[0].permute(1, 2, 0).numpy()
    assert difference(resize_antialiased(image, (56, 70), interpolation), theirs).max() <= 1


def test_a_crop_is_the_part_of_the_whole():
    image = noise(200, 300)
    whole = resize_antialiased(image, (50, 80), "bilinear")
    part = resize_antialiased(image, (50, 80), "bilinear", (7, 11, 30, 40))
    np.testing.assert_array_equal(part, whole[7:37, 11:51])


def test_the_source_is_left_as_it_was():
    image = noise(64, 64)
    before = image.copy()
    resize_antialiased(image, (20, 20), "bicubic")
    np.testing.assert_array_equal(image, before)


@settings(max_examples=50, deadline=None)
@given(source=st.integers(1, 90), target=st.integers(1, 90), interpolation=st.sampled_from(["bilinear", "bicubic"]))
def test_weights_keep_a_constant_image_constant(source, target, interpolation):
    weights = antialias_weights(source, target, interpolation)
    assert weights.shape == (target, source)
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(
    height=st.integers(1, 150),
    width=st.integers(1, 150),
    rows=st.integers(1, 40),
    columns=st.integers(1, 40),
    value=st.integers(0, 255),
)
def test_a_constant_image_stays_constant_through_any_resize(height, width, rows, columns, value):
    image = np.full((height, width, 3), value, np.uint8)
    assert np.all(difference(resize_antialiased(image, (rows, columns), "bilinear"), np.uint8(value)) == 0)
