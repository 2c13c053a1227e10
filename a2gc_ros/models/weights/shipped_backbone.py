"""The backbone of a model that comes with the package, as weights to start a training from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from a2gc_ros.errors import DownloadError
from a2gc_ros.shipped import shipped_models
from a2gc_ros.system.files import draft_of
from a2gc_ros.system.installation import needs

PREFIX = "model.backbone."
"""Of the backbone's weights in the graph of an export."""

HALF = "_half"
"""Ends the name of a weight that the graph holds in half precision."""


def take_out(name: str, path: Path) -> None:
    """Writes the backbone of a shipped model, by name, as a safetensors file, which is there only once it is whole.

    Raises:
        DownloadError: No such model comes with the package, or onnx is not installed.
    """
    graph = shipped_models().get(name)
    if graph is None:
        raise DownloadError(f"No model {name} comes with the package, so its backbone cannot be taken from it.")
    try:
        import onnx
    except ModuleNotFoundError:
        raise DownloadError(
            needs("Taking the backbone from the model that comes with the package", "onnx", "adapt")
        ) from None
    weights = {
        entry.name.removeprefix(PREFIX).removesuffix(HALF): onnx.numpy_helper.to_array(entry)
        for entry in onnx.load(graph).graph.initializer
        if entry.name.startswith(PREFIX)
    }
    with draft_of(path) as draft:
        save_file({key: torch.from_numpy(value.astype(np.float32)) for key, value in weights.items()}, draft)
