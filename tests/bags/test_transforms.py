"""Chains of transforms."""

from __future__ import annotations

import numpy as np
import pytest

from a2gc_ros.bags.pose_source import transform_source
from a2gc_ros.bags.transforms import RecordedSamples, TransformTree
from a2gc_ros.errors import BagError
from a2gc_ros.geometry import Pose, inverse, pose_from_xy_yaw, quaternion_of

MOUNTED = pose_from_xy_yaw(0.3, 0.1, 0.7)
ARM = pose_from_xy_yaw(-1.0, 2.0, -0.4)


def parts(pose: Pose) -> tuple[tuple, tuple]:
    """Translation and quaternion, as messages carry them."""
    return tuple(pose[:3, 3]), tuple(quaternion_of(pose))


def drive(t: float) -> Pose:
    return pose_from_xy_yaw(2 * t, -t, 0.1 * t)


def drift(t: float) -> Pose:
    return pose_from_xy_yaw(0.1 * t, 0.0, 0.01 * t)


@pytest.fixture
def tree() -> TransformTree:
    """map > odom > base_link > (camera, arm), and a tree of its own: world > beacon."""
    tree = TransformTree(RecordedSamples)
    tree.add("base_link", "/camera", 0, *parts(MOUNTED), static=True)
    tree.add("base_link", "arm", 0, *parts(ARM), static=True)
    tree.add("world", "beacon", 0, *parts(np.eye(4)), static=True)
    for t in range(11):
        tree.add("odom", "base_link", t * 10, *parts(drive(t)), static=False)
        if t < 6:
            tree.add("map", "/odom", t * 10, *parts(drift(t)), static=False)
    return tree


@pytest.mark.parametrize(
    ("fixed", "moving", "expected"),
    [
        ("odom", "base_link", drive(2.5)),
        ("odom", "camera", drive(2.5) @ MOUNTED),
        ("map", "camera", drift(2.5) @ drive(2.5) @ MOUNTED),
        ("base_link", "map", inverse(drift(2.5) @ drive(2.5))),
        ("camera", "arm", inverse(MOUNTED) @ ARM),
        ("arm", "arm", np.eye(4)),
    ],
)
def test_chains_are_multiplied_out(tree: TransformTree, fixed: str, moving: str, expected: Pose) -> None:
    found = tree.lookup(fixed, moving, 25)
    assert found is not None
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_only_the_edges_between_the_two_frames_need_samples(tree: TransformTree) -> None:
    """At 90 nobody tells any more where odom is in map."""
    np.testing.assert_allclose(tree.lookup("odom", "camera", 90), drive(9) @ MOUNTED, atol=1e-12)
    np.testing.assert_allclose(tree.lookup("camera", "arm", 900), inverse(MOUNTED) @ ARM, atol=1e-12)
    assert tree.lookup("map", "camera", 90) is None


def test_frames_without_a_chain_have_no_pose(tree: TransformTree) -> None:
    assert tree.lookup("odom", "beacon", 10) is None
    assert tree.lookup("odom", "unheard_of", 10) is None


def test_samples_may_come_after_a_lookup(tree: TransformTree) -> None:
    assert tree.lookup("odom", "base_link", 105) is None
    tree.add("odom", "base_link", 110, *parts(drive(11)), static=False)
    np.testing.assert_allclose(tree.lookup("odom", "base_link", 105), drive(10.5), atol=1e-12)


def test_a_loop_in_a_broken_tree_ends() -> None:
    tree = TransformTree(RecordedSamples)
    tree.add("a", "b", 0, *parts(np.eye(4)), static=True)
    tree.add("b", "a", 0, *parts(np.eye(4)), static=True)
    assert tree.lookup("a", "nowhere", 0) is None
    tree.lookup("a", "b", 0)


@pytest.mark.parametrize(
    ("fixed", "base", "expected"),
    [
        (None, None, ("odom", "base_link")),
        ("map", None, ("map", "base_link")),
        (None, "arm", ("odom", "arm")),
        (None, "beacon", ("world", "beacon")),
    ],
)
def test_frames_left_open_are_chosen(tree: TransformTree, fixed: str | None, base: str | None, expected: tuple) -> None:
    source = transform_source(tree, fixed, base, "camera")
    assert source is not None
    assert (source.fixed, source.moving) == expected


def test_without_a_base_the_camera_moves() -> None:
    tree = TransformTree(RecordedSamples)
    tree.add("world", "cam0", 0, *parts(np.eye(4)), static=False)
    source = transform_source(tree, None, None, "/cam0")
    assert source is not None
    assert (source.fixed, source.moving) == ("world", "cam0")
    assert transform_source(tree, None, None, "cam1") is None


@pytest.mark.parametrize(
    ("fixed", "base", "sentence"),
    [("mars", None, "no frame mars"), ("world", "arm", "no chain"), ("map", "beacon", "no chain")],
)
def test_named_frames_that_do_not_fit_are_refused(
    tree: TransformTree, fixed: str | None, base: str | None, sentence: str
) -> None:
    with pytest.raises(BagError, match=sentence):
        transform_source(tree, fixed, base, "camera")
