"""OpenVINO on the CPU."""

from __future__ import annotations

import functools
import threading
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from a2gc_ros.errors import BackendError
from a2gc_ros.extract.backends.openvino_stem import split_stem
from a2gc_ros.extract.runtime import Precision
from a2gc_ros.system.libraries import imported_without
from a2gc_ros.system.memory import release_code, return_freed_memory

# It would import its converter of models, which imports an HTTP client and telemetry: 13 MB.
openvino = imported_without("openvino", "openvino.tools.ovc")

_HINTS: dict[Precision, str] = {"fp32": "f32", "bf16": "bf16", "fp16": "f16", "int8": "f32", "int8-bf16": "bf16"}


class OpenVinoRuntime:
    """A model compiled for this CPU, for one image at a time.

    A fixed batch of one lets OpenVINO plan all of its memory and makes the descriptor of an image independent of
    what else is in the batch; on a CPU larger batches are not faster.

    Args:
        path: ONNX file.
        precision: What to compute in; ``int8`` runs a quantized file, its float parts in float32, and
            ``int8-bf16`` in bfloat16. What is in bfloat16 has the first block of a convolutional network in float32.
        threads: Number of threads; 0 for one per physical core.

    Raises:
        BackendError: OpenVINO cannot load the file, or the CPU lacks the precision.
    """

    name = "openvino"

    def __init__(self, path: Path, precision: Precision, threads: int) -> None:
        self.precision = precision
        core = _core()
        offered = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        # It calls them as we do: INT8 and BF16, say.
        if not set(precision.upper().split("-")) <= set(offered):
            raise BackendError(f"This CPU does not compute in {precision} under OpenVINO; use precision auto.")
        settings: dict[str, object] = {
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": 1,
            "INFERENCE_PRECISION_HINT": _HINTS[precision],
            # Pinned threads of two processes meet on the same core, and each then has half of it.
            "ENABLE_CPU_PINNING": False,
        }
        if threads:
            settings["INFERENCE_NUM_THREADS"] = threads
        try:
            model = core.read_model(path)
            shape = model.input("images").partial_shape
            shape[0] = 1
            model.reshape({"images": shape})
            parts = split_stem(model) if _HINTS[precision] == "bf16" else None
            stem, rest = parts or (None, model)
            self._request = core.compile_model(rest, "CPU", settings).create_infer_request()
            self._stem = None
            if stem is not None:
                settings["INFERENCE_PRECISION_HINT"] = "f32"
                self._stem = core.compile_model(stem, "CPU", settings).create_infer_request()
        except RuntimeError as error:
            raise BackendError(f"OpenVINO cannot load {path} ({_last_line(error)}); export it again.") from None
        # The uncompiled model first: it holds weights of its own.
        del model, parts, stem, rest
        return_freed_memory()
        release_code(Path(openvino.__path__[0]))
        self._lock = threading.Lock()

    def __call__(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Descriptors (N, D) of images (N, height, width, 3)."""
        try:
            with self._lock:
                rows = [self._one(batch[i : i + 1]) for i in range(len(batch))]
        except RuntimeError as error:
            raise BackendError(f"OpenVINO failed ({_last_line(error)}).") from None
        return np.concatenate(rows)

    def _one(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        inputs = image
        if self._stem is not None:
            inputs = self._stem.infer([image], share_inputs=True, share_outputs=True)[0]
        outputs = self._request.infer([inputs], share_inputs=True, share_outputs=True)
        return np.array(outputs["descriptor"], dtype=np.float32)


@functools.cache
def _core() -> Any:
    """The one core of this process, which is never let go.

    Its CPU plugin gives the thread that starts it another stack for signal handlers, and frees that stack in whichever
    thread the last model goes: the next signal would then end the process.
    """
    return openvino.Core()


def _last_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
