"""Model files: ONNX with their descriptions, and checkpoints."""

from __future__ import annotations

import random
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
from harness import Target, mutated
from thumbnail_model import write_thumbnail_model

from a2gc_ros.errors import BackendError
from a2gc_ros.extract import open_extractor
from a2gc_ros.extract.onnx_files.metadata import read_spec

PICTURE = np.full((24, 32, 3), 90, np.uint8)


@cache
def a_model() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        write_thumbnail_model(path)
        return path.read_bytes()


def onnx(rng: random.Random, folder: Path) -> None:
    path = folder / "model.onnx"
    path.write_bytes(mutated(rng, a_model()))
    described(path)


def described(path: Path) -> None:
    read_spec(path)
    try:
        extractor = open_extractor(path, backend="onnxruntime", threads=1)
        descriptor = extractor.extract([PICTURE])
    except BackendError:
        return
    assert np.isfinite(descriptor).all()


def targets() -> list[Target]:
    """Models in ONNX."""
    import onnxruntime  # noqa: F401

    return [Target("onnx", onnx, 1.0, lambda file, _: described(file))]
