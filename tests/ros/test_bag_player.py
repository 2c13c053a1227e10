"""The player: the recorded bytes, at the recorded pace, with /clock."""

from __future__ import annotations

import subprocess
import sys
import time

import numpy as np
import pytest
from places import START_NS, pose, view
from rclpy.qos import QoSDurabilityPolicy, QoSProfile
from ros_probe import wait_for
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image

from a2gc_ros.bags import Recording, RecordingWriter

IMAGES = 10
PERIOD_NS = 100_000_000


def make_recording(path, *, mounted=False):
    with RecordingWriter(path) as writer:
        if mounted:
            writer.add_transform(START_NS, np.eye(4), parent="base_link", child="camera", static=True)
        for number in range(IMAGES):
            writer.add_odometry(START_NS + number * PERIOD_NS, pose(number), topic="/player_test/odom")
            writer.add_image(START_NS + number * PERIOD_NS, view(number), topic="/player_test/image")
    return path


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    return make_recording(tmp_path_factory.mktemp("bag") / "drive.mcap")


@pytest.mark.parametrize("name", ["drive.mcap", "drive.bag"])
def test_bytes_arrive_as_recorded_in_order_with_the_clock(tmp_path, probe, play, name):
    recording = make_recording(tmp_path / name)
    images = probe.listen(Image, "/player_test/image", raw=True)
    clock = probe.listen(Clock, "/clock")
    played = play(recording, "--rate", 2, "--wait", 10, "--clock", 50)
    assert played.returncode == 0, played.stderr
    wait_for(lambda: len(images) == IMAGES, f"all images, not {len(images)}")
    with Recording(recording) as opened:
        recorded = [bytes(m.data) for m in opened.messages({"/player_test/image"})]
    assert images == recorded
    times = [c.clock.sec * 10**9 + c.clock.nanosec for c in clock]
    assert times == sorted(times)
    assert times[0] == START_NS
    assert times[-1] == pytest.approx(START_NS + (IMAGES - 1) * PERIOD_NS, abs=20_000_000)


def test_start_stop_topics_and_remapping(recording, probe, play):
    moved = probe.listen(Image, "/player_test/moved")
    remap = ["--ros-args", "-r", "/player_test/image:=/player_test/moved"]
    played = play(
        recording, "--wait", 10, "--start", 0.25, "--stop", 0.65, "--topics", "/player_test/image", "--clock", 0, *remap
    )
    assert played.returncode == 0, played.stderr
    assert "odom" not in played.stderr
    wait_for(lambda: len(moved) == 4, "four images")
    assert [m.header.stamp.nanosec for m in moved] == [300_000_000, 400_000_000, 500_000_000, 600_000_000]


def test_the_pace_is_kept(recording, play):
    begin = time.monotonic()
    slow = play(recording, "--rate", 0.5)
    halfway = time.monotonic()
    fast = play(recording, "--rate", 100)
    end = time.monotonic()
    assert slow.returncode == fast.returncode == 0
    # The recording lasts 0.9 s; both runs spend the same time on starting up.
    assert (halfway - begin) - (end - halfway) == pytest.approx(1.8, abs=1.0)


def test_fixed_transforms_reach_who_listens_late_and_who_begins_in_the_middle(tmp_path, probe, ros_environment):
    """As a bag without offered qualities of service has them: one message, at its begin."""
    transforms = pytest.importorskip("tf2_msgs.msg", reason="needs tf2_msgs, from a distribution or make venv")
    path = make_recording(tmp_path / "drive.mcap", mounted=True)
    command = [sys.executable, "-m", "a2gc_ros.nodes.bag_player", str(path), "--start", "0.5", "--rate", "0.01"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as player:
        wait_for(lambda: probe.node.count_publishers("/player_test/image"), "the player")
        time.sleep(1.5)
        latched = QoSProfile(depth=10, durability=QoSDurabilityPolicy.TRANSIENT_LOCAL)
        heard: list[object] = []
        listener = probe.node.create_subscription(transforms.TFMessage, "/tf_static", heard.append, latched)
        message = wait_for(lambda: heard, "the fixed transforms")[0]
        player.terminate()
    probe.node.destroy_subscription(listener)
    assert [(edge.header.frame_id, edge.child_frame_id) for edge in message.transforms] == [("base_link", "camera")]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["/nowhere.mcap"], "there is no recording at /nowhere.mcap"),
        (["BAG", "--topics", "/nothing"], "has no topic /nothing; it has /player_test/image, /player_test/odom"),
        (["BAG", "--rate", "0"], "--rate is 0 but must be between 0.01 and 1000"),
        (["BAG", "--start", "5", "--stop", "2"], "--start must be at least 0 and --stop after it"),
    ],
)
def test_a_mistake_gets_one_sentence(recording, play, arguments, said):
    played = play(*[str(recording) if argument == "BAG" else argument for argument in arguments])
    assert played.returncode == 2
    assert said in played.stderr
    assert "Traceback" not in played.stderr
