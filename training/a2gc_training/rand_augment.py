"""RandAugment (Cubuk et al., arXiv 1909.13719) with the operations and magnitudes that torchvision gives it.

The papers of this line trained with torchvision's class. Its table has fourteen operations and thirty-one magnitudes;
other libraries' tables differ in both. Operations are those of Pillow on eight bits, applied to all images of a batch
that drew the same one.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

BINS = 31
"""Magnitudes go from 0 to 30."""

MAX_SHIFT = 150 / 331
"""Of the image's side."""

ENHANCEMENTS = ("Brightness", "Color", "Contrast", "Sharpness")
MOST = {"ShearX": 0.3, "ShearY": 0.3, "Rotate": 30.0, **dict.fromkeys(ENHANCEMENTS, 0.9)}
"""Largest magnitudes; rotations in degrees."""

MAX_POSTERIZED_BITS = 4

GRAY = (19595 / 65536, 38470 / 65536, 7471 / 65536)
"""As Pillow rounds 0.299, 0.587 and 0.114."""

EPSILON = 1e-3
"""So that a value which is whole but for rounding is not cut to the one below it."""

SMOOTH = ((1, 1, 1), (1, 5, 1), (1, 1, 1))

SIGNED = frozenset({"TranslateX", "TranslateY", *MOST})
"""Operations whose magnitude is negated half of the time."""


def magnitude_of(operation: str, level: int, height: int, width: int) -> float:
    """What a magnitude of 0 to 30 means to an operation; 0 for those that have none."""
    share = level / (BINS - 1)
    if operation == "Posterize":
        # Bits that are kept; round() is half to even, as torch's is.
        return 8 - round(level / ((BINS - 1) / MAX_POSTERIZED_BITS))
    if operation == "Solarize":
        return 255 * (1 - share)
    most = {"TranslateX": MAX_SHIFT * width, "TranslateY": MAX_SHIFT * height}
    return {**MOST, **most}.get(operation, 0.0) * share


class RandAugment(nn.Module):
    """Applies operations drawn anew for every image, each with the same magnitude.

    Args:
        count: Operations applied to an image, one after the other; the same may come twice.
        level: Their magnitude, 0 to 30.
    """

    def __init__(self, count: int, level: int) -> None:
        super().__init__()
        self._count = count
        self._level = level

    def forward(self, images: Tensor) -> Tensor:
        """Changes images, float (B, 3, H, W) in [0, 1]."""
        height, width = images.shape[-2:]
        pixels = (255 * images).round()
        for _ in range(self._count):
            # On the CPU, so that a seed means the same on every device.
            drawn = torch.randint(len(OPERATIONS), (len(images),))
            signs = 1 - 2 * torch.randint(2, (len(images),))
            changed = pixels.clone()
            for number, (name, operation) in enumerate(OPERATIONS.items()):
                rows = (drawn == number).nonzero()[:, 0]
                if len(rows):
                    magnitudes = torch.full((len(rows),), magnitude_of(name, self._level, height, width))
                    if name in SIGNED:
                        magnitudes = magnitudes * signs[rows]
                    rows = rows.to(images.device)
                    changed[rows] = operation(pixels[rows], magnitudes.to(images)).round().clamp(0, 255)
            pixels = changed
        return pixels / 255


def _rotate(pixels: Tensor, magnitude: Tensor) -> Tensor:
    """Counter-clockwise about the center, degrees."""
    height, width = pixels.shape[-2:]
    x, y = width / 2, height / 2
    cosine, sine = magnitude.deg2rad().cos(), magnitude.deg2rad().sin()
    return _warped(pixels, [[cosine, -sine, x - cosine * x + sine * y], [sine, cosine, y - sine * x - cosine * y]])


def _warped(pixels: Tensor, matrix: list[list[Tensor | float]]) -> Tensor:
    """Looks up each pixel at ``matrix @ (x, y, 1)``, in pixels from the upper left corner; black outside."""
    batch, _, height, width = pixels.shape
    across = torch.arange(width, device=pixels.device) + 0.5
    down = torch.arange(height, device=pixels.device)[:, None] + 0.5
    rows = []
    for (a, b, c), side in zip(matrix, (width, height), strict=True):
        a, b, c = (torch.as_tensor(v, dtype=pixels.dtype, device=pixels.device).reshape(-1, 1, 1) for v in (a, b, c))
        rows.append((2 * (a * across + b * down + c) / side - 1).expand(batch, height, width))
    return (functional.grid_sample(pixels, torch.stack(rows, dim=-1), align_corners=False) + EPSILON).floor()


def _sharpness(pixels: Tensor, magnitude: Tensor) -> Tensor:
    kernel = torch.tensor(SMOOTH, dtype=pixels.dtype, device=pixels.device)
    smooth = pixels.clone()
    weight = (kernel / kernel.sum()).expand(pixels.shape[1], 1, 3, 3)
    smooth[..., 1:-1, 1:-1] = functional.conv2d(pixels, weight, groups=pixels.shape[1]).round()
    return _away_from(smooth, pixels, magnitude)


def _away_from(plain: Tensor, pixels: Tensor, magnitude: Tensor) -> Tensor:
    """From a degenerate image through the image and beyond it, cut to whole values as Pillow does."""
    return (plain + (1 + magnitude[:, None, None, None]) * (pixels - plain) + EPSILON).floor()


def _gray(pixels: Tensor) -> Tensor:
    weights = torch.tensor(GRAY, dtype=pixels.dtype, device=pixels.device)
    return ((weights[:, None, None] * pixels).sum(dim=1, keepdim=True) + 0.5).floor()


def _posterize(pixels: Tensor, bits: Tensor) -> Tensor:
    step = 2 ** (8 - bits[:, None, None, None])
    return (pixels / step).floor() * step


def _auto_contrast(pixels: Tensor) -> Tensor:
    low, high = pixels.amin(dim=(2, 3), keepdim=True), pixels.amax(dim=(2, 3), keepdim=True)
    return torch.where(high > low, ((pixels - low) * 255 / (high - low).clamp(min=1)).floor(), pixels)


def _equalize(pixels: Tensor) -> Tensor:
    """Pillow's: ranks of values in each channel, the brightest one not counted."""
    values = pixels.flatten(2).flatten(0, 1).long()
    histogram = torch.zeros(len(values), 256, dtype=torch.long, device=pixels.device)
    histogram.scatter_add_(1, values, torch.ones_like(values))
    step = (values.shape[1] - histogram.gather(1, values.amax(dim=1, keepdim=True))) // 255
    below = histogram.cumsum(dim=1) - histogram
    table = ((step // 2 + below) // step.clamp(min=1)).clamp(max=255)
    ranked = torch.where(step > 0, table.gather(1, values), values)
    return ranked.reshape(pixels.shape).to(pixels)


OPERATIONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "Identity": lambda pixels, _: pixels,
    "ShearX": lambda pixels, slope: _warped(pixels, [[1, slope, 0], [0, 1, 0]]),
    "ShearY": lambda pixels, slope: _warped(pixels, [[1, 0, 0], [slope, 1, 0]]),
    "TranslateX": lambda pixels, shift: _warped(pixels, [[1, 0, -shift.trunc()], [0, 1, 0]]),
    "TranslateY": lambda pixels, shift: _warped(pixels, [[1, 0, 0], [0, 1, -shift.trunc()]]),
    "Rotate": _rotate,
    "Brightness": lambda pixels, more: _away_from(torch.zeros_like(pixels), pixels, more),
    "Color": lambda pixels, more: _away_from(_gray(pixels), pixels, more),
    "Contrast": lambda pixels, more: _away_from(_gray(pixels).mean(dim=(2, 3), keepdim=True).round(), pixels, more),
    "Sharpness": _sharpness,
    "Posterize": _posterize,
    "Solarize": lambda pixels, bound: torch.where(pixels < bound[:, None, None, None], pixels, 255 - pixels),
    "AutoContrast": lambda pixels, _: _auto_contrast(pixels),
    "Equalize": lambda pixels, _: _equalize(pixels),
}
"""Changes of images, float (B, 3, H, W) holding 0 to 255, by magnitudes (B,)."""
