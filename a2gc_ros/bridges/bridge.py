"""What every bridge is, and what it is told."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from a2gc_ros import geometry
from a2gc_ros.errors import ConfigError
from a2gc_ros.geometry import Pose
from a2gc_ros.loops.results import Detection


@dataclass(frozen=True)
class Recognized:
    """All that came of one image.

    Attributes:
        frame_id: Frame of the camera.
        descriptor: Of the image, float32 (D,).
        t_base_camera: Pose of the camera on the robot.
        pose: The robot in a loaded map, geometry_msgs/PoseWithCovarianceStamped, where it was relocalized.
        pose_probability: Of the closure behind ``pose``; None where it was not calibrated.
        t_odom_base: The robot in its odometry's frame at the image, where known.
    """

    stamp_ns: int
    frame_id: str
    detection: Detection
    descriptor: npt.NDArray[np.float32]
    t_base_camera: Pose
    pose: Any | None = None
    pose_probability: float | None = None
    t_odom_base: Pose | None = None


class Bridge(Protocol):
    """Speaks to one back end."""

    def publish(self, recognized: Recognized) -> None:
        """Passes on what concerns the back end."""

    def close(self) -> None:
        """Destroys publishers, clients and services."""


def message_package(name: str, bridge: str) -> ModuleType:
    """Imports a back end's message package, such as ``rtabmap_msgs.msg``: it comes with ROS or with the back end.

    Raises:
        ConfigError: If it is not installed; names the bridge that needs it.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = name.split(".")[0]
        raise ConfigError(
            f"the bridge {bridge} needs the messages of {package}, which are not installed: install that package and "
            f"source its workspace, or take {bridge} out of the parameter bridges"
        ) from error


def write_pose(position: Any, orientation: Any, pose: Pose) -> None:
    """Fills a message's position or translation, and its quaternion."""
    position.x, position.y, position.z = pose[:3, 3].tolist()
    orientation.x, orientation.y, orientation.z, orientation.w = geometry.quaternion_of(pose).tolist()
