from __future__ import annotations

import re

import numpy as np
import pytest

from a2gc_ros import geometry
from a2gc_ros.geometry import pose_from_quaternion, pose_from_xy_yaw, pose_from_xyz_rpy
from a2gc_ros.loops import Verification
from a2gc_ros.nodes.outputs.relocalization import Relocalization, relocalize, spacing_around
from a2gc_ros.placemap import Keyframe, Manifest, PlaceMap

AHEAD = pose_from_xyz_rpy((0.3, 0.0, 0.5, -np.pi / 2, 0.0, -np.pi / 2))


def random_pose(rng) -> np.ndarray:
    return pose_from_quaternion(rng.normal(size=3), rng.normal(size=4))


def expmap(twist: np.ndarray) -> np.ndarray:
    """A small rotation about fixed axes, and a translation."""
    angle = np.linalg.norm(twist[3:])
    axis = twist[3:] / angle
    return pose_from_quaternion(twist[:3], [*(axis * np.sin(angle / 2)), np.cos(angle / 2)])


def kept(pose: np.ndarray | None, t_base_camera: np.ndarray | None = None) -> Keyframe:
    return Keyframe(1, 1, 0, pose, None, t_base_camera=t_base_camera)


def located(*asked) -> Relocalization:
    found = relocalize(*asked)
    assert isinstance(found, Relocalization)
    return found


def test_a_camera_that_looks_ahead_has_its_optical_axis_along_x():
    np.testing.assert_allclose(AHEAD[:3, :3] @ [0, 0, 1], [1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(AHEAD[:3, :3] @ [1, 0, 0], [0, -1, 0], atol=1e-12)
    np.testing.assert_allclose(AHEAD[:3, :3] @ [0, 1, 0], [0, 0, -1], atol=1e-12)


def test_angles_turn_about_x_then_y_then_z():
    pose = pose_from_xyz_rpy((1.0, 2.0, 3.0, 0.3, -0.4, 0.5))

    def about(axis: int, angle: float) -> np.ndarray:
        vector = np.zeros(3)
        vector[axis] = np.sin(angle / 2)
        return pose_from_quaternion((0, 0, 0), [*vector, np.cos(angle / 2)])

    expected = about(2, 0.5) @ about(1, -0.4) @ about(0, 0.3)
    np.testing.assert_allclose(pose[:3, :3], expected[:3, :3], atol=1e-12)
    np.testing.assert_allclose(pose[:3, 3], (1, 2, 3))


def test_with_known_scale_the_true_pose_comes_out():
    rng = np.random.default_rng(0)
    keyframe, truth = random_pose(rng), random_pose(rng)
    relative = geometry.relative(keyframe @ AHEAD, truth @ AHEAD)
    found = located(kept(keyframe), None, Verification(True, 50, 60, relative, np.eye(6), scale_known=True), AHEAD)
    np.testing.assert_allclose(found.pose, truth, atol=1e-12)


def test_the_camera_of_the_map_may_sit_elsewhere_on_its_robot():
    rng = np.random.default_rng(3)
    keyframe, truth, mounted = random_pose(rng), random_pose(rng), random_pose(rng)
    relative = geometry.relative(keyframe @ mounted, truth @ AHEAD)
    verification = Verification(True, 50, 60, relative, np.eye(6), scale_known=True)
    np.testing.assert_allclose(located(kept(keyframe, mounted), None, verification, AHEAD).pose, truth, atol=1e-12)


def test_the_covariance_is_that_of_sampled_poses():
    rng = np.random.default_rng(1)
    keyframe, relative = random_pose(rng), random_pose(rng)
    root = rng.normal(size=(6, 6)) * 1e-3
    covariance = root @ root.T
    found = located(kept(keyframe), None, Verification(True, 50, 60, relative, covariance, scale_known=True), AHEAD)
    errors = []
    for twist in rng.multivariate_normal(np.zeros(6), covariance, 20_000):
        noisy = relative.copy()
        noisy[:3, 3] += twist[:3]
        noisy[:3, :3] = expmap(twist)[:3, :3] @ relative[:3, :3]
        pose = keyframe @ AHEAD @ noisy @ geometry.inverse(AHEAD)
        turned = pose[:3, :3] @ found.pose[:3, :3].T
        rotation = [turned[2, 1] - turned[1, 2], turned[0, 2] - turned[2, 0], turned[1, 0] - turned[0, 1]]
        errors.append([*(pose[:3, 3] - found.pose[:3, 3]), *(np.array(rotation) / 2)])
    sampled = np.cov(np.array(errors).T)
    np.testing.assert_allclose(found.covariance, sampled, atol=0.04 * np.abs(sampled).max())


def test_without_scale_the_position_is_the_keyframes_and_as_uncertain_as_its_neighbours_are_far():
    keyframe = pose_from_xy_yaw(3.0, 4.0, 0.2)
    relative = np.eye(4)
    relative[:3, :3] = pose_from_xyz_rpy((0, 0, 0, 0, 0.1, 0))[:3, :3]
    covariance = np.diag([1.0, 1.0, 1.0, 1e-4, 4e-4, 9e-4])
    found = located(kept(keyframe), 2.5, Verification(True, 50, 60, relative, covariance), AHEAD)
    np.testing.assert_allclose(found.pose[:3, 3], (3, 4, 0))
    # The camera turned about its y axis, which points down, so the robot turned the other way about z.
    assert geometry.yaw_of(found.pose) == pytest.approx(0.1)
    np.testing.assert_allclose(found.covariance[:3, :3], 6.25 * np.eye(3))
    np.testing.assert_allclose(found.covariance[:3, 3:], 0)
    assert found.covariance[5, 5] == pytest.approx(4e-4)


@pytest.mark.parametrize(
    ("pose", "verification", "spacing", "said"),
    [
        (None, None, 1.0, "the map holds no poses"),
        (np.eye(4), None, 1.0, "nothing was checked by geometry: set loop.verify to true"),
        (np.eye(4), Verification(False, 5, 60, np.eye(4), np.eye(6)), 1.0, "the geometry of the two images"),
        (np.eye(4), Verification(True, 50, 60), 1.0, "the geometry of the two images"),
        (np.eye(4), Verification(True, 50, 60, reason="a plane"), 1.0, "a plane"),
        (np.eye(4), Verification(True, 50, 60, np.eye(4), reason="flat"), 1.0, r"uncertainty is not known \(flat\)"),
        (np.eye(4), Verification(True, 50, 60, np.eye(4), np.eye(6)), None, "one camera tells no metres"),
    ],
    ids=["no map", "unchecked", "refused", "no pose", "no pose for a reason", "no covariance", "lone keyframe"],
)
def test_where_the_uncertainty_is_not_known_there_is_a_reason_and_no_pose(pose, verification, spacing, said):
    found = relocalize(kept(pose), spacing, verification, AHEAD)
    assert isinstance(found, str)
    assert re.search(said, found)


def test_spacing_is_the_distance_to_the_farther_neighbour_of_the_same_session():
    with PlaceMap.create(":memory:", Manifest("0" * 64, 4)) as place_map:
        descriptor = np.eye(4, dtype=np.float32)[0]
        first, second = place_map.add_session("a").id, place_map.add_session("b").id
        ids = [
            place_map.add(first, stamp, descriptor, pose=pose_from_xy_yaw(x, 0, 0)) for stamp, x in enumerate((0, 1, 3))
        ]
        ids += [place_map.add(second, 9, descriptor, pose=pose_from_xy_yaw(50, 0, 0))]
        ids += [place_map.add(second, 10, descriptor)]
        spacings = [spacing_around(place_map, place_map.keyframe(number)) for number in ids]
    assert spacings == [1.0, 2.0, 2.0, None, None]
