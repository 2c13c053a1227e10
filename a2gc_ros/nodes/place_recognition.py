"""The executable ``place_recognition``: camera images in, loop closures out.

A lifecycle node. *Configuring* opens the model and the maps, and refuses with one sentence whatever does not fit;
*activating* subscribes to the camera; *deactivating* lets go of it and keeps the maps; *cleaning up* closes them.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup

from a2gc_ros.bridges.bridge import Bridge, Recognized
from a2gc_ros.bridges.choose import open_bridges
from a2gc_ros.errors import ImageError, MapError
from a2gc_ros.geometry import pose_from_xyz_rpy
from a2gc_ros.images.ahead import share_cores
from a2gc_ros.images.frame import Frame
from a2gc_ros.loops.preparation import Prepared
from a2gc_ros.loops.results import Detection
from a2gc_ros.nodes.base.guards import sentence
from a2gc_ros.nodes.base.latest_mailbox import LatestMailbox
from a2gc_ros.nodes.base.lifecycle import WARN_EVERY_S, SelfStartingNode
from a2gc_ros.nodes.base.pool_executor import PoolExecutor
from a2gc_ros.nodes.base.run_statistics import Snapshot, Statistics
from a2gc_ros.nodes.base.running import run
from a2gc_ros.nodes.health import watchdog
from a2gc_ros.nodes.health.diagnostics import (
    ACTIVE,
    Callbacks,
    Finding,
    judge_camera,
    judge_map,
    judge_memory,
    judge_recognition,
    not_listening,
    status_message,
)
from a2gc_ros.nodes.health.input_status import LOOKS_AHEAD, InputReport
from a2gc_ros.nodes.inputs.camera_input import Arrival, CameraInput
from a2gc_ros.nodes.inputs.extrinsics import PATIENCE_S, CameraExtrinsics
from a2gc_ros.nodes.inputs.image_conversion import ImageConverter
from a2gc_ros.nodes.inputs.odometry_input import OdometryInput
from a2gc_ros.nodes.outputs.outputs import Outputs, Relocalized
from a2gc_ros.nodes.parameters import PARAMETERS, NodeSettings
from a2gc_ros.nodes.recognition.map_services import MapServices
from a2gc_ros.nodes.recognition.recognizer import Recognizer
from a2gc_ros.nodes.recognition.worker import Worker

THREADS = 3
"""Of the executor: images and odometry; services; timers and transitions."""


@dataclass
class _Configured:
    """What exists from configuring to cleaning up."""

    settings: NodeSettings
    recognizer: Recognizer
    outputs: Outputs
    bridges: list[Bridge]
    services: MapServices
    converter: ImageConverter
    statistics: Statistics
    reported: Snapshot


@dataclass(frozen=True)
class _Arrived:
    """An image between the worker's two threads."""

    arrival: Arrival
    prepared: Prepared
    decode_ms: float


@dataclass
class _Active:
    """What exists from activating to deactivating."""

    slot: LatestMailbox[Arrival]
    odometry: OdometryInput
    camera: CameraInput
    worker: Worker[Arrival, _Arrived | None]
    report: InputReport
    told: dict[str, bytes] = field(default_factory=dict)


class PlaceRecognition(SelfStartingNode):
    """Recognises places in a camera's images.

    Args:
        name: Name of the node.
    """

    def __init__(self, name: str = "place_recognition") -> None:
        super().__init__(name, PARAMETERS)
        self._configured: _Configured | None = None
        self._active: _Active | None = None
        self._newest_frame: Frame | None = None
        self._callbacks_reported = Callbacks()

    def configure(self) -> None:
        """Opens the model and the maps."""
        settings = NodeSettings.from_values(self.declared.values())
        converter = ImageConverter(settings.image_conversion)
        recognizer = Recognizer(settings)
        try:
            bridges = open_bridges(self, settings.bridges)
        except BaseException:
            recognizer.close()
            raise
        statistics = Statistics()
        self._configured = _Configured(
            settings,
            recognizer,
            Outputs(self, settings, recognizer, statistics, converter),
            bridges,
            MapServices(self, recognizer, lambda: self._newest_frame),
            converter,
            statistics,
            statistics.snapshot(),
        )
        engine = recognizer.engine()
        self.get_logger().info(f"configured: {engine.model} on {engine.backend}; live map {engine.live_map}")
        self.get_logger().info(f"image conversion: {converter.used}")
        for number, text in engine.maps.items():
            self.get_logger().info(f"map {number}: {text}")

    def activate(self) -> None:
        """Subscribes to the camera and starts to work."""
        configured = self._configured
        assert configured is not None
        settings = configured.settings
        slot = LatestMailbox[Arrival](settings.rate)
        # Images, calibration and odometry come in their order.
        group = MutuallyExclusiveCallbackGroup()
        patience_s = PATIENCE_S if settings.camera_pose == LOOKS_AHEAD else 0.0
        extrinsics = CameraExtrinsics(pose_from_xyz_rpy(settings.camera_pose), patience_s, self._on_moved)
        odometry = OdometryInput(self, settings, group, configured.statistics)
        try:
            camera = CameraInput(
                self, settings, slot, odometry, extrinsics, configured.statistics, group, configured.converter
            )
        except BaseException:
            odometry.close()
            raise
        overlap = share_cores(configured.settings.threads) > 0
        worker = Worker(slot, self._prepare, self._work, self._on_error, overlap=overlap)
        report = InputReport(self, settings, camera, odometry, extrinsics)
        self._active = _Active(slot, odometry, camera, worker, report)
        worker.start()
        self.get_logger().info(f"active: listening to {', '.join((*camera.topics, *odometry.topics))}")

    def stop_working(self) -> None:
        """Lets go of the camera; maps and counts stay."""
        active, self._active = self._active, None
        if active is not None:
            active.camera.close()
            active.odometry.close()
            active.worker.stop()

    def release(self) -> None:
        """Closes the maps and the model."""
        configured, self._configured = self._configured, None
        self._newest_frame = None
        if configured is not None:
            configured.services.close()
            for bridge in configured.bridges:
                bridge.close()
            configured.outputs.close()
            configured.recognizer.close()

    def _prepare(self, arrival: Arrival) -> _Arrived | None:
        """Decodes one image and describes it, in the first of the worker's threads."""
        configured, active = self._configured, self._active
        if configured is None or active is None:
            return None
        begin = time.perf_counter()
        frame = active.camera.frame_of(arrival, configured.settings.odometry_timeout)
        decode_ms = (time.perf_counter() - begin) * 1e3
        return _Arrived(arrival, configured.recognizer.prepare(frame), decode_ms)

    def _work(self, arrived: _Arrived | None) -> None:
        """Looks for the place of one image, in the second of the worker's threads."""
        configured, active = self._configured, self._active
        if configured is None or active is None or arrived is None:
            return
        arrival, frame = arrived.arrival, arrived.prepared.frame
        with configured.recognizer.unchanged_maps():
            detection = configured.recognizer.process(arrived.prepared)
            recognized = time.perf_counter()
            self._newest_frame = frame
            relocalized = configured.outputs.publish(frame, detection, active.odometry.frame)
            if configured.bridges:
                self._tell_bridges(configured, frame, detection, relocalized)
        end = time.perf_counter()
        for closure in detection.closures:
            configured.statistics.count("relocalizations" if closure.is_relocalization else "closures")
        configured.statistics.count("postponed", detection.postponed)
        stages = {name: value for name, value in detection.timings_ms.items() if name != "total"}
        stages |= {"decode": arrived.decode_ms, "publish": (end - recognized) * 1e3}
        finished_s = time.monotonic()
        configured.statistics.finish(
            finished_s, (finished_s - arrival.at_s) * 1e3, self._age_ms(frame.stamp_ns), stages
        )

    def _tell_bridges(
        self, configured: _Configured, frame: Frame, detection: Detection, relocalized: Relocalized | None
    ) -> None:
        recognized = Recognized(
            frame.stamp_ns,
            frame.frame_id,
            detection,
            configured.recognizer.newest_descriptor,
            configured.outputs.extrinsics(frame),
            relocalized.message if relocalized else None,
            relocalized.probability if relocalized else None,
            frame.pose,
        )
        for bridge in configured.bridges:
            bridge.publish(recognized)

    def _age_ms(self, stamp_ns: int) -> float | None:
        now_ns = self.get_clock().now().nanoseconds
        # Simulated time is zero until /clock comes.
        return (now_ns - stamp_ns) / 1e6 if now_ns > 0 else None

    def _on_error(self, error: Exception) -> None:
        configured = self._configured
        if configured is None:
            return
        told = sentence(error)
        reason = "image" if isinstance(error, ImageError) else "map" if isinstance(error, MapError) else "recognition"
        configured.statistics.fail(reason, told)
        self.get_logger().warning(
            f"an image was skipped: {told}",
            throttle_duration_sec=WARN_EVERY_S,
            throttle_time_source_type=self.steady,
        )

    def report(self) -> list[DiagnosticStatus]:
        """Answers each question about the node, and looks for the cause where no image arrives."""
        configured, active, state = self._configured, self._active, self.state
        now = before = Snapshot()
        engine = None
        if configured is not None:
            now, before = configured.statistics.snapshot(), configured.reported
            configured.reported = now
            engine = configured.recognizer.engine()
        callbacks, earlier = Callbacks(self.guard.failed, self.guard.last), self._callbacks_reported
        self._callbacks_reported = callbacks
        findings = {
            **(self._judge_inputs(active, now, before) if active is not None else _silent_inputs(state, now)),
            "map": judge_map(state, engine, now, before),
            "recognition": judge_recognition(state, self.refusal, now, before, callbacks, earlier),
            "memory": judge_memory(engine),
        }
        hardware = engine.backend if engine is not None else ""
        name = self.get_fully_qualified_name()
        return [
            status_message(f"{name}: {part}", hardware, found.level, found.sentence, found.values)
            for part, found in findings.items()
        ]

    def _judge_inputs(self, active: _Active, now: Snapshot, before: Snapshot) -> dict[str, Finding]:
        # These two may be changed at any time; looking each time is simpler than being told.
        active.slot.rate = self.get_parameter("rate").value
        timeout_s = self.get_parameter("silence_timeout").value
        camera = active.camera
        findings = active.report.findings(timeout_s)
        self._tell(findings, active.told)
        silent_s, silence = camera.heard.silent_s, None
        if silent_s > timeout_s:
            silence = self._cause_of_silence(camera)
            self.get_logger().warning(
                f"no image for {silent_s:.0f} s: {silence}",
                throttle_duration_sec=WARN_EVERY_S,
                throttle_time_source_type=self.steady,
            )
        seen = judge_camera(ACTIVE, camera.topic, now, before, silence, camera.stamps.problem, camera.stamps.taken)
        converter = {"image conversion": camera.converter.used}
        return {"camera": replace(seen, values={**seen.values, **converter}), **findings}

    def _tell(self, findings: Mapping[str, Finding], told: dict[str, bytes]) -> None:
        """Logs what is missing for metres, and that it has come, once each."""
        for part, found in findings.items():
            before = told.get(part, DiagnosticStatus.OK)
            told[part] = found.level
            if found.level != before and found.level == DiagnosticStatus.OK:
                self.get_logger().info(f"{part}: {found.sentence}")
            elif found.level != before:
                self.get_logger().warning(f"{part}: {found.sentence}")

    def _on_moved(self) -> None:
        configured = self._configured
        if configured is not None:
            self.get_logger().warning(
                "the camera's place on the robot is told differently from before: a new session begins"
            )
            configured.recognizer.start_session()

    def _cause_of_silence(self, camera: CameraInput) -> str:
        return watchdog.cause_of_silence(
            camera.topic,
            camera.message_type,
            watchdog.discover(self, camera.topic, camera.qos),
            watchdog.image_topics(self),
            str(watchdog.shipped_profile()),
        )


def _silent_inputs(state: str, now: Snapshot) -> dict[str, Finding]:
    """Returns the answers about the inputs of a node that listens to none."""
    unheard = not_listening(state)
    return {"camera": judge_camera(state, "none", now, now, None), "calibration": unheard, "odometry": unheard}


def main() -> None:
    """Runs the node until SIGINT or SIGTERM."""
    run(PlaceRecognition, lambda: PoolExecutor(THREADS))


if __name__ == "__main__":
    main()
