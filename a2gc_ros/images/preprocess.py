"""The resize a model was trained with."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from a2gc_ros.errors import ConfigError, ImageError
from a2gc_ros.images.resample import Interpolation, resize_antialiased

ResizeRule = Literal["squash", "keep_aspect"]

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

USEFUL = 8
"""Pixels for each of the input's, in either direction, that are enough where many images are looked at together."""

_PLAIN_INTERPOLATION = {"bilinear": cv2.INTER_LINEAR, "bicubic": cv2.INTER_CUBIC}


@dataclass(frozen=True)
class Preprocessing:
    """How an image becomes a model's input.

    Attributes:
        height: Rows of the model's input, pixels.
        width: Columns of the model's input, pixels.
        resize: ``squash`` ignores the aspect ratio; ``keep_aspect`` resizes until the input is just covered,
            then crops the center.
        interpolation: Kernel of the resize.
        antialias: Whether the kernel widens when the image shrinks, as in Pillow and in torchvision's
            ``antialias=True``; without it, OpenCV's plain interpolation, which torch's equals.
        mean: Per channel, R, G, B; subtracted from intensities in [0, 1].
        std: Per channel, R, G, B; divides what is left.
    """

    height: int
    width: int
    resize: ResizeRule = "squash"
    interpolation: Interpolation = "bilinear"
    antialias: bool = True
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD

    def __post_init__(self) -> None:
        for name in ("height", "width"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ConfigError(f"The preprocessing's {name} is {value!r}; it must be a whole number from 1.")
        for name, allowed in (("resize", get_args(ResizeRule)), ("interpolation", get_args(Interpolation))):
            value = getattr(self, name)
            if value not in allowed:
                raise ConfigError(f"The preprocessing's {name} is {value!r}; choose {' or '.join(allowed)}.")
        if not isinstance(self.antialias, bool):
            raise ConfigError(f"The preprocessing's antialias is {self.antialias!r}; it must be true or false.")
        for name in ("mean", "std"):
            values = getattr(self, name)
            if len(values) != 3 or not all(math.isfinite(v) for v in values):
                raise ConfigError(f"The preprocessing's {name} is {values!r}; it must be three finite numbers.")
        if min(self.std) <= 0:
            raise ConfigError(f"The preprocessing's std is {self.std!r}; all three must be above zero.")

    @property
    def useful_size(self) -> tuple[int, int] | None:
        """(height, width) above which pixels no longer matter to statistics of images, as ``max_size`` of a decoder.

        A JPEG decoded at a fraction of its size consists of the means of its pixels. A resize of it averages them with
        a kernel in steps, which shows the less the more steps there are: one pixel in 17 is then another by one gray
        level, and the shipped model's descriptor turns to a cosine of 0.996 at least (0.9986 with twice the pixels,
        0.9988 with 2.5 times). That is nothing to the mean of many images, and too much for a descriptor that is kept.
        Without antialiasing every pixel that is left out would have been a pixel looked at: None.
        """
        return (USEFUL * self.height, USEFUL * self.width) if self.antialias else None

    def apply(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Resizes an image to the model's input; normalization is the model's own work.

        Args:
            image: uint8 (H, W, 3), RGB.

        Returns:
            uint8 (height, width, 3), RGB, contiguous.

        Raises:
            ImageError: The image is not uint8 (H, W, 3) or is empty.
        """
        if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
            found = image.dtype if isinstance(image, np.ndarray) else type(image).__name__
            raise ImageError(f"An image of type {found} cannot be preprocessed; give a uint8 RGB array.")
        if image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
            raise ImageError(f"An image of shape {image.shape} cannot be preprocessed; give (H, W, 3).")
        if image.shape[:2] == (self.height, self.width):
            return np.ascontiguousarray(image)
        size, crop = self._geometry(image.shape[0], image.shape[1])
        if self.antialias:
            return resize_antialiased(image, size, self.interpolation, crop)
        resized = np.asarray(
            cv2.resize(image, (size[1], size[0]), interpolation=_PLAIN_INTERPOLATION[self.interpolation]),
            dtype=np.uint8,
        )
        top, left, rows, columns = crop
        return np.ascontiguousarray(resized[top : top + rows, left : left + columns])

    def _geometry(self, height: int, width: int) -> tuple[tuple[int, int], tuple[int, int, int, int]]:
        """Size to resize to, and the crop (top, left, height, width) of it that is the input."""
        if self.resize == "squash":
            return (self.height, self.width), (0, 0, self.height, self.width)
        if self.width * height >= self.height * width:
            size = (max(height * self.width // width, self.height), self.width)
        else:
            size = (self.height, max(width * self.height // height, self.width))
        # torchvision's CenterCrop rounds half to even, as round() does.
        top, left = round((size[0] - self.height) / 2), round((size[1] - self.width) / 2)
        return size, (top, left, self.height, self.width)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON or YAML; :meth:`from_dict` reads them back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Preprocessing:
        """Reads what :meth:`to_dict` wrote.

        Raises:
            ConfigError: An entry is missing, unknown, of the wrong type or out of range.
        """
        expected, found = set(cls.__dataclass_fields__), set(values)
        if expected != found:
            missing, surplus = sorted(expected - found), sorted(found - expected)
            raise ConfigError(f"A preprocessing lacks {missing or 'nothing'} and has unknown {surplus or 'nothing'}.")
        entries = dict(values)
        for name in ("mean", "std"):
            try:
                entries[name] = tuple(float(v) for v in entries[name])
            except (TypeError, ValueError):
                raise ConfigError(
                    f"The preprocessing's {name} is {values[name]!r}; it must be three finite numbers."
                ) from None
        return cls(**entries)
