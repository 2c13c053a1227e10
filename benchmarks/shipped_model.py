"""The model that ships against MobileNetV2 + GeM, untrained, at the same input size.

    python benchmarks/shipped_model.py DATA

DATA holds ie_tower/ (images.csv) and robot_run/ (images/, poses.csv); A2GC_WEIGHTS names the folder of the ImageNet
weights that GeM is made of. Intervals are 95 % bootstraps over whole clips, because neighbouring frames resemble each
other.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from a2gc_ros.evaluation.recall import Recall, recall
from a2gc_ros.evaluation.search import search
from a2gc_ros.extract import Extractor, open_extractor
from a2gc_ros.extract.torch_export import export_onnx
from a2gc_ros.images.decode import read_image
from a2gc_ros.models import build

HELD_OUT = ("floor9", "floor17", "basement3")
"""Floors that neither trained the model nor chose among its epochs."""

KS = (1, 5, 10)


def describe(extractor: Extractor, paths: Sequence[Path]) -> npt.NDArray[np.float32]:
    """Returns descriptors, float32 (N, D)."""
    chunks = [paths[at : at + 16] for at in range(0, len(paths), 16)]
    return np.concatenate([extractor.extract([read_image(path) for path in chunk]) for chunk in chunks])


def tower(descriptors: npt.NDArray[np.float32], rows: Sequence[dict[str, str]], *, other_clips: bool) -> Recall:
    """Recall on the held-out floors, searched in the whole tower, where corridors repeat from floor to floor.

    Args:
        descriptors: float32 (N, D), of every row.
        rows: The table of photographs.
        other_clips: Right are images of another clip in the same area of the floor, and the own clip is left out;
            otherwise right are images within 3 s in the same clip, and the neighbours within 1 s are left out.
    """
    clip = np.array([row["clip"] for row in rows])
    area = np.array([f"{row['floor']} {row['area']}" for row in rows])
    second = np.array([float(row["second"]) for row in rows])
    queries = queries_of(rows, other_clips=other_clips)
    positives, ignored = [], []
    for i in queries:
        same, apart = clip == clip[i], np.abs(second - second[i])
        ignored.append(np.flatnonzero(same if other_clips else same & (apart <= 1)))
        right = (area == area[i]) & ~same if other_clips else same & (apart > 1) & (apart <= 3)
        positives.append(np.flatnonzero(right))
    return recall(search(descriptors[queries], descriptors, max(KS), ignored).rows, positives, KS)


def queries_of(rows: Sequence[dict[str, str]], *, other_clips: bool) -> npt.NDArray[np.int64]:
    """Returns the rows that are asked: held-out floors, and for other clips only areas that have several."""
    areas: dict[tuple[str, str], set[str]] = {}
    for row in rows:
        areas.setdefault((row["floor"], row["area"]), set()).add(row["clip"])
    return np.array(
        [
            i
            for i, row in enumerate(rows)
            if row["floor"] in HELD_OUT and (not other_clips or len(areas[row["floor"], row["area"]]) > 1)
        ]
    )


def robot(descriptors: npt.NDArray[np.float32], xy: npt.NDArray[np.float64]) -> Recall:
    """Recall on the outdoor run: right are frames within 10 m, the direct neighbours in time are left out."""
    count = len(xy)
    away = np.linalg.norm(xy[:, None] - xy[None], axis=2)
    steps = np.abs(np.arange(count)[:, None] - np.arange(count)[None])
    ignored = [np.flatnonzero(steps[i] <= 1) for i in range(count)]
    positives = [np.flatnonzero((steps[i] > 1) & (away[i] <= 10)) for i in range(count)]
    return recall(search(descriptors, descriptors, max(KS), ignored).rows, positives, KS)


def gem(folder: Path) -> Extractor:
    """Exports MobileNetV2 + GeM and opens it on the same runtime."""
    path = folder / "gem.onnx"
    export_onnx(build("gem-mobilenetv2", pretrained="backbone").eval(), path, licence="Apache-2.0")
    return open_extractor(path)


def main() -> None:
    """Prints one line for each protocol."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with ie_tower/ and robot_run/")
    data = parser.parse_args().data
    with (data / "ie_tower" / "images.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    with (data / "robot_run" / "poses.csv").open(encoding="utf-8") as file:
        poses = list(csv.DictReader(file))
    photographs = [data / "ie_tower" / row["path"] for row in rows]
    run = [data / "robot_run" / "images" / pose["image"] for pose in poses]
    xy = np.array([[float(pose["x_m"]), float(pose["y_m"])] for pose in poses])

    with tempfile.TemporaryDirectory() as folder:
        models = {"ours": open_extractor("a2gc-mobilenetv2"), "GeM": gem(Path(folder))}
        indoor = {name: describe(extractor, photographs) for name, extractor in models.items()}
        outdoor = {name: describe(extractor, run) for name, extractor in models.items()}
    print(" ".join(f"{name}: {e.spec.name}, {e.spec.descriptor_dim}-d, {e.backend}." for name, e in models.items()))
    print(f"held-out floors: {', '.join(HELD_OUT)}; database: all {len(rows)} photographs\n")
    print("| protocol | queries | K | ours | GeM | margin |\n|---|---|---|---|---|---|")
    clips = np.unique([row["clip"] for row in rows], return_inverse=True)[1].astype(np.int64)
    for title, other in (("same clip", False), ("other clips", True)):
        groups = clips[queries_of(rows, other_clips=other)]
        show(title, {name: tower(found, rows, other_clips=other) for name, found in indoor.items()}, groups)
    # A run is one walk: stretches of eight frames stand in for clips.
    show("robot_run", {name: robot(found, xy) for name, found in outdoor.items()}, np.arange(len(xy)) // 8)


def show(title: str, outcomes: dict[str, Recall], groups: npt.NDArray[np.int64]) -> None:
    """Prints the rows of one protocol."""
    ours, theirs = outcomes["ours"], outcomes["GeM"]
    for k in KS:
        margin = ours.margin_over(theirs, k, groups=groups)
        cells = [ours.interval(k, groups=groups), theirs.interval(k, groups=groups), margin]
        print(f"| {title} | {len(ours.hits)} | {k} | {' | '.join(map(str, cells))} |")


if __name__ == "__main__":
    main()
