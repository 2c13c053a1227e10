"""Loop closures at the default settings: recall, false ones, and whether the false-positive rate asked for is had.

    python benchmarks/closures.py TOWNS [--seeds 100 119] [--data DATA]

TOWNS is a folder of recordings towns_seed_N.mcap of the simulated town, or of what `towns.py` kept of them; others are
passed over. DATA holds robot_run/ and ie_tower/. Every recording's outcome is kept in TOWNS as closures_MODEL_N.json,
so that an interrupted run goes on; delete them after a change of the detector.

A closure is right within 15 m (tower: same floor and area). Recall is over keyframes that look the same way at a place
passed at least 30 s and 10 m before.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from closure_runs import RULE, SharedViews, Walk, detect, recall_in_hindsight, town, walk_of, words
from rich.console import Console
from rich.progress import track

from a2gc_ros.extract import Extractor, open_extractor
from a2gc_ros.geometry import pose_from_xy_yaw
from a2gc_ros.images.decode import read_image
from a2gc_ros.images.frame import Frame
from a2gc_ros.loops import Detection, LoopConfig
from a2gc_ros.loops.verification import View

RATES = (0.1, 0.03, 0.01, 0.003, 0.001)
WALKS = 3


def robot_run(folder: Path, extractor: Extractor) -> Walk:
    """Reads the outdoor run; its poses serve as odometry and as truth."""
    with (folder / "poses.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    poses = [pose_from_xy_yaw(float(r["x_m"]), float(r["y_m"]), float(r["yaw_rad"])) for r in rows]
    images = [read_image(folder / "images" / r["image"]) for r in rows]
    frames = [
        Frame(at * 3 * 10**9, image, pose=pose) for at, (image, pose) in enumerate(zip(images, poses, strict=True))
    ]
    descriptors = np.stack([extractor.extract_one(i) for i in images])
    return walk_of("robot_run", frames, descriptors, poses, extractor.spec.fingerprint)


def tower_walks(folder: Path, extractor: Extractor, count: int) -> list[Walk]:
    """Joins clips of the tower into walks: some floors, then clips of the same areas again; floors look alike.

    There is no odometry, and clips follow each other a minute apart.
    """
    with (folder / "images.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    clips: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        clips.setdefault(row["clip"], []).append(row)
    walks = []
    for number in range(count):
        order = np.random.default_rng(number).permutation(sorted(clips))[:20]
        frames, place, visit = [], [], []
        at_s = 0.0
        for turn, clip in enumerate(order):
            for row in clips[str(clip)]:
                at_s += 1.0
                frames.append(Frame(round(at_s * 1e9), read_image(folder / row["path"])))
                place.append(f"{row['floor']} {row['area']}")
                visit.append(turn)
            at_s += 60.0
        names, turns = np.array(place), np.array(visit)
        same = names[:, None] == names[None]
        before = turns[:, None] > turns[None]
        descriptors = np.stack([extractor.extract_one(frame.image) for frame in frames])
        fingerprint = extractor.spec.fingerprint
        walks.append(
            Walk(f"tower walk {number}", frames, descriptors, same, (same & before).any(axis=1), ~same, (), fingerprint)
        )
    return walks


def measure(
    walk: Walk,
    views: dict[int, View] | None = None,
    on_frame: Callable[[Frame, Detection], None] = lambda _frame, _detection: None,
) -> dict[str, Any]:
    """Runs the detectors that are compared over one walk.

    Args:
        walk: The keyframes.
        views: Local features of frames by stamp; those that are found are added.
        on_frame: Called with every keyframe and what the default settings detect with it.
    """
    config = LoopConfig()
    ours = detect(walk, config, SharedViews(config, {} if views is None else views), on_frame)
    stamps = np.array([frame.stamp_ns for frame in walk.frames])
    admissible = stamps[:, None] - stamps[None] >= RULE.min_time_gap_s * 1e9
    return {
        "walk": walk.name,
        "keyframes": len(walk.frames),
        "revisits": int(walk.revisit.sum()),
        "ours": ours.judged(walk),
        "bag_of_words": recall_in_hindsight(words(walk), walk, admissible),
        "descriptor": recall_in_hindsight(walk.descriptors, walk, admissible),
        "by_rate": {rate: ours.at_rate(walk, rate) for rate in RATES},
        "ms": {stage: float(np.mean(spent)) for stage, spent in ours.timings_ms.items()},
    }


def remembered(path: Path, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Returns an outcome, made only where none was kept."""
    if not path.exists():
        path.write_text(json.dumps(make()), encoding="utf-8")
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def show(title: str, outcomes: Sequence[dict[str, Any]]) -> str:
    """Returns the tables of some walks, as Markdown."""
    keyframes = sum(o["keyframes"] for o in outcomes)
    revisits = sum(o["revisits"] for o in outcomes)
    lines = [f"{title}: {len(outcomes)} walks, {keyframes} keyframes, {revisits} revisits.", ""]
    lines += ["| method | closures | false | walks with a false one | recall |", "|---|---|---|---|---|"]
    totals = np.sum([o["ours"] for o in outcomes], axis=0)
    spoilt = sum(o["ours"][1] > 0 for o in outcomes)
    lines.append(f"| default settings | {totals[0]} | {totals[1]} | {spoilt} | {totals[2] / max(1, revisits):.3f} |")
    for key, label in (("bag_of_words", "ORB bag of words"), ("descriptor", "descriptor alone")):
        found = sum(o[key] for o in outcomes)
        lines.append(f"| {label}, threshold in hindsight of each walk | | 0 | 0 | {found / max(1, revisits):.3f} |")
    lines += ["", "| rate asked | closures: false / all | realized | recall |", "|---|---|---|---|"]
    for rate in RATES:
        closures, false, found = np.sum([o["by_rate"][str(rate)] for o in outcomes], axis=0)
        lines.append(
            f"| {rate:g} | {false} / {closures} | {false / max(1, closures):.5f} | {found / max(1, revisits):.3f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("towns", type=Path, help="folder of the recordings")
    parser.add_argument("--seeds", type=int, nargs=2, default=(100, 119), metavar=("FIRST", "LAST"))
    parser.add_argument("--data", type=Path, help="folder with robot_run/ and ie_tower/")
    arguments = parser.parse_args()
    extractor = open_extractor("a2gc-efficientnet-lite0")
    kept = arguments.towns
    model = extractor.spec.fingerprint[:8]
    outcomes = []
    for seed in track(range(arguments.seeds[0], arguments.seeds[1] + 1), "towns", console=Console(stderr=True)):
        path, known = kept / f"towns_seed_{seed}.mcap", kept / f"closures_{model}_{seed}.json"
        if path.exists() or known.exists():
            outcomes.append(remembered(known, partial(measure_town, path, extractor)))
    if outcomes:
        print(show("Simulated towns", outcomes), "\n")
    if arguments.data:
        run = remembered(
            kept / f"closures_{model}_robot_run.json",
            lambda: measure(robot_run(arguments.data / "robot_run", extractor)),
        )
        print(show("robot_run", [run]), "\n")
        tower = [
            remembered(kept / f"closures_{model}_tower_{number}.json", partial(measure, walk))
            for number, walk in enumerate(tower_walks(arguments.data / "ie_tower", extractor, WALKS))
        ]
        print(show("Tower, without odometry", tower))


def measure_town(path: Path, extractor: Extractor) -> dict[str, Any]:
    """Reads and measures one town; a town that was remembered is not read."""
    return measure(town(path, extractor))


if __name__ == "__main__":
    main()
