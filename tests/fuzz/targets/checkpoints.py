"""Checkpoints of torch and safetensors."""

from __future__ import annotations

import io
import random
from functools import cache
from pathlib import Path

import torch
from harness import Target, mutated
from safetensors.torch import save

from a2gc_ros.models import checkpoints


@cache
def seeds() -> dict[str, bytes]:
    tensors = {"head.weight": torch.zeros(3, 2), "head.bias": torch.zeros(3)}
    file = io.BytesIO()
    torch.save({"state_dict": tensors, "epoch": 3}, file)
    return {"model.pth": file.getvalue(), "model.safetensors": save(tensors, {"a2gc": "{}"})}


def checkpoint(rng: random.Random, folder: Path) -> None:
    name = rng.choice(list(seeds()))
    path = folder / name
    path.write_bytes(mutated(rng, seeds()[name], tuple(seeds().values())))
    read(path)


def read(path: Path) -> None:
    assert all(isinstance(tensor, torch.Tensor) for tensor in checkpoints.read_tensors(path).values())
    checkpoints.read_metadata(path)
    checkpoints.restore(path)


def targets() -> list[Target]:
    """Checkpoints."""
    return [Target("checkpoint", checkpoint, 1.0, lambda file, _: read(file))]
