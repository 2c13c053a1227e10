"""How far a trajectory is from the true one.

Absolute error as in Sturm et al., "A benchmark for the evaluation of RGB-D SLAM systems", IROS 2012: both trajectories
are laid on each other by the rigid motion with the least squared distance, then compared stamp by stamp. It is what
``evo_ape tum truth.tum estimate.tum --align`` prints.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from a2gc_ros import geometry
from a2gc_ros.bags.trajectory import Trajectory
from a2gc_ros.errors import BagError
from a2gc_ros.geometry import Pose

Points = npt.NDArray[np.float64]

STEP_M = 10.0
"""Length of the pieces of the way over which the relative error is taken."""


@dataclass(frozen=True)
class TrajectoryError:
    """Distance of a trajectory from the truth.

    Attributes:
        poses: How many poses were compared.
        ate_rmse_m: Root of the mean squared distance after alignment.
        ate_max_m: Largest distance after alignment.
        end_m: Distance between the last positions when the first poses are laid on each other: the drift.
        rpe_m: Root mean square error of the motion over pieces of ``STEP_M``; NaN where the way is shorter.
        rpe_deg: The same of its rotation.
    """

    poses: int
    ate_rmse_m: float
    ate_max_m: float
    end_m: float
    rpe_m: float
    rpe_deg: float


def align(estimate: Points, truth: Points) -> Pose:
    """Returns the rigid motion ``t_truth_estimate`` with the least sum of squared distances, scale left as it is.

    Umeyama, IEEE Transactions on Pattern Analysis and Machine Intelligence 13(4), 1991.

    Args:
        estimate: Float64 (N, 3).
        truth: Float64 (N, 3), the same places.
    """
    center_estimate, center_truth = estimate.mean(axis=0), truth.mean(axis=0)
    u, _, vt = np.linalg.svd((truth - center_truth).T @ (estimate - center_estimate))
    rotation = u @ np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vt))]) @ vt
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = rotation, center_truth - rotation @ center_estimate
    return pose


def at_stamps_of(estimate: Trajectory, truth: Trajectory) -> tuple[Trajectory, Trajectory]:
    """Returns the estimate where the truth is known, and the truth interpolated at the same stamps.

    Raises:
        BagError: If they share fewer than three stamps.
    """
    known = [
        (i, pose) for i, stamp in enumerate(estimate.stamps_ns) if (pose := truth.interpolate(int(stamp))) is not None
    ]
    if len(known) < 3:
        raise BagError(
            f"the true poses cover {len(known)} of {len(estimate)} poses; are both on the same clock? "
            "Three at least are needed to compare them"
        )
    rows = [i for i, _ in known]
    shared = Trajectory(estimate.stamps_ns[rows], estimate.positions[rows], estimate.quaternions[rows])
    return shared, Trajectory.from_poses((int(estimate.stamps_ns[i]), pose) for i, pose in known)


def aligned(estimate: Trajectory, truth: Trajectory) -> Trajectory:
    """Returns the estimate laid on the truth; both have the same stamps."""
    motion = align(estimate.positions, truth.positions)
    return Trajectory.from_poses((int(s), motion @ estimate.pose(i)) for i, s in enumerate(estimate.stamps_ns))


def trajectory_error(estimate: Trajectory, truth: Trajectory) -> TrajectoryError:
    """Compares a trajectory with the true one at the same stamps; see :func:`at_stamps_of`."""
    motion = align(estimate.positions, truth.positions)
    moved = estimate.positions @ motion[:3, :3].T + motion[:3, 3]
    distances = np.linalg.norm(moved - truth.positions, axis=1)
    poses = [[t.pose(i) for i in range(len(t))] for t in (estimate, truth)]
    ends = [geometry.relative(p[0], p[-1]) for p in poses]
    translations, rotations = _relative_errors(poses[0], poses[1])
    return TrajectoryError(
        poses=len(truth),
        ate_rmse_m=_root_mean_square(distances),
        ate_max_m=float(distances.max()),
        end_m=geometry.distance(*ends),
        rpe_m=_root_mean_square(translations),
        rpe_deg=float(np.rad2deg(_root_mean_square(rotations))),
    )


def _relative_errors(estimate: list[Pose], truth: list[Pose]) -> tuple[Points, Points]:
    """Returns the errors of the motion over every piece of the way: metres (M,) and radians (M,)."""
    steps = [geometry.distance(a, b) for a, b in itertools.pairwise(truth)]
    way = np.concatenate([[0.0], np.cumsum(steps)])
    ends = np.searchsorted(way, way + STEP_M)
    translations, rotations = [], []
    for begin, end in enumerate(ends):
        if end < len(truth):
            estimated = geometry.relative(estimate[begin], estimate[end])
            true = geometry.relative(truth[begin], truth[end])
            translations.append(float(np.linalg.norm(geometry.relative(true, estimated)[:3, 3])))
            rotations.append(geometry.rotation_angle(true, estimated))
    return np.array(translations), np.array(rotations)


def _root_mean_square(values: Points) -> float:
    return float(np.sqrt(np.mean(values**2))) if len(values) else float("nan")
