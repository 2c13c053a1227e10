"""The files that the inference benchmark times: random models exported once and kept, and those that ship."""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

COMPARED = 8
CALIBRATED = 16


@dataclass(frozen=True)
class Prepared:
    """The files of one model.

    Attributes:
        folder: Holds ``model.safetensors`` for PyTorch, ``model.onnx``, ``model-int8.onnx`` and ``images.npy``.
        size: Height and width of the input, pixels.
        gflop: Arithmetic of one image, 10^9 operations.
        pictures: What descriptors are compared on, in words.
        shipped: Whether the ONNX file is the one that ships; PyTorch then runs its architecture with random weights.
    """

    folder: Path
    size: tuple[int, int]
    gflop: float
    pictures: str
    shipped: bool


def models_of(parser: argparse.ArgumentParser, entries: Iterable[str]) -> list[tuple[str, tuple[int, int] | None]]:
    """Names and sizes of ``NAME:SIZE``; no size for a model that ships."""
    from a2gc_ros.cli.base.image_size import parse_size

    wanted = []
    for entry in entries:
        name, _, size = entry.partition(":")
        if not size:
            parser.error(f"{entry} names no size; write {name}:322")
        wanted.append((name, None if size == "shipped" else parse_size(size)))
    return wanted


def prepare(name: str, size: tuple[int, int] | None, kept: Path, photographs: Path | None) -> Prepared:
    """Makes what is missing of a model's files; without a size it is the model that ships under this name.

    Args:
        name: The model's name.
        size: Height and width of its input.
        kept: Folder for the files of all models.
        photographs: Folder of images to compare and to calibrate on; generated ones if not given.
    """
    from a2gc_ros.extract.onnx_files.metadata import read_spec
    from a2gc_ros.shipped import shipped_models

    shipped = shipped_models()[name] if size is None else None
    label = "shipped" if size is None else f"{size[0]}x{size[1]}"
    folder = kept / f"{name}-{label}"
    facts = folder / "facts.json"
    if facts.is_file():
        values = json.loads(facts.read_text(encoding="utf-8"))
        height, width = values["size"]
        return Prepared(folder, (height, width), values["gflop"], values["pictures"], values["shipped"])
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if shipped is not None:
        preprocessing = read_spec(shipped).preprocessing
        size = preprocessing.height, preprocessing.width
        shutil.copy(shipped, folder / "model.onnx")
    assert size is not None
    compared, calibrated = _pictures(size, photographs)
    words = f"{COMPARED} {'generated pictures' if photographs is None else f'photographs of {photographs.name}'}"
    gflop = _make(name, size, folder, compared, calibrated, is_shipped=shipped is not None)
    done = Prepared(folder, size, gflop, words, shipped is not None)
    # Last: a folder without it was not finished.
    facts.write_text(json.dumps(asdict(replace(done, folder=Path(folder.name))), default=str), encoding="utf-8")
    return done


def _pictures(
    size: tuple[int, int], photographs: Path | None
) -> tuple[list[NDArray[np.uint8]], list[NDArray[np.uint8]]]:
    """Pictures to compare on, and others to calibrate on."""
    from a2gc_ros.images.decode import image_files, read_image

    wanted = COMPARED + CALIBRATED
    if photographs is not None:
        paths = image_files(photographs)
        pictures = [read_image(path) for path in paths[:: max(len(paths) // wanted, 1)][:wanted]]
    else:
        rng = np.random.default_rng(0)
        # From a few large patches of color to many small ones.
        coarse = [rng.integers(0, 256, (2 + i, 3 + i, 3), np.uint8) for i in range(wanted)]
        pictures = [np.asarray(cv2.resize(c, size[::-1], interpolation=cv2.INTER_CUBIC), np.uint8) for c in coarse]
    return pictures[::3], [picture for i, picture in enumerate(pictures) if i % 3]


def _make(
    name: str,
    size: tuple[int, int],
    folder: Path,
    compared: list[NDArray[np.uint8]],
    calibrated: list[NDArray[np.uint8]],
    *,
    is_shipped: bool,
) -> float:
    """Writes the files of a model and counts the arithmetic of an image, 10^9 operations."""
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    from a2gc_ros.extract.pytorch.export import export_onnx
    from a2gc_ros.extract.quantize import quantize
    from a2gc_ros.models import build, checkpoints

    torch.manual_seed(0)
    model = build(name, image_size=size).bake()
    checkpoints.save(model, folder / "model.safetensors")
    if not is_shipped:
        export_onnx(model, folder / "model.onnx", licence="random weights")
    images = np.stack([model.preprocessing.apply(picture) for picture in compared])
    np.save(folder / "images.npy", images)
    quantize(folder / "model.onnx", folder / "model-int8.onnx", calibrated, allow_drop=True)
    # The counter knows the plain attention, not every fused one.
    with torch.inference_mode(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        model(model.normalize(torch.from_numpy(images[:1])))
    return float(counter.get_total_flops() / 1e9)
