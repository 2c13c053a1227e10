"""Which topics are taken when none is named."""

from __future__ import annotations

import pytest

from a2gc_ros.bags.message_types import (
    CAMERA_INFO,
    COMPRESSED_IMAGE,
    IMAGE,
    ODOMETRY,
    POSE,
    POSE_WITH_COVARIANCE,
    TRANSFORMS,
)
from a2gc_ros.bags.storage import Topic
from a2gc_ros.bags.topics import image_topic, info_topic, pose_topic
from a2gc_ros.errors import BagError


def topics(**types: str) -> list[Topic]:
    return [Topic("/" + name.replace("__", "/"), msgtype, 5) for name, msgtype in types.items()]


RAW = Topic("/cam/image_raw", IMAGE, 5)
COMPRESSED = Topic("/cam/image_raw/compressed", COMPRESSED_IMAGE, 5)
DEPTH = Topic("/cam/depth/image_rect", IMAGE, 5)
COMPRESSED_DEPTH = Topic("/cam/image_rect/compressedDepth", COMPRESSED_IMAGE, 5)
REAR = Topic("/rear/image_raw/compressed", COMPRESSED_IMAGE, 5)
SILENT = Topic("/silent/image_raw", IMAGE, 0)
POINTS = Topic("/points", "sensor_msgs/msg/PointCloud2", 5)


@pytest.mark.parametrize(
    ("recorded", "expected"),
    [
        ([RAW], RAW),
        ([POINTS, COMPRESSED], COMPRESSED),
        ([RAW, COMPRESSED], RAW),
        ([DEPTH, COMPRESSED, COMPRESSED_DEPTH], COMPRESSED),
        ([SILENT, REAR], REAR),
    ],
)
def test_the_only_camera_is_taken(recorded: list[Topic], expected: Topic) -> None:
    assert image_topic(recorded) == expected


def test_several_cameras_are_listed() -> None:
    with pytest.raises(
        BagError, match=r"several image topics, .*/cam/image_raw .*/rear/image_raw/compressed"
    ) as caught:
        image_topic([RAW, COMPRESSED, REAR, DEPTH])
    assert "depth" not in str(caught.value)


@pytest.mark.parametrize("recorded", [[], [POINTS], [SILENT], [DEPTH]])
def test_no_camera_is_an_error(recorded: list[Topic]) -> None:
    with pytest.raises(BagError, match="no color or gray images"):
        image_topic(recorded)


def test_a_named_topic_is_taken_with_or_without_its_slash() -> None:
    assert image_topic([RAW, REAR], "/rear/image_raw/compressed") == REAR
    assert image_topic([RAW, REAR], "cam/image_raw") == RAW


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [("/points", "/points is not an image topic: it carries"), ("/front", "no topic /front; .* offers /cam/image_raw")],
)
def test_a_wrong_name_is_told_apart_from_a_wrong_type(wanted: str, sentence: str) -> None:
    with pytest.raises(BagError, match=sentence):
        image_topic([RAW, POINTS], wanted)


@pytest.mark.parametrize(
    ("recorded", "expected"),
    [
        (topics(pose=POSE, odom=ODOMETRY, tf=TRANSFORMS), "/odom"),
        (topics(pose=POSE, tf=TRANSFORMS), "/pose"),
        (topics(amcl_pose=POSE_WITH_COVARIANCE, initialpose=POSE_WITH_COVARIANCE), "/amcl_pose"),
        (topics(goal_pose=POSE, ground_truth__pose=POSE, tf_static=TRANSFORMS, tf=TRANSFORMS), "/tf"),
        (topics(ground_truth__odom=ODOMETRY, odom=ODOMETRY), "/odom"),
        (topics(tf_static=TRANSFORMS), None),
        ([], None),
    ],
)
def test_the_best_source_of_poses_is_taken(recorded: list[Topic], expected: str | None) -> None:
    found = pose_topic(recorded)
    assert (found and found.name) == expected


def test_several_equal_sources_of_poses_are_listed() -> None:
    with pytest.raises(BagError, match=r"several topics of poses, .*/wheel .*/visual"):
        pose_topic(topics(wheel=ODOMETRY, visual=ODOMETRY, pose=POSE))


@pytest.mark.parametrize(
    ("image", "recorded", "expected"),
    [
        (RAW, topics(cam__camera_info=CAMERA_INFO, rear__camera_info=CAMERA_INFO), "/cam/camera_info"),
        (REAR, topics(cam__camera_info=CAMERA_INFO, rear__camera_info=CAMERA_INFO), "/rear/camera_info"),
        (RAW, topics(cam__image_raw__camera_info=CAMERA_INFO, b=CAMERA_INFO), "/cam/image_raw/camera_info"),
        (RAW, topics(elsewhere=CAMERA_INFO), "/elsewhere"),
        (RAW, topics(a=CAMERA_INFO, b=CAMERA_INFO), None),
        (RAW, [REAR, *topics(rear__camera_info=CAMERA_INFO)], None),
        (RAW, [], None),
    ],
)
def test_the_calibration_beside_the_images_is_taken(image: Topic, recorded: list[Topic], expected: str | None) -> None:
    found = info_topic(recorded, image)
    assert (found and found.name) == expected
