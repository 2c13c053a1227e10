"""A robot in a street that was mapped before is told where it is, in metres, with the image's stamp."""

from __future__ import annotations

import time
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from geometry_msgs.msg import PoseWithCovarianceStamped
from nav_msgs.msg import Odometry
from places import image_message
from programs import load
from ros_probe import wait_for
from sensor_msgs.msg import CameraInfo, Image

from a2gc_ros import geometry
from a2gc_ros.bags.messages import stamp_of
from a2gc_ros.extract import open_extractor
from a2gc_ros.loops import LoopConfig
from a2gc_ros.loops.verification.feature_finder import FeatureFinder
from a2gc_ros.nodes.base.conversions import header_message, pose_message
from a2gc_ros.placemap import Manifest, NewKeyframe, PlaceMap
from a2gc_ros.placemap.thumbnails import encode_jpeg, intrinsics_json

START_NS = 1_700_000_000_000_000_000
CAMERA_POSE = [0.0, 0.0, 1.5, -np.pi / 2, 0.0, -np.pi / 2]
ASIDE_M = 0.4
STRETCHES = (4.0, 60.0)
IMAGES = 9
"""In each stretch."""

PARAMETERS: dict[str, object] = {
    "camera_pose": CAMERA_POSE,
    "map_frame": "street",
    "loop.min_agreeing": 1,
    "loop.max_false_positive_rate": 1.0,
    "loop.max_features": 600,
}


@pytest.fixture(scope="module")
def street() -> ModuleType:
    """The rendered town of the loop tests."""
    return load(Path(__file__).parents[1] / "loops" / "conftest.py")


@pytest.fixture(scope="module")
def maps(street: ModuleType, model: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Maps of two stretches of the street, as `a2gc map build` would make them; their poses are the true ones."""
    folder = tmp_path_factory.mktemp("maps")
    return [write_map(street, model, folder / f"{begin:g}.a2gc", begin) for begin in STRETCHES]


def write_map(street: ModuleType, model: Path, path: Path, begin: float) -> Path:
    extractor = open_extractor(model)
    finder = FeatureFinder("sift", LoopConfig().max_features)
    town = street.Town()
    with PlaceMap.create(path, Manifest(extractor.spec.fingerprint, extractor.spec.descriptor_dim)) as place_map:
        session = place_map.add_session("morning")
        for number, way in enumerate(np.arange(begin, begin + 18)):
            pose = town.pose(way)
            image = town.view(pose @ street.ROBOT_CAMERA)
            frame = street.Frame(number * 10**9, image)
            keyframe = NewKeyframe(
                frame.stamp_ns,
                extractor.extract_one(image),
                pose=pose,
                path_length=float(way - begin),
                image_jpeg=encode_jpeg(image),
                intrinsics_json=intrinsics_json(street.INTRINSICS),
                t_base_camera=street.ROBOT_CAMERA,
                features=finder.find_encoded(frame),
            )
            place_map.add_many(session.id, [keyframe])
    return path


def info_message(street: ModuleType, stamp_ns: int) -> CameraInfo:
    camera = street.INTRINSICS
    return CameraInfo(
        header=header_message(stamp_ns, "camera"),
        width=camera.width,
        height=camera.height,
        distortion_model=camera.model,
        k=camera.matrix.ravel().tolist(),
        d=camera.distortion.tolist(),
    )


def test_the_pose_in_the_map_is_published_also_after_a_kidnapping(street, maps, start_node, probe) -> None:
    """The robot drives in one map, is carried away while its wheels stand still, and goes on in the other."""
    node = start_node(maps=[str(path) for path in maps], **PARAMETERS).wait_until_active()
    poses = probe.listen(PoseWithCovarianceStamped, node.topic("relocalization_pose"))
    images = probe.publisher(Image, node.topic("image"))
    infos = probe.publisher(CameraInfo, node.topic("camera_info"))
    odometry = probe.publisher(Odometry, node.topic("odom"))
    node.wait_until_heard(infos)
    node.shake_hands(images, odometry)
    town = street.Town()
    truth, stretch_of = {}, {}
    for number in range(2 * IMAGES):
        stamp_ns = START_NS + number * 10**9
        second, along = divmod(number, IMAGES)
        pose = town.pose(STRETCHES[second] + 3 + 1.1 * along, lateral=ASIDE_M)
        truth[stamp_ns], stretch_of[stamp_ns] = pose, second
        before = len(node.closures)
        for offset_ns in (-20_000_000, 20_000_000):
            message = Odometry(header=header_message(stamp_ns + offset_ns, "odom"), child_frame_id="base_link")
            # The odometry of this run knows nothing of the maps, nor of being carried.
            message.pose.pose = pose_message(geometry.pose_from_xy_yaw(1.1 * number, 0, 0))
            odometry.publish(message)
        infos.publish(info_message(street, stamp_ns))
        time.sleep(0.05)
        images.publish(image_message(town.view(pose @ street.ROBOT_CAMERA), stamp_ns))
        wait_for(lambda before=before: len(node.closures) > before, f"an answer: {node.log[-500:]}")
    wait_for(lambda: len(poses) >= 6, "poses in the map")
    for message in poses:
        assert message.header.frame_id == "street"
        found, true = message.pose.pose, truth[stamp_of(message.header)]
        off = np.array([found.position.x, found.position.y, found.position.z]) - true[:3, 3]
        covariance = np.array(message.pose.covariance).reshape(6, 6)
        assert np.linalg.norm(off) < 0.3
        assert off @ np.linalg.solve(covariance[:3, :3], off) < 25
        # Metres, not the keyframe's place with the keyframes' spacing.
        assert np.sqrt(np.linalg.eigvalsh(covariance[:3, :3])[-1]) < 0.5
    assert {stretch_of[stamp_of(message.header)] for message in poses} == {0, 1}
    candidates = [(c, stamp_of(m.header)) for m in node.closures for c in m.candidates if c.map_index > 0]
    assert all(candidate.scale_known and candidate.has_covariance for candidate, _ in candidates)
    assert all(candidate.map_index == stretch_of[stamp_ns] + 1 for candidate, stamp_ns in candidates)
