"""What a node that is at work tells about its inputs, in the diagnostics and in its log."""

from __future__ import annotations

from collections.abc import Mapping

from a2gc_ros.bags.message_types import CAMERA_INFO, ODOMETRY
from a2gc_ros.nodes.base.guards import THROTTLED
from a2gc_ros.nodes.base.run_statistics import Period
from a2gc_ros.nodes.health import watchdog
from a2gc_ros.nodes.health.diagnostics import ACTIVE, OK, CameraState, Finding, judge_camera
from a2gc_ros.nodes.health.input_status import InputStream, PoseState, judge_calibration, judge_odometry
from a2gc_ros.nodes.inputs.camera_input import CameraInput
from a2gc_ros.nodes.inputs.heard import Heard
from a2gc_ros.nodes.inputs.input_context import InputContext
from a2gc_ros.nodes.inputs.topic_names import topics_of_types


class InputReport:
    """Answers the questions about the inputs, and looks for the cause where no image arrives."""

    def __init__(self, context: InputContext, camera: CameraInput) -> None:
        self._node = context.node
        self._settings = context.settings
        self._camera = camera
        self._counted = (0, 0)
        self._told: dict[str, bytes] = {}

    def findings(self, counts: Period, timeout_s: float) -> dict[str, Finding]:
        """Returns the answers by the name of the question, and logs what is missing."""
        odometry, extrinsics = self._camera.odometry, self._camera.extrinsics
        assumed = extrinsics.source == "camera_pose" and self._settings.assumes_camera_pose
        calibration = self._stream(self._camera.calibration, CAMERA_INFO, timeout_s)
        findings = {
            "calibration": judge_calibration(
                calibration, *self._camera.calibrated, extrinsics.source, assumed=assumed and bool(odometry.posed)
            ),
            "odometry": judge_odometry(self._poses(timeout_s)),
        }
        self._tell(findings)
        return {"camera": judge_camera(ACTIVE, self._images(timeout_s), counts), **findings}

    def _images(self, timeout_s: float) -> CameraState:
        images, silence = self._camera.images, None
        if images.heard.silent_s > timeout_s:
            silence = watchdog.cause_of_silence(
                images.topic,
                images.message_type,
                watchdog.discover(self._node, images.topic, images.qos),
                watchdog.other_image_topics(self._node),
                str(watchdog.shipped_profile()),
            )
            self._node.get_logger().warning(f"no image for {images.heard.silent_s:.0f} s: {silence}", **THROTTLED)
        converter = {"image conversion": self._camera.converter.used}
        return CameraState(images.topic, silence, images.stamps.problem, images.stamps.taken, converter)

    def _poses(self, timeout_s: float) -> PoseState:
        odometry, settings = self._camera.odometry, self._settings
        (posed, unposed), before = (odometry.posed, odometry.unposed), self._counted
        self._counted = (posed, unposed)
        return PoseState(
            self._stream(odometry.heard, ODOMETRY, timeout_s),
            odometry.frames,
            odometry.follows_transforms,
            settings.odometry_source,
            (settings.odom_frame, settings.base_frame or "base_link"),
            odometry.lacks_transforms,
            odometry.stamps.problem,
            posed - before[0],
            unposed - before[1],
        )

    def _stream(self, heard: Heard, message_type: str, timeout_s: float) -> InputStream:
        elsewhere = [name for name in topics_of_types(self._node, (message_type,)) if name != heard.topic]
        publishers = self._node.count_publishers(heard.topic)
        return InputStream(heard.topic, heard.received, heard.silent_s > timeout_s, publishers, elsewhere)

    def _tell(self, findings: Mapping[str, Finding]) -> None:
        """Logs what is missing for metres, and that it has come, once each."""
        for part, found in findings.items():
            before, self._told[part] = self._told.get(part, OK), found.level
            if found.level != before and found.level == OK:
                self._node.get_logger().info(f"{part}: {found.sentence}")
            elif found.level != before:
                self._node.get_logger().warning(f"{part}: {found.sentence}")
