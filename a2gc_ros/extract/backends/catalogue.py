"""The runtimes there are, in the order in which they are tried."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from a2gc_ros.errors import BackendError
from a2gc_ros.extract.engines.key import EngineOptions
from a2gc_ros.extract.runtime import Precision, Runtime
from a2gc_ros.extract.spec import ModelSpec
from a2gc_ros.plugins import Registry
from a2gc_ros.system.installation import pip_install

TorchBackendName = Literal["torch", "torch-compile"]

StartRuntime: TypeAlias = Callable[[Path, ModelSpec, Precision, int], Runtime]
"""What a package adds: called with an ONNX file, its description, the precision and the number of CPU threads (0 leaves
it to the runtime), it gives the model in its runtime, or raises BackendError."""


@dataclass(frozen=True)
class FileBackend:
    """A runtime for ONNX files.

    Attributes:
        packages: What it needs to import.
        module: Ours, below ``a2gc_ros.extract``.
        runtime: The class in it.
        extra: Of a2gc_ros, with what it needs from pip.
        gpu: Whether it runs on an NVIDIA GPU.
        in_auto: Whether ``auto`` considers it.
    """

    packages: tuple[str, ...]
    module: str
    runtime: str
    extra: str
    gpu: bool = False
    in_auto: bool = True


# The fastest first. ONNX Runtime's TensorRT is not better than TensorRT, which it needs.
FILE_BACKENDS: dict[str, FileBackend] = {
    "tensorrt": FileBackend(
        ("tensorrt", "cuda.bindings.runtime"), "engines.tensorrt", "TensorRtRuntime", "tensorrt", gpu=True
    ),
    "tensorrt-rtx": FileBackend(
        ("tensorrt_rtx", "cuda.bindings.runtime"),
        "engines.tensorrt_rtx",
        "TensorRtRtxRuntime",
        "tensorrt-rtx",
        gpu=True,
    ),
    "onnxruntime-tensorrt": FileBackend(
        ("onnxruntime", "onnx"), "backends.onnxruntime_gpu", "OnnxRuntimeTensorRt", "onnx-gpu", gpu=True, in_auto=False
    ),
    "onnxruntime-cuda": FileBackend(
        ("onnxruntime", "onnx"), "backends.onnxruntime_gpu", "OnnxRuntimeCuda", "onnx-gpu", gpu=True
    ),
    "openvino": FileBackend(("openvino",), "backends.openvino", "OpenVinoRuntime", "openvino"),
    "onnxruntime": FileBackend(("onnxruntime",), "backends.onnxruntime", "OnnxRuntime", "onnx"),
}


RUNTIMES: Registry[FileBackend | StartRuntime] = Registry("runtimes", "runtime", BackendError, {**FILE_BACKENDS})
"""Ours for ONNX files, and those of installed packages, which are taken only where they are asked for."""


def backend_names() -> tuple[str, ...]:
    """What a backend may be called."""
    return ("auto", *RUNTIMES, *get_args(TorchBackendName))


def load_backend(name: str) -> Any:
    """The class of a runtime for ONNX files.

    Raises:
        BackendError: What it needs is not installed, or two packages claim the name.
    """
    backend = RUNTIMES[name]
    if not isinstance(backend, FileBackend):
        return backend
    try:
        # Ours first: it decides what of a package is loaded.
        module = importlib.import_module(f"a2gc_ros.extract.{backend.module}")
        for package in backend.packages:
            importlib.import_module(package)
    except (ImportError, OSError) as error:
        besides = "; TensorRT itself comes with JetPack, elsewhere by pip install tensorrt" * (name == "tensorrt")
        raise BackendError(
            f"{name} is not usable here ({error}); install it with: {pip_install(backend.extra)}{besides}"
        ) from None
    return getattr(module, backend.runtime)


def start_backend(
    name: str, model: Path, spec: ModelSpec, precision: Precision, threads: int, engine: EngineOptions
) -> Runtime:
    """A model in a runtime.

    Raises:
        BackendError: The runtime is not installed, or cannot run the model in this precision here.
    """
    runtime: Callable[..., Runtime] = load_backend(name)
    backend = RUNTIMES[name]
    if not isinstance(backend, FileBackend):
        return runtime(model, spec, precision, threads)
    return runtime(model, spec, precision, engine) if backend.gpu else runtime(model, precision, threads)


def installed_file_backends() -> list[str]:
    """Names of the runtimes for ONNX files that run on a CPU and work here, fastest first.

    They are what a file is checked in when it is made: the same everywhere, and without an engine to build.
    """
    names: list[str] = []
    for name, backend in FILE_BACKENDS.items():
        if not backend.gpu:
            with suppress(BackendError):
                load_backend(name)
                names.append(name)
    return names
