"""Models as engines: what TensorRT and TensorRT-RTX share, and where they differ."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from a2gc_ros.errors import BackendError
from a2gc_ros.extract.engines.build import build_engine, failure, log_of, ran_out_of_memory
from a2gc_ros.extract.engines.cache import EngineCache, Obtained
from a2gc_ros.extract.engines.key import MOST_IMAGES, ON_GPU, EngineKey, EngineOptions
from a2gc_ros.extract.gpu import Gpu, memory_mb
from a2gc_ros.extract.runtime import Precision
from a2gc_ros.extract.spec import ModelSpec
from a2gc_ros.system.installation import needs

T = TypeVar("T")

PRECISIONS: tuple[Precision, ...] = ("fp32", "fp16", "bf16", "int8")

_log = logging.getLogger(__name__)


class EngineLibrary(ABC):
    """One of the two libraries, for one model.

    Attributes:
        name: The backend's name.
        trt: The library's module.
        records: Whether single images are to be recorded as a CUDA graph.
        key: What an engine on this machine must have been built of and for.
        cache: Where engines are kept.

    Raises:
        BackendError: The library is too old, has no GPU where it needs one, or does not do what is asked.
    """

    name: ClassVar[str]
    trt: ClassVar[Any]
    records: ClassVar[bool]

    def __init__(self, spec: ModelSpec, precision: Precision, options: EngineOptions) -> None:
        if precision not in PRECISIONS:
            raise BackendError(f"{self.name} does not compute in {precision}; use {' or '.join(PRECISIONS)}.")
        gpu = self.target(precision, options)
        self.key = EngineKey(
            spec.name,
            spec.fingerprint,
            precision,
            self.name,
            self.trt.__version__,
            gpu.name,
            gpu.compute_capability,
            options.dla_core,
            options.workspace_mb,
            # A DLA core takes batches of one size only.
            most_images=MOST_IMAGES if options.dla_core == ON_GPU else 1,
        )
        self.cache = EngineCache(options.folder)

    @abstractmethod
    def target(self, precision: Precision, options: EngineOptions) -> Gpu:
        """The GPU that engines are built for, or the family of them; raises BackendError for what cannot be built."""

    @abstractmethod
    def context(self, engine: Any, memory: Any) -> Any:
        """An execution context with the library's strategy for its memory, or None where there is no memory for it."""

    def check(self, gpu: Gpu) -> None:  # noqa: B027 - one library runs on every GPU
        """Refuses a GPU that engines do not run on, before one is built; raises BackendError."""

    @property
    def flags(self) -> int:
        """Of the network: tensors have the types that the graph states."""
        return 1 << int(self.trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)

    def configure(self, config: Any) -> None:
        """Limits the scratch space of a layer, where a limit is asked for."""
        if self.key.workspace_mb:
            config.set_memory_pool_limit(self.trt.MemoryPoolType.WORKSPACE, self.key.workspace_mb << 20)

    def built(self, config: Any) -> None:  # noqa: B027 - one library has nothing to do here
        """Keeps what later builds can use."""

    def warmed_up(self) -> None:  # noqa: B027 - and here the other
        """Keeps what the first run on this GPU found out."""

    def obtain(self, model: Path, load: Callable[[bytes], T | None]) -> Obtained[T]:
        """The engine of an ONNX file from the cache, built where there is none.

        Args:
            model: The file.
            load: What becomes of the engine's bytes; None refuses them.

        Raises:
            BackendError: The engine cannot be built, or the package onnx, which that needs, is not installed.
        """

        def build() -> bytes:
            try:
                from a2gc_ros.extract.onnx_files.gpu_graph import typed_for_gpu
            except ImportError as error:
                raise BackendError(
                    needs(f"Building an engine of {self.key.model}", f"the package onnx ({error})", "tensorrt")
                ) from None
            return build_engine(self, typed_for_gpu(model, self.key.precision))

        return self.cache.obtain(self.key, build, load)


class EngineRuntime:
    """A model of an ONNX file as an engine on the GPU, of TensorRT or TensorRT-RTX.

    Raises:
        BackendError: There is no GPU, or the engine cannot be built or run.
    """

    library: ClassVar[type[EngineLibrary]]

    def __init__(self, model: Path, spec: ModelSpec, precision: Precision, options: EngineOptions) -> None:
        from a2gc_ros.extract.engines.cuda_calls import first_gpu
        from a2gc_ros.extract.engines.run import EngineRun

        library = self.library(spec, precision, options)
        self.name = library.name
        self.precision = library.key.precision
        library.check(first_gpu())
        # The library wants its runtime to outlive the engines.
        self._runtime = library.trt.Runtime(log_of(library.trt))
        if library.key.dla_core >= 0:
            self._runtime.DLA_core = library.key.dla_core
        obtained = library.obtain(model, lambda plan: self._load(library.trt, plan))
        _log.info(obtained.reason)
        self._engine = obtained.engine
        self._run = EngineRun(library, obtained.engine, spec)
        # The first run of all does what is done once; better now than at the first image.
        self._run(np.zeros((1, spec.preprocessing.height, spec.preprocessing.width, 3), np.uint8))
        library.warmed_up()

    def __call__(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Descriptors (N, D) of images (N, height, width, 3)."""
        return self._run(batch)

    def _load(self, trt: Any, plan: bytes) -> Any:
        engine = self._runtime.deserialize_cuda_engine(plan)
        # A full memory is no reason to build the engine again.
        if engine is None and ran_out_of_memory(trt):
            raise failure(trt, "cannot load the engine")
        return engine

    def gpu_memory_mb(self) -> tuple[float, float] | None:
        """Memory of the GPU in use, by all processes, and in total, in 10^6 bytes; None where nobody tells."""
        return memory_mb()
