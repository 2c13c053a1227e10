"""RandAugment against its definition: torchvision's table of magnitudes, and Pillow's operations on eight bits."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from a2gc_training.rand_augment import OPERATIONS, SIGNED, RandAugment, magnitude_of
from PIL import Image, ImageEnhance, ImageOps

HEIGHT, WIDTH = 66, 99


@pytest.mark.parametrize(
    ("operation", "at_0", "at_9", "at_15", "at_30"),
    [
        ("Identity", 0, 0, 0, 0),
        ("ShearX", 0, 0.09, 0.15, 0.3),
        ("ShearY", 0, 0.09, 0.15, 0.3),
        ("TranslateX", 0, 0.3 * 150 / 331 * WIDTH, 0.5 * 150 / 331 * WIDTH, 150 / 331 * WIDTH),
        ("TranslateY", 0, 0.3 * 150 / 331 * HEIGHT, 0.5 * 150 / 331 * HEIGHT, 150 / 331 * HEIGHT),
        ("Rotate", 0, 9, 15, 30),
        ("Brightness", 0, 0.27, 0.45, 0.9),
        ("Color", 0, 0.27, 0.45, 0.9),
        ("Contrast", 0, 0.27, 0.45, 0.9),
        ("Sharpness", 0, 0.27, 0.45, 0.9),
        ("Posterize", 8, 7, 6, 4),
        ("Solarize", 255, 178.5, 127.5, 0),
        ("AutoContrast", 0, 0, 0, 0),
        ("Equalize", 0, 0, 0, 0),
    ],
)
def test_magnitudes_are_torchvisions(operation: str, at_0: float, at_9: float, at_15: float, at_30: float) -> None:
    found = [magnitude_of(operation, level, HEIGHT, WIDTH) for level in (0, 9, 15, 30)]
    assert found == pytest.approx([at_0, at_9, at_15, at_30])


def test_the_operations_are_torchvisions_fourteen() -> None:
    assert len(OPERATIONS) == 14
    assert {*OPERATIONS} - SIGNED == {"Identity", "Posterize", "Solarize", "AutoContrast", "Equalize"}


def picture() -> np.ndarray:
    """Smooth, so that interpolation is well defined, with a cast, a dark and a bright corner."""
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(20, 230, (6, 9, 3), np.uint8))
    return np.asarray(coarse.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)).copy()


def warp(*matrix: float):
    return lambda image: image.transform(image.size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)


REFERENCES = {
    ("ShearX", 0.3): warp(1, 0.3, 0, 0, 1, 0),
    ("ShearX", -0.3): warp(1, -0.3, 0, 0, 1, 0),
    ("ShearY", 0.15): warp(1, 0, 0, 0.15, 1, 0),
    ("TranslateX", 7.9): warp(1, 0, -7, 0, 1, 0),
    ("TranslateX", -7.9): warp(1, 0, 7, 0, 1, 0),
    ("TranslateY", 5.2): warp(1, 0, 0, 0, 1, -5),
    ("Rotate", 15.0): lambda image: image.rotate(15, Image.Resampling.BILINEAR),
    ("Rotate", -30.0): lambda image: image.rotate(-30, Image.Resampling.BILINEAR),
    ("Brightness", 0.45): lambda image: ImageEnhance.Brightness(image).enhance(1.45),
    ("Brightness", -0.9): lambda image: ImageEnhance.Brightness(image).enhance(0.1),
    ("Color", 0.9): lambda image: ImageEnhance.Color(image).enhance(1.9),
    ("Color", -0.45): lambda image: ImageEnhance.Color(image).enhance(0.55),
    ("Contrast", 0.45): lambda image: ImageEnhance.Contrast(image).enhance(1.45),
    ("Contrast", -0.9): lambda image: ImageEnhance.Contrast(image).enhance(0.1),
    ("Sharpness", 0.9): lambda image: ImageEnhance.Sharpness(image).enhance(1.9),
    ("Sharpness", -0.45): lambda image: ImageEnhance.Sharpness(image).enhance(0.55),
    ("Posterize", 4.0): lambda image: ImageOps.posterize(image, 4),
    ("Posterize", 6.0): lambda image: ImageOps.posterize(image, 6),
    ("Solarize", 127.5): lambda image: ImageOps.solarize(image, 127.5),
    ("AutoContrast", 0.0): ImageOps.autocontrast,
    ("Equalize", 0.0): ImageOps.equalize,
    ("Identity", 0.0): lambda image: image,
}


@pytest.mark.parametrize(("name", "magnitude"), REFERENCES)
def test_an_operation_is_pillows(name: str, magnitude: float) -> None:
    image = picture()
    expected = np.asarray(REFERENCES[name, magnitude](Image.fromarray(image))).astype(np.float64)
    batch = torch.from_numpy(image).permute(2, 0, 1).float()[None].repeat(2, 1, 1, 1)
    found = OPERATIONS[name](batch, torch.full((2,), magnitude)).round().clamp(0, 255)
    assert torch.equal(found[0], found[1])
    difference = np.abs(found[0].permute(1, 2, 0).numpy() - expected)
    if name in ("ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate"):
        # Where a pixel is looked up on the very border, Pillow takes it or leaves it and ours blends it with black.
        assert np.median(difference) == 0
        assert np.quantile(difference, 0.97) == 0
    else:
        assert difference.max() <= 1


@pytest.mark.parametrize("count", [1, 3, 5])
def test_every_image_goes_through_as_many_operations_of_its_own(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # The sum of different powers of six tells how often each was drawn; the same may come twice.
    names = list(OPERATIONS)[:4]
    for name in set(OPERATIONS) - set(names):
        monkeypatch.delitem(OPERATIONS, name)
    for number, name in enumerate(names):
        monkeypatch.setitem(OPERATIONS, name, lambda pixels, _, step=6**number / 8: pixels + step)
    monkeypatch.setattr(torch.Tensor, "round", lambda self: self)
    torch.manual_seed(0)
    sums = 255 * 8 * RandAugment(count, 15)(torch.zeros(60, 3, 2, 2))
    drawn = [round(float(value)) for value in sums[:, 0, 0, 0]]
    times = [[number // 6**place % 6 for place in range(4)] for number in drawn]
    assert {sum(each) for each in times} == {count}
    assert len({tuple(each) for each in times}) > 3
    assert count == 1 or any(max(each) > 1 for each in times)


def test_each_image_draws_its_own_and_a_seed_repeats_it() -> None:
    batch = torch.from_numpy(picture()).permute(2, 0, 1).float()[None].repeat(32, 1, 1, 1) / 255
    augment = RandAugment(3, 15)
    torch.manual_seed(1)
    first = augment(batch)
    torch.manual_seed(1)
    assert torch.equal(augment(batch), first)
    assert len({image.sum().item() for image in first}) > 20
    assert first.min() >= 0
    assert first.max() <= 1
