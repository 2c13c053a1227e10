"""Where the pose of a frame comes from: a topic of poses, the transform tree, or nothing."""

from __future__ import annotations

from itertools import product
from typing import Protocol

import numpy as np

from a2gc_ros.bags.content import Content
from a2gc_ros.bags.message_types import ODOMETRY, TRANSFORMS
from a2gc_ros.bags.messages import pose_values, stamp_of, values_of
from a2gc_ros.bags.storage import Topic
from a2gc_ros.bags.trajectory import Trajectory, TrajectoryBuilder
from a2gc_ros.bags.transforms import RecordedSamples, TransformTree
from a2gc_ros.errors import BagError
from a2gc_ros.geometry import Pose

FIXED_FRAMES = ("odom", "map", "world")
BASE_FRAMES = ("base_link", "base_footprint")


class PoseSource(Protocol):
    """Gives ``t_odom_base`` at a stamp."""

    def interpolate(self, stamp_ns: int) -> Pose | None:
        """Returns the pose, or None where it is not known."""


class TransformSource:
    """Poses of one frame of a transform tree in another."""

    def __init__(self, tree: TransformTree, fixed: str, moving: str) -> None:
        self._tree, self.fixed, self.moving = tree, fixed, moving

    def interpolate(self, stamp_ns: int) -> Pose | None:
        """Returns ``t_fixed_moving`` at a stamp, or None where it is not known."""
        return self._tree.lookup(self.fixed, self.moving, stamp_ns)


def trajectory_of(content: Content, topic: Topic) -> Trajectory:
    """Reads all poses of an Odometry, PoseStamped or PoseWithCovarianceStamped topic."""
    builder = TrajectoryBuilder()
    for raw, message in content.messages({topic.name}):
        try:
            builder.add(stamp_of(message.header) or raw.stamp_ns, *pose_values(message, raw.type))
        except ValueError as error:
            content.skips.add(topic.name, error)
    return builder.build()


def body_frame_of(content: Content, topic: Topic) -> str:
    """Returns the frame whose pose an Odometry topic tells; empty where messages of its type do not say it."""
    if topic.type != ODOMETRY:
        return ""
    for _, message in content.messages({topic.name}):
        return str(message.child_frame_id).lstrip("/")
    return ""


def extrinsics(tree: TransformTree, base: str, camera: str) -> Pose | None:
    """Returns ``t_base_camera`` where fixed transforms tell it.

    Args:
        tree: The tree.
        base: Frame that the poses move; empty for the first of ``BASE_FRAMES`` from which a chain leads to the camera.
        camera: Frame of the images.
    """
    camera = camera.lstrip("/")
    if base == camera:
        return np.eye(4)
    poses = (tree.lookup(name, camera, 0) for name in ((base,) if base else BASE_FRAMES))
    return next((pose for pose in poses if pose is not None), None)


def transforms_of(content: Content, *, static_only: bool = False) -> TransformTree:
    """Reads every /tf and /tf_static message, or the latter only, into a tree."""
    tree = TransformTree(RecordedSamples)
    topics = {topic.name for topic in content.storage.topics if topic.type == TRANSFORMS}
    if static_only:
        topics = {name for name in topics if name.endswith("tf_static")}
    for raw, message in content.messages(topics):
        static = raw.topic.endswith("tf_static")
        for edge in message.transforms:
            stamp_ns = stamp_of(edge.header) or raw.stamp_ns
            values = values_of(edge.transform.translation, edge.transform.rotation)
            try:
                tree.add(edge.header.frame_id, edge.child_frame_id, stamp_ns, *values, static=static)
            except ValueError as error:
                content.skips.add(raw.topic, error)
    return tree


def transform_source(tree: TransformTree, fixed: str | None, base: str | None, camera: str) -> TransformSource | None:
    """Chooses the two frames of a tree between which the robot's motion lies.

    Args:
        tree: The tree.
        fixed: Frame that stands still; None for the first of ``FIXED_FRAMES`` there is.
        base: Frame that moves with the robot; None for the first of ``BASE_FRAMES`` there is, else the camera's.
        camera: Frame of the images.

    Returns:
        The source, or None where frames were left open and none fit.

    Raises:
        BagError: If a frame that was named does not exist or no chain leads from one to the other.
    """
    for name in (fixed, base):
        if name is not None and name not in tree.frames:
            raise BagError(f"the transforms hold no frame {name}; they hold {', '.join(sorted(tree.frames))}")
    bases = (base,) if base else (*BASE_FRAMES, camera.lstrip("/"))
    for chosen in product((fixed,) if fixed else FIXED_FRAMES, bases):
        if tree.is_connected(*chosen):
            return TransformSource(tree, *chosen)
    if fixed or base:
        raise BagError(
            f"no chain of transforms leads from {fixed or 'odom, map or world'} to "
            f"{base or 'base_link, base_footprint or the camera'}; "
            f"the frames are {', '.join(sorted(tree.frames))}"
        )
    return None
