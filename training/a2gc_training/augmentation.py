"""Changes of viewpoint and appearance, on whole batches and on whatever device they are."""

from __future__ import annotations

import math

import kornia.augmentation as kornia
import torch
from kornia.geometry.transform import warp_perspective
from torch import Tensor, nn

from a2gc_training.rand_augment import RandAugment
from a2gc_training.sections import AugmentationSection


class Augmentation(nn.Module):
    """Both kinds of change, one after the other, as strong as a section of a recipe says."""

    def __init__(self, section: AugmentationSection) -> None:
        super().__init__()
        self.viewpoint = Viewpoint(section)
        self.appearance = Appearance(section)

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """Changes images, float (B, 3, H, W) in [0, 1]; shape and range stay."""
        return self.appearance(self.viewpoint(images))


class Viewpoint(nn.Module):
    """A camera that turns about its center, zooms, and mirrors; what comes into view is reflected.

    A turn R of a pinhole with matrix K moves pixels by the homography K R K^-1, which no scene can tell from a real
    turn. ``perspective`` displaces the corners besides, which stands in for a camera that moves.
    """

    def __init__(self, section: AugmentationSection) -> None:
        super().__init__()
        self._section = section

    def forward(self, images: Tensor) -> Tensor:
        """Moves images, float (B, 3, H, W)."""
        section = self._section
        if section.flip > 0:
            mirrored = torch.rand(len(images), device=images.device) < section.flip
            images = torch.where(mirrored[:, None, None, None], images.flip(-1), images)
        turns = section.yaw_deg, section.pitch_deg, section.roll_deg
        if not any((*turns, section.zoom, section.crop, section.perspective)):
            return images
        height, width = images.shape[-2:]
        warp = self.homographies(len(images), height, width).to(images)
        return warp_perspective(images, warp, (height, width), padding_mode="reflection")

    def homographies(self, count: int, height: int, width: int) -> Tensor:
        """Random homographies from old to new pixels, float64 (count, 3, 3), on the CPU."""
        section = self._section
        focal = width / 2 / math.tan(math.radians(section.field_of_view_deg) / 2)
        camera = torch.tensor(
            [[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1]], dtype=torch.float64
        )
        strengths = torch.tensor([section.pitch_deg, section.yaw_deg, section.roll_deg], dtype=torch.float64).deg2rad()
        turn = _rotations(_symmetric(count, 3) * strengths)
        scale = torch.eye(3, dtype=torch.float64).repeat(count, 1, 1)
        scale[:, :2, :2] *= (1 + section.zoom * _symmetric(count, 1))[..., None]
        if section.crop > 0:
            scale[:, :2, :2] /= (1 - section.crop * torch.rand(count, 1, dtype=torch.float64))[..., None]
        # In rays of unit focal length, corners lie about one away, so displacing them by a share of the image's size
        # is a perspective row of about that share.
        tilt = torch.eye(3, dtype=torch.float64).repeat(count, 1, 1)
        tilt[:, 2, :2] = section.perspective * _symmetric(count, 2)
        tilt[:, :2, :2] += 0.5 * section.perspective * _symmetric(count, 4).reshape(count, 2, 2)
        return camera @ scale @ tilt @ turn @ torch.linalg.inv(camera)


class Appearance(nn.Module):
    """Light, color, blur, noise and things in the way; each image its own."""

    def __init__(self, section: AugmentationSection) -> None:
        super().__init__()
        self._noise = section.noise
        self._gamma = section.gamma
        steps: list[nn.Module] = []
        colors = section.brightness, section.contrast, section.saturation, section.hue
        if any(colors):
            steps.append(kornia.ColorJitter(*colors, p=0.9))
        if section.shadow > 0:
            steps.append(kornia.RandomLinearIllumination(gain=(0.05, 0.4), p=section.shadow))
        if section.gray > 0:
            steps.append(kornia.RandomGrayscale(p=section.gray))
        if section.blur > 0:
            steps.append(kornia.RandomGaussianBlur((7, 7), (0.3, 2.5), p=section.blur))
        if section.motion_blur > 0:
            steps.append(kornia.RandomMotionBlur((3, 9), 180.0, 0.5, border_type="replicate", p=section.motion_blur))
        if section.erase > 0:
            steps.append(kornia.RandomErasing(section.erase_area, (0.3, 3.3), p=section.erase))
        self.steps = nn.Sequential(*steps)
        drawn = section.rand_augment
        self.rand_augment = RandAugment(drawn, section.rand_augment_strength) if drawn else nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        """Changes images, float (B, 3, H, W) in [0, 1]."""
        images = self.rand_augment(images)
        if self._gamma > 0:
            exponent = torch.exp(math.log1p(self._gamma) * _symmetric(len(images), 1)).to(images)
            images = images.clamp(min=1e-4) ** exponent[..., None, None]
        images = self.steps(images)
        if self._noise > 0:
            noisy = (torch.rand(len(images), 1, 1, 1) < 0.5).to(images)
            images = images + noisy * self._noise * torch.randn_like(images)
        return images.clamp(0, 1)


def _symmetric(count: int, columns: int) -> Tensor:
    """Uniform in [-1, 1), float64 (count, columns), on the CPU, so that a seed means the same on every device."""
    return 2 * torch.rand(count, columns, dtype=torch.float64) - 1


def _rotations(angles: Tensor) -> Tensor:
    """Rz Ry Rx of angles (N, 3) about x, y and z, radians: (N, 3, 3)."""
    cosines, sines = angles.cos().unbind(1), angles.sin().unbind(1)
    turns = []
    for axis, (cosine, sine) in enumerate(zip(cosines, sines, strict=True)):
        turn = torch.eye(3, dtype=angles.dtype).repeat(len(angles), 1, 1)
        first, second = (axis + 1) % 3, (axis + 2) % 3
        turn[:, first, first] = turn[:, second, second] = cosine
        turn[:, first, second], turn[:, second, first] = -sine, sine
        turns.append(turn)
    return turns[2] @ turns[1] @ turns[0]
