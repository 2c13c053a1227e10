"""The model that ships against MobileNetV2 + GeM, untrained, at the same input size.

    python benchmarks/shipped_model.py DATA [--towns TOWN.mcap ...] [--model FILE ...]

DATA holds ie_tower/ and robot_run/ as place_protocols.py says; A2GC_WEIGHTS names the folder of the ImageNet weights
that GeM is made of. Towns are recordings of `a2gc simulate`. Each FILE is another model to compare in place of the one
that ships, such as the exports of other seeds.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from place_protocols import HELD_OUT, RobotRun, Scores, Tower, Town, describe

from a2gc_ros.extract import Extractor, open_extractor
from a2gc_ros.extract.pytorch.export import export_onnx
from a2gc_ros.models import build


def gem(folder: Path) -> Extractor:
    """Exports MobileNetV2 + GeM and opens it on the same runtime."""
    path = folder / "gem.onnx"
    export_onnx(build("gem-mobilenetv2", pretrained="backbone").eval(), path, licence="Apache-2.0")
    return open_extractor(path)


def judge(extractor: Extractor, sets: Sequence[Tower | RobotRun | Town]) -> Iterator[Scores]:
    """Yields every score of a model."""
    for item in sets:
        yield from item.scores(describe(extractor, item.images()))


def main() -> None:
    """Prints one row for each protocol and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with ie_tower/ and robot_run/")
    parser.add_argument("--towns", type=Path, nargs="*", default=[], help="recordings of a2gc simulate")
    parser.add_argument("--model", nargs="*", default=["a2gc-mobilenetv2"], help="models to compare with GeM")
    arguments = parser.parse_args()
    tower = Tower(arguments.data / "ie_tower")
    sets = [tower, RobotRun(arguments.data / "robot_run"), *map(Town, arguments.towns)]
    with tempfile.TemporaryDirectory() as folder:
        baseline = gem(Path(folder))
        theirs = list(judge(baseline, sets))
    print(f"GeM: {baseline.spec.descriptor_dim}-d, {baseline.backend}")
    print(f"held-out floors: {', '.join(HELD_OUT)}; database: all {len(tower)} photographs")
    for name in arguments.model:
        extractor = open_extractor(name)
        print(f"\n{name}: {extractor.spec.descriptor_dim}-d, {extractor.backend}, {extractor.spec.fingerprint[:12]}\n")
        print("| protocol | queries | measure | ours | GeM | margin |\n|---|---|---|---|---|---|")
        for ours, other in zip(judge(extractor, sets), theirs, strict=True):
            cells = [ours.interval(), other.interval(), ours.margin_over(other)]
            print(f"| {ours.protocol} | {len(ours.values)} | {ours.measure} | {' | '.join(map(str, cells))} |")


if __name__ == "__main__":
    main()
