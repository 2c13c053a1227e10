"""TensorRT-RTX: engines that are built without a GPU and run on every GeForce and workstation RTX since Ampere."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import tensorrt_rtx as trt

from a2gc_ros.errors import BackendError
from a2gc_ros.extract.engines.key import ON_GPU, EngineOptions
from a2gc_ros.extract.engines.library import EngineLibrary, EngineRuntime
from a2gc_ros.extract.gpu import Gpu
from a2gc_ros.extract.runtime import Precision
from a2gc_ros.system.files import write_whole

RUNS_ON, AND_FROM = ("8.0", "8.6", "8.9"), 12.0
"""Compute capabilities: what TensorRT-RTX 1.7 names when it refuses to load an engine."""

SUPPORTED = f"{', '.join(RUNS_ON)}, and from {AND_FROM} on"


class TensorRtRtx(EngineLibrary):
    """TensorRT-RTX; arguments as in :class:`EngineLibrary`.

    It makes an engine's kernels on the GPU when they first run; they are kept beside the engine.
    """

    name = "tensorrt-rtx"
    trt = trt
    # It records CUDA graphs by itself.
    records = False

    _kernels: Any = None

    def target(self, precision: Precision, options: EngineOptions) -> Gpu:  # noqa: ARG002
        """All GPUs that engines run on by default."""
        if options.dla_core != ON_GPU:
            raise BackendError("TensorRT-RTX knows no DLA cores; use the backend tensorrt, or dla_core -1.")
        return Gpu("RTX", SUPPORTED)

    def check(self, gpu: Gpu) -> None:
        """Refuses GPUs of data centers and boards, such as H100 and Orin."""
        if gpu.compute_capability not in RUNS_ON and float(gpu.compute_capability) < AND_FROM:
            raise BackendError(
                f"TensorRT-RTX does not run on the {gpu.name} (compute capability {gpu.compute_capability}; it takes "
                f"{SUPPORTED}); use the backend tensorrt or onnxruntime-cuda."
            )

    def context(self, engine: Any, memory: Any) -> Any:
        """A context with the library's own CUDA graphs, and with the kernels of earlier runs on this GPU."""
        config = engine.create_runtime_config()
        config.set_execution_context_allocation_strategy(memory)
        config.cuda_graph_strategy = trt.CudaGraphStrategy.WHOLE_GRAPH_CAPTURE
        # At the first run of a shape, instead of behind the robot's back while it drives.
        config.dynamic_shapes_kernel_specialization_strategy = trt.DynamicShapesKernelSpecializationStrategy.EAGER
        if self._kernels is None:
            self._kernels = config.create_runtime_cache()
            with suppress(OSError):
                self._kernels.deserialize(self._kernel_file.read_bytes())
        config.set_runtime_cache(self._kernels)
        return engine.create_execution_context(config)

    def warmed_up(self) -> None:
        """Keeps the kernels that were made for this GPU."""
        write_whole(self._kernel_file, bytes(self._kernels.serialize()))

    @property
    def _kernel_file(self) -> Path:
        from a2gc_ros.extract.engines.cuda_calls import first_gpu

        gpu = re.sub("[^a-z0-9]+", "-", first_gpu().name.lower())
        return self.cache.folder / f"{self.key.stem}-{gpu}.kernels"


class TensorRtRtxRuntime(EngineRuntime):
    """A model in TensorRT-RTX; arguments and errors as in :class:`EngineRuntime`."""

    library = TensorRtRtx
