"""TensorRT: engines for one GPU, tuned on it. On a Jetson it comes with JetPack."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import tensorrt as trt

from a2gc_ros.errors import BackendError
from a2gc_ros.extract.engines.build import log_of
from a2gc_ros.extract.engines.cuda_calls import first_gpu
from a2gc_ros.extract.engines.key import ON_GPU, EngineOptions
from a2gc_ros.extract.engines.library import EngineLibrary, EngineRuntime
from a2gc_ros.extract.gpu import Gpu
from a2gc_ros.extract.runtime import Precision
from a2gc_ros.system.files import write_whole

MAJOR = int(trt.__version__.split(".")[0])

OLDEST = 10
"""First major version that reads the operators of our files and types networks by their tensors."""


class TensorRt(EngineLibrary):
    """TensorRT 10 and newer; arguments as in :class:`EngineLibrary`."""

    name = "tensorrt"
    trt = trt
    records = True

    def target(self, precision: Precision, options: EngineOptions) -> Gpu:
        """The first GPU, or one of its DLA cores."""
        if MAJOR < OLDEST:
            raise BackendError(f"TensorRT {trt.__version__} is too old for these models; {OLDEST} is the oldest.")
        gpu = first_gpu()
        core = options.dla_core
        if core != ON_GPU and precision not in ("fp16", "int8"):
            raise BackendError(f"A DLA core does not compute in {precision}; ask for fp16 or int8.")
        if core != ON_GPU and core >= (there := trt.Runtime(log_of(trt)).num_DLA_cores):
            raise BackendError(
                f"dla_core is {core}, and TensorRT {trt.__version__} finds {there} DLA cores here; use -1 for the GPU."
            )
        return gpu

    @property
    def flags(self) -> int:
        """Typed by its tensors; before TensorRT 11 a DLA core wanted flags in place of types."""
        return 0 if self._flags_in_place_of_types else super().flags

    def configure(self, config: Any) -> None:
        """Sets workspace, timing cache and DLA core."""
        super().configure(config)
        try:
            known = self._timings.read_bytes()
        except OSError:
            known = b""
        timings = config.create_timing_cache(known)
        if timings is not None:
            config.set_timing_cache(timings, ignore_mismatch=False)
        if self.key.dla_core != ON_GPU:
            config.default_device_type = trt.DeviceType.DLA
            config.DLA_core = self.key.dla_core
            config.set_flag(trt.BuilderFlag.GPU_FALLBACK)
        if self._flags_in_place_of_types:
            for name in ("FP16", "INT8") if self.key.precision == "int8" else ("FP16",):
                config.set_flag(getattr(trt.BuilderFlag, name))

    def built(self, config: Any) -> None:
        """Keeps how fast each layer's kernels were, which makes the next build faster."""
        timings = config.get_timing_cache()
        if timings is not None:
            write_whole(self._timings, bytes(timings.serialize()))

    def context(self, engine: Any, memory: Any) -> Any:
        """An ordinary context."""
        return engine.create_execution_context(memory)

    @property
    def _flags_in_place_of_types(self) -> bool:
        return MAJOR < 11 and self.key.dla_core != ON_GPU

    @property
    def _timings(self) -> Path:
        key = self.key
        stem = f"{key.runtime}-{key.version}-{key.gpu}-{key.compute_capability}"
        return self.cache.folder / f"{re.sub('[^a-z0-9.]+', '-', stem.lower())}.timings"


class TensorRtRuntime(EngineRuntime):
    """A model in TensorRT; arguments and errors as in :class:`EngineRuntime`."""

    library = TensorRt
