"""The node's voice: what is published for an image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from geometry_msgs.msg import PoseWithCovarianceStamped
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import Image
from visualization_msgs.msg import MarkerArray

from a2gc_msgs.msg import LoopClosureCandidates
from a2gc_ros.geometry import Pose, inverse, pose_from_xyz_rpy
from a2gc_ros.images.frame import Frame
from a2gc_ros.loops.results import Detection, LoopClosure
from a2gc_ros.nodes.base import qos
from a2gc_ros.nodes.base.conversions import (
    candidates_message,
    header_message,
    pose_with_covariance_message,
)
from a2gc_ros.nodes.base.run_statistics import Statistics
from a2gc_ros.nodes.inputs.image_conversion import ImageConverter
from a2gc_ros.nodes.outputs.debug_image import caption, side_by_side
from a2gc_ros.nodes.outputs.markers import MarkerTrack
from a2gc_ros.nodes.outputs.relocalization import relocalize, spacing_around
from a2gc_ros.nodes.parameters import NodeSettings
from a2gc_ros.nodes.recognition.maps import Maps
from a2gc_ros.placemap.records import Keyframe
from a2gc_ros.placemap.thumbnails import decode_jpeg

ANSWERS_KEPT = 100
"""For who listens to closures and stands still for a while: at ten images a second, ten seconds."""

MOST_POSES = 1000
"""Frames whose poses are remembered: more than a closure waits for others to agree."""


@dataclass(frozen=True)
class Relocalized:
    """A pose that was published.

    Attributes:
        message: As it went out.
        probability: Of the closure behind it; None where nobody asked.
    """

    message: PoseWithCovarianceStamped
    probability: float | None


class Outputs:
    """Publishes detections. Pictures and markers are made only while someone listens."""

    def __init__(
        self,
        node: LifecycleNode,
        settings: NodeSettings,
        maps: Maps,
        statistics: Statistics,
        converter: ImageConverter,
    ) -> None:
        self._converter = converter
        self._node = node
        self._statistics = statistics
        self._maps = maps
        self._map_frame = settings.map_frame
        self._assumed_extrinsics = pose_from_xyz_rpy(settings.camera_pose)
        self._track = MarkerTrack(settings.odom_frame)
        # By stamp: a closure may be about an earlier image.
        self._poses: dict[int, Pose] = {}
        create = node.create_lifecycle_publisher
        self._closures = create(LoopClosureCandidates, "loop_closures", qos.results(ANSWERS_KEPT))
        self._pose = create(PoseWithCovarianceStamped, "relocalization_pose", qos.results())
        self._markers = create(MarkerArray, "~/markers", qos.results(1))
        self._debug_image = create(Image, "~/debug_image", qos.results(1))

    def close(self) -> None:
        """Destroys the publishers."""
        for publisher in (self._closures, self._pose, self._markers, self._debug_image):
            self._node.destroy_lifecycle_publisher(publisher)

    def extrinsics(self, frame: Frame) -> Pose:
        """Returns where the camera of a frame sits on the robot, assumed where nothing tells."""
        return self._assumed_extrinsics if frame.t_base_camera is None else frame.t_base_camera

    def publish(self, frame: Frame, detection: Detection, odometry_frame: str) -> Relocalized | None:
        """Publishes everything that follows from one image; returns the pose in a loaded map, where it told one."""
        header = header_message(detection.stamp_ns, frame.frame_id)
        self._closures.publish(candidates_message(header, detection.closures))
        if frame.pose is not None:
            self._poses[frame.stamp_ns] = frame.pose
            while len(self._poses) > MOST_POSES:
                del self._poses[next(iter(self._poses))]
        relocalized = self._publish_pose(frame, detection)
        self._note(frame, detection)
        if self._markers.get_subscription_count():
            loaded = {place_map.path for place_map in self._maps.all()[1:]}
            self._markers.publish(self._track.message(odometry_frame, loaded))
        if self._debug_image.get_subscription_count():
            self._publish_debug_image(frame, detection)
        return relocalized

    def _publish_pose(self, frame: Frame, detection: Detection) -> Relocalized | None:
        for closure in filter(lambda closure: closure.is_relocalization, detection.closures):
            place_map = self._maps[closure.match.map_index]
            keyframe = place_map.keyframe(closure.match.keyframe_id)
            spacing_m = spacing_around(place_map, keyframe)
            found = relocalize(keyframe, spacing_m, closure.verification, self.extrinsics(frame))
            if isinstance(found, str):
                # Each reason is logged once.
                if self._statistics.without_pose(found):
                    self._node.get_logger().warning(f"a relocalization told no pose: {found}")
                continue
            # A closure may be about an earlier image, held back until others agreed.
            message = PoseWithCovarianceStamped(
                header=header_message(closure.match.query_stamp_ns, self._map_frame),
                pose=pose_with_covariance_message(found.pose, found.covariance),
            )
            self._pose.publish(message)
            self._note_map(closure, keyframe, found.pose)
            return Relocalized(message, closure.probability)
        return None

    def _note(self, frame: Frame, detection: Detection) -> None:
        if detection.keyframe_id is not None and frame.pose is not None:
            self._track.add_keyframe(detection.keyframe_id, frame.pose[:3, 3])
        for closure in detection.closures:
            if not closure.is_relocalization and closure.query_keyframe_id is not None:
                verified = closure.verification is not None and closure.verification.verified
                self._track.add_closure(
                    closure.query_keyframe_id,
                    closure.match.keyframe_id,
                    verified=verified,
                    probability=closure.probability,
                )

    def _note_map(self, closure: LoopClosure, keyframe: Keyframe, t_map_base: Pose) -> None:
        """Notes where a loaded map lies, by a relocalization of this or an earlier frame."""
        pose, place_map = self._poses.get(closure.match.query_stamp_ns), self._maps[closure.match.map_index]
        if pose is None or keyframe.pose is None:
            return
        if not self._track.knows(place_map.path, keyframe.session_id):
            positions = [k.pose[:3, 3] for k in place_map.keyframes(keyframe.session_id) if k.pose is not None]
            self._track.add_map(place_map.path, keyframe.session_id, np.array(positions))
        t_odom_map = pose @ inverse(t_map_base)
        self._track.add_relocalization(
            place_map.path, t_odom_map, pose[:3, 3], keyframe.pose[:3, 3], closure.probability
        )

    def _publish_debug_image(self, frame: Frame, detection: Detection) -> None:
        now = [closure.match for closure in detection.closures if closure.match.query_stamp_ns == frame.stamp_ns]
        shown = now or [match for match, _ in detection.verified] or detection.candidates or detection.matches
        keyframe = None
        if shown:
            jpeg = self._maps[shown[0].map_index].image(shown[0].keyframe_id)
            keyframe = None if jpeg is None else decode_jpeg(jpeg)
        picture = side_by_side(frame.image, keyframe, *caption(detection))
        self._debug_image.publish(self._converter.message(picture, header_message(frame.stamp_ns, frame.frame_id)))
