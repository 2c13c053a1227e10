"""What needs ROS's message classes, but no processes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("rclpy", reason="needs ROS 2, from a distribution or from the wheels")
pytest.importorskip("a2gc_msgs.msg", reason="needs a2gc_msgs: make venv")

from rclpy.serialization import serialize_message
from sensor_msgs.msg import CompressedImage, Image
from visualization_msgs.msg import Marker

from a2gc_ros.errors import ImageError
from a2gc_ros.geometry import pose_from_quaternion
from a2gc_ros.loops import Detection, LoopClosure, Match, Verification
from a2gc_ros.loops.runs import VerifiedPair
from a2gc_ros.nodes.base.conversions import NOT_KEPT, candidates_message, header_message, pose_message, time_message
from a2gc_ros.nodes.health.watchdog import Publisher, cause_of_silence
from a2gc_ros.nodes.inputs.image_conversion import ImageConverter
from a2gc_ros.nodes.inputs.image_input import stamp_of_serialized
from a2gc_ros.nodes.outputs.debug_image import caption, side_by_side
from a2gc_ros.nodes.outputs.markers import MarkerTrack

IMAGE, COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"


@given(st.integers(0, 2**31 * 10**9 - 1), st.text(max_size=20).filter(lambda t: "\0" not in t))
def test_the_stamp_is_read_from_the_bytes(stamp_ns, frame_id):
    header = header_message(stamp_ns, frame_id)
    for message in (Image(header=header), CompressedImage(header=header)):
        assert stamp_of_serialized(serialize_message(message)) == stamp_ns


def test_big_endian_bytes_are_read_too_and_short_ones_refused():
    assert stamp_of_serialized(bytes([0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 3])) == 2_000_000_003
    with pytest.raises(ImageError, match="11 bytes is too short"):
        stamp_of_serialized(bytes(11))


def test_times_and_poses_keep_their_values():
    assert (time_message(1_700_000_000_123_456_789).sec, time_message(7).nanosec) == (1_700_000_000, 7)
    pose = pose_from_quaternion((1, 2, 3), (0.5, -0.5, 0.5, 0.5))
    message = pose_message(pose)
    assert (message.position.x, message.position.y, message.position.z) == (1, 2, 3)
    q = message.orientation
    np.testing.assert_allclose(pose_from_quaternion((1, 2, 3), (q.x, q.y, q.z, q.w)), pose, atol=1e-12)


def match(similarity: float = 0.9, map_index: int = 0) -> Match:
    return Match(2_000_000_005, map_index, 7, 3, 1_000_000_001, similarity)


def test_a_detection_becomes_a_message_field_by_field():
    covariance = np.arange(36.0).reshape(6, 6)
    verification = Verification(True, 40, 50, np.eye(4), covariance, scale_known=True)
    closures = [LoopClosure(match(), verification, 0.75, 9), LoopClosure(match(0.8, 2))]
    message = candidates_message(header_message(2_000_000_005, "camera"), closures)
    assert (message.header.stamp.sec, message.header.frame_id) == (2, "camera")
    first, second = message.candidates
    # One that was held back names the keyframe of its own image, not of this one.
    assert (first.query_keyframe_id, first.keyframe_id, first.session_id, first.map_index) == (9, 7, 3, 0)
    assert (first.query_stamp.nanosec, first.keyframe_stamp.nanosec) == (5, 1)
    assert first.similarity == pytest.approx(0.9)
    assert first.probability == 0.75
    assert (first.verified, first.inliers, first.matches) == (True, 40, 50)
    assert (first.has_pose, first.has_covariance, first.scale_known) == (True, True, True)
    np.testing.assert_array_equal(first.relative_pose.covariance, np.arange(36.0))
    assert (second.map_index, second.verified, second.has_pose) == (2, False, False)
    assert np.isnan(second.probability)


def test_a_pose_without_covariance_says_so():
    closure = LoopClosure(match(), Verification(True, 40, 50, np.eye(4)))
    message = candidates_message(header_message(0, ""), [closure]).candidates[0]
    assert (message.has_pose, message.has_covariance, message.scale_known) == (True, False, False)
    assert not np.any(message.relative_pose.covariance)
    assert message.query_keyframe_id == NOT_KEPT


@pytest.mark.parametrize(
    ("publishers", "said"),
    [
        ([], "nobody publishes /image: start the camera, or remap `image` to its topic; image topics that exist: /cam"),
        ([Publisher("/cam", COMPRESSED)], "set the parameter image_transport to compressed"),
        ([Publisher("/lidar", "sensor_msgs/msg/PointCloud2")], "remap `image` to a camera's topic"),
        ([Publisher("/cam", IMAGE, "ERROR: Durability")], "does not match (ERROR: Durability)"),
        (
            [Publisher("/cam", IMAGE, "bad"), Publisher("/cam2", IMAGE)],
            "has 2 matching publisher(s) but nothing arrives",
        ),
        ([Publisher("/cam", IMAGE)], "FASTDDS_DEFAULT_PROFILES_FILE=/profile.xml"),
    ],
)
def test_silence_gets_its_likely_cause(publishers, said):
    assert said in cause_of_silence("/image", IMAGE, publishers, ["/cam"], "/profile.xml")


def test_markers_thin_out_long_ways_and_ignore_what_has_no_place():
    track = MarkerTrack("odom")
    track.add_closure(1, 2, verified=True)
    assert all(marker.action == Marker.DELETE for marker in track.message("", ()).markers)
    for number in range(50_000):
        track.add_keyframe(number, np.array([number, 0.0, 0.0]))
    way, points, verified, *_ = track.message("", ()).markers
    assert 10_000 < len(way.points) <= 20_001
    assert len(points.points) == len(way.points)
    assert [p.x for p in verified.points] == [1, 2]
    assert way.header.frame_id == "odom"
    assert track.message("other", ()).markers[0].header.frame_id == "other"


def test_closures_are_coloured_by_probability_and_a_map_lies_where_the_last_relocalization_says():
    track = MarkerTrack("odom")
    for number in range(3):
        track.add_keyframe(number, np.array([number, 0.0, 0.0]))
    track.add_closure(2, 0, verified=True, probability=1.0)
    track.add_closure(2, 1, verified=True, probability=0.5)
    assert not track.knows("town.a2gc", 7)
    track.add_map("town.a2gc", 7, np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]]))
    assert track.knows("town.a2gc", 7)
    for offset in (9.0, 5.0):
        t_odom_map = np.eye(4)
        t_odom_map[1, 3] = offset
        track.add_relocalization("town.a2gc", t_odom_map, np.zeros(3), np.array([1.0, 0.0, 0.0]), 0.99)
    markers = {marker.ns: marker for marker in track.message("", {"town.a2gc"}).markers}
    sure, unsure = markers["verified"].colors[0], markers["verified"].colors[2]
    assert sure.g > unsure.g
    assert sure.r < unsure.r
    assert [(p.x, p.y) for p in markers["maps"].points] == [(0.0, 5.0), (1.0, 5.0)]
    assert [(p.x, p.y) for p in markers["relocalizations"].points] == [(0, 0), (1, 5), (0, 0), (1, 5)]
    assert len({marker.id for marker in markers.values()}) == len(markers)
    # Another map takes the number of one that is unloaded, and may have a session of the same number.
    assert not track.knows("yard.a2gc", 7)
    left = {marker.ns: marker for marker in track.message("", {"yard.a2gc"}).markers}
    assert not left["maps"].points
    assert not left["relocalizations"].points


@pytest.mark.parametrize("keyframe", [None, np.zeros((480, 640, 3), np.uint8)])
def test_the_debug_image_has_both_and_a_caption(keyframe):
    text, color = caption(Detection(0, closures=[LoopClosure(match(map_index=1), Verification(True, 40, 50))]))
    assert text == "relocalized: keyframe 7, 0.900, 40 inliers"
    picture = side_by_side(np.full((240, 320, 3), 200, np.uint8), keyframe, text, color)
    message = ImageConverter("own").message(picture, header_message(5, "camera"))
    assert (message.height, message.width) == picture.shape[:2]
    assert message.step * message.height == len(message.data)


@pytest.mark.parametrize(
    ("detection", "said"),
    [
        (Detection(0), "nothing to compare with yet"),
        (Detection(0, matches=[match()]), "no candidate; most similar 0.900"),
        (Detection(0, matches=[match()], candidates=[match()]), "candidate refused: 0.900"),
        (Detection(0, closures=[LoopClosure(match())]), "loop closure: keyframe 7, 0.900, not verified"),
        (
            Detection(0, verified=[(match(), VerifiedPair(0, 0.0, (0, 1), 0, 0.0, 80, 60, 0.3, 0.1))]),
            "waits for later keyframes: keyframe 7, 60 of 80 matches agree",
        ),
    ],
)
def test_the_caption_says_how_far_it_went(detection, said):
    assert caption(detection)[0] == said
