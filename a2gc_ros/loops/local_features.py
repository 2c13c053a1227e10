"""The kinds of local features there are: ours, and those of installed packages."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from a2gc_ros.errors import ConfigError
from a2gc_ros.plugins import Registry, is_class_of


class Detected(NamedTuple):
    """What a detector finds in one image.

    Attributes:
        points: float64 (N, 2), pixels (x, y); the center of the first pixel is (0, 0).
        spreads: float32 (N,), how much less exactly each is placed than the best, at least 1.
        descriptors: float32 (N, d), L2-normalized: the cosine must order pairs as the feature's own distance does.
    """

    points: npt.NDArray[np.float64]
    spreads: npt.NDArray[np.float32]
    descriptors: npt.NDArray[np.float32]


@dataclass(frozen=True)
class DescriptorForm:
    """How descriptors are written into a map.

    Attributes:
        name: Of the features and this form of them, with a number: "rootsift/3".
        length: Bytes of a descriptor.
        pack: Of descriptors float32 (N, d), N at least one, their N times ``length`` bytes, uint8 in any shape.
        unpack: Of these bytes, flat, and of N, the descriptors float32 (N, d), L2-normalized.
        deflated: Whether the bytes are worth compressing.
        planes: Whether what goes before the descriptors is written as they are deflated best: the first bytes of all
            features, then all second ones.
    """

    name: str
    length: int
    pack: Callable[[npt.NDArray[np.float32]], npt.NDArray[np.uint8]]
    unpack: Callable[[npt.NDArray[np.uint8], int], npt.NDArray[np.float32]]
    deflated: bool = False
    planes: bool = False


def one_byte_each(name: str, dim: int) -> DescriptorForm:
    """Returns a form for descriptors of any kind: one byte for each of ``dim`` values, in steps of 1/127."""
    return DescriptorForm(
        name,
        dim,
        lambda descriptors: np.clip(np.round(descriptors * 127) + 128, 1, 255).astype(np.uint8),
        lambda raw, count: normalized(raw.reshape(count, dim).astype(np.float32) - 128),
    )


class LocalFeatureDetector(ABC):
    """Finds and describes points of an image; one for each thread, so it may keep what it likes.

    Args:
        count: At most so many per image, the strongest.

    Attributes:
        forms: How a map keeps the descriptors: the first is written, the others are of older maps and are read.
            Features of a map in none of them are not compared but found anew.
        ratio: Largest ratio of the distances (Euclidean, of unit descriptors) to the nearest and second nearest feature
            that is trusted.
    """

    forms: ClassVar[tuple[DescriptorForm, ...]]
    ratio: ClassVar[float]

    @abstractmethod
    def __init__(self, count: int) -> None: ...

    @abstractmethod
    def detect(self, image: npt.NDArray[np.uint8]) -> Detected:
        """Finds the features of an image, RGB, uint8 (H, W, 3); the same image always gives the same."""


def normalized(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Returns vectors (N, d) at length 1; those of no length stay."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.float32(1e-6))


FEATURES: Final[Registry[type[LocalFeatureDetector]]] = Registry(
    "local_features",
    "local feature",
    ConfigError,
    {
        "sift": "a2gc_ros.loops.verification.opencv_features:Sift",
        "corners": "a2gc_ros.loops.verification.opencv_features:Corners",
        "orb": "a2gc_ros.loops.verification.opencv_features:Orb",
    },
    fits=is_class_of(LocalFeatureDetector),
    kind="a class derived from a2gc_ros.loops.local_features.LocalFeatureDetector",
)
