"""The calibration of one topic's images, as they come."""

from __future__ import annotations

import threading
from typing import Final

import numpy as np

from a2gc_ros.errors import CalibrationError
from a2gc_ros.images.calibration import CameraCalibration, Rectification, fitted
from a2gc_ros.images.frame import CameraIntrinsics

_REMEMBERED: Final = 32
"""Calibrations and sizes of which is known what comes of them."""

_MOST_NOTES: Final = 16


class ImageCalibration:
    """The calibration of one topic's images, whatever their size; what had to be assumed or refused is noted once.

    Any thread may use it.
    """

    def __init__(self, topic: str, rectification: Rectification = "auto") -> None:
        self._topic = topic
        self._rectification = rectification
        self._lock = threading.Lock()
        self._current: CameraCalibration | None = None
        self._known: dict[tuple[CameraCalibration, int, int], tuple[CameraIntrinsics | None, str]] = {}
        self._notes: dict[str, None] = {}

    @property
    def notes(self) -> tuple[str, ...]:
        """What was assumed or refused so far, each in a sentence."""
        with self._lock:
            return tuple(self._notes)

    @property
    def current(self) -> CameraCalibration | None:
        """What the camera said last."""
        with self._lock:
            return self._current

    def use(self, calibration: CameraCalibration) -> None:
        """Takes what the camera says now."""
        with self._lock:
            if self._current is None or not _equal(calibration, self._current):
                self._current = calibration

    def at(
        self, width: int, height: int, calibration: CameraCalibration | None = None
    ) -> tuple[CameraIntrinsics | None, str]:
        """Returns the calibration of images of a size; or None, and why there is none.

        Args:
            width: Columns of the images.
            height: Their rows.
            calibration: What the camera said at their time; None for what it said last.
        """
        with self._lock:
            said = calibration or self._current
            if said is None:
                return None, "no camera_info has come"
            key = (said, width, height)
            if key not in self._known:
                if len(self._known) >= _REMEMBERED:
                    self._known.clear()
                self._known[key] = self._fit(said, width, height)
            return self._known[key]

    def _fit(self, calibration: CameraCalibration, width: int, height: int) -> tuple[CameraIntrinsics | None, str]:
        try:
            found = fitted(calibration, width, height, self._topic, self._rectification)
        except CalibrationError as error:
            self._note(f"no poses from {self._topic or 'the camera'}: {error}")
            return None, str(error)
        if found.assumed:
            self._note(f"{found.assumed}; if that is wrong, so are all poses")
        return found.intrinsics, ""

    def _note(self, sentence: str) -> None:
        if len(self._notes) < _MOST_NOTES:
            self._notes[sentence] = None


def _equal(a: CameraCalibration, b: CameraCalibration) -> bool:
    """Says whether two calibrations say the same; NaN equals NaN."""
    arrays = all(
        np.array_equal(getattr(a, name), getattr(b, name), equal_nan=True)
        for name in ("matrix", "distortion", "rotation", "projection")
    )
    return arrays and all(
        getattr(a, name) == getattr(b, name) for name in ("width", "height", "model", "window", "binning")
    )
