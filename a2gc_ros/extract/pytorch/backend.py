"""PyTorch, for research: any named model or training result, without an export."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from a2gc_ros.errors import BackendError
from a2gc_ros.extract.gpu import OUT_OF_MEMORY, memory_mb
from a2gc_ros.extract.runtime import Precision
from a2gc_ros.extract.spec import ModelSpec
from a2gc_ros.models.checkpoints.released import read_model
from a2gc_ros.models.fingerprint import fingerprint
from a2gc_ros.models.inside import look_inside
from a2gc_ros.models.place_model import PlaceModel
from a2gc_ros.models.registry import build, named

_AUTOCAST: dict[Precision, torch.dtype] = {"bf16": torch.bfloat16, "fp16": torch.float16}


class TorchRuntime:
    """A model in PyTorch, on the GPU where there is one.

    Args:
        model: The model with its weights; it is switched to evaluation.
        precision: ``fp32``, or what autocast computes matrix products in.
        threads: Number of threads, for the whole process; 0 leaves torch's setting.
        compiled: Whether single images run through torch.compile, on a GPU with CUDA graphs; the first then takes a
            minute or so.

    Raises:
        BackendError: The device does not compute in this precision.
    """

    def __init__(self, model: PlaceModel, precision: Precision, threads: int, *, compiled: bool = False) -> None:
        self.name = "torch-compile" if compiled else "torch"
        self.precision = precision
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        allowed = ("fp32", "bf16", "fp16") if self._device.type == "cuda" else ("fp32", "bf16")
        if precision not in allowed:
            raise BackendError(
                f"torch on a {self._device.type} does not compute in {precision}; use {' or '.join(allowed)}."
            )
        if threads:
            torch.set_num_threads(threads)
        with _told_in_a_sentence():
            self._model = model.bake().to(self._device)
        # For one image only: every other batch size would be compiled anew.
        self._single = torch.compile(self._describe, mode="reduce-overhead", dynamic=False) if compiled else None

    def __call__(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Descriptors (N, D) of images (N, height, width, 3)."""
        dtype = _AUTOCAST.get(self.precision)
        computing = torch.autocast(self._device.type, dtype, enabled=dtype is not None)
        with _told_in_a_sentence(), torch.inference_mode(), computing:
            images = torch.from_numpy(batch).to(self._device)
            run = self._single if self._single is not None and len(batch) == 1 else self._describe
            return run(images).float().cpu().numpy()

    def _describe(self, images: Tensor) -> Tensor:
        descriptors: Tensor = self._model(self._model.normalize(images))
        return descriptors

    def gpu_memory_mb(self) -> tuple[float, float] | None:
        """Memory of the GPU in use, by all processes, and in total, in 10^6 bytes; None on a CPU."""
        return None if self._device.type == "cpu" else memory_mb()


@contextmanager
def _told_in_a_sentence() -> Iterator[None]:
    try:
        yield
    except torch.cuda.OutOfMemoryError:
        raise BackendError(f"torch failed: {OUT_OF_MEMORY}.") from None
    except RuntimeError as error:
        raise BackendError(f"torch failed ({str(error).splitlines()[0]}).") from None


def spec_of(model: PlaceModel, licence: str) -> ModelSpec:
    """The description of a model in PyTorch."""
    return ModelSpec(model.name, model.descriptor_dim, model.preprocessing, fingerprint(model), licence)


def network_of(model: str | Path, size: tuple[int, int] | None = None) -> tuple[PlaceModel, str]:
    """The network of a checkpoint, or of a registered name with its published weights, and the licence of these.

    Raises:
        ModelError: There is no such model, or no weights of it are published.
        DownloadError: The weights cannot be had.
        CheckpointError: The file is damaged or in no known layout.
    """
    if isinstance(model, Path):
        return read_model(model, image_size=size)
    return build(model, image_size=size, pretrained=True), named(model).licence


def open_to_inspect(
    model: str | Path,
) -> tuple[ModelSpec, Callable[[NDArray[np.uint8]], Mapping[str, NDArray[np.float32]]]]:
    """The description of a model, errors as in :func:`network_of`, and what gives all of its outputs.

    Returns:
        The description, and a function from a prepared image, uint8 (1, height, width, 3), to outputs by name.
    """
    network, licence = network_of(model)
    network.bake()

    @torch.inference_mode()
    def run(batch: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        inside = look_inside(network, network.normalize(torch.from_numpy(batch)))
        return {name: value.numpy() for name, value in inside._asdict().items() if value is not None}

    return spec_of(network, licence), run
