"""The executable ``place_recognition``: camera images in, loop closures out.

A lifecycle node. *Configuring* opens the model and the maps, and refuses with one sentence whatever does not fit;
*activating* subscribes to the camera; *deactivating* lets go of it and keeps the maps; *cleaning up* closes them.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn
from rclpy.timer import Timer

from a2gc_ros.bridges.bridge import Bridge, Recognised
from a2gc_ros.bridges.choose import open_bridges
from a2gc_ros.errors import A2gcError, ConfigError, ImageError
from a2gc_ros.geometry import pose_from_xyz_rpy
from a2gc_ros.images.frame import Frame
from a2gc_ros.loops.results import Detection
from a2gc_ros.nodes import watchdog
from a2gc_ros.nodes.camera_input import Arrival, CameraInput
from a2gc_ros.nodes.depth_buffer import DepthBuffer
from a2gc_ros.nodes.diagnostics import camera_status, recogniser_status
from a2gc_ros.nodes.lifecycle import WARN_EVERY_S, SelfStartingNode, run
from a2gc_ros.nodes.map_services import MapServices
from a2gc_ros.nodes.mounting import CameraMounting
from a2gc_ros.nodes.newest_slot import NewestSlot
from a2gc_ros.nodes.odometry_buffer import OdometryBuffer
from a2gc_ros.nodes.outputs import Outputs, Relocalized
from a2gc_ros.nodes.parameters import PARAMETERS, Settings
from a2gc_ros.nodes.pool_executor import PoolExecutor
from a2gc_ros.nodes.recogniser import Recogniser
from a2gc_ros.nodes.run_statistics import Snapshot, Statistics
from a2gc_ros.nodes.worker import Worker

THREADS = 3
"""Of the executor: images and odometry; services; timers and transitions."""


@dataclass
class _Configured:
    """What exists from configuring to cleaning up."""

    settings: Settings
    recogniser: Recogniser
    outputs: Outputs
    bridges: list[Bridge]
    services: MapServices
    diagnostics: Timer
    statistics: Statistics
    reported: Snapshot


@dataclass
class _Active:
    """What exists from activating to deactivating."""

    slot: NewestSlot[Arrival]
    odometry: OdometryBuffer
    camera: CameraInput
    worker: Worker[Arrival]


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

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Opens the model and the maps; whatever does not fit is refused, and configuring can be tried again."""
        try:
            settings = Settings.from_values(self.declared.values())
            recogniser = Recogniser(settings)
            try:
                bridges = open_bridges(self, settings.bridges)
            except A2gcError:
                recogniser.close()
                raise
        except A2gcError as error:
            self.get_logger().error(f"not configured: {error}")
            return TransitionCallbackReturn.FAILURE
        statistics = Statistics()
        self._configured = _Configured(
            settings,
            recogniser,
            Outputs(self, settings, recogniser),
            bridges,
            MapServices(self, recogniser, lambda: self._newest_frame),
            self.create_timer(settings.diagnostics_period, self._report, clock=self.steady),
            statistics,
            statistics.snapshot(),
        )
        self.declared.configured = True
        engine = recogniser.engine()
        self.get_logger().info(f"configured: {engine.model} on {engine.backend}; live map {engine.live_map}")
        for number, text in engine.maps.items():
            self.get_logger().info(f"map {number}: {text}")
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribes to the camera and starts to work."""
        configured = self._configured
        assert configured is not None
        settings = configured.settings
        slot = NewestSlot[Arrival](settings.rate)
        odometry = OdometryBuffer()
        result = super().on_activate(state)
        try:
            mounting = CameraMounting(pose_from_xyz_rpy(settings.camera_pose))
            depth = DepthBuffer() if settings.depth else None
            camera = CameraInput(self, settings.image_transport, slot, odometry, mounting, configured.statistics, depth)
        except ConfigError as error:
            self.get_logger().error(f"not activated: {error}")
            super().on_deactivate(state)
            return TransitionCallbackReturn.FAILURE
        worker = Worker(slot, self._work, self._on_error)
        self._active = _Active(slot, odometry, camera, worker)
        worker.start()
        self.get_logger().info(f"active: listening to {camera.topic} ({camera.message_type})")
        return result

    def stop_working(self) -> None:
        """Lets go of the camera; maps and counts stay."""
        active, self._active = self._active, None
        if active is not None:
            active.camera.close()
            active.odometry.close()
            active.worker.stop()

    def let_go(self) -> None:
        """Closes the maps and the model."""
        configured, self._configured = self._configured, None
        self._newest_frame = None
        if configured is not None:
            self.destroy_timer(configured.diagnostics)
            configured.services.close()
            for bridge in configured.bridges:
                bridge.close()
            configured.outputs.close()
            configured.recogniser.close()

    def _work(self, arrival: Arrival) -> None:
        """Works on one image, in the worker's thread."""
        configured, active = self._configured, self._active
        if configured is None or active is None:
            return
        begin = time.perf_counter()
        frame = active.camera.frame_of(arrival, configured.settings.odometry_timeout)
        decoded = time.perf_counter()
        detection = configured.recogniser.process(frame)
        recognised = time.perf_counter()
        self._newest_frame = frame
        relocalized = configured.outputs.publish(frame, detection, active.camera.odometry_frame)
        if configured.bridges:
            self._tell_bridges(configured, frame, detection, relocalized)
        end = time.perf_counter()
        for closure in detection.closures:
            configured.statistics.count("relocalizations" if closure.is_relocalization else "closures")
        stages = {name: value for name, value in detection.timings_ms.items() if name != "total"}
        stages |= {"decode": (decoded - begin) * 1e3, "publish": (end - recognised) * 1e3}
        finished_s = time.monotonic()
        configured.statistics.finish(
            finished_s, (finished_s - arrival.at_s) * 1e3, self._age_ms(frame.stamp_ns), stages
        )

    def _tell_bridges(
        self, configured: _Configured, frame: Frame, detection: Detection, relocalized: Relocalized | None
    ) -> None:
        recognised = Recognised(
            frame.stamp_ns,
            frame.frame_id,
            detection,
            configured.recogniser.newest_descriptor,
            configured.outputs.mounting(frame),
            relocalized.message if relocalized else None,
            relocalized.probability if relocalized else None,
        )
        for bridge in configured.bridges:
            bridge.publish(recognised)

    def _age_ms(self, stamp_ns: int) -> float | None:
        now_ns = self.get_clock().now().nanoseconds
        # Simulated time is zero until /clock comes.
        return (now_ns - stamp_ns) / 1e6 if now_ns > 0 else None

    def _on_error(self, error: Exception) -> None:
        configured = self._configured
        if configured is None:
            return
        bad_image = isinstance(error, ImageError)
        configured.statistics.fail("image" if bad_image else "recognition", str(error))
        told = str(error) if isinstance(error, A2gcError) else f"{type(error).__name__}: {error}"
        self.get_logger().warning(
            f"an image was skipped: {told}",
            throttle_duration_sec=WARN_EVERY_S,
            throttle_time_source_type=self.steady,
        )

    def _report(self) -> None:
        """Publishes diagnostics, and looks for the cause where no image arrives."""
        configured, active = self._configured, self._active
        if configured is None:
            return
        now, before = configured.statistics.snapshot(), configured.reported
        configured.reported = now
        topic, silence = "none", None
        if active is not None:
            # These two may be changed at any time; looking each time is simpler than being told.
            active.slot.rate = self.get_parameter("rate").value
            topic = active.camera.topic
            silent_s = time.monotonic() - active.camera.last_arrival_s
            if silent_s > self.get_parameter("silence_timeout").value:
                silence = self._cause_of_silence(active.camera)
                self.get_logger().warning(
                    f"no image for {silent_s:.0f} s: {silence}",
                    throttle_duration_sec=WARN_EVERY_S,
                    throttle_time_source_type=self.steady,
                )
        name = self.get_fully_qualified_name()
        self.publish_diagnostics(
            [
                camera_status(name, topic, now, before, silence),
                recogniser_status(name, now, before, configured.recogniser.engine()),
            ]
        )

    def _cause_of_silence(self, camera: CameraInput) -> str:
        return watchdog.cause_of_silence(
            camera.topic,
            camera.message_type,
            watchdog.discover(self, camera.topic, camera.qos),
            watchdog.image_topics(self),
            str(watchdog.shipped_profile()),
        )


def main() -> None:
    """Runs the node until SIGINT or SIGTERM."""
    run(PlaceRecognition, lambda: PoolExecutor(THREADS))


if __name__ == "__main__":
    main()
