"""From a name or a file to a running extractor."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from a2gc_ros.errors import BackendError, ConfigError, ModelError
from a2gc_ros.extract.extractor import Extractor
from a2gc_ros.extract.onnx_file import read_spec
from a2gc_ros.extract.runtime import Precision
from a2gc_ros.extract.shipped import shipped_models
from a2gc_ros.extract.spec import ModelSpec

# In the order of preference: the first that is installed is the fastest on the CPUs that were measured.
FileBackendName = Literal["openvino", "onnxruntime"]
BackendChoice = Literal["auto", "openvino", "onnxruntime", "torch"]
PrecisionChoice = Literal["auto", "fp32", "bf16", "fp16", "int8"]

# Written by a training; only torch reads them.
CHECKPOINTS = (".safetensors", ".ckpt")

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _FileBackend:
    """A runtime for ONNX files: the package it needs, our module and class, and the extra that installs it."""

    package: str
    module: str
    runtime: str
    extra: str


_FILE_BACKENDS: dict[FileBackendName, _FileBackend] = {
    "openvino": _FileBackend("openvino", "a2gc_ros.extract.openvino_backend", "OpenVinoRuntime", "openvino"),
    "onnxruntime": _FileBackend("onnxruntime", "a2gc_ros.extract.onnxruntime_backend", "OnnxRuntime", "onnx"),
}


def open_extractor(
    model: str | Path,
    *,
    backend: BackendChoice = "auto",
    precision: PrecisionChoice = "auto",
    threads: int = 0,
) -> Extractor:
    """Opens a model for extraction.

    Args:
        model: An ONNX file made by ``a2gc export``, or the name of a model that comes with the package; with torch
            also a checkpoint of a training, or the name of a registered model with published weights.
        backend: Runtime; ``auto`` takes the fastest that is installed.
        precision: What to compute in. ``auto`` is float32, or int8 where the file is quantised: descriptors are then
            the same on every machine and backend, so maps can be shared. ``bf16`` is faster where the CPU has it.
        threads: Number of threads; 0 leaves it to the runtime.

    Raises:
        ModelError: There is no such model, or its file is damaged or foreign.
        BackendError: The backend is not installed, or cannot run the model in this precision.
        ConfigError: A parameter is out of its range.
    """
    _check("backend", backend, get_args(BackendChoice))
    _check("precision", precision, get_args(PrecisionChoice))
    if threads < 0:
        raise ConfigError(f"threads is {threads}; give a number from 1, or 0 to leave it to the runtime.")
    path = find_file(model)
    if path is not None and path.suffix not in CHECKPOINTS:
        extractor = _open_file(path, backend, precision, threads)
    else:
        extractor = _open_in_torch(path or str(model), backend, precision, threads)
    _log.info("%r: %s", extractor, extractor.reason)
    return extractor


def installed_file_backends() -> list[FileBackendName]:
    """Names of the runtimes for ONNX files that work here, fastest first."""
    names: list[FileBackendName] = []
    for name in get_args(FileBackendName):
        try:
            _load(name)
        except BackendError:
            continue
        names.append(name)
    return names


def _check(parameter: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ConfigError(f"{parameter} is {value!r}; choose one of {', '.join(allowed)}.")


def find_file(model: str | Path) -> Path | None:
    """The file that is meant, or None where it is a registry's name."""
    shipped = shipped_models().get(str(model))
    if shipped is not None:
        return shipped
    path = Path(model).expanduser()
    if isinstance(model, Path) or path.suffix in (".onnx", *CHECKPOINTS) or path.is_file():
        return path
    return None


def _open_file(path: Path, backend: BackendChoice, precision: PrecisionChoice, threads: int) -> Extractor:
    spec = read_spec(path)
    wanted = _precision_for(spec, precision)
    if backend == "torch":
        raise BackendError(f"{path} is an ONNX file, which torch does not run; use openvino or onnxruntime.")
    if backend != "auto":
        runtime = _load(backend)
        return Extractor(spec, runtime(path, wanted, threads), reason="asked for")
    refusals = []
    for name in _FILE_BACKENDS:
        try:
            runtime = _load(name)(path, wanted, threads)
        except BackendError as error:
            refusals.append(str(error))
            continue
        reason = "the fastest runtime that is installed" if not refusals else " ".join(refusals)
        return Extractor(spec, runtime, reason=reason)
    raise BackendError(f"No runtime can run {path}: {' '.join(refusals)}")


def _precision_for(spec: ModelSpec, asked: PrecisionChoice) -> Precision:
    quantised = spec.precision == "int8"
    if asked == "auto":
        return "int8" if quantised else "fp32"
    if quantised != (asked == "int8"):
        stored = "is quantised to int8" if quantised else "is not quantised"
        raise BackendError(f"{spec.name} {stored}, so it cannot run in {asked}; use precision auto.")
    return asked


def _load(name: FileBackendName) -> Callable[[Path, Precision, int], Any]:
    """The class of a runtime for ONNX files."""
    backend = _FILE_BACKENDS[name]
    try:
        importlib.import_module(backend.package)
    except (ImportError, OSError) as error:
        raise BackendError(
            f"{name} is not usable here ({error}); install it with `pip install a2gc_ros[{backend.extra}]`."
        ) from None
    loaded: Callable[[Path, Precision, int], Any] = getattr(importlib.import_module(backend.module), backend.runtime)
    return loaded


def _open_in_torch(model: str | Path, backend: BackendChoice, precision: PrecisionChoice, threads: int) -> Extractor:
    """Opens a registry's name or a checkpoint."""
    if backend not in ("auto", "torch"):
        raise ModelError(
            f"{model} is neither an ONNX file nor a model that comes with the package, so {backend} cannot run "
            f"it; export it first with `a2gc export {model}`."
        )
    if precision == "int8":
        raise BackendError(f"{model} is not quantised, so it cannot run in int8; use precision auto.")
    try:
        importlib.import_module("torch")
    except (ImportError, OSError) as error:
        shipped = ", ".join(shipped_models()) or "none"
        raise ModelError(
            f"{model} is neither an ONNX file nor a model that comes with the package ({shipped}), and torch, "
            f"which could run it, is not usable here ({error})."
        ) from None
    from a2gc_ros.extract import torch_backend

    wanted: Precision = "fp32" if precision == "auto" else precision
    if isinstance(model, Path):
        spec, runtime = torch_backend.open_checkpoint(model, wanted, threads)
    else:
        spec, runtime = torch_backend.open_named(model, wanted, threads)
    return Extractor(spec, runtime, reason="only torch runs a model that was not exported")
