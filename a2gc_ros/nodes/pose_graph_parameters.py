"""The parameters of the pose graph node, in one table: docs/slam.md is checked against it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from a2gc_ros.nodes.base.parameter import LOOKS_AHEAD, Parameter, checked
from a2gc_ros.slam.noise import ClosureNoise, OdometryNoise
from a2gc_ros.slam.session import SlamConfig

PARAMETERS: tuple[Parameter, ...] = (
    Parameter("autostart", True, "Configure and activate at the start, without a lifecycle manager.", change="never"),
    Parameter("map_frame", "map", "Frame of the corrected path."),
    Parameter("odom_frame", "odom", "Frame of the odometry where its messages name none."),
    Parameter(
        "camera_pose",
        LOOKS_AHEAD,
        "Camera (optical frame) in the robot's base, where /tf_static does not tell: x, y, z in metres, roll, pitch, "
        "yaw in radians.",
    ),
    Parameter("publish_tf", True, "Broadcast map to odom on /tf, where this ROS has tf2; map_to_odom comes always."),
    Parameter("node_distance", 1.0, "Metres between poses of the graph.", 0.05, 100.0),
    Parameter("node_angle", 0.3, "Radians turned between poses of the graph.", 0.01, 7.0),
    Parameter("odometry_translation_noise", 0.05, "Least error of odometry, metres per root metre.", 1e-5, 10.0),
    Parameter("odometry_rotation_noise", 0.01, "Least error of odometry, radians per root metre.", 1e-6, 10.0),
    Parameter(
        "use_odometry_covariance", False, "Add to that by how much the odometry's own covariance grows over a step."
    ),
    Parameter("closure_translation_noise", 0.1, "Least error of a closure's translation, metres.", 1e-4, 100.0),
    Parameter("closure_rotation_noise", 0.01, "Least error of a closure's rotation, radians.", 1e-5, 3.0),
    Parameter("closure_direction_noise", 0.05, "Least error of a closure's direction, radians.", 1e-5, 3.0),
    Parameter(
        "closure_baseline",
        2.0,
        "How far apart two cameras that see the same place stand where the closure does not tell, metres.",
        0.1,
        100.0,
    ),
    Parameter("max_lag", 2.0, "Seconds a closure waits for odometry to reach its image.", 0.1, 60.0),
    Parameter("diagnostics_period", 1.0, "Seconds between messages on /diagnostics.", 0.1, 60.0),
)


@dataclass(frozen=True)
class GraphSettings:
    """The values of :data:`PARAMETERS`, checked; spacing and noise are in `slam`."""

    map_frame: str
    odom_frame: str
    camera_pose: tuple[float, ...]
    publish_tf: bool
    max_lag: float
    slam: SlamConfig

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> GraphSettings:
        """Builds settings from parameter values of the right types.

        Raises:
            ConfigError: If a value is out of range.
        """
        values = checked(PARAMETERS, values)
        return cls(
            map_frame=values["map_frame"],
            odom_frame=values["odom_frame"],
            camera_pose=values["camera_pose"],
            publish_tf=values["publish_tf"],
            max_lag=values["max_lag"],
            slam=SlamConfig(
                distance_m=values["node_distance"],
                angle_rad=values["node_angle"],
                odometry=OdometryNoise(values["odometry_translation_noise"], values["odometry_rotation_noise"]),
                closure=ClosureNoise(
                    translation=values["closure_translation_noise"],
                    rotation=values["closure_rotation_noise"],
                    direction=values["closure_direction_noise"],
                    baseline=values["closure_baseline"],
                ),
                use_covariance=values["use_odometry_covariance"],
            ),
        )
