"""ONNX Runtime on the GPU, by its CUDA or its TensorRT execution provider."""

from __future__ import annotations

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
from a2gc_ros.extract.gpu import has_gpu
from a2gc_ros.extract.runtime import Precision
from a2gc_ros.extract.spec import ModelSpec

_FATAL_ONLY = 4


class _GpuSession(ABC):
    """A model in a session whose first provider is one of a GPU's.

    Args:
        model: The ONNX file.
        spec: Its description.
        precision: What to compute in.
        options: Where engines are kept, and how they are built.

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
        if hasattr(onnxruntime, "preload_dlls"):
            # CUDA and cuDNN may lie in packages of NVIDIA's instead of in the system.
            onnxruntime.preload_dlls()
        settings = onnxruntime.SessionOptions()
        settings.log_severity_level = _FATAL_ONLY
        providers = [(self.provider, self._settings(spec, options)), "CPUExecutionProvider"]
        try:
            session = onnxruntime.InferenceSession(self._content(model), sess_options=settings, providers=providers)
        except Exception as error:  # onnxruntime raises classes of its own that share only Exception
            raise BackendError(f"{self.name} cannot load {model} ({_short(error)}).") from None
        # Where the provider does not start, it goes on on the CPU.
        if session.get_providers()[0] != self.provider:
            raise BackendError(
                f"ONNX Runtime's {self.provider} does not start here: CUDA, cuDNN or TensorRT of the version it was "
                "built for is missing; docs/install.md says how to install them."
            )
        self._session = session
        self(np.zeros((1, spec.preprocessing.height, spec.preprocessing.width, 3), np.uint8))

    def __call__(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Descriptors (N, D) of images (N, height, width, 3)."""
        parts = [self._run(batch[i : i + MOST_IMAGES]) for i in range(0, len(batch), MOST_IMAGES)]
        return np.concatenate(parts)

    def _run(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        try:
            descriptors = self._infer(batch)
        except Exception as error:  # as above
            raise BackendError(f"{self.name} failed ({_short(error)}).") from None
        return np.asarray(descriptors, dtype=np.float32)

    def _infer(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        return self._session.run(["descriptor"], {"images": batch})[0]

    def _content(self, model: Path) -> bytes:
        from a2gc_ros.extract.onnx_files.gpu_graph import typed_for_gpu

        return typed_for_gpu(model, self.precision)

    @abstractmethod
    def _settings(self, spec: ModelSpec, options: EngineOptions) -> dict[str, Any]:
        """Of the provider."""


class OnnxRuntimeCuda(_GpuSession):
    """ONNX Runtime by cuDNN and cuBLAS: starts at once, and is slower than an engine.

    Single images, which is what a camera gives, run as one recorded CUDA graph over buffers that stay in place.
    """

    name = "onnxruntime-cuda"
    provider = "CUDAExecutionProvider"
    precisions = ("fp32", "fp16")

    def __init__(self, model: Path, spec: ModelSpec, precision: Precision, options: EngineOptions) -> None:
        size = (1, spec.preprocessing.height, spec.preprocessing.width, 3)
        self._shapes = {"images": (size, np.uint8), "descriptor": ((1, spec.descriptor_dim), np.float32)}
        self._lock = threading.Lock()
        self._single: dict[str, Any] | None = None
        self._unrecorded = onnxruntime.RunOptions()
        self._unrecorded.add_run_config_entry("gpu_graph_id", "-1")
        super().__init__(model, spec, precision, options)

    def _settings(self, spec: ModelSpec, options: EngineOptions) -> dict[str, Any]:  # noqa: ARG002 - needs none
        return {"use_tf32": "0", "enable_cuda_graph": "1"}

    def _infer(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        # What is recorded belongs to one pair of buffers, and a session records in one thread at a time.
        with self._lock:
            if len(batch) > 1:
                return self._session.run(["descriptor"], {"images": batch}, self._unrecorded)[0]
            if self._single is None:
                self._single = self._bound()
            self._single["images"].update_inplace(batch)
            self._session.run_with_iobinding(self._single["binding"])
            return self._single["descriptor"].numpy()

    def _bound(self) -> dict[str, Any]:
        """Buffers of one image on the GPU, and the session's binding to them."""
        binding = self._session.io_binding()
        values = {
            name: onnxruntime.OrtValue.ortvalue_from_shape_and_type(shape, dtype, "cuda", 0)
            for name, (shape, dtype) in self._shapes.items()
        }
        binding.bind_ortvalue_input("images", values["images"])
        binding.bind_ortvalue_output("descriptor", values["descriptor"])
        return {**values, "binding": binding}


class OnnxRuntimeTensorRt(_GpuSession):
    """ONNX Runtime by TensorRT, which builds an engine at the first start and keeps it."""

    name = "onnxruntime-tensorrt"
    provider = "TensorrtExecutionProvider"
    precisions = ("fp32", "fp16", "bf16", "int8")

    def _settings(self, spec: ModelSpec, options: EngineOptions) -> dict[str, Any]:
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
        if self.precision in ("bf16", "int8"):
            settings[f"trt_{self.precision}_enable"] = "1"
        if options.workspace_mb:
            settings["trt_max_workspace_size"] = str(options.workspace_mb << 20)
        if options.dla_core != ON_GPU:
            settings |= {"trt_dla_enable": "1", "trt_dla_core": str(options.dla_core)}
        return settings


def _short(error: Exception) -> str:
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__
