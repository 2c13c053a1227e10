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
import dataclasses
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from closure_runs import FIXED, RULE, RememberingVerifier, Walk, detect, recall_in_hindsight, town, walk_of, words
from rich.console import Console
from rich.progress import track

from a2gc_ros.extract import Extractor, open_extractor
from a2gc_ros.geometry import pose_from_xy_yaw
from a2gc_ros.images.decode import read_image
from a2gc_ros.images.frame import Frame
from a2gc_ros.loops import Detection, LoopConfig
from a2gc_ros.loops.verification import View

RATES = (0.1, 0.03, 0.01, 0.003, 0.001, 0.0003, 0.0001)
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
    return walk_of("robot_run", frames, np.stack([extractor.extract_one(i) for i in images]), poses)


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
        walks.append(Walk(f"tower walk {number}", frames, descriptors, same, (same & before).any(axis=1), ~same))
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
    loosest = dataclasses.replace(config, min_inliers=8, min_inlier_ratio=0.0)
    verifier = RememberingVerifier(loosest, {} if views is None else views)
    ours = detect(walk, config, verifier, on_frame)
    loose = detect(walk, dataclasses.replace(config, max_false_positive_rate=1.0, min_agreeing=1), verifier)
    fixed = detect(walk, FIXED, verifier)
    stamps = np.array([frame.stamp_ns for frame in walk.frames])
    admissible = stamps[:, None] - stamps[None] >= RULE.min_time_gap_s * 1e9
    asked, hits = realised(walk, loose.tails, admissible)
    return {
        "walk": walk.name,
        "keyframes": len(walk.frames),
        "revisits": int(walk.revisit.sum()),
        "ours": ours.judged(walk),
        "fixed": fixed.judged(walk),
        "bag_of_words": recall_in_hindsight(words(walk), walk, admissible),
        "descriptor": recall_in_hindsight(walk.descriptors, walk, admissible),
        "by_rate": {rate: loose.judged(walk, 1 - rate) for rate in RATES},
        "similarity_asked": asked,
        "similarity_hits": hits,
        "ms": {stage: float(np.mean(spent)) for stage, spent in ours.timings_ms.items() if stage != "verification"},
    }


def realised(walk: Walk, tails: Sequence[Any], admissible: npt.NDArray[np.bool_]) -> tuple[int, dict[float, int]]:
    """Counts queries whose best match of another place is above the threshold that should let so few through."""
    similarities = walk.descriptors @ walk.descriptors.T
    asked, hits = 0, dict.fromkeys(RATES, 0)
    for at, tail in enumerate(tails):
        others = admissible[at] & walk.elsewhere[at]
        if tail.queries and others.any():
            asked += 1
            false_match = tail.false_match(float(similarities[at, others].max()), int(others.sum()))
            for rate in RATES:
                hits[rate] += false_match <= rate
    return asked, hits


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
    for key, label in (("ours", "default settings"), ("fixed", f"fixed threshold {FIXED.threshold}, strict geometry")):
        totals = np.sum([o[key] for o in outcomes], axis=0)
        spoilt = sum(o[key][1] > 0 for o in outcomes)
        lines.append(f"| {label} | {totals[0]} | {totals[1]} | {spoilt} | {totals[2] / max(1, revisits):.3f} |")
    for key, label in (("bag_of_words", "ORB bag of words"), ("descriptor", "descriptor alone")):
        found = sum(o[key] for o in outcomes)
        lines.append(f"| {label}, threshold in hindsight of each walk | | 0 | 0 | {found / max(1, revisits):.3f} |")
    lines += [
        "",
        "| rate asked | similarity: queries above | realised | closures: false / all | per keyframe | recall |",
    ]
    lines += ["|---|---|---|---|---|---|"]
    asked = sum(o["similarity_asked"] for o in outcomes)
    for rate in RATES:
        hits = sum(o["similarity_hits"][str(rate)] for o in outcomes)
        closures, false, found = np.sum([o["by_rate"][str(rate)] for o in outcomes], axis=0)
        lines.append(
            f"| {rate:g} | {hits} of {asked} | {hits / max(1, asked):.5f} | {false} / {closures} | "
            f"{false / keyframes:.5f} | {found / max(1, revisits):.3f} |"
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
