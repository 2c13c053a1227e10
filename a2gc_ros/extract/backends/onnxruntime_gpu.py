"""ONNX Runtime on the GPU, by its CUDA or its TensorRT execution provider."""

from __future__ import annotations

import re
import threading
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from a2gc_ros.errors import BackendError
from a2gc_ros.extract.engines.cache import EngineCache
from a2gc_ros.extract.engines.key import MOST_IMAGES, ON_GPU, EngineOptions
from a2gc_ros.extract.gpu import OUT_OF_MEMORY, has_gpu, memory_mb, says_full
from a2gc_ros.extract.onnx_files.gpu_graph import typed_for_gpu
from a2gc_ros.extract.runtime import Precision
from a2gc_ros.extract.spec import ModelSpec

_FATAL_ONLY = 4
_FULL_FLOAT32 = {"use_tf32": "0"}
"""Float32 with all of its mantissa, as on a CPU."""


class _GpuSession(ABC):
    """A model in sessions whose first provider is one of a GPU's.

    Raises:
        BackendError: The provider is absent, finds no GPU, or does not compute in this precision.
    """

    name: ClassVar[str]
    provider: ClassVar[str]
    precisions: ClassVar[tuple[Precision, ...]]

    def __init__(self, model: Path, spec: ModelSpec, precision: Precision, options: EngineOptions) -> None:
        if precision not in self.precisions:
            raise BackendError(f"{self.name} does not compute in {precision}; use {' or '.join(self.precisions)}.")
        offered = onnxruntime.get_available_providers()
        if self.provider not in offered:
            raise BackendError(
                f"{self.name}: the onnxruntime that is installed has no {self.provider} (it has {', '.join(offered)}); "
                "put onnxruntime-gpu in its place."
            )
        if not has_gpu():
            raise BackendError(f"{self.name} finds no NVIDIA GPU here; use a CPU backend.")
        self.precision = precision
        self._model, self._spec, self._options = model, spec, options
        if hasattr(onnxruntime, "preload_dlls"):
            # CUDA and cuDNN may lie in packages of NVIDIA's instead of in the system.
            onnxruntime.preload_dlls()
        # What a provider logs by itself are kernels that it tried before it took another.
        onnxruntime.set_default_logger_severity(_FATAL_ONLY)
        self(np.zeros((1, spec.preprocessing.height, spec.preprocessing.width, 3), np.uint8))

    def __call__(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Descriptors (N, D) of images (N, height, width, 3)."""
        return np.concatenate([self._run(batch[i : i + MOST_IMAGES]) for i in range(0, len(batch), MOST_IMAGES)])

    def gpu_memory_mb(self) -> tuple[float, float] | None:
        """Memory of the GPU in use, by all processes, and in total, in 10^6 bytes; None where nobody tells."""
        return memory_mb()

    def _run(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        try:
            return np.asarray(self._describe(batch), dtype=np.float32)
        except BackendError:
            raise
        except Exception as error:  # onnxruntime raises classes of its own that share only Exception
            raise BackendError(f"{self.name} failed ({reason_of(error)}).") from None

    @abstractmethod
    def _describe(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Descriptors of no more images than the largest batch."""

    def _start(self, provider_settings: dict[str, Any]) -> onnxruntime.InferenceSession:
        """A session; raises BackendError where it does not start on the GPU."""
        settings = onnxruntime.SessionOptions()
        settings.log_severity_level = _FATAL_ONLY
        graph = typed_for_gpu(self._model, self.precision)
        try:
            session = onnxruntime.InferenceSession(
                graph,
                sess_options=settings,
                providers=[(self.provider, provider_settings), "CPUExecutionProvider"],
                # Otherwise it prints what is wrong, and goes on on the CPU.
                enable_fallback=0,
            )
        except Exception as error:  # as above
            if "install TensorRT" in str(error):
                raise self._lacks_libraries() from None
            raise BackendError(f"{self.name} cannot load {self._model} ({reason_of(error)}).") from None
        if session.get_providers()[0] != self.provider:
            raise self._lacks_libraries()
        return session

    def _lacks_libraries(self) -> BackendError:
        return BackendError(
            f"ONNX Runtime's {self.provider} does not start here: CUDA, cuDNN or TensorRT of the version it was built "
            "for is missing; docs/install.md says how to install them."
        )


class OnnxRuntimeCuda(_GpuSession):
    """ONNX Runtime by cuDNN and cuBLAS: starts at once.

    Single images, which is what a camera gives, run as one recorded CUDA graph. Batches have a session of their own,
    which starts with the first of them: they make cuDNN replace kernels that a recording would still call.
    """

    name = "onnxruntime-cuda"
    provider = "CUDAExecutionProvider"
    precisions = ("fp32", "fp16")
    _single: _Recorded | None = None
    _batches: onnxruntime.InferenceSession | None = None

    def __init__(self, model: Path, spec: ModelSpec, precision: Precision, options: EngineOptions) -> None:
        self._lock = threading.Lock()
        super().__init__(model, spec, precision, options)

    def _describe(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        with self._lock:
            if len(batch) == 1:
                if self._single is None:
                    self._single = _Recorded(self._start({**_FULL_FLOAT32, "enable_cuda_graph": "1"}), self._spec)
                return self._single(batch)
            if self._batches is None:
                self._batches = self._start(_FULL_FLOAT32)
            return self._batches.run(["descriptor"], {"images": batch})[0]


class _Recorded:
    """Single images through a session that records its first run and repeats it over the same two buffers."""

    def __init__(self, session: onnxruntime.InferenceSession, spec: ModelSpec) -> None:
        size = (1, spec.preprocessing.height, spec.preprocessing.width, 3)
        place = onnxruntime.OrtValue.ortvalue_from_shape_and_type
        self._images = place(size, np.uint8, "cuda", 0)
        self._descriptor = place((1, spec.descriptor_dim), np.float32, "cuda", 0)
        self._session = session
        self._binding = session.io_binding()
        self._binding.bind_ortvalue_input("images", self._images)
        self._binding.bind_ortvalue_output("descriptor", self._descriptor)

    def __call__(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        self._images.update_inplace(image)
        self._session.run_with_iobinding(self._binding)
        return self._descriptor.numpy()


class OnnxRuntimeTensorRt(_GpuSession):
    """ONNX Runtime by TensorRT, which builds an engine at the first start and keeps it."""

    name = "onnxruntime-tensorrt"
    provider = "TensorrtExecutionProvider"
    precisions = ("fp32", "fp16", "int8")
    _session: onnxruntime.InferenceSession | None = None

    def _describe(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        if self._session is None:
            self._session = self._start(self._settings())
        return self._session.run(["descriptor"], {"images": batch})[0]

    def _settings(self) -> dict[str, Any]:
        spec, options = self._spec, self._options
        folder = EngineCache(options.folder).subfolder(f"{self.name}-{spec.fingerprint[:12]}-{self.precision}")
        size = f"{spec.preprocessing.height}x{spec.preprocessing.width}x3"
        settings = {
            "trt_engine_cache_enable": "1",
            "trt_engine_cache_path": str(folder),
            "trt_timing_cache_enable": "1",
            "trt_timing_cache_path": str(folder),
            "trt_profile_min_shapes": f"images:1x{size}",
            "trt_profile_opt_shapes": f"images:1x{size}",
            "trt_profile_max_shapes": f"images:{MOST_IMAGES}x{size}",
            "trt_cuda_graph_enable": "0",
        }
        if self.precision in ("fp16", "int8"):
            settings["trt_fp16_enable"] = "1"
        if self.precision == "int8":
            settings["trt_int8_enable"] = "1"
        if options.workspace_mb:
            settings["trt_max_workspace_size"] = str(options.workspace_mb << 20)
        if options.dla_core != ON_GPU:
            settings |= {"trt_dla_enable": "1", "trt_dla_core": str(options.dla_core)}
        return settings


def reason_of(error: Exception) -> str:
    """The part of a message that is for people; ONNX Runtime puts places in its source around it."""
    text = str(error)
    if says_full(text):
        return OUT_OF_MEMORY
    told = re.search(r"(?:CUDA|CUBLAS|CUDNN) failure \d+: [^;]+", text)
    lines = [told[0].strip()] if told else text.splitlines()
    return lines[0] if lines else type(error).__name__
