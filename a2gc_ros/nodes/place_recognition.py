"""The executable ``place_recognition``: camera images in, loop closures out.

A lifecycle node. *Configuring* opens the model and the maps, and refuses with one sentence whatever does not fit;
*activating* subscribes to the camera; *deactivating* lets go of it and keeps the maps; *cleaning up* closes them.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from dataclasses import dataclass
from types import FrameType

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.executors import MultiThreadedExecutor
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.signals import SignalHandlerOptions
from rclpy.timer import Timer

from a2gc_ros.bridges.bridge import Bridge, Recognised
from a2gc_ros.bridges.choose import open_bridges
from a2gc_ros.errors import A2gcError, ConfigError, ImageError
from a2gc_ros.geometry import pose_from_xyz_rpy
from a2gc_ros.images.frame import Frame
from a2gc_ros.loops.results import Detection
from a2gc_ros.nodes import qos, watchdog
from a2gc_ros.nodes.camera_input import Arrival, CameraInput
from a2gc_ros.nodes.declared_parameters import DeclaredParameters
from a2gc_ros.nodes.depth_buffer import DepthBuffer
from a2gc_ros.nodes.diagnostics import camera_status, recogniser_status
from a2gc_ros.nodes.map_services import MapServices
from a2gc_ros.nodes.mounting import CameraMounting
from a2gc_ros.nodes.newest_slot import NewestSlot
from a2gc_ros.nodes.odometry_buffer import OdometryBuffer
from a2gc_ros.nodes.outputs import Outputs, Relocalized
from a2gc_ros.nodes.parameters import PARAMETERS, Settings
from a2gc_ros.nodes.recogniser import Recogniser
from a2gc_ros.nodes.run_statistics import Snapshot, Statistics
from a2gc_ros.nodes.worker import Worker

THREADS = 3
"""Of the executor: images and odometry; services; timers and transitions."""

WARN_EVERY_S = 5.0


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


class PlaceRecognition(LifecycleNode):
    """Recognises places in a camera's images.

    Args:
        name: Name of the node.
    """

    def __init__(self, name: str = "place_recognition") -> None:
        super().__init__(name)
        self._parameters_table = DeclaredParameters(self, PARAMETERS)
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", qos.results())
        self._configured: _Configured | None = None
        self._active: _Active | None = None
        self._newest_frame: Frame | None = None
        self._autostart: Timer | None = None
        if self.get_parameter("autostart").value:
            self._autostart = self.create_timer(0.0, self._start_by_itself, clock=self._steady)

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Opens the model and the maps; whatever does not fit is refused, and configuring can be tried again."""
        try:
            settings = Settings.from_values(self._parameters_table.values())
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
            self.create_timer(settings.diagnostics_period, self._report, clock=self._steady),
            statistics,
            statistics.snapshot(),
        )
        self._parameters_table.configured = True
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

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Lets go of the camera; maps and counts stay."""
        self._stop_working()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Closes the maps and the model."""
        self._let_go()
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stops everything for good."""
        self._stop_working()
        self._let_go()
        return super().on_shutdown(state)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Goes back to unconfigured after an exception in a transition."""
        self.get_logger().error("a transition failed: the node is unconfigured again")
        self._stop_working()
        self._let_go()
        return super().on_error(state)

    def close(self) -> None:
        """Stops the working thread and closes the maps, in whatever state the node is."""
        self._stop_working()
        self._let_go()

    def _start_by_itself(self) -> None:
        if self._autostart is not None:
            self.destroy_timer(self._autostart)
            self._autostart = None
        if self.trigger_configure() == TransitionCallbackReturn.SUCCESS:
            self.trigger_activate()

    def _stop_working(self) -> None:
        active, self._active = self._active, None
        if active is not None:
            active.camera.close()
            active.odometry.close()
            active.worker.stop()

    def _let_go(self) -> None:
        configured, self._configured = self._configured, None
        self._newest_frame = None
        self._parameters_table.configured = False
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
            throttle_time_source_type=self._steady,
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
                    throttle_time_source_type=self._steady,
                )
        name = self.get_fully_qualified_name()
        message = DiagnosticArray(
            status=[
                camera_status(name, topic, now, before, silence),
                recogniser_status(name, now, before, configured.recogniser.engine()),
            ]
        )
        message.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(message)

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
    # rclpy's own handlers would shut the context down under the working thread, and the process would abort.
    rclpy.init(args=sys.argv, signal_handler_options=SignalHandlerOptions.NO)
    stop = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the interface of signal.signal
        stop.set()

    signal.signal(signal.SIGINT, on_signal)
    signal.signal(signal.SIGTERM, on_signal)
    node = PlaceRecognition()
    executor = MultiThreadedExecutor(THREADS)
    executor.add_node(node)
    spinning = threading.Thread(target=executor.spin, name="executor")
    spinning.start()
    stop.wait()
    executor.shutdown()
    spinning.join()
    node.close()
    node.destroy_node()
    rclpy.shutdown()


if __name__ == "__main__":
    main()
