from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from a2gc_simulation.drive import Drive, stamp_of
from a2gc_simulation.recorder import record_drive
from a2gc_simulation.render import camera_pose, intrinsics_of
from rosbags.highlevel import AnyReader
from rosbags.typesys import Stores, get_typestore
from typer.testing import CliRunner

from a2gc_ros.bags.recording import open_recording
from a2gc_ros.cli.main import app
from a2gc_ros.errors import BagError

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def drawn() -> list[np.ndarray]:
    """What was drawn while the bag was written."""
    return []


@pytest.fixture(scope="module")
def bag(opengl: None, short_drive: Drive, drawn: list[np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bag") / "hamlet.mcap"
    count = record_drive(short_drive, path, jpeg_quality=95, supersampling=1, on_image=drawn.append)
    assert count == len(drawn) == len(short_drive.image_times)
    return path


def test_every_message_is_there(bag: Path, short_drive: Drive) -> None:
    count = len(short_drive.image_times)
    with open_recording(bag) as recording:
        assert {topic.name: topic.count for topic in recording.topics} == {
            "/camera/image_raw/compressed": count,
            "/camera/camera_info": count,
            "/ground_truth/pose": count,
            "/odom": len(short_drive.odometry.times),
            "/tf_static": 1,
        }


def test_stamps_never_go_back(bag: Path) -> None:
    with AnyReader([bag], default_typestore=get_typestore(Stores.ROS2_HUMBLE)) as reader:
        stamps = [stamp for _, stamp, _ in reader.messages()]
    assert stamps == sorted(stamps)


def test_frames_come_back_with_pixels_calibration_and_odometry(
    bag: Path, drawn: list[np.ndarray], short_drive: Drive
) -> None:
    with open_recording(bag) as recording:
        read = list(recording.frames())
    assert [frame.stamp_ns for frame in read] == [stamp_of(time) for time in short_drive.image_times]
    for image, time, frame in zip(drawn, short_drive.image_times, read, strict=True):
        assert np.abs(image.astype(int) - frame.image).mean() < 6
        assert np.allclose(frame.intrinsics.matrix, intrinsics_of(short_drive.config).matrix)
        assert np.allclose(frame.pose, short_drive.odometry.pose_at(time), atol=2e-3)


def test_the_truth_is_exact_at_every_image(bag: Path, short_drive: Drive) -> None:
    with open_recording(bag) as recording:
        poses = [frame.pose for frame in recording.frames(pose_topic="/ground_truth/pose")]
    for time, pose in zip(short_drive.image_times, poses, strict=True):
        assert np.allclose(pose, short_drive.motion.pose_at(time), atol=1e-9)


def test_odometry_carries_its_covariance_and_velocity(bag: Path, short_drive: Drive) -> None:
    odometry = short_drive.odometry
    with AnyReader([bag], default_typestore=get_typestore(Stores.ROS2_HUMBLE)) as reader:
        connections = [c for c in reader.connections if c.topic == "/odom"]
        messages = [reader.deserialize(raw, c.msgtype) for c, _, raw in reader.messages(connections)]
    last = messages[-1]
    covariance = last.pose.covariance.reshape(6, 6)
    assert np.allclose(covariance[np.ix_((0, 1, 5), (0, 1, 5))], odometry.covariances[-1])
    assert covariance[2, 2] > 1e3
    assert (last.twist.twist.linear.x, last.twist.twist.angular.z) == tuple(odometry.twists[-1])
    assert (last.header.frame_id, last.child_frame_id) == ("odom", "base_link")
    stamps = [m.header.stamp.sec * 10**9 + m.header.stamp.nanosec for m in messages]
    assert stamps == [stamp_of(float(time)) for time in odometry.times]


def test_the_camera_is_mounted_where_tf_says(bag: Path, short_drive: Drive) -> None:
    with AnyReader([bag], default_typestore=get_typestore(Stores.ROS2_HUMBLE)) as reader:
        connections = [c for c in reader.connections if c.topic == "/tf_static"]
        (edge,) = next(reader.deserialize(raw, c.msgtype) for c, _, raw in reader.messages(connections)).transforms
    assert (edge.header.frame_id, edge.child_frame_id) == ("base_link", "camera_optical")
    assert edge.transform.translation.z == camera_pose(short_drive.config)[2, 3]


def test_the_command_says_what_it_recorded(opengl: None, tmp_path: Path) -> None:
    out = tmp_path / "run.mcap"
    arguments = f"simulate --out {out} --laps 1 --no-opposite --rate 0.1 --json"
    arguments += " --width 96 --height 72 --supersampling 1 --texels-per-metre 8"
    result = CliRunner().invoke(app, arguments.split())
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    with open_recording(out) as recording:
        assert len(list(recording.frames())) == report["images"]
    assert report["length_m"] > 250


def test_an_existing_recording_is_left_alone(tmp_path: Path) -> None:
    out = tmp_path / "run.mcap"
    out.write_bytes(b"precious")
    with pytest.raises(BagError, match="it exists"):
        CliRunner().invoke(app, ["simulate", "--out", str(out)], catch_exceptions=False)
    assert out.read_bytes() == b"precious"
