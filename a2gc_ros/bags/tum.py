"""Writes trajectories in TUM's format, which evo and most SLAM tools read."""

from __future__ import annotations

from pathlib import Path

from a2gc_ros.bags.trajectory import Trajectory
from a2gc_ros.errors import BagError
from a2gc_ros.system.files import write_whole


def write_tum(path: str | Path, trajectory: Trajectory) -> None:
    """Writes ``stamp x y z qx qy qz qw`` lines: seconds with nine decimals, metres, a unit quaternion.

    ``read_trajectory`` reads the same trajectory back: stamps exactly, numbers to nine decimals.

    Raises:
        BagError: If the file cannot be written.
    """
    lines = [
        f"{_seconds(int(stamp))} " + " ".join(f"{value:.9f}" for value in (*position, *quaternion)) + "\n"
        for stamp, position, quaternion in zip(
            trajectory.stamps_ns, trajectory.positions, trajectory.quaternions, strict=True
        )
    ]
    try:
        write_whole(Path(path), "".join(lines))
    except OSError as error:
        raise BagError(f"the trajectory {path} cannot be written: {error.strerror}") from error


def _seconds(stamp_ns: int) -> str:
    sign = "-" if stamp_ns < 0 else ""
    seconds, nanoseconds = divmod(abs(stamp_ns), 1_000_000_000)
    return f"{sign}{seconds}.{nanoseconds:09d}"
