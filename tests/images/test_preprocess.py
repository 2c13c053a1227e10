from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from a2gc_ros.errors import ConfigError, ImageError
from a2gc_ros.images.preprocess import Preprocessing


def noise(height, width):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize("source", [(48, 64), (64, 48), (30, 30), (300, 41)])
@pytest.mark.parametrize("target", [(28, 28), (24, 32), (32, 24)])
def test_squash_is_pillows_resize(source, target):
    ours = Preprocessing(*target, resize="squash").apply(noise(*source))
    theirs = np.asarray(Image.fromarray(noise(*source)).resize(target[::-1], Image.Resampling.BILINEAR))
    assert np.abs(ours.astype(int) - theirs).max() <= 1


@pytest.mark.parametrize("source", [(48, 64), (64, 48), (30, 30), (47, 91)])
@pytest.mark.parametrize("target", [(28, 28), (24, 32), (32, 24), (33, 33)])
def test_keep_aspect_covers_the_input_and_crops_the_centre(source, target):
    ours = Preprocessing(*target, resize="keep_aspect").apply(noise(*source))
    # Resize so that the tighter side fits, as torchvision's Resize of one side does, then crop the center.
    height, width = source
    if target[1] / width >= target[0] / height:
        size = (max(height * target[1] // width, target[0]), target[1])
    else:
        size = (target[0], max(width * target[0] // height, target[1]))
    whole = np.asarray(Image.fromarray(noise(*source)).resize(size[::-1], Image.Resampling.BILINEAR))
    top, left = round((size[0] - target[0]) / 2), round((size[1] - target[1]) / 2)
    assert ours.shape == (*target, 3)
    assert np.abs(ours.astype(int) - whole[top : top + target[0], left : left + target[1]]).max() <= 1


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("source", [(60, 80), (20, 17)])
def test_without_antialiasing_it_is_torchs_plain_interpolation(source, interpolation):
    image = noise(*source)
    ours = Preprocessing(28, 42, interpolation=interpolation, antialias=False).apply(image)
    tensor = torch.from_numpy(image).permute(2, 0, 1)[None].float()
    theirs = torch.nn.functional.interpolate(tensor, (28, 42), mode=interpolation, align_corners=False)
    theirs = theirs.clamp(0, 255).round()[0].permute(1, 2, 0).numpy()
    assert np.abs(ours.astype(int) - theirs).max() <= 1


def test_an_image_of_the_right_size_passes_untouched():
    image = noise(28, 42)
    np.testing.assert_array_equal(Preprocessing(28, 42).apply(image), image)


def test_a_decoder_is_told_how_many_pixels_matter():
    assert Preprocessing(224, 321).useful_size == (1792, 2568)
    assert Preprocessing(224, 321, antialias=False).useful_size is None


def test_views_with_strides_are_read_as_what_they_show():
    image = noise(60, 80)
    flipped = image[::-1, ::2, ::-1]
    np.testing.assert_array_equal(
        Preprocessing(20, 20).apply(flipped), Preprocessing(20, 20).apply(np.ascontiguousarray(flipped))
    )


@pytest.mark.parametrize("antialias", [True, False])
@pytest.mark.parametrize("resize", ["squash", "keep_aspect"])
@pytest.mark.parametrize("source", [(1, 1), (1, 500), (500, 1), (2, 3)])
def test_extreme_shapes_still_give_the_input(source, resize, antialias):
    result = Preprocessing(28, 28, resize=resize, antialias=antialias).apply(noise(*source))
    assert result.shape == (28, 28, 3)
    assert result.flags.c_contiguous


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (np.zeros((8, 8, 3), np.float32), "float32"),
        (np.zeros((8, 8), np.uint8), r"\(8, 8\)"),
        (np.zeros((8, 8, 4), np.uint8), r"\(8, 8, 4\)"),
        (np.zeros((3, 8, 8), np.uint8), r"\(3, 8, 8\)"),
        (np.zeros((0, 8, 3), np.uint8), r"\(0, 8, 3\)"),
        ([[1, 2, 3]], "list"),
    ],
)
def test_other_images_are_refused(image, words):
    with pytest.raises(ImageError, match=words):
        Preprocessing(28, 28).apply(image)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"height": 0}, "height"),
        ({"width": 2.5}, "width"),
        ({"width": True}, "width"),
        ({"resize": "pad"}, "squash or keep_aspect"),
        ({"interpolation": "lanczos"}, "bilinear or bicubic"),
        ({"antialias": "yes"}, "antialias"),
        ({"mean": (0.5, 0.5)}, "mean"),
        ({"mean": (0.5, 0.5, float("nan"))}, "mean"),
        ({"mean": "abc"}, "mean"),
        ({"mean": 5}, "mean"),
        ({"std": (1.0, 0.0, 1.0)}, "std"),
        ({"std": (1.0, float("inf"), 1.0)}, "std"),
        ({"gamma": 2.2}, "gamma"),
    ],
)
def test_damaged_descriptions_are_refused(change, words):
    with pytest.raises(ConfigError, match=words):
        Preprocessing.from_dict({**Preprocessing(28, 28).to_dict(), **change})


def test_an_incomplete_description_is_refused_by_name():
    values = Preprocessing(28, 28).to_dict()
    del values["antialias"]
    with pytest.raises(ConfigError, match="antialias"):
        Preprocessing.from_dict(values)


small = st.floats(0.01, 2.0, allow_nan=False)


@given(
    st.builds(
        Preprocessing,
        height=st.integers(1, 4000),
        width=st.integers(1, 4000),
        resize=st.sampled_from(["squash", "keep_aspect"]),
        interpolation=st.sampled_from(["bilinear", "bicubic"]),
        antialias=st.booleans(),
        mean=st.tuples(small, small, small),
        std=st.tuples(small, small, small),
    )
)
def test_a_description_survives_json(preprocessing):
    assert Preprocessing.from_dict(json.loads(json.dumps(preprocessing.to_dict()))) == preprocessing
