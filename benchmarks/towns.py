"""The proof of the loop closures on simulated towns: closures, trajectories and poses, over one reading of each town.

    python benchmarks/towns.py TOWNS [--seeds 100 119] [--no-render]

TOWNS is a folder for recordings towns_seed_N.mcap; missing ones are rendered with two images a second (two minutes each
on one core), which at the robot's 3 m/s gives the keyframes that four would: one every 1.5 m. Everything that was
measured of a town is kept in TOWNS by the fingerprint of the model, so that an interrupted run goes on; delete it
after a change of detector, geometry or graph. What the three tables mean stands in `closures.py`, `slam.py` and
`geometry.py`, which print them for other recordings, too. The pose graph gets keyframe by keyframe what the detector
at its default settings gives out.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import closures
import cv2
import slam
from closure_runs import town
from geometry import Answers, Examiner, Raw, report
from rich.console import Console
from rich.progress import track

from a2gc_ros.extract import Extractor, open_extractor
from a2gc_ros.loops import LoopConfig
from a2gc_ros.loops.verification import View
from a2gc_ros.slam.pipeline import GraphFeed
from a2gc_ros.slam.report import draw
from a2gc_ros.slam.session import SlamConfig
from a2gc_ros.viz import style

EVERY = 6
"""Of the keyframes, which are asked for their poses."""

PARTS = ("closures", "slam", "geometry")


def measure(path: Path, extractor: Extractor, kept: dict[str, Path]) -> None:
    """Reads one town, measures everything, and keeps it."""
    walk = town(path, extractor)
    views: dict[int, View] = {}
    feed, examiner = GraphFeed(SlamConfig()), Examiner(EVERY, LoopConfig())
    found = closures.measure(walk, views, feed.add)
    examiner.ask(walk, views)
    run = feed.result(walk.trajectory, len(walk.frames), {})
    raw = Raw(1, examiner.closures, examiner.relocalizations, examiner.milliseconds)
    style.save(draw(run), kept["slam"].with_suffix(".png"))
    for part, outcome in zip(PARTS, (found, slam.judged(run), asdict(raw)), strict=True):
        kept[part].write_text(json.dumps(outcome), encoding="utf-8")


def show(outcomes: list[dict[str, Path]], seeds: list[int]) -> str:
    """Returns all tables, as Markdown."""
    read = {part: [json.loads(kept[part].read_text(encoding="utf-8")) for kept in outcomes] for part in PARTS}
    raw = Raw(0, Answers(), Answers(), {})
    for one in read["geometry"]:
        raw.add(one)
    return "\n\n".join(
        [
            closures.show("Simulated towns", read["closures"]),
            slam.table(dict(zip(seeds, read["slam"], strict=True))),
            json.dumps(report(raw), indent=2),
        ]
    )


def render(path: Path, seed: int) -> None:
    """Renders a town as `a2gc simulate` does, but for the rate."""
    command = [sys.executable, "-m", "a2gc_ros.cli.main", "simulate", "--seed", str(seed), "--rate", "2"]
    subprocess.run([*command, "--out", str(path)], check=True)


def main() -> None:
    """Measures the towns and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("towns", type=Path, help="folder for the recordings")
    parser.add_argument("--seeds", type=int, nargs=2, default=(100, 119), metavar=("FIRST", "LAST"))
    parser.add_argument("--no-render", action="store_true", help="leave out seeds without a recording")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    extractor = open_extractor("a2gc-efficientnet-lite0", threads=1)
    model = extractor.spec.fingerprint[:8]
    outcomes, seeds = [], []
    for seed in track(range(arguments.seeds[0], arguments.seeds[1] + 1), "towns", console=Console(stderr=True)):
        path = arguments.towns / f"towns_seed_{seed}.mcap"
        kept = {part: arguments.towns / f"{part}_{model}_{seed}.json" for part in PARTS}
        known = all(part.exists() for part in kept.values())
        if not known and not path.exists():
            if arguments.no_render:
                continue
            render(path, seed)
        if not known:
            measure(path, extractor, kept)
        outcomes.append(kept)
        seeds.append(seed)
    if not outcomes:
        parser.error(f"{arguments.towns} holds none of these recordings")
    print(show(outcomes, seeds))


if __name__ == "__main__":
    main()
