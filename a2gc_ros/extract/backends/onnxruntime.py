"""ONNX Runtime on the CPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from a2gc_ros.errors import BackendError
from a2gc_ros.extract.runtime import Precision
from a2gc_ros.system.memory import return_freed_memory

_ERRORS_ONLY = 3


class OnnxRuntime:
    """A model in an ONNX Runtime session.

    Args:
        path: ONNX file.
        precision: ``fp32``, or ``int8`` for a quantized file.
        threads: Number of threads; 0 for one per physical core.

    Raises:
        BackendError: ONNX Runtime cannot load the file, or does not compute in this precision.
    """

    name = "onnxruntime"

    def __init__(self, path: Path, precision: Precision, threads: int) -> None:
        if precision not in ("fp32", "int8"):
            raise BackendError(
                f"ONNX Runtime does not compute in {precision} on a CPU; use precision auto, or OpenVINO."
            )
        self.precision = precision
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = _ERRORS_ONLY
        # Threads that spin while they wait take the cores from everything else on the robot.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), sess_options=options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime raises classes of its own that share only Exception
            raise BackendError(f"ONNX Runtime cannot load {path} ({error}); export it again.") from None
        return_freed_memory()

    def __call__(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Descriptors (N, D) of images (N, height, width, 3)."""
        try:
            (descriptors,) = self._session.run(["descriptor"], {"images": batch})
        except Exception as error:  # as above
            raise BackendError(f"ONNX Runtime failed ({error}).") from None
        return np.asarray(descriptors, dtype=np.float32)
