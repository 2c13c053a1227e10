"""What a run of the pose graph achieved: numbers, trajectories, a picture, one page."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from a2gc_ros.bags.trajectory import Trajectory
from a2gc_ros.bags.tum import write_tum
from a2gc_ros.evaluation.trajectory import STEP_M, aligned, at_stamps_of, trajectory_error
from a2gc_ros.slam.pipeline import SlamRun
from a2gc_ros.system.json_values import finite


def numbers_of(run: SlamRun) -> dict[str, Any]:
    """Returns the numbers of a run; ``before`` and ``after`` hold errors only where true poses are known."""
    numbers: dict[str, Any] = {
        "images": len(run.before),
        "keyframes": run.keyframes,
        "graph_poses": run.graph_poses,
        "closures": sum(run.outcomes.values()),
        "closures_in_graph": len(run.closures),
        "closures_agreeing": int(run.agreeing.sum()),
        "closures_without_pose": run.outcomes["no pose"],
        "closures_outside": run.outcomes["outside"],
        "camera_pose_assumed": run.camera_assumed,
        "skipped": run.skipped,
        "before": None,
        "after": None,
        "drift_cut": None,
    }
    if run.truth is not None:
        errors = [trajectory_error(*at_stamps_of(estimate, run.truth)) for estimate in (run.before, run.after)]
        numbers["before"], numbers["after"] = (finite(asdict(e)) for e in errors)
        numbers["drift_cut"] = finite(errors[0].ate_rmse_m / errors[1].ate_rmse_m) if errors[1].ate_rmse_m else None
    return numbers


def write_report(run: SlamRun, numbers: dict[str, Any], folder: Path, title: str) -> None:
    """Writes ``index.html``, ``numbers.json``, ``trajectory.png`` and the trajectories as TUM files.

    ``before.tum`` and ``after.tum`` have the same stamps; ``truth.tum``, where there is any, has those it covers.
    """
    from a2gc_ros.viz import style
    from a2gc_ros.viz.report import Report, Section

    folder.mkdir(parents=True, exist_ok=True)
    write_tum(folder / "before.tum", run.before)
    write_tum(folder / "after.tum", run.after)
    if run.truth is not None:
        write_tum(folder / "truth.tum", at_stamps_of(run.after, run.truth)[1])
    (folder / "numbers.json").write_text(json.dumps(numbers, indent=2) + "\n", encoding="utf-8")
    style.save(draw(run), folder / "trajectory.png")
    text = (
        "Left the path by odometry, right the same path after the pose graph closed its loops. "
        f"{numbers['closures_agreeing']} of {numbers['closures_in_graph']} closures agree with it in the end; "
        f"{numbers['closures_without_pose']} had no relative pose and were not used."
    )
    if run.camera_assumed:
        text += " Nothing told where the camera sits on the robot; it was taken to look ahead from the robot's origin."
    Report(
        title=title,
        subtitle="Loop detection and pose graph",
        tiles=_tiles(numbers),
        sections=[
            Section("Where", text, (), [(folder / "trajectory.png", "Path before and after closing loops")]),
            Section("Errors", "", _table(numbers)),
        ],
    ).write(folder / "index.html")


def draw(run: SlamRun) -> Any:
    """Draws the path before and after; both are laid on the truth where it is known."""
    from a2gc_ros.viz.correction import draw_correction

    before, after, truth = run.before, run.after, None
    titles = ("Before", "After")
    if run.truth is not None:
        pairs = [at_stamps_of(estimate, run.truth) for estimate in (before, after)]
        errors = [trajectory_error(*pair).ate_rmse_m for pair in pairs]
        before, after = (aligned(*pair) for pair in pairs)
        truth = pairs[0][1].positions[:, :2]
        titles = (f"Odometry: ATE {errors[0]:.2f} m", f"After closing loops: ATE {errors[1]:.2f} m")
    paths = before.positions[:, :2], after.positions[:, :2]
    return draw_correction(*paths, _links(run, before), truth=truth, titles=titles)


def _links(run: SlamRun, path: Trajectory) -> npt.NDArray[np.int64]:
    """Returns the rows of the path that agreeing closures join."""
    rows = {int(stamp): row for row, stamp in enumerate(path.stamps_ns)}
    pairs = [
        (rows[query], rows[keyframe])
        for (query, keyframe), agrees in zip(run.closures.tolist(), run.agreeing, strict=True)
        if agrees and query in rows and keyframe in rows
    ]
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def _tiles(numbers: dict[str, Any]) -> list[tuple[str, str]]:
    errors = [] if numbers["after"] is None else ["before", "after"]
    return [
        *((f"{numbers[when]['ate_rmse_m']:.2f} m", f"error {when}") for when in errors),
        (str(numbers["closures_agreeing"]), "closures in agreement"),
    ]


def _table(numbers: dict[str, Any]) -> list[tuple[str, str, str]]:
    if numbers["after"] is None:
        return [("", "no true poses", "")]
    names = {
        "ate_rmse_m": "absolute trajectory error, RMSE [m]",
        "ate_max_m": "absolute trajectory error, largest [m]",
        "end_m": "distance at the end, starts laid on each other [m]",
        "rpe_m": f"error over {STEP_M:g} m of way, RMSE [m]",
        "rpe_deg": f"turn error over {STEP_M:g} m of way, RMSE [degrees]",
    }
    rows = [("", "before", "after")]
    for key, name in names.items():
        before, after = ("–" if (v := numbers[when][key]) is None else f"{v:.3f}" for when in ("before", "after"))
        rows.append((name, before, after))
    return rows
