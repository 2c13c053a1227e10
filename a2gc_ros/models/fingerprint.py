"""The identity of a model: two models with one fingerprint give the same descriptors for the same image."""

from __future__ import annotations

import hashlib
import json

import torch

from a2gc_ros.models.place_model import PlaceModel


def fingerprint(model: PlaceModel) -> str:
    """Hex sha256 over the weights, the architecture and the preprocessing of a model.

    Tensors go in by sorted name, each with its name, dtype, shape and little-endian bytes, so that neither the device
    nor the order of registration matters. The model's name does not go in: a renamed model stays the same.
    """
    digest = hashlib.sha256()
    for part in (model.architecture.to_dict(), model.preprocessing.to_dict()):
        digest.update(json.dumps(part, sort_keys=True, separators=(",", ":")).encode())
        digest.update(b"\0")
    for name, tensor in sorted(model.state_dict().items()):
        header = [name, str(tensor.dtype).removeprefix("torch."), list(tensor.shape)]
        digest.update(json.dumps(header, separators=(",", ":")).encode())
        digest.update(b"\0")
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
