"""What arrives from a camera: good images in every transport, bad ones, silence."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest
from node_process import new_namespace
from places import START_NS, compressed_message, image_message, view
from ros_probe import wait_for
from sensor_msgs.msg import CompressedImage, Image

_STEPS = itertools.count(1)


def next_stamp() -> int:
    """Stamps that grow over all tests of this file, as a camera's do."""
    return START_NS + next(_STEPS) * 100_000_000


@pytest.fixture(scope="module")
def node(start_node):
    return start_node(**{"silence_timeout": 1.0, "diagnostics_period": 0.2, "loop.verify": False}).wait_until_active()


@pytest.fixture(scope="module")
def camera(node, probe):
    publisher = probe.publisher(Image, node.topic("image"))
    node.wait_until_heard(publisher)
    return publisher


def send_and_wait(node, publisher, message) -> None:
    """Sends until the node answers: the middleware's matching is not symmetric, and best effort may lose one."""
    before = len(node.closures)
    for _ in range(100):
        message.header.stamp.nanosec += 1
        publisher.publish(message)
        end = time.monotonic() + 0.3
        while time.monotonic() < end:
            if len(node.closures) > before:
                return
            time.sleep(0.01)
    raise AssertionError(f"no answer; the node said:\n{node.log[-2000:]}")


def test_every_image_is_answered_with_its_own_stamp_and_frame(node, camera):
    send_and_wait(node, camera, image_message(view(0), next_stamp()))
    before = len(node.closures)
    stamps = []
    for place in range(5):
        message = image_message(view(place), next_stamp())
        stamps.append((message.header.stamp.sec, message.header.stamp.nanosec))
        camera.publish(message)
        wait_for(lambda place=place: len(node.closures) > before + place, "an answer")
    answered = [(m.header.stamp.sec, m.header.stamp.nanosec) for m in node.closures[before:]]
    assert answered == stamps
    assert {m.header.frame_id for m in node.closures} == {"camera"}
    assert all(m.candidates == [] for m in node.closures[before:])


@pytest.mark.parametrize("best_effort", [False, True])
@pytest.mark.parametrize("size", [(640, 480), (1920, 1080)], ids=["vga", "1080p"])
def test_reliable_and_best_effort_cameras_are_heard_at_any_size(node, probe, best_effort, size):
    publisher = probe.publisher(Image, node.topic("image"), best_effort=best_effort, depth=1)
    node.wait_until_heard(publisher)
    send_and_wait(node, publisher, image_message(view(1, width=size[0], height=size[1]), next_stamp()))
    probe.node.destroy_publisher(publisher)


def test_padded_big_endian_mono16_is_read(node, camera):
    image = np.arange(48 * 64, dtype=">u2").reshape(48, 64) * 20
    message = Image(height=48, width=64, encoding="mono16", step=140, is_bigendian=1)
    message.header.stamp = image_message(view(0), next_stamp()).header.stamp
    message.data = np.hstack([image.view(np.uint8), np.zeros((48, 12), np.uint8)]).tobytes()
    send_and_wait(node, camera, message)


def broken(**changes) -> Image:
    message = image_message(view(2), next_stamp())
    for name, value in changes.items():
        setattr(message, name, value)
    return message


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"data": b"\0" * 100}, "carries 100"),
        ({"encoding": "nonsense"}, "encoding 'nonsense' is not known"),
        ({"encoding": "16UC1"}, "is a depth image"),
        ({"height": 0, "data": b""}, "has no pixels"),
        ({"width": 4_000_000_000, "height": 4_000_000_000, "step": 4_000_000_000}, "million pixels"),
        ({"step": 1}, "its step is 1"),
    ],
    ids=["wrong size", "unknown encoding", "depth", "zero height", "huge dimensions", "small step"],
)
def test_a_malformed_message_is_counted_and_told_and_the_node_lives(node, camera, changes, said):
    before = node.count("camera", "bad messages: image")
    camera.publish(broken(**changes))
    wait_for(lambda: node.count("camera", "bad messages: image") == before + 1, "a counted message")
    assert said in node.value("camera", "last bad message")
    send_and_wait(node, camera, image_message(view(3), next_stamp()))


def test_bad_messages_make_the_diagnostics_warn(node, camera):
    def warned() -> bool:
        camera.publish(broken(encoding="nonsense"))
        status = node.status("camera")
        return status is not None and status.level == status.WARN and "bad messages" in status.message

    wait_for(warned, "a warning in the diagnostics")


def test_bytes_that_are_no_message_are_counted(node, camera):
    before = node.count("camera", "bad messages")
    camera.publish(b"\0\1\0\0" + b"\xff" * 60)
    wait_for(lambda: node.count("camera", "bad messages") > before, "a counted message")
    send_and_wait(node, camera, image_message(view(4), next_stamp()))


def test_old_stamps_are_passed_over(node, camera):
    send_and_wait(node, camera, image_message(view(5), next_stamp()))
    wait_for(lambda: node.count("camera", "received"), "counts")
    before = node.count("camera", "passed over (stamps not newer)")
    camera.publish(image_message(view(5), START_NS + (next(_STEPS) - 2) * 100_000_000))
    wait_for(lambda: node.count("camera", "passed over (stamps not newer)") == before + 1, "a passed-over image")


def test_a_camera_that_stops_is_missed_and_welcomed_back(node, camera):
    def level() -> bytes:
        status = node.status("camera")
        return status.level if status else b"\xff"

    wait_for(lambda: level() == b"\2", "an error in the diagnostics")
    assert "nothing arrives" in node.message("camera")
    assert "fastdds.xml" in node.message("camera")
    node.wait_for_log("no image for")
    send_and_wait(node, camera, image_message(view(6), next_stamp()))
    wait_for(lambda: level() == b"\0", "the end of the error")


def test_the_rate_is_limited_by_stamps_and_changes_while_running(node, camera):
    assert not node.set("rate", 2.0)
    node.wait_for_reports()
    before = len(node.closures)
    for _ in range(11):
        camera.publish(image_message(view(7), next_stamp()))
        time.sleep(0.03)
    wait_for(lambda: len(node.closures) - before >= 2, "an answer each half second")
    time.sleep(0.3)
    assert len(node.closures) - before <= 3
    assert not node.set("rate", 0.0)
    node.wait_for_reports()
    send_and_wait(node, camera, image_message(view(7), next_stamp()))


def test_the_diagnostics_tell_speed_model_and_maps(node, camera):
    send_and_wait(node, camera, image_message(view(8), next_stamp()))
    wait_for(lambda: node.value("recognition", "latency p95 [ms]"), "a latency")
    status = node.status("recognition")
    values = {pair.key: pair.value for pair in status.values}
    assert node.value("map", "model").startswith("thumbnail (")
    assert node.value("map", "backend").split()[1] == "fp32"
    assert float(values["latency p95 [ms]"]) > 0
    assert float(values["stage extract [ms]"]) > 0
    assert "keyframes" in node.value("map", "live map")
    assert float(node.value("memory", "resident memory [MB]")) > 10


def test_compressed_images_are_read_beside_the_remapped_topic(start_node, probe):
    node = start_node(image_transport="compressed").wait_until_active()
    assert f"listening to {node.topic('image/compressed')} (sensor_msgs/msg/CompressedImage)" in node.log
    publisher = probe.publisher(CompressedImage, node.topic("image/compressed"))
    node.wait_until_heard(publisher)
    send_and_wait(node, publisher, compressed_message(view(0), next_stamp()))
    truncated = compressed_message(view(1), next_stamp())
    truncated.data = truncated.data[: len(truncated.data) // 2]
    publisher.publish(truncated)
    wait_for(lambda: node.count("camera", "bad messages: image") == 1, "a counted message")
    send_and_wait(node, publisher, compressed_message(view(2), next_stamp()))


@pytest.mark.parametrize("name", ["image/compressed", "image"])
def test_images_are_found_in_the_transport_that_is_published(start_node, probe, name):
    node = start_node().wait_until_active()
    assert f"listening to {node.topic('image')} (sensor_msgs/msg/Image), {node.topic('camera_info')}" in node.log
    publisher = probe.publisher(CompressedImage, node.topic(name))
    node.wait_for_log(rf"listening to {node.topic(name)} \(sensor_msgs/msg/CompressedImage\), which is published")
    send_and_wait(node, publisher, compressed_message(view(0), next_stamp()))


def test_a_topic_nobody_publishes_and_the_wrong_transport_are_named(start_node, probe):
    node = start_node(image_transport="raw", silence_timeout=0.5, diagnostics_period=0.2).wait_until_active()
    topic = node.topic("image")
    node.wait_for_log(f"nobody publishes {topic}: start the camera, or remap `image`")
    wrong = probe.publisher(CompressedImage, topic)
    wait_for(lambda: "set the parameter image_transport to compressed" in node.message("camera"), "the cause")
    probe.node.destroy_publisher(wrong)


def test_a_quality_of_service_that_does_not_match_is_named(start_node, probe):
    namespace = new_namespace()
    overrides = {f"{namespace}/image": {"subscription": {"reliability": "reliable"}}}
    node = start_node(namespace, silence_timeout=0.5, diagnostics_period=0.2, qos_overrides=overrides)
    node.wait_until_active()
    publisher = probe.publisher(Image, node.topic("image"), best_effort=True)
    wait_for(lambda: "quality of service" in node.message("camera"), "the cause")
    assert f"qos_overrides.{namespace}/image.subscription" in node.message("camera")
    probe.node.destroy_publisher(publisher)


def test_an_override_that_is_no_quality_of_service_is_refused(start_node):
    namespace = new_namespace()
    overrides = {f"{namespace}/image": {"subscription": {"reliability": "sometimes"}}}
    node = start_node(namespace, qos_overrides=overrides)
    node.wait_for_log(f"not activated: an override qos_overrides.{namespace}/image.subscription")
    assert node.state() == "inactive"


def test_of_topics_one_of_which_cannot_be_subscribed_none_stays_so(start_node, probe):
    node = start_node(depth=True, depth_topic="no topic")
    node.wait_for_log("not activated: InvalidTopicNameException")
    wait_for(lambda: node.message("camera"), "the node")
    assert not probe.node.get_subscriptions_info_by_topic(node.topic("image"))
