"""The executable ``pose_graph``: odometry and loop closures in, the corrected path out.

A lifecycle node like ``place_recognition``, and the reference for how its closures are used. *Activating* begins a new
graph, *deactivating* ends it; odometry that steps back in time begins anew.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus
from nav_msgs.msg import Odometry
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.executors import SingleThreadedExecutor
from rclpy.subscription import Subscription

from a2gc_msgs.msg import LoopClosureCandidate, LoopClosureCandidates
from a2gc_ros.bags.message_types import ODOMETRY
from a2gc_ros.bags.messages import nanoseconds_of, pose_of, stamp_of
from a2gc_ros.errors import A2gcError
from a2gc_ros.geometry import pose_from_xyz_rpy
from a2gc_ros.nodes.base import qos
from a2gc_ros.nodes.base.conversions import relative_pose_of
from a2gc_ros.nodes.base.guards import THROTTLED
from a2gc_ros.nodes.base.latest_mailbox import JUMP_BACK_NS
from a2gc_ros.nodes.base.lifecycle import SelfStartingNode
from a2gc_ros.nodes.base.running import run
from a2gc_ros.nodes.health.diagnostics import ERROR, OK, STALE, WARN, Finding, status_message
from a2gc_ros.nodes.inputs.extrinsics import CameraExtrinsics
from a2gc_ros.nodes.outputs.graph_outputs import GraphOutputs
from a2gc_ros.nodes.pose_graph_parameters import PARAMETERS, GraphSettings
from a2gc_ros.slam.session import SlamSession, StampedClosure

ODOMETRY_DEPTH = 2000
"""A closed loop takes its time; odometry that comes meanwhile waits here."""

MOST_WAITING = 1000


@dataclass
class _Configured:
    """What exists from configuring to cleaning up."""

    settings: GraphSettings
    outputs: GraphOutputs
    extrinsics: CameraExtrinsics
    transforms: list[Subscription[Any]]


@dataclass
class _Active:
    """What exists from activating to deactivating."""

    session: SlamSession
    subscriptions: list[Subscription[Any]] = field(default_factory=list)
    waiting: deque[tuple[StampedClosure, str]] = field(default_factory=lambda: deque(maxlen=MOST_WAITING))
    base_frame: str = ""
    changed: bool = False
    odometry: int = 0
    old: int = 0
    bad: int = 0
    relocalizations: int = 0
    restarts: int = 0

    def restart(self, settings: GraphSettings) -> None:
        self.session = SlamSession(settings.slam)
        self.restarts += 1


class PoseGraphNode(SelfStartingNode):
    """Corrects odometry by loop closures."""

    def __init__(self) -> None:
        super().__init__("pose_graph", PARAMETERS)
        self._group = MutuallyExclusiveCallbackGroup()
        self._configured: _Configured | None = None
        self._active: _Active | None = None

    def configure(self) -> None:
        """Checks the parameters and offers the outputs."""
        settings = GraphSettings.from_values(self.declared.values())
        extrinsics = CameraExtrinsics(pose_from_xyz_rpy(settings.camera_pose))
        transforms = extrinsics.subscribe(self, self._group, self._warn)
        outputs = GraphOutputs(self, settings.map_frame, publish_tf=settings.publish_tf)
        self._configured = _Configured(settings, outputs, extrinsics, transforms)
        if settings.publish_tf and not outputs.has_tf:
            self.get_logger().info("this ROS has no tf2_msgs: map to odom goes to the topic map_to_odom only")

    def activate(self) -> None:
        """Begins a new graph."""
        assert self._configured is not None
        active = _Active(SlamSession(self._configured.settings.slam))
        self._active = active
        for message_type, topic, callback, quality in (
            (Odometry, "odom", self._on_odometry, qos.sensor_stream(ODOMETRY_DEPTH)),
            (LoopClosureCandidates, "loop_closures", self._on_closures, qos.results(100)),
        ):
            active.subscriptions.append(
                self.create_subscription(message_type, topic, callback, quality, callback_group=self._group)
            )
        topics = " and ".join(subscription.topic_name for subscription in active.subscriptions)
        self.get_logger().info(f"active: listening to {topics}")

    def stop_working(self) -> None:
        """Lets go of the topics; the graph ends."""
        active, self._active = self._active, None
        for subscription in active.subscriptions if active is not None else ():
            self.destroy_subscription(subscription)

    def release(self) -> None:
        """Lets go of the outputs and of /tf_static."""
        configured, self._configured = self._configured, None
        if configured is not None:
            for subscription in configured.transforms:
                self.destroy_subscription(subscription)
            configured.outputs.close()

    def _on_odometry(self, message: Odometry) -> None:
        active, configured = self._active, self._configured
        if active is None or configured is None:
            return
        stamp_ns = stamp_of(message.header)
        try:
            pose = pose_of(message, ODOMETRY)
        except ValueError as error:
            active.bad += 1
            self._warn(f"odometry was skipped: {error}")
            return
        newest = active.session.newest_ns
        if newest is not None and stamp_ns < newest - JUMP_BACK_NS:
            self.get_logger().warning("odometry stepped back in time: a new graph begins")
            active.restart(configured.settings)
            active.waiting.clear()
        active.odometry += 1
        if newest is not None and newest - JUMP_BACK_NS <= stamp_ns <= newest:
            active.old += 1
        active.base_frame = message.child_frame_id
        covariance = np.array(message.pose.covariance).reshape(6, 6)
        try:
            active.changed |= active.session.add_odometry(stamp_ns, pose, covariance if covariance.any() else None)
            closed = self._take_waiting(active, configured)
        except A2gcError as error:
            self.get_logger().error(f"a new graph begins: {error}")
            active.restart(configured.settings)
            return
        odom_frame = message.header.frame_id or configured.settings.odom_frame
        configured.outputs.publish_pose(stamp_ns, pose, active.session.t_map_odom(), odom_frame)
        if closed:
            self._publish_graph(active, configured)

    def _publish_graph(self, active: _Active, configured: _Configured) -> None:
        configured.outputs.publish_graph(active.session)
        active.changed = False

    def _on_closures(self, message: LoopClosureCandidates) -> None:
        active = self._active
        if active is None:
            return
        for candidate in message.candidates:
            if candidate.map_index:
                # Against a loaded map: another frame, of which this graph knows nothing.
                active.relocalizations += 1
                continue
            try:
                active.waiting.append((closure_of(candidate), message.header.frame_id))
            except ValueError as error:
                self._warn(f"a closure was skipped: {error}")

    def _take_waiting(self, active: _Active, configured: _Configured) -> bool:
        """Gives the graph the closures that odometry has reached, or never will; says whether there were any."""
        newest, closed = active.session.newest_ns, False
        for _ in range(len(active.waiting)):
            closure, camera_frame = active.waiting.popleft()
            ahead_ns = 0 if newest is None else closure.query_stamp_ns - newest
            if newest is None or 0 < ahead_ns < configured.settings.max_lag * 1e9:
                active.waiting.append((closure, camera_frame))
                continue
            t_base_camera = configured.extrinsics.pose(active.base_frame, camera_frame)
            if t_base_camera is None:
                active.waiting.append((closure, camera_frame))
                continue
            active.session.add_closure(closure, t_base_camera)
            closed = True
        return closed

    def _warn(self, sentence: str) -> None:
        self.get_logger().warning(sentence, **THROTTLED)

    def report(self) -> list[DiagnosticStatus]:
        """Tells how the graph is."""
        return [status_message(f"{self.get_fully_qualified_name()}: graph", "gtsam", self._judge())]

    def _judge(self) -> Finding:
        active, configured = self._active, self._configured
        if active is None or configured is None:
            if self.refusal:
                return Finding(ERROR, self.refusal)
            return Finding(WARN, f"no graph grows: the node is {self.state}")
        # A path of thousands of poses with every metre would keep the node from its work.
        if active.changed:
            self._publish_graph(active, configured)
        graph, outcomes = active.session.graph, active.session.outcomes
        level, sentence = (STALE, "no odometry yet") if graph is None else (OK, "following the odometry")
        if active.old > active.odometry / 2:
            level, old = WARN, f"{active.old} of {active.odometry} odometry messages are not newer than those before"
            sentence = f"{old}: have the driver stamp its messages"
        if outcomes["contradicts"] > outcomes["agrees"]:
            level = WARN
            sentence = "most closures contradict the odometry: is camera_pose right, and odometry noise not too small?"
        values = {
            "odometry messages": active.odometry,
            "odometry messages not newer": active.old,
            "bad odometry messages": active.bad,
            "poses": 0 if graph is None else len(graph),
            **{f"closures: {name}": count for name, count in outcomes.items()},
            "closures waiting": len(active.waiting),
            "relocalizations passed over": active.relocalizations,
            "new graphs begun": active.restarts,
        }
        return Finding(level, sentence, values)


def closure_of(candidate: LoopClosureCandidate) -> StampedClosure:
    """Returns what the graph needs of a candidate."""
    pose, covariance = relative_pose_of(candidate)
    return StampedClosure(
        query_stamp_ns=nanoseconds_of(candidate.query_stamp),
        keyframe_stamp_ns=nanoseconds_of(candidate.keyframe_stamp),
        relative_pose=pose,
        covariance=covariance,
        scale_known=candidate.scale_known,
    )


def main() -> None:
    """Runs the node until SIGINT or SIGTERM."""
    run(PoseGraphNode, SingleThreadedExecutor)


if __name__ == "__main__":
    main()
