"""Files of poses: what is read, what is refused, and that no nanosecond is lost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from a2gc_ros.bags.pose_table import parse_stamp, read_pose_table, read_trajectory
from a2gc_ros.errors import BagError
from a2gc_ros.geometry import pose_from_quaternion, pose_from_xy_yaw, quaternion_of

STAMPS = [1_700_000_000_123_456_789, 1_700_000_001_000_000_001]
POSES = [pose_from_quaternion((1, 2, 3), (0.1, 0.2, 0.3, 0.9)), pose_from_quaternion((-4, 5, 0), (0, 0, 1, 1))]


def seconds(stamp_ns: int) -> str:
    return f"{stamp_ns // 10**9}.{stamp_ns % 10**9:09d}"


def values(i: int, order: str = "xyzw") -> list[str]:
    q = dict(zip("xyzw", quaternion_of(POSES[i]), strict=True))
    return [repr(float(v)) for v in [*POSES[i][:3, 3], *(q[axis] for axis in order)]]


TUM = "# stamp tx ty tz qx qy qz qw\n" + "".join(f"{seconds(s)} {' '.join(values(i))}\n" for i, s in enumerate(STAMPS))
CSV = "stamp,x,y,z,qx,qy,qz,qw\n" + "".join(f"{seconds(s)},{','.join(values(i))}\n" for i, s in enumerate(STAMPS))
BARE_CSV = "".join(f"{s},{','.join(values(i))}\n" for i, s in enumerate(STAMPS))
EUROC = (
    "#timestamp [ns], p_RS_R_x [m], p_RS_R_y [m], p_RS_R_z [m], "
    "q_RS_w [], q_RS_x [], q_RS_y [], q_RS_z [], v_RS_R_x [m s^-1]\n"
    + "".join(f"{s},{','.join(values(i, 'wxyz'))},0.5\n" for i, s in enumerate(STAMPS))
)


@pytest.mark.parametrize("text", [TUM, CSV, BARE_CSV, EUROC, "\ufeff" + CSV, CSV.replace("\n", "\r\n"), CSV + "\n\n"])
def test_every_make_gives_the_same_trajectory(tmp_path: Path, text: str) -> None:
    path = tmp_path / "poses.txt"
    path.write_text(text, encoding="utf-8", newline="")
    trajectory = read_trajectory(path)
    assert trajectory.stamps_ns.tolist() == STAMPS
    for i, pose in enumerate(POSES):
        np.testing.assert_allclose(trajectory.pose(i), pose, atol=1e-12)


def test_kitti_takes_its_stamps_from_another_file(tmp_path: Path) -> None:
    path, times = tmp_path / "00.txt", tmp_path / "times.txt"
    path.write_text("".join(" ".join(f"{v:.6e}" for v in pose[:3].reshape(-1)) + "\n" for pose in POSES))
    times.write_text("0.000000e+00\n1.037359e-01\n")
    trajectory = read_trajectory(path)
    assert trajectory.stamps_ns.tolist() == [0, 103_735_900]
    np.testing.assert_allclose(trajectory.pose(0), POSES[0], atol=1e-5)
    np.testing.assert_allclose(trajectory.pose(1)[:3, :3] @ trajectory.pose(1)[:3, :3].T, np.eye(3), atol=1e-12)


def test_images_and_planar_poses(tmp_path: Path) -> None:
    path = tmp_path / "poses.csv"
    path.write_text("image,x_m,y_m,yaw_rad\na.png,1,2,0.5\nb.png,3,4,-0.5\n")
    table = read_pose_table(path)
    assert table.images == ["a.png", "b.png"]
    assert table.stamps_ns is None
    np.testing.assert_allclose(table.poses[1], pose_from_xy_yaw(3, 4, -0.5))
    with pytest.raises(BagError, match="has no stamps"):
        read_trajectory(path)


@pytest.mark.parametrize(
    ("text", "nanoseconds", "expected"),
    [
        ("0", False, 0),
        ("1.5", False, 1_500_000_000),
        ("1700000000.123456789", False, STAMPS[0]),
        ("1.700000000123456789e9", False, STAMPS[0]),
        ("1700000000123456789", False, STAMPS[0]),
        (" 1403715273262142976 ", False, 1403715273262142976),
        ("12", True, 12),
        ("-1.5", False, -1_500_000_000),
    ],
)
def test_stamps_are_seconds_or_nanoseconds(text: str, nanoseconds: bool, expected: int) -> None:
    assert parse_stamp(text, nanoseconds=nanoseconds) == expected


@pytest.mark.parametrize("text", ["", "now", "nan", "inf", "1 2", "1e30", "1e999999999", "-1e12"])
def test_what_is_no_stamp_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a stamp"):
        parse_stamp(text)


@given(st.integers(0, 2**62))
def test_seconds_with_nine_decimals_are_exact(stamp_ns: int) -> None:
    assert parse_stamp(seconds(stamp_ns)) == stamp_ns


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "holds no poses"),
        ("# nothing\n", "holds no poses"),
        ("stamp,x,y,z,qx,qy,qz,qw\n", "holds no poses"),
        ("1 2 3\n", "has 3 values where TUM has 8"),
        ("1,2,3\n", "3 columns and no header"),
        ("stamp,x,y\n1,2,3\n", "has the columns stamp, x, y; poses need"),
        ("stamp,lat,lon,yaw\n1,2,3,4\n", "poses need x and y"),
        (CSV + "1,2\n", "line 4 has 2 values"),
        (CSV.replace("1.0", "one"), "line 2: could not convert"),
        ("stamp,x,y,yaw\nsoon,1,2,3\n", "line 2: 'soon' is not a stamp"),
        ("0 1 2 3 0 0 0 0\n", "line 1: not a pose"),
        ("1 0 0 0 0 1 0 0 0 0 1 0\n", "KITTI's format, which has no stamps"),
    ],
)
def test_refusals_name_file_and_line(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "poses.txt"
    path.write_text(text)
    with pytest.raises(BagError, match=sentence) as caught:
        read_trajectory(path)
    assert "poses.txt" in str(caught.value)


def test_kitti_refusals(tmp_path: Path) -> None:
    path = tmp_path / "00.txt"
    path.write_text("1 0 0 0 0 1 0 0 0 0 1 0\n1 0 0 0 0 1 0 0 0 0 1 x\n")
    (tmp_path / "times.txt").write_text("0\n")
    with pytest.raises(BagError, match=r"has 2 poses but .* has 1 stamps"):
        read_trajectory(path)
    (tmp_path / "times.txt").write_text("0\n1\n")
    with pytest.raises(BagError, match="line 2 is not a pose"):
        read_trajectory(path)


def test_a_missing_or_binary_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x80")
    for name in ("missing", "binary"):
        with pytest.raises(BagError, match=f"{name} cannot be read"):
            read_trajectory(tmp_path / name)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(alphabet="0123456789.,-+e #\nxyzqwstamp\"'", max_size=200))
def test_arbitrary_text_raises_nothing_but_bag_errors(tmp_path: Path, text: str) -> None:
    path = tmp_path / "poses.txt"
    path.write_text(text)
    try:
        table = read_pose_table(path)
    except BagError:
        return
    assert table.poses
