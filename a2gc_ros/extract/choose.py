"""From a name or a file to a running extractor."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, get_args

from a2gc_ros.errors import BackendError, ConfigError, ModelError
from a2gc_ros.extract.backends.catalogue import (
    FILE_BACKENDS,
    RUNTIMES,
    TorchBackendName,
    backend_names,
    load_backend,
    start_backend,
)
from a2gc_ros.extract.engines.key import EngineOptions
from a2gc_ros.extract.extractor import Extractor
from a2gc_ros.extract.gpu import has_gpu
from a2gc_ros.extract.onnx_files.metadata import read_spec
from a2gc_ros.extract.runtime import QUANTIZED, Precision
from a2gc_ros.extract.spec import ModelSpec
from a2gc_ros.shipped import DEFAULT_MODEL, shipped_file, shipped_models
from a2gc_ros.system.installation import pip_install

PrecisionChoice = Literal["auto", "fp32", "bf16", "fp16", "int8", "int8-bf16"]

# Written by trainings, here and elsewhere; only torch reads them.
CHECKPOINTS = (".safetensors", ".ckpt", ".pth", ".pt", ".torch")

_log = logging.getLogger(__name__)


def open_extractor(
    model: str | Path = DEFAULT_MODEL,
    *,
    backend: str = "auto",
    precision: PrecisionChoice = "auto",
    threads: int = 0,
    engine: EngineOptions | None = None,
    fallback: bool = False,
    size: tuple[int, int] | None = None,
) -> Extractor:
    """Opens a model for extraction.

    Args:
        model: An ONNX file made by ``a2gc export``, or the name of a model that comes with the package; with torch
            also a checkpoint, of a training here or as a method's authors published it, or the name of a registered
            model with published weights.
        backend: Runtime, ours or an installed package's; ``auto`` takes the fastest of ours that is installed and runs
            here.
        precision: What to compute in. ``auto`` is float32, or int8 where the file is quantized: descriptors are then
            the same on every machine and backend, so maps can be shared. ``bf16`` is faster where the CPU has it,
            and so is ``int8-bf16``, which computes the float parts of a quantized file in it.
        threads: Number of CPU threads; 0 leaves it to the runtime.
        engine: How TensorRT's engines are built and where they are kept.
        fallback: Whether, where the backend that was asked for cannot run the model, the next one is taken with a
            warning, in auto precision where it lacks the one that was asked for; otherwise that is an error.
        size: Height and width of the input in pixels, for models that torch runs; None is the model's own. An ONNX
            file has the size that it was exported for.

    Raises:
        ModelError: There is no such model, its file is damaged or foreign, or it does not take this size.
        BackendError: The backend is not installed, or cannot run the model in this precision.
        ConfigError: A parameter is out of its range.
    """
    _check("backend", backend, backend_names())
    _check("precision", precision, get_args(PrecisionChoice))
    if threads < 0:
        raise ConfigError(f"threads is {threads}; give a number from 1, or 0 to leave it to the runtime.")
    path = find_file(model)
    if path is not None and path.suffix not in CHECKPOINTS:
        extractor = _open_file(path, backend, precision, threads, engine or EngineOptions(), fallback)
        given = extractor.spec.preprocessing.height, extractor.spec.preprocessing.width
        if size not in (None, given):
            raise ModelError(
                f"{path} was exported for images of {given[0]}x{given[1]}; export it anew with `a2gc export --size`, "
                "or name a checkpoint, which takes any size."
            )
    else:
        extractor = _open_in_torch(path or str(model), backend, precision, threads, size)
    _log.info("%r: %s", extractor, extractor.reason)
    return extractor


def _check(parameter: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ConfigError(f"{parameter} is {value!r}; choose one of {', '.join(allowed)}.")


def find_file(model: str | Path) -> Path | None:
    """The file that is meant, or None where it is a registry's name."""
    shipped = shipped_file(str(model))
    if shipped is not None:
        return shipped
    path = Path(model).expanduser()
    if isinstance(model, Path) or path.suffix in (".onnx", *CHECKPOINTS) or path.is_file():
        return path
    return None


def _open_file(
    path: Path,
    backend: str,
    precision: PrecisionChoice,
    threads: int,
    engine: EngineOptions,
    fallback: bool,
) -> Extractor:
    spec = read_spec(path)
    wanted = precision_for(spec, precision)
    if backend in get_args(TorchBackendName):
        raise BackendError(f"{path} is an ONNX file, which torch does not run; use openvino, onnxruntime or tensorrt.")
    if backend != "auto" and not fallback:
        runtime = start_backend(backend, path, spec, wanted, threads, engine)
        return Extractor(spec, runtime, reason="asked for")
    refusals: list[str] = []
    for name, in_precision in _ways(backend, wanted, precision_for(spec, "auto"), refusals):
        installed = False
        try:
            load_backend(name)
            installed = True
            runtime = start_backend(name, path, spec, in_precision, threads, engine)
        except BackendError as error:
            refusals.append(str(error))
            if installed:
                _log.warning("%s cannot be used, the next runtime is tried: %s", name, error)
            elif name == backend:
                _log.warning("%s", error)
            continue
        return Extractor(spec, runtime, reason=_sentences([*refusals, "The fastest runtime that is left"]))
    raise BackendError(f"No runtime can run {path}. {_sentences(refusals)}")


def _sentences(refusals: list[str]) -> str:
    return " ".join(f"{refusal.rstrip('.')}." for refusal in refusals)


def _ways(asked: str, wanted: Precision, usual: Precision, refusals: list[str]) -> Iterator[tuple[str, Precision]]:
    """Backends and precisions in the order in which they are tried; says in ``refusals`` what is left out."""
    names = list(FILE_BACKENDS)
    if asked in RUNTIMES:
        yield asked, wanted
    if asked in names:
        names = names[names.index(asked) + 1 :]
    if not has_gpu():
        refusals.append("There is no NVIDIA GPU")
    for name in names:
        if not FILE_BACKENDS[name].in_auto or (FILE_BACKENDS[name].gpu and not has_gpu()):
            continue
        yield name, wanted
        if asked != "auto" and usual != wanted:
            yield name, usual


def precision_for(spec: ModelSpec, asked: PrecisionChoice) -> Precision:
    """The precision that is meant for a model.

    Raises:
        BackendError: The file is quantized and another was asked for, or the other way round.
    """
    quantized = spec.precision == "int8"
    if asked == "auto":
        return "int8" if quantized else "fp32"
    if quantized != (asked in QUANTIZED):
        stored = "is quantized to int8" if quantized else "is not quantized"
        raise BackendError(f"{spec.name} {stored}, so it cannot run in {asked}; use precision auto.")
    return asked


def _open_in_torch(
    model: str | Path,
    backend: str,
    precision: PrecisionChoice,
    threads: int,
    size: tuple[int, int] | None,
) -> Extractor:
    """Opens a registry's name or a checkpoint."""
    if backend not in ("auto", *get_args(TorchBackendName)):
        raise ModelError(
            f"{model} is neither an ONNX file nor a model that comes with the package, so {backend} cannot run "
            f"it; export it first with `a2gc export {model}`."
        )
    if precision in QUANTIZED:
        raise BackendError(f"{model} is not quantized, so it cannot run in {precision}; use precision auto.")
    try:
        importlib.import_module("torch")
    except (ImportError, OSError) as error:
        shipped = ", ".join(shipped_models()) or "none"
        raise ModelError(
            f"{model} is neither an ONNX file nor a model that comes with the package ({shipped}), and torch, "
            f"which could run it, is not usable here ({error}); install it with: {pip_install('torch')}"
        ) from None
    from a2gc_ros.extract.pytorch import backend as pytorch

    wanted: Precision = "fp32" if precision == "auto" else precision
    network, licence = pytorch.network_of(model, size)
    runtime = pytorch.TorchRuntime(network, wanted, threads, compiled=backend == "torch-compile")
    return Extractor(pytorch.spec_of(network, licence), runtime, reason="only torch runs a model that was not exported")
