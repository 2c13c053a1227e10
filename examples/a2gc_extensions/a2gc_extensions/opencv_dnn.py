"""A runtime: OpenCV's own, which every robot with OpenCV has."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from a2gc_ros.errors import BackendError
from a2gc_ros.extract.runtime import Precision
from a2gc_ros.extract.spec import ModelSpec


class OpenCvDnn:
    """A model in OpenCV's module for networks.

    Args:
        model: ONNX file.
        spec: What it describes; not needed here.
        precision: ``fp32``; OpenCV computes in nothing else here.
        threads: OpenCV has one number of threads for everything it does, which is left alone.

    Raises:
        BackendError: OpenCV cannot load the file, or another precision was asked for.
    """

    name = "opencv-dnn"

    def __init__(self, model: Path, spec: ModelSpec, precision: Precision, threads: int) -> None:  # noqa: ARG002
        if precision != "fp32":
            raise BackendError(f"opencv-dnn computes in fp32 only, not in {precision}; use precision fp32.")
        self.precision = precision
        try:
            self._net = cv2.dnn.readNetFromONNX(str(model))
        except cv2.error as error:
            raise BackendError(f"OpenCV cannot load {model} ({error.err}); take another runtime.") from None

    def __call__(self, batch: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Descriptors (N, D) of prepared images (N, height, width, 3), RGB."""
        try:
            # One by one: OpenCV plans its memory for the first shape that it sees.
            return np.concatenate([self._one(image) for image in batch])
        except cv2.error as error:
            raise BackendError(f"OpenCV failed ({error.err}).") from None

    def _one(self, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        self._net.setInput(image[None], "images")
        return np.asarray(self._net.forward("descriptor"), dtype=np.float32)
