"""Whether there is what poses in metres take: the camera's calibration, odometry, the camera's place on the robot.

One sentence for each question, the same in the log and in the diagnostics.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from a2gc_ros.images.frame import CameraIntrinsics
from a2gc_ros.nodes.health.diagnostics import OK, STALE, WARN, Finding
from a2gc_ros.nodes.inputs.transforms import TRANSFORMS

WITHOUT_CALIBRATION = "closures carry no pose, and no robot is relocalized in metres"
WITHOUT_ODOMETRY = "closures of this run carry no metres"


@dataclass(frozen=True)
class InputStream:
    """A topic that is listened to.

    Attributes:
        topic: Its full name.
        received: Messages that came.
        silent: Whether none came for too long.
        publishers: How many publish it.
        elsewhere: Other topics of its type that somebody publishes.
    """

    topic: str
    received: int = 0
    silent: bool = False
    publishers: int = 0
    elsewhere: Sequence[str] = ()

    def cause_of_silence(self, parameter: str) -> str:
        """Returns why it is silent, and what to do: set that parameter, where somebody publishes another topic."""
        if self.publishers:
            return f"{self.topic} has {self.publishers} publisher(s) but nothing arrives"
        there = ", ".join(sorted(self.elsewhere)) or "none"
        return f"nobody publishes {self.topic}: set {parameter}; topics of its type that exist: {there}"


def judge_calibration(
    stream: InputStream, intrinsics: CameraIntrinsics | None, uncalibrated: str, extrinsics: str, *, assumed: bool
) -> Finding:
    """Returns whether the camera is calibrated.

    Args:
        stream: The topic of sensor_msgs/CameraInfo.
        intrinsics: The calibration of the newest image; None where none fits it.
        uncalibrated: Why not; empty before there is an image.
        extrinsics: Where the camera's place on the robot comes from.
        assumed: Whether that is no more than the default of ``camera_pose``.
    """
    values = {"topic": stream.topic, "received": stream.received, "camera on the robot": extrinsics}
    if not stream.received and not stream.silent:
        return Finding(OK, f"waiting for {stream.topic}", values)
    if not stream.received:
        cause = stream.cause_of_silence("camera_info_topic")
        return Finding(WARN, f"no calibration, so {WITHOUT_CALIBRATION}: {cause}", values)
    if intrinsics is None and uncalibrated:
        return Finding(WARN, f"{stream.topic} gives no calibration, so {WITHOUT_CALIBRATION}: {uncalibrated}", values)
    if intrinsics is None:
        return Finding(OK, f"{stream.topic} arrives; waiting for an image", values)
    sentence = f"{intrinsics.model}, {intrinsics.width}x{intrinsics.height}, from {stream.topic}"
    values |= {"fx": f"{intrinsics.matrix[0, 0]:.2f}", "fy": f"{intrinsics.matrix[1, 1]:.2f}"}
    if assumed:
        sentence += (
            "; where the camera sits on the robot is assumed (it looks ahead): "
            "publish it on /tf_static or set camera_pose"
        )
    return Finding(WARN if assumed else OK, sentence, values)


@dataclass(frozen=True)
class PoseState:
    """What is known of the robot's poses.

    Attributes:
        stream: The topic of nav_msgs/Odometry.
        frames: Fixed and moving frame; empty names until there are poses.
        transforms: Whether they come from /tf.
        wanted: ``odometry_source``.
        expected: The frames that are looked for on /tf.
        lacks_transforms: Whether /tf is wanted and tf2_msgs is not installed.
        stamps: What is wrong with the stamps of odometry; empty where nothing is.
        posed: Images that got a pose since the last report.
        unposed: Images that got none.
    """

    stream: InputStream
    frames: tuple[str, str] = ("", "")
    transforms: bool = False
    wanted: str = "auto"
    expected: tuple[str, str] = ("odom", "base_link")
    lacks_transforms: bool = False
    stamps: str = ""
    posed: int = 0
    unposed: int = 0


def judge_odometry(state: PoseState) -> Finding:
    """Returns whether it is known where the robot is."""
    fixed, moving = state.frames
    values = {
        "source": TRANSFORMS if state.transforms else state.stream.topic,
        "fixed frame": fixed,
        "moving frame": moving,
        "received": state.stream.received,
        "images with a pose": state.posed,
        "images without a pose": state.unposed,
    }
    return Finding(*_odometry(state), values)


def _odometry(state: PoseState) -> tuple[bytes, str]:
    stream = state.stream
    fixed, moving = state.frames
    if state.transforms and moving:
        way = f"from {fixed} to {moving}"
        if state.unposed > state.posed:
            return WARN, f"{TRANSFORMS} does not reach the images' stamps {way}, so {WITHOUT_ODOMETRY}"
        return OK, f"{TRANSFORMS}, {way}"
    if stream.received and not state.transforms:
        if stream.silent:
            return STALE, f"{stream.topic} has stopped: {stream.cause_of_silence('odom_topic')}"
        if state.stamps:
            return WARN, state.stamps
        if state.unposed > state.posed:
            return WARN, f"{stream.topic} does not reach the images' stamps, so {WITHOUT_ODOMETRY}: compare the clocks"
        return OK, f"{stream.topic}, from {fixed} to {moving or 'a frame without name'}"
    if not stream.silent:
        return OK, "waiting for odometry"
    causes = [] if state.wanted == "tf" else [stream.cause_of_silence("odom_topic")]
    if state.lacks_transforms:
        causes.append(f"{TRANSFORMS} is not read, because tf2_msgs is not installed")
    elif state.wanted != "topic":
        causes.append(
            f"no transforms lead from {state.expected[0]} to {state.expected[1]}: set odom_frame and base_frame"
        )
    return WARN, f"no odometry, so {WITHOUT_ODOMETRY}: {'; '.join(causes)}"
