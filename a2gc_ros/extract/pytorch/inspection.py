"""A look inside a model in PyTorch, without an export."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from a2gc_ros.extract.pytorch.backend import network_of, spec_of
from a2gc_ros.extract.spec import ModelSpec
from a2gc_ros.models.inside import look_inside


def open_in_torch(
    model: str | Path,
) -> tuple[ModelSpec, Callable[[NDArray[np.uint8]], Mapping[str, NDArray[np.float32]]]]:
    """Opens a registered model with its published weights, or a checkpoint.

    Returns:
        The description, and a function from a prepared image, uint8 (1, height, width, 3), to outputs by name.

    Raises:
        ModelError, DownloadError, CheckpointError: As :func:`network_of`.
    """
    network, licence = network_of(model)
    network.bake()

    @torch.inference_mode()
    def run(batch: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        inside = look_inside(network, network.normalize(torch.from_numpy(batch)))
        return {name: value.numpy() for name, value in inside._asdict().items() if value is not None}

    return spec_of(network, licence), run
