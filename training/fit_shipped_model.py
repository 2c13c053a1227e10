"""Fits the model that ships with the package to images, without labels or gradient steps, and exports it.

    a2gc simulate --out town_100.mcap --seed 100 --rate 2
    A2GC_WEIGHTS=... python training/fit_shipped_model.py DATA/ie_tower town_100.mcap --out OUT

DATA/ie_tower is what benchmarks/place_protocols.py says. Three floors of it are left out, to judge the model on.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from a2gc_ros.bags import open_recording
from a2gc_ros.extract.pytorch.export import export_onnx
from a2gc_ros.images.decode import read_image
from a2gc_ros.models import build, checkpoints, named
from a2gc_ros.models.fit import fit_head
from a2gc_ros.system.sizes import show_size

NAME = "a2gc-efficientnet-lite0"
HELD_OUT = ("floor9", "floor17", "basement3")

Image = NDArray[np.uint8]


def photographs(tower: Path, without: tuple[str, ...]) -> list[Path]:
    """The files of the floors but those left out."""
    with (tower / "images.csv").open(newline="", encoding="utf-8") as stream:
        return [tower / row["path"] for row in csv.DictReader(stream) if row["floor"] not in without]


def frames(recording: Path) -> Iterator[Image]:
    """Every second image of a recording."""
    with open_recording(recording) as content:
        for frame in islice(content.frames(pose_topic=""), 0, None, 2):
            yield frame.image


def main() -> None:
    """Fits and exports."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tower", type=Path, help="folder of images.csv")
    parser.add_argument("recordings", type=Path, nargs="*", help="of simulated towns")
    parser.add_argument("--model", default=NAME, help="a registered model with a VLAD head, or one to be projected")
    parser.add_argument(
        "--projection", type=int, help="dimensions that the descriptor is whitened to, for another head"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the views and the k-means start")
    parser.add_argument("--views", type=int, default=1, help="random views of each image beside itself")
    parser.add_argument("--out", type=Path, required=True, help="folder of NAME.onnx and NAME.safetensors")
    arguments = parser.parse_args()
    model = build(arguments.model, pretrained="backbone", projection=arguments.projection)
    paths = photographs(arguments.tower, HELD_OUT)
    images = chain(map(read_image, track(paths, "Photographs")), *map(frames, arguments.recordings))
    fit_head(model, images, views=arguments.views, seed=arguments.seed)
    licence = named(arguments.model).licence
    checkpoints.save(model, arguments.out / f"{arguments.model}.safetensors", licence=licence)
    done = export_onnx(
        model.eval(),
        arguments.out / f"{arguments.model}.onnx",
        licence=licence,
        precision="fp16",
        features=True,
        images=[read_image(path) for path in paths[:: max(1, len(paths) // 32)]],
    )
    print(f"{done.path}: {show_size(done.size)}, fingerprint {done.spec.fingerprint}, least cosines {done.cosines}")


if __name__ == "__main__":
    main()
