"""How much of the drift of odometry loop closures take away: the trajectory's error before and after the pose graph.

    python benchmarks/slam.py TOWNS [--seeds 100 119] [--out benchmarks/results/slam.json]

TOWNS is a folder of recordings towns_seed_N.mcap of the simulated town (two laps, other light and traffic, a stretch
the other way), as `a2gc simulate --seed N` writes them, or of what `towns.py` kept of them; missing ones are passed
over and named. Detector and graph run at their default settings, image by image, as a robot would run them. Every
recording's outcome is kept in TOWNS as slam_MODEL_N.json, so that an interrupted run goes on; delete them after a
change of detector or graph.

ATE is the root mean square distance after the best rigid alignment. The simulated wheels measure lengths up to 0.8 %
too long or too short, which no closure tells; the last columns are the ATE of the true path at the odometry's scale,
what remains when all else is corrected, and the ATE after, with the best alignment that may change the scale too.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from a2gc_ros.bags.trajectory import Trajectory
from a2gc_ros.evaluation.trajectory import aligned, at_stamps_of, trajectory_error
from a2gc_ros.extract import open_extractor
from a2gc_ros.slam.pipeline import SlamOptions, SlamRun, run_slam
from a2gc_ros.slam.report import numbers_of, write_report


def scale_floor(run: SlamRun) -> float:
    """Returns the ATE of the true path stretched to the length that odometry measured, metres."""
    assert run.truth is not None
    before, truth = at_stamps_of(run.before, run.truth)
    ways = [float(np.linalg.norm(np.diff(t.positions, axis=0), axis=1).sum()) for t in (before, truth)]
    stretched = Trajectory(truth.stamps_ns, truth.positions * ways[0] / ways[1], truth.quaternions)
    return trajectory_error(stretched, truth).ate_rmse_m


def scale_free(run: SlamRun) -> float:
    """Returns the ATE after, with the scale that fits the truth best, metres."""
    assert run.truth is not None
    after, truth = at_stamps_of(run.after, run.truth)
    placed = aligned(after, truth).positions
    center, goal = placed - placed.mean(axis=0), truth.positions - truth.positions.mean(axis=0)
    # The rotation of the best similarity is that of the best rigid motion.
    scale = float((center * goal).sum() / (center**2).sum())
    return float(np.sqrt(((goal - scale * center) ** 2).sum(axis=1).mean()))


def judged(run: SlamRun) -> dict[str, Any]:
    """Returns the numbers of a run whose truth is known."""
    return numbers_of(run) | {"scale_floor_m": scale_floor(run), "scale_free_m": scale_free(run)}


def outcome(path: Path, kept: Path, report: Path | None) -> dict[str, Any]:
    """Runs one recording, or reads what an earlier run kept."""
    if kept.exists():
        loaded: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8"))
        return loaded
    run = run_slam(SlamOptions(path, threads=1))
    numbers = judged(run)
    if report is not None:
        write_report(run, numbers, report, path.stem)
    kept.write_text(json.dumps(numbers), encoding="utf-8")
    return numbers


def table(rows: dict[int, dict[str, Any]]) -> str:
    """Returns the outcomes as a Markdown table with median and worst."""
    lines = [
        "| seed | closures | ATE before [m] | after [m] | cut to | drift at the end before [m] | after [m] "
        "| ATE by scale alone [m] | ATE after, scale fitted [m] |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for seed, n in rows.items():
        lines.append(
            f"| {seed} | {n['closures_agreeing']} | {n['before']['ate_rmse_m']:.2f} | {n['after']['ate_rmse_m']:.2f} "
            f"| {1 / n['drift_cut']:.2f} | {n['before']['end_m']:.2f} | {n['after']['end_m']:.2f} "
            f"| {n['scale_floor_m']:.2f} | {n['scale_free_m']:.2f} |"
        )
    for name, pick in (("median", np.median), ("worst", np.max)):
        values = [
            pick([n[when][key] for n in rows.values()])
            for when, key in (
                ("before", "ate_rmse_m"), ("after", "ate_rmse_m"), ("before", "end_m"), ("after", "end_m")
            )
        ]  # fmt: skip
        cut = pick([1 / n["drift_cut"] for n in rows.values()])
        floor, free = (pick([n[key] for n in rows.values()]) for key in ("scale_floor_m", "scale_free_m"))
        lines.append(
            f"| {name} | | {values[0]:.2f} | {values[1]:.2f} | {cut:.2f} | {values[2]:.2f} | {values[3]:.2f} "
            f"| {floor:.2f} | {free:.2f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Runs the recordings there are and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("towns", type=Path, help="folder of the recordings")
    parser.add_argument("--seeds", type=int, nargs=2, default=(100, 119), metavar=("FIRST", "LAST"))
    parser.add_argument("--out", type=Path, help="file for the numbers of all recordings, as JSON")
    parser.add_argument("--reports", type=Path, help="folder for a report of each recording")
    arguments = parser.parse_args()
    console = Console(stderr=True)
    seeds = range(arguments.seeds[0], arguments.seeds[1] + 1)
    model = open_extractor("a2gc-efficientnet-lite0", threads=1).spec.fingerprint[:8]
    paths = {seed: arguments.towns / f"towns_seed_{seed}.mcap" for seed in seeds}
    kept = {seed: arguments.towns / f"slam_{model}_{seed}.json" for seed in seeds}
    there = [seed for seed in seeds if paths[seed].is_file() or kept[seed].is_file()]
    if missing := sorted(set(seeds) - set(there)):
        console.print(f"passed over, not in {arguments.towns}: seeds {', '.join(map(str, missing))}")
    rows = {}
    for seed in track(there, "towns", console=console, disable=not console.is_terminal):
        report = arguments.reports / f"town_{seed}" if arguments.reports else None
        rows[seed] = outcome(paths[seed], kept[seed], report)
    if not rows:
        parser.error(f"{arguments.towns} holds none of these recordings")
    print(table(rows))
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
