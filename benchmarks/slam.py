"""How much of the drift of odometry loop closures take away: the trajectory's error before and after the pose graph.

    python benchmarks/slam.py TOWNS [--seeds 100 119] [--out benchmarks/results/slam.json]

TOWNS is a folder of recordings towns_seed_N.mcap of the simulated town (two laps, other light and traffic, a stretch
the other way), as `a2gc simulate --seed N` writes them; missing ones are passed over and named. Detector and graph run
at their default settings, image by image, as a robot would run them. Every recording's outcome is kept in TOWNS as
slam_N.json, so that an interrupted run goes on; delete them after a change of detector or graph.

ATE is the root mean square distance after the best rigid alignment. The simulated wheels measure lengths 0.8 % too
long or too short, which no closure tells; the last column but one is the ATE of the true path at the odometry's scale,
what remains when all else is corrected.
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
from a2gc_ros.evaluation.trajectory import at_stamps_of, trajectory_error
from a2gc_ros.slam.pipeline import SlamOptions, SlamRun, run_slam
from a2gc_ros.slam.report import numbers_of, write_report


def scale_floor(run: SlamRun) -> float:
    """Returns the ATE of the true path stretched to the length that odometry measured, metres."""
    assert run.truth is not None
    before, truth = at_stamps_of(run.before, run.truth)
    ways = [float(np.linalg.norm(np.diff(t.positions, axis=0), axis=1).sum()) for t in (before, truth)]
    stretched = Trajectory(truth.stamps_ns, truth.positions * ways[0] / ways[1], truth.quaternions)
    return trajectory_error(stretched, truth).ate_rmse_m


def outcome(path: Path, kept: Path, report: Path | None) -> dict[str, Any]:
    """Runs one recording, or reads what an earlier run kept."""
    if kept.exists():
        loaded: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8"))
        return loaded
    run = run_slam(SlamOptions(path, threads=1))
    numbers = numbers_of(run) | {"scale_floor_m": scale_floor(run)}
    if report is not None:
        write_report(run, numbers, report, path.stem)
    kept.write_text(json.dumps(numbers), encoding="utf-8")
    return numbers


def table(rows: dict[int, dict[str, Any]]) -> str:
    """Returns the outcomes as a Markdown table with median and worst."""
    lines = [
        "| seed | closures | ATE before [m] | after [m] | cut to | drift at the end before [m] | after [m] "
        "| ATE by scale alone [m] |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for seed, n in rows.items():
        lines.append(
            f"| {seed} | {n['closures_agreeing']} | {n['before']['ate_rmse_m']:.2f} | {n['after']['ate_rmse_m']:.2f} "
            f"| {1 / n['drift_cut']:.2f} | {n['before']['end_m']:.2f} | {n['after']['end_m']:.2f} "
            f"| {n['scale_floor_m']:.2f} |"
        )
    for name, pick in (("median", np.median), ("worst", np.max)):
        values = [
            pick([n[when][key] for n in rows.values()])
            for when, key in (
                ("before", "ate_rmse_m"), ("after", "ate_rmse_m"), ("before", "end_m"), ("after", "end_m")
            )
        ]  # fmt: skip
        cut = pick([1 / n["drift_cut"] for n in rows.values()])
        floor = pick([n["scale_floor_m"] for n in rows.values()])
        lines.append(
            f"| {name} | | {values[0]:.2f} | {values[1]:.2f} | {cut:.2f} | {values[2]:.2f} | {values[3]:.2f} "
            f"| {floor:.2f} |"
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
    there = [seed for seed in seeds if (arguments.towns / f"towns_seed_{seed}.mcap").is_file()]
    if missing := sorted(set(seeds) - set(there)):
        console.print(f"passed over, not in {arguments.towns}: seeds {', '.join(map(str, missing))}")
    rows = {}
    for seed in track(there, "towns", console=console, disable=not console.is_terminal):
        report = arguments.reports / f"town_{seed}" if arguments.reports else None
        path = arguments.towns / f"towns_seed_{seed}.mcap"
        rows[seed] = outcome(path, arguments.towns / f"slam_{seed}.json", report)
    if not rows:
        parser.error(f"{arguments.towns} holds none of these recordings")
    print(table(rows))
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
