"""The executable ``place_recognition``: camera images in, loop closures out.

A lifecycle node. *Configuring* opens the model and the maps, and refuses with one sentence whatever does not fit;
*activating* subscribes to the camera; *deactivating* lets go of it and keeps the maps; *cleaning up* closes them.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup

from a2gc_ros.bridges.bridge import Bridge, Recognized
from a2gc_ros.bridges.choose import open_bridges
from a2gc_ros.errors import ImageError, MapError
from a2gc_ros.images.ahead import share_cores
from a2gc_ros.loops.preparation import Prepared
from a2gc_ros.loops.results import Detection
from a2gc_ros.nodes.base.guards import THROTTLED, Callbacks, sentence
from a2gc_ros.nodes.base.latest_mailbox import LatestMailbox
from a2gc_ros.nodes.base.lifecycle import SelfStartingNode
from a2gc_ros.nodes.base.pool_executor import PoolExecutor
from a2gc_ros.nodes.base.run_statistics import Period, Statistics
from a2gc_ros.nodes.base.running import run
from a2gc_ros.nodes.health.diagnostics import (
    CameraState,
    judge_camera,
    judge_map,
    judge_memory,
    judge_recognition,
    not_listening,
    status_message,
)
from a2gc_ros.nodes.health.input_report import InputReport
from a2gc_ros.nodes.inputs.camera_input import CameraInput
from a2gc_ros.nodes.inputs.image_conversion import ImageConverter
from a2gc_ros.nodes.inputs.image_input import Arrival
from a2gc_ros.nodes.inputs.input_context import InputContext
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
    counts: Period = field(default_factory=Period)


@dataclass(frozen=True)
class _Arrived:
    """An image between the worker's two threads."""

    arrival: Arrival
    prepared: Prepared
    decode_ms: float


@dataclass
class _Active:
    """What exists from activating to deactivating."""

    mailbox: LatestMailbox[Arrival]
    camera: CameraInput
    worker: Worker[Arrival, _Arrived | None]
    report: InputReport


class PlaceRecognition(SelfStartingNode):
    """Recognizes places in a camera's images."""

    def __init__(self) -> None:
        super().__init__("place_recognition", PARAMETERS)
        self._configured: _Configured | None = None
        self._active: _Active | None = None
        self._callbacks_reported = Callbacks()

    def configure(self) -> None:
        """Opens the model and the maps."""
        settings = NodeSettings.from_values(self.declared.values())
        converter = ImageConverter(settings.image_conversion)
        recognizer = Recognizer(settings)
        try:
            bridges = open_bridges(self, settings.bridges)
        except BaseException:
            recognizer.maps.close()
            raise
        statistics = Statistics()
        self._configured = _Configured(
            settings,
            recognizer,
            Outputs(self, settings, recognizer.maps, statistics, converter),
            bridges,
            MapServices(self, recognizer),
            converter,
            statistics,
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
        context = InputContext(self, settings, configured.statistics, MutuallyExclusiveCallbackGroup())
        mailbox = LatestMailbox[Arrival](settings.rate)
        camera = CameraInput(context, mailbox, configured.converter, self._on_moved)
        overlap = share_cores(settings.threads) > 0
        worker = Worker(mailbox, self._prepare, self._work, self._on_error, overlap=overlap)
        self._active = _Active(mailbox, camera, worker, InputReport(context, camera))
        worker.start()
        self.get_logger().info(f"active: listening to {', '.join(camera.topics)}")

    def stop_working(self) -> None:
        """Lets go of the camera; maps and counts stay."""
        active, self._active = self._active, None
        if active is not None:
            active.camera.close()
            active.worker.stop()

    def release(self) -> None:
        """Closes the maps and the model."""
        configured, self._configured = self._configured, None
        if configured is not None:
            configured.services.close()
            for bridge in configured.bridges:
                bridge.close()
            configured.outputs.close()
            configured.recognizer.maps.close()

    def _prepare(self, arrival: Arrival) -> _Arrived | None:
        """Decodes one image and describes it, in the first of the worker's threads."""
        configured, active = self._configured, self._active
        if configured is None or active is None:
            return None
        begin = time.perf_counter()
        frame = active.camera.frame_of(arrival)
        decode_ms = (time.perf_counter() - begin) * 1e3
        return _Arrived(arrival, configured.recognizer.prepare(frame), decode_ms)

    def _work(self, arrived: _Arrived | None) -> None:
        """Looks for the place of one image, in the second of the worker's threads."""
        configured, active = self._configured, self._active
        if configured is None or active is None or arrived is None:
            return
        arrival, frame = arrived.arrival, arrived.prepared.frame
        # Closures name maps by their numbers.
        with configured.recognizer.maps.lock:
            detection = configured.recognizer.process(arrived.prepared)
            recognized = time.perf_counter()
            relocalized = configured.outputs.publish(frame, detection, active.camera.odometry.frames[0])
            if configured.bridges:
                self._tell_bridges(configured, arrived.prepared, detection, relocalized)
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
        self, configured: _Configured, prepared: Prepared, detection: Detection, relocalized: Relocalized | None
    ) -> None:
        frame = prepared.frame
        recognized = Recognized(
            frame.stamp_ns,
            frame.frame_id,
            detection,
            prepared.descriptor,
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
        self.get_logger().warning(f"an image was skipped: {told}", **THROTTLED)

    def report(self) -> list[DiagnosticStatus]:
        """Answers each question about the node, and looks for the cause where no image arrives."""
        configured, active, state = self._configured, self._active, self.state
        counts, engine = Period(), None
        if configured is not None:
            counts = configured.counts = Period(configured.statistics.snapshot(), configured.counts.now)
            engine = configured.recognizer.engine()
        callbacks, earlier = self.guard.caught, self._callbacks_reported
        self._callbacks_reported = callbacks
        if active is None:
            unheard = not_listening(state)
            camera = judge_camera(state, CameraState(), counts)
            inputs = {"camera": camera, "calibration": unheard, "odometry": unheard}
        else:
            # These two may be changed at any time; looking each time is simpler than being told.
            active.mailbox.rate = self.get_parameter("rate").value
            inputs = active.report.findings(counts, self.get_parameter("silence_timeout").value)
        findings = {
            **inputs,
            "map": judge_map(state, engine, counts),
            "recognition": judge_recognition(state, self.refusal, counts, callbacks, earlier),
            "memory": judge_memory(engine),
        }
        hardware = engine.backend if engine is not None else ""
        name = self.get_fully_qualified_name()
        return [status_message(f"{name}: {part}", hardware, found) for part, found in findings.items()]

    def _on_moved(self) -> None:
        # Another thread may release it meanwhile.
        configured = self._configured
        if configured is not None:
            self.get_logger().warning(
                "the camera's place on the robot is told differently from before: a new session begins"
            )
            configured.recognizer.start_session()


def main() -> None:
    """Runs the node until SIGINT or SIGTERM."""
    run(PlaceRecognition, lambda: PoolExecutor(THREADS))


if __name__ == "__main__":
    main()
