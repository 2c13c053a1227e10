"""Whether there is what poses in metres take: the camera's calibration, odometry, the camera's place on the robot.

One sentence for each question, the same in the log and in the diagnostics.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.node import Node

from a2gc_ros.bags.message_types import CAMERA_INFO, ODOMETRY
from a2gc_ros.images.frame import CameraIntrinsics
from a2gc_ros.nodes.health.diagnostics import Finding
from a2gc_ros.nodes.inputs.camera_input import CameraInput
from a2gc_ros.nodes.inputs.extrinsics import CameraExtrinsics
from a2gc_ros.nodes.inputs.heard import Heard
from a2gc_ros.nodes.inputs.odometry_input import OdometryInput
from a2gc_ros.nodes.inputs.transforms import TRANSFORMS
from a2gc_ros.nodes.parameters import PARAMETERS, NodeSettings

LOOKS_AHEAD = next(parameter.default for parameter in PARAMETERS if parameter.name == "camera_pose")
"""Default of ``camera_pose``: a guess, not somebody's word."""

WITHOUT_CALIBRATION = "closures carry no pose, and no robot is relocalized in metres"
WITHOUT_ODOMETRY = "closures of this run carry no metres"


@dataclass(frozen=True)
class InputStream:
    """A topic that is listened to.

    Attributes:
        topic: Its full name.
        received: Messages that came.
        silent_s: Seconds without one.
        publishers: How many publish it.
        elsewhere: Other topics of its type that somebody publishes.
    """

    topic: str
    received: int = 0
    silent_s: float = 0.0
    publishers: int = 0
    elsewhere: Sequence[str] = ()


def stream_of(node: Node, heard: Heard, message_type: str) -> InputStream:
    """Returns what the graph and the subscription tell of a topic."""
    elsewhere = [
        name
        for name, types in node.get_topic_names_and_types()
        if message_type in types and name != heard.topic and node.count_publishers(name)
    ]
    return InputStream(heard.topic, heard.received, heard.silent_s, node.count_publishers(heard.topic), elsewhere)


def silence_of(stream: InputStream, parameter: str) -> str:
    """Returns why a stream is silent, and what to do."""
    if stream.publishers:
        return f"{stream.topic} has {stream.publishers} publisher(s) but nothing arrives"
    there = ", ".join(sorted(stream.elsewhere)) or "none"
    return f"nobody publishes {stream.topic}: set {parameter}; topics of its type that exist: {there}"


def judge_calibration(
    stream: InputStream,
    intrinsics: CameraIntrinsics | None,
    uncalibrated: str,
    timeout_s: float,
    extrinsics: str,
    *,
    assumed: bool,
) -> Finding:
    """Returns whether the camera is calibrated.

    Args:
        stream: The topic of sensor_msgs/CameraInfo.
        intrinsics: The calibration of the newest image; None where none fits it.
        uncalibrated: Why not; empty before there is an image.
        timeout_s: Seconds after which silence is told.
        extrinsics: Where the camera's place on the robot comes from.
        assumed: Whether that is no more than the default of ``camera_pose``.
    """
    values = {"topic": stream.topic, "received": stream.received, "camera on the robot": extrinsics}
    if not stream.received:
        if stream.silent_s < timeout_s:
            return Finding(DiagnosticStatus.OK, f"waiting for {stream.topic}", values)
        sentence = f"no calibration, so {WITHOUT_CALIBRATION}: {silence_of(stream, 'camera_info_topic')}"
        return Finding(DiagnosticStatus.WARN, sentence, values)
    if intrinsics is None and uncalibrated:
        sentence = f"{stream.topic} gives no calibration, so {WITHOUT_CALIBRATION}: {uncalibrated}"
        return Finding(DiagnosticStatus.WARN, sentence, values)
    if intrinsics is None:
        return Finding(DiagnosticStatus.OK, f"{stream.topic} arrives; waiting for an image", values)
    sentence = f"{intrinsics.model}, {intrinsics.width}x{intrinsics.height}, from {stream.topic}"
    values |= {"fx": f"{intrinsics.matrix[0, 0]:.2f}", "fy": f"{intrinsics.matrix[1, 1]:.2f}"}
    if assumed:
        sentence += (
            "; where the camera sits on the robot is assumed (it looks ahead): "
            "publish it on /tf_static or set camera_pose"
        )
        return Finding(DiagnosticStatus.WARN, sentence, values)
    return Finding(DiagnosticStatus.OK, sentence, values)


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


def judge_odometry(state: PoseState, timeout_s: float) -> Finding:
    """Returns whether it is known where the robot is.

    Args:
        state: What is known.
        timeout_s: Seconds after which silence is told.
    """
    stream = state.stream
    fixed, moving = state.frames
    values: dict[str, object] = {
        "source": TRANSFORMS if state.transforms else stream.topic,
        "fixed frame": fixed,
        "moving frame": moving,
        "received": stream.received,
        "images with a pose": state.posed,
        "images without a pose": state.unposed,
    }
    if state.transforms and moving:
        if state.unposed > state.posed:
            sentence = f"{TRANSFORMS} does not reach the images' stamps from {fixed} to {moving}, so {WITHOUT_ODOMETRY}"
            return Finding(DiagnosticStatus.WARN, sentence, values)
        return Finding(DiagnosticStatus.OK, f"{TRANSFORMS}, from {fixed} to {moving}", values)
    if stream.received and not state.transforms:
        if stream.silent_s > timeout_s:
            return Finding(
                DiagnosticStatus.STALE, f"{stream.topic} has stopped: {silence_of(stream, 'odom_topic')}", values
            )
        if state.stamps:
            return Finding(DiagnosticStatus.WARN, state.stamps, values)
        if state.unposed > state.posed:
            sentence = f"{stream.topic} does not reach the images' stamps, so {WITHOUT_ODOMETRY}: compare the clocks"
            return Finding(DiagnosticStatus.WARN, sentence, values)
        return Finding(
            DiagnosticStatus.OK, f"{stream.topic}, from {fixed} to {moving or 'a frame without name'}", values
        )
    if stream.silent_s < timeout_s:
        return Finding(DiagnosticStatus.OK, "waiting for odometry", values)
    causes = [] if state.wanted == "tf" else [silence_of(stream, "odom_topic")]
    if state.lacks_transforms:
        causes.append(f"{TRANSFORMS} is not read, because tf2_msgs is not installed")
    elif state.wanted != "topic":
        causes.append(
            f"no transforms lead from {state.expected[0]} to {state.expected[1]}: set odom_frame and base_frame"
        )
    return Finding(DiagnosticStatus.WARN, f"no odometry, so {WITHOUT_ODOMETRY}: {'; '.join(causes)}", values)


class InputReport:
    """Answers both questions for a node that is at work.

    Args:
        node: The node.
        settings: Its parameters.
        camera: Its camera.
        odometry: Its odometry.
        extrinsics: Where its camera sits.
    """

    def __init__(
        self,
        node: Node,
        settings: NodeSettings,
        camera: CameraInput,
        odometry: OdometryInput,
        extrinsics: CameraExtrinsics,
    ) -> None:
        self._node = node
        self._settings = settings
        self._camera = camera
        self._odometry = odometry
        self._extrinsics = extrinsics
        self._counted = (0, 0)

    def findings(self, timeout_s: float) -> dict[str, Finding]:
        """Returns the answers by the name of the question.

        Args:
            timeout_s: Seconds after which silence is told.
        """
        camera, odometry, settings = self._camera, self._odometry, self._settings
        assumed = self._extrinsics.source == "camera_pose" and settings.camera_pose == LOOKS_AHEAD
        counted = (odometry.posed, odometry.unposed)
        state = PoseState(
            stream_of(self._node, odometry.heard, ODOMETRY),
            (odometry.frame, odometry.base_frame),
            odometry.follows_transforms,
            settings.odometry_source,
            (settings.odom_frame, settings.base_frame or "base_link"),
            odometry.lacks_transforms,
            odometry.stamps.problem,
            *(now - before for now, before in zip(counted, self._counted, strict=True)),
        )
        self._counted = counted
        return {
            "calibration": judge_calibration(
                stream_of(self._node, camera.calibration, CAMERA_INFO),
                camera.intrinsics,
                camera.uncalibrated,
                timeout_s,
                self._extrinsics.source,
                assumed=assumed and bool(odometry.posed),
            ),
            "odometry": judge_odometry(state, timeout_s),
        }
