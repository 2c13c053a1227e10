from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from a2gc_ros.geometry import pose_from_xy_yaw, yaw_of
from a2gc_ros.nodes.inputs.stamped_buffers import ODOMETRY_POSES, OdometryBuffer

MS = 1_000_000


def filled(*stamps_ms: int) -> OdometryBuffer:
    buffer = OdometryBuffer()
    for stamp in stamps_ms:
        buffer.add(stamp * MS, pose_from_xy_yaw(stamp / 1000, 0.0, stamp / 1000))
    return buffer


@pytest.mark.parametrize(
    ("stamp_ms", "x"),
    [(0, 0.0), (50, 0.05), (100, 0.1), (175, 0.175), (200, 0.2)],
)
def test_a_pose_between_two_is_interpolated(stamp_ms, x):
    pose = filled(0, 100, 200).pose_at(stamp_ms * MS, 0.0)
    assert pose[0, 3] == pytest.approx(x)
    assert yaw_of(pose) == pytest.approx(x)


@pytest.mark.parametrize(("stamp_ms", "x"), [(-100, 0.0), (300, 0.2), (-300, None), (500, None)])
def test_beyond_the_ends_the_nearest_is_taken_if_it_is_near(stamp_ms, x):
    pose = filled(0, 100, 200).pose_at(stamp_ms * MS, 0.0)
    assert pose is None if x is None else pose[0, 3] == pytest.approx(x)


def test_without_odometry_there_is_no_pose_and_no_waiting():
    begin = time.monotonic()
    assert OdometryBuffer().pose_at(0, 10.0) is None
    assert time.monotonic() - begin < 5


def test_an_image_waits_for_odometry_to_catch_up():
    buffer = filled(0, 100)
    later = threading.Timer(0.05, lambda: buffer.add(200 * MS, pose_from_xy_yaw(0.2, 0.0, 0.0)))
    later.start()
    pose = buffer.pose_at(150 * MS, 10.0)
    later.join()
    assert pose[0, 3] == pytest.approx(0.15)


def test_closing_ends_the_wait():
    buffer = filled(0)
    timer = threading.Timer(0.05, buffer.close)
    timer.start()
    assert buffer.pose_at(900 * MS, 60.0) is None
    timer.join()


def test_a_clock_that_jumps_back_clears_the_buffer():
    buffer = filled(1000, 1100)
    buffer.add(0, np.eye(4))
    assert buffer.pose_at(1050 * MS, 0.0) is None
    assert buffer.pose_at(0, 0.0) is not None


def test_what_comes_again_or_out_of_order_changes_nothing():
    buffer = filled(0, 100, 200)
    for stamp_ms in (200, 150):
        buffer.add(stamp_ms * MS, pose_from_xy_yaw(9.0, 0.0, 0.0))
    for stamp_ms, x in ((50, 0.05), (175, 0.175), (200, 0.2)):
        assert buffer.pose_at(stamp_ms * MS, 0.0)[0, 3] == pytest.approx(x)


def test_the_buffer_forgets_the_oldest():
    buffer = filled(*range(0, 10 * (ODOMETRY_POSES + 10), 10))
    assert buffer.pose_at(0, 0.0) is not None  # the nearest is 100 ms away
    assert buffer.pose_at(-200 * MS, 0.0) is None
