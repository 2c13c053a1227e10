"""Poses in text files: TUM, KITTI, and CSV tables of several makes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path

import numpy as np

from a2gc_ros.bags.trajectory import Trajectory
from a2gc_ros.delimited import delimiter_of, split_rows
from a2gc_ros.errors import BagError
from a2gc_ros.geometry import Pose, check_pose_values, pose_from_quaternion, pose_from_xy_yaw

_ALIASES = {
    "stamp": "stamp timestamp time t stamp_s timestamp_s time_s stamp_ns timestamp_ns time_ns",
    "image": "image filename file name",
    "x": "x x_m tx px p_rs_r_x",
    "y": "y y_m ty py p_rs_r_y",
    "z": "z z_m tz pz p_rs_r_z",
    "qx": "qx q_x q_rs_x",
    "qy": "qy q_y q_rs_y",
    "qz": "qz q_z q_rs_z",
    "qw": "qw q_w q_rs_w",
    "yaw": "yaw yaw_rad theta",
}
_COLUMN_OF = {alias: column for column, aliases in _ALIASES.items() for alias in aliases.split()}
_QUATERNION = ("qx", "qy", "qz", "qw")
_TUM = ("stamp", "x", "y", "z", *_QUATERNION)

_NANOSECONDS_FROM = 10**14
"""A whole number this large is nanoseconds: as seconds it would be three million years."""

_STAMP_LIMIT = 2**63

_MOST_OF_A_ROTATION = 10.0
"""A matrix with larger entries is none that lost a few digits."""


@dataclass(frozen=True)
class PoseTable:
    """Rows of a file of poses.

    Attributes:
        poses: One pose per row.
        stamps_ns: Stamp of each row in nanoseconds, where the file has them.
        images: Image name of each row, where the file has them.
    """

    poses: list[Pose]
    stamps_ns: list[int] | None
    images: list[str] | None


def read_trajectory(path: str | Path) -> Trajectory:
    """Reads a trajectory file.

    Args:
        path: TUM (``stamp x y z qx qy qz qw``, separated by blanks), KITTI (twelve numbers: the upper three rows of the
            pose matrix; seconds, one a line, in ``times.txt`` beside the file), or CSV with a header that names its
            columns, EuRoC's ground truth among them.

    Raises:
        BagError: If the file cannot be read or understood; the message names file and line.
    """
    table = read_pose_table(path)
    if table.stamps_ns is None:
        raise BagError(f"{path} has no stamps; a trajectory needs a column named stamp")
    return Trajectory.from_poses(zip(table.stamps_ns, table.poses, strict=True))


def read_pose_table(path: str | Path) -> PoseTable:
    """Reads a file of poses with stamps, image names or both.

    Args:
        path: As for ``read_trajectory``; a CSV may have ``image`` in place of ``stamp`` and ``yaw_rad`` in place of a
            quaternion.

    Raises:
        BagError: If the file cannot be read or understood; the message names file and line.
    """
    path = Path(path)
    lines = _lines(path)
    first = lines[0][1]
    delimiter = delimiter_of(first)
    # TUM's and KITTI's numbers may be separated by tabs as well as by blanks.
    if delimiter is not None and not (delimiter == "\t" and _is_number(first.split()[0])):
        return _read_csv(path, lines, delimiter)
    width = len(first.split())
    if width == len(_TUM):
        rows = [(number, line.split()) for number, line in lines if not line.startswith("#")]
        return _table(path, _TUM, rows)
    if width == 12:
        return _read_kitti(path, lines)
    raise BagError(
        f"{path} is no trajectory: its first line has {width} values where TUM has 8 and KITTI 12, "
        "and no commas or semicolons"
    )


def parse_stamp(text: str, *, nanoseconds: bool = False) -> int:
    """Returns a stamp in nanoseconds.

    Args:
        text: Seconds with or without decimals, or nanoseconds; whole numbers from 10^14 on are nanoseconds.
        nanoseconds: Whether the unit is known to be nanoseconds.

    Raises:
        ValueError: If the text is not a number, or one that 64 bits of nanoseconds cannot hold.
    """
    try:
        value = Decimal(text.strip())
    except InvalidOperation as error:
        raise ValueError(f"{text!r} is not a stamp") from error
    if not value.is_finite() or not -_STAMP_LIMIT < value < _STAMP_LIMIT:
        raise ValueError(f"{text!r} is not a stamp")
    # Decimal keeps nanoseconds that a float of seconds since 1970 would round away.
    stamp_ns = int(value if nanoseconds or abs(value) >= _NANOSECONDS_FROM else value * 1_000_000_000)
    if abs(stamp_ns) >= _STAMP_LIMIT:
        raise ValueError(f"{text!r} is not a stamp")
    return stamp_ns


def _lines(path: Path) -> list[tuple[int, str]]:
    """Returns numbered lines that say something; comments go, but a commented header of a CSV stays."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BagError(f"the poses in {path} cannot be read: {error}") from error
    numbered = [(n, line.strip()) for n, line in enumerate(text.splitlines(), start=1) if line.strip()]
    lines = [
        (n, line) for i, (n, line) in enumerate(numbered) if not line.startswith("#") or (i == 0 and delimiter_of(line))
    ]
    if not lines:
        raise BagError(f"{path} holds no poses")
    return lines


def _read_csv(path: Path, lines: Sequence[tuple[int, str]], delimiter: str) -> PoseTable:
    try:
        cells = split_rows(lines, delimiter)
    except ValueError as error:
        raise BagError(f"{path} {error}") from error
    header = cells[0][1]
    if _is_number(header[0].lstrip("#")):
        if len(header) != len(_TUM):
            raise BagError(
                f"{path} has {len(header)} columns and no header to name them; "
                f"begin it with a line such as {','.join(_TUM)}"
            )
        return _table(path, _TUM, cells)
    names = [_column(name) for name in header]
    return _table(path, names, cells[1:], nanoseconds=_names_nanoseconds(header))


def _column(name: str) -> str:
    """Returns our name of a column: without comment sign and unit, whatever its make calls it."""
    bare = re.sub(r"\[.*?\]", "", name.lstrip("#")).strip().lower()
    return _COLUMN_OF.get(bare, bare)


def _names_nanoseconds(header: Sequence[str]) -> bool:
    return any(_column(name) == "stamp" and re.search(r"\[ns\]|_ns$", name.strip()) for name in header)


def _table(
    path: Path, columns: Sequence[str], rows: Sequence[tuple[int, Sequence[str]]], *, nanoseconds: bool = False
) -> PoseTable:
    pose_of = _pose_reader(path, columns)
    poses: list[Pose] = []
    stamps: list[int] = []
    images: list[str] = []
    for number, values in rows:
        if len(values) != len(columns):
            raise BagError(f"{path} line {number} has {len(values)} values but the first has {len(columns)}")
        row = dict(zip(columns, values, strict=True))
        try:
            poses.append(pose_of(row))
            if "stamp" in row:
                stamps.append(parse_stamp(row["stamp"], nanoseconds=nanoseconds))
        except ValueError as error:
            raise BagError(f"{path} line {number}: {error}") from error
        if "image" in row:
            images.append(row["image"].strip())
    if not poses:
        raise BagError(f"{path} holds no poses")
    return PoseTable(poses, stamps or None, images or None)


def _pose_reader(path: Path, columns: Sequence[str]) -> Callable[[Mapping[str, str]], Pose]:
    named = set(columns)
    if {"x", "y"} <= named:
        if named.issuperset(_QUATERNION):
            return lambda row: pose_from_quaternion(
                [float(row["x"]), float(row["y"]), float(row.get("z", 0))], [float(row[q]) for q in _QUATERNION]
            )
        if "yaw" in named:
            return lambda row: pose_from_xy_yaw(float(row["x"]), float(row["y"]), float(row["yaw"]))
    raise BagError(
        f"{path} has the columns {', '.join(columns)}; "
        "poses need x and y in metres and either qx, qy, qz, qw or yaw_rad"
    )


def _read_kitti(path: Path, lines: Sequence[tuple[int, str]]) -> PoseTable:
    times = path.with_name("times.txt")
    if not times.is_file():
        raise BagError(f"{path} is in KITTI's format, which has no stamps; put them in {times}, seconds, one a line")
    stamps: list[int] = []
    for number, line in _lines(times):
        try:
            stamps.append(parse_stamp(line))
        except ValueError as error:
            raise BagError(f"{times} line {number}: {error}") from error
    if len(stamps) != len(lines):
        raise BagError(f"{path} has {len(lines)} poses but {times} has {len(stamps)} stamps")
    return PoseTable([_kitti_pose(path, number, line) for number, line in lines], stamps, None)


def _kitti_pose(path: Path, number: int, line: str) -> Pose:
    """Returns one pose, its rotation made orthonormal again, since the files keep few digits."""
    try:
        values = np.array([float(value) for value in line.split()]).reshape(3, 4)
        # LAPACK may search for the singular values of infinity forever.
        check_pose_values(values[:, 3].tolist(), (0.0, 0.0, 0.0, 1.0))
        if not np.isfinite(values).all() or np.abs(values[:, :3]).max() > _MOST_OF_A_ROTATION:
            raise ValueError("a rotation is not finite")
        u, _, vt = np.linalg.svd(values[:, :3])
    except (ValueError, np.linalg.LinAlgError) as error:
        raise BagError(f"{path} line {number} is not a pose of twelve numbers") from error
    pose = np.eye(4)
    pose[:3, :3] = u @ np.diag([1.0, 1.0, np.linalg.det(u @ vt)]) @ vt
    pose[:3, 3] = values[:, 3]
    return pose


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
