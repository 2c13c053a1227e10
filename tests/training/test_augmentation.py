from __future__ import annotations

import pytest
import torch
from a2gc_training.augmentation import Augmentation
from a2gc_training.sections import AugmentationSection

from a2gc_ros.errors import ConfigError


def pictures(count: int = 4) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(count, 3, 6, 8, generator=generator)
    return torch.nn.functional.interpolate(coarse, (48, 64), mode="bilinear")


def test_all_strengths_at_zero_change_nothing() -> None:
    assert torch.equal(Augmentation(AugmentationSection())(pictures()), pictures())


@pytest.mark.parametrize(
    "section",
    [
        AugmentationSection(yaw_deg=10),
        AugmentationSection(pitch_deg=10),
        AugmentationSection(roll_deg=10),
        AugmentationSection(zoom=0.3),
        AugmentationSection(crop=0.4),
        AugmentationSection(perspective=0.2),
        AugmentationSection(brightness=0.5, contrast=0.5, saturation=0.5, hue=0.2),
        AugmentationSection(gamma=0.8),
        AugmentationSection(gray=1.0),
        AugmentationSection(blur=1.0),
        AugmentationSection(motion_blur=1.0),
        AugmentationSection(noise=0.1),
        AugmentationSection(shadow=1.0),
        AugmentationSection(erase=1.0),
        AugmentationSection(flip=1.0),
        AugmentationSection(rand_augment=3),
    ],
    ids=lambda section: next(
        name for name, value in vars(section).items() if value != getattr(AugmentationSection(), name)
    ),
)
def test_each_change_alone(section: AugmentationSection) -> None:
    same = pictures(1).expand(6, -1, -1, -1).contiguous()
    torch.manual_seed(0)
    changed = Augmentation(section)(same)
    assert changed.shape == same.shape
    assert changed.isfinite().all()
    assert changed.min() >= 0
    assert changed.max() <= 1
    assert (changed - same).abs().amax(dim=(1, 2, 3)).max() > 0.01
    # Every image draws its own, where there is anything to draw.
    if section.flip != 1 and section.gray != 1:
        assert (changed - changed[:1]).abs().amax() > 0.01
    torch.manual_seed(0)
    assert torch.equal(Augmentation(section)(same), changed)


def test_grey_and_mirror_are_exact() -> None:
    gray = Augmentation(AugmentationSection(gray=1.0))(pictures())
    assert torch.allclose(gray[:, 0], gray[:, 1], atol=1e-6)
    assert torch.allclose(gray[:, 1], gray[:, 2], atol=1e-6)
    assert torch.equal(Augmentation(AugmentationSection(flip=1.0))(pictures()), pictures().flip(-1))


def test_what_comes_into_view_is_no_black_border() -> None:
    white = torch.ones(8, 3, 48, 64)
    torch.manual_seed(0)
    moved = Augmentation(AugmentationSection(yaw_deg=20, roll_deg=20, zoom=0.5, perspective=0.2))(white)
    assert moved.min() > 0.99


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"gray": 1.5}, "gray is a probability"),
        ({"yaw_deg": -1.0}, "yaw_deg is a strength"),
        ({"hue": 0.7}, "hue"),
        ({"zoom": 1.0}, "zoom and crop must stay below 1"),
        ({"crop": 1.0}, "zoom and crop must stay below 1"),
        ({"erase_area": (0.5, 0.2)}, "erase_area"),
        ({"rand_augment": 99}, "from 0 to 15"),
        ({"rand_augment_strength": 31}, "from 0 to 30"),
        ({"rand_augment_strength": -1}, "from 0 to 30"),
        ({"field_of_view_deg": 180.0}, "field_of_view_deg"),
    ],
)
def test_strengths_without_sense_are_refused(options: dict[str, float], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        AugmentationSection(**options)


def test_a_crop_enlarges_the_middle_and_shows_nothing_from_beyond_the_border() -> None:
    torch.manual_seed(0)
    warp = Augmentation(AugmentationSection(crop=0.5)).viewpoint.homographies(200, 48, 64)
    scales = warp[:, 0, 0]
    assert torch.allclose(warp[:, 1, 1], scales)
    assert 1 <= scales.min() < 1.05
    assert 1.9 < scales.max() <= 2
    middle = torch.tensor([31.5, 23.5, 1.0], dtype=torch.float64)
    assert torch.allclose(warp @ middle, middle.expand(200, 3))
