"""SIFT and ORB by OpenCV."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Final

import cv2
import numpy as np
import numpy.typing as npt

from a2gc_ros.loops.local_features import DescriptorForm, Detected, LocalFeatureDetector, normalized

_STEPS: Final = 512
"""A byte reaches to 0.5 of RootSIFT."""

_WAVE_STEPS: Final = 64

MOST_CORNERS: Final = 600
"""Corners of an image at most: as many points as SIFT finds in the demo's images."""

CORNERS: Final = (0.65, 0.25, 0.1)
"""Shares of them in the image, at half and at a quarter of its size."""

LEAST_RESPONSE: Final = 0.002
"""Of a corner, as a share of the strongest one's."""

APART: Final = 3.0
"""Least distance between corners, pixels."""

_CORNER_SIZE: Final = 4.03
"""Diameter of a point in the first layer of SIFT's pyramid, pixels: 2 * 1.6 * 2^(1/3)."""

_LEAST_SIDE: Final = 16
_UNTIL: Final = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 10, 0.03)


class _OpenCv(LocalFeatureDetector):
    """A detector of OpenCV.

    Attributes:
        finest: Size of a keypoint, pixels, up to which it is placed as exactly as any; from there its error grows with
            the size.
    """

    finest: ClassVar[float]
    _detector: cv2.Feature2D

    def detect(self, image: npt.NDArray[np.uint8]) -> Detected:
        """Finds the features of an image, RGB, uint8 (H, W, 3)."""
        keypoints, raw = self.found(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))
        if raw is None or len(keypoints) == 0:
            nothing = np.empty(0, dtype=np.float32)
            return Detected(np.empty((0, 2)), nothing, np.empty((0, 1), dtype=np.float32))
        points = np.asarray(cv2.KeyPoint.convert(keypoints), dtype=np.float64)
        sizes = np.array([keypoint.size for keypoint in keypoints], dtype=np.float32)
        return Detected(points, np.maximum(sizes / np.float32(self.finest), 1), self.unit(np.asarray(raw)))

    def found(self, gray: npt.NDArray) -> tuple[Sequence[cv2.KeyPoint], npt.NDArray | None]:
        """Returns the keypoints of a gray image, uint8 (H, W), and OpenCV's descriptors of them."""
        return self._detector.detectAndCompute(gray, None)

    @staticmethod
    @abstractmethod
    def unit(raw: npt.NDArray) -> npt.NDArray[np.float32]:
        """Returns OpenCV's descriptors at length 1."""


def _bytes(descriptors: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Returns SIFT descriptors (N, 128) in steps of 1/512."""
    return np.clip(np.round(descriptors * _STEPS), 0, 255).astype(np.uint8)


def _waves() -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Returns waves over the 4x4 cells of a SIFT descriptor and over its 8 directions, a row each, and their order.

    Cosines (DCT-II) over rows and columns, (16, 16), and a Fourier series, (8, 8), both orthonormal. Cells and
    directions next to one another are alike, so most of a descriptor lies in few products of both: the slow ones, which
    go first.
    """
    line, turns = np.arange(4), np.array([0, 1, 1, 2, 2, 3, 3, 4])
    cosines = np.cos(np.pi / 4 * np.outer(line, line + 0.5))
    quarters = np.array([0, 0, 1, 0, 1, 0, 1, 0])[:, np.newaxis]
    series = np.cos(np.pi / 4 * np.outer(turns, np.arange(8)) - np.pi / 2 * quarters)
    speed = np.add.outer(np.add.outer(line, line), turns).ravel()
    cells = normalized(np.kron(cosines, cosines).astype(np.float32))
    return cells, normalized(series.astype(np.float32)), np.argsort(speed, kind="stable")


_CELLS, _DIRECTIONS, _SLOW_FIRST = _waves()
_PLACES: Final = np.argsort(_SLOW_FIRST)


def _spectra(descriptors: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Returns SIFT descriptors (N, 128) as waves in steps of 1/64, (128, N): none of a unit vector is beyond 64."""
    count = len(descriptors)
    series = _DIRECTIONS @ descriptors.T.reshape(16, 8, count)
    waves = (_CELLS @ series.reshape(16, 8 * count)).reshape(128, count)[_SLOW_FIRST]
    return np.round(waves * _WAVE_STEPS).astype(np.int8).view(np.uint8)


def _of_spectra(raw: npt.NDArray[np.uint8], count: int) -> npt.NDArray[np.float32]:
    """Returns the descriptors (N, 128) of what :func:`_spectra` gave."""
    waves = raw.view(np.int8).reshape(128, count)[_PLACES].astype(np.float32)
    series = (_CELLS.T @ waves.reshape(16, 8 * count)).reshape(16, 8, count)
    return normalized((_DIRECTIONS.T @ series).reshape(128, count).T)


def _signs(bits: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Returns bits (N, 32) as +-1 at length 1, (N, 256): the scalar product of two is (bits - 2 Hamming distance)."""
    signs = np.unpackbits(bits, axis=1).astype(np.float32) * 2 - 1
    return signs / np.float32(np.sqrt(max(1, signs.shape[1])))


class Sift(_OpenCv):
    """RootSIFT (Arandjelovic and Zisserman, CVPR 2012): compares histograms by the Hellinger kernel.

    Kept as its spectrum in steps of 1/64, wave by wave of all features together, deflated: 59 bytes a feature. Older
    forms have a byte for each value, in steps of 1/512: the second deflated, value by value, 102 bytes a feature; the
    first feature by feature.
    """

    forms: ClassVar[tuple[DescriptorForm, ...]] = (
        DescriptorForm("rootsift/3", 128, _spectra, _of_spectra, deflated=True, planes=True),
        DescriptorForm(
            "rootsift/2",
            128,
            lambda descriptors: np.ascontiguousarray(_bytes(descriptors).T),
            lambda raw, count: normalized(raw.reshape(128, count).T.astype(np.float32)),
            deflated=True,
        ),
        DescriptorForm(
            "rootsift/1", 128, _bytes, lambda raw, count: normalized(raw.reshape(count, 128).astype(np.float32))
        ),
    )
    ratio = 0.85
    # Measured on 7,497 matches of the demo recording: 0.17 pixels below, 0.03 times the size above.
    finest = 6.0

    def __init__(self, count: int) -> None:
        self._detector = cv2.SIFT.create(count)

    @staticmethod
    def unit(raw: npt.NDArray) -> npt.NDArray[np.float32]:
        """Returns the roots of the histograms' shares."""
        return np.sqrt(raw / np.maximum(raw.sum(axis=1, keepdims=True), 1e-12)).astype(np.float32)


class Corners(Sift):
    """RootSIFT of corners (Shi and Tomasi, CVPR 1994) of the image and of smaller copies, upright.

    SIFT's own search for points begins at twice the size of the image; without it features take half the time. What is
    lost: a camera that is rolled against the map's does not agree with it.
    """

    # The same descriptor, but of other points: one kind is never compared with the other.
    forms = (replace(Sift.forms[0], name="corners/1"),)
    finest = _CORNER_SIZE

    def __init__(self, count: int) -> None:
        self._count = min(count, MOST_CORNERS)
        super().__init__(self._count)

    def found(self, gray: npt.NDArray) -> tuple[Sequence[cv2.KeyPoint], npt.NDArray | None]:
        """Finds corners of a gray image, uint8 (H, W), and describes them."""
        keypoints: list[cv2.KeyPoint] = []
        level = gray
        for octave, share in enumerate(CORNERS):
            level = level if octave == 0 else cv2.pyrDown(level)
            if min(level.shape) < _LEAST_SIDE:
                break
            corners = cv2.goodFeaturesToTrack(level, max(1, round(share * self._count)), LEAST_RESPONSE, APART)
            if corners is None:
                continue
            exact = cv2.cornerSubPix(level, corners, (3, 3), (-1, -1), _UNTIL).reshape(-1, 2)
            # The smaller image keeps every second pixel. In SIFT's pyramid a point names its octave and layer.
            size, place = _CORNER_SIZE * 2**octave, octave | 1 << 8
            keypoints += [cv2.KeyPoint(x, y, size, 0.0, 1.0, place) for x, y in (exact * 2**octave).tolist()]
        return self._detector.compute(gray, keypoints) if keypoints else ((), None)


class Orb(_OpenCv):
    """ORB (Rublee et al., ICCV 2011), for small computers; kept as its 256 bits."""

    forms = (
        DescriptorForm(
            "orb/1",
            32,
            lambda descriptors: np.packbits(descriptors > 0, axis=1),
            lambda raw, count: _signs(raw.reshape(count, 32)),
        ),
    )
    ratio = 0.9
    finest = 31.0

    def __init__(self, count: int) -> None:
        self._detector = cv2.ORB.create(count)

    @staticmethod
    def unit(raw: npt.NDArray) -> npt.NDArray[np.float32]:
        """Returns the bits as +-1, at length 1."""
        return _signs(raw)
