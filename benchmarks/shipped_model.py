"""The model that ships against others: place by place.

    python benchmarks/shipped_model.py DATA --against OTHER.onnx ... [--towns TOWN.mcap ...] [--model FILE]

DATA holds ie_tower/, robot_run/ and sequences/ as place_protocols.py says. Towns are recordings of `a2gc simulate`.
OTHER are exported models, such as an earlier one, other seeds, or GeM whitened on the same images:

    python training/fit_shipped_model.py DATA/ie_tower TOWN.mcap --model gem-efficientnet-lite0 --projection 1024 ...
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

from place_protocols import HELD_OUT, LotCircle, OfficeLoop, RobotRun, Scores, Tower, Town, describe

from a2gc_ros.extract import Extractor, open_extractor

Places: TypeAlias = Tower | RobotRun | OfficeLoop | LotCircle | Town


def judge(extractor: Extractor, sets: Sequence[Places]) -> Iterator[Scores]:
    """Yields every score of a model."""
    for item in sets:
        yield from item.scores(describe(extractor, item.images()))


def main() -> None:
    """Prints one row for each protocol and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with ie_tower/, robot_run/ and sequences/")
    parser.add_argument("--towns", type=Path, nargs="*", default=[], help="recordings of a2gc simulate")
    parser.add_argument("--model", default="a2gc-efficientnet-lite0", help="the model that is judged")
    parser.add_argument("--against", type=Path, nargs="+", required=True, help="models it is compared with")
    arguments = parser.parse_args()
    tower, sequences = Tower(arguments.data / "ie_tower"), arguments.data / "sequences"
    sets: list[Places] = [
        tower,
        RobotRun(arguments.data / "robot_run"),
        OfficeLoop(sequences / "office_loop"),
        LotCircle(sequences / "lot_circle"),
        *map(Town, arguments.towns),
    ]
    extractor = open_extractor(arguments.model)
    print(
        f"{arguments.model}: {extractor.spec.descriptor_dim}-d, {extractor.backend}, {extractor.spec.fingerprint[:12]}"
    )
    print(f"held-out floors: {', '.join(HELD_OUT)}; database: all {len(tower)} photographs")
    ours = list(judge(extractor, sets))
    for path in arguments.against:
        other = open_extractor(path)
        print(f"\nagainst {path.stem}: {other.spec.descriptor_dim}-d, {other.spec.fingerprint[:12]}\n")
        print("| protocol | queries | measure | ours | other | margin |\n|---|---|---|---|---|---|")
        for own, theirs in zip(ours, judge(other, sets), strict=True):
            cells = [own.interval(), theirs.interval(), own.margin_over(theirs)]
            print(f"| {own.protocol} | {len(own.values)} | {own.measure} | {' | '.join(map(str, cells))} |")


if __name__ == "__main__":
    main()
