"""A recording as a stream of frames."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from a2gc_ros.bags.camera_stream import CameraStream, learn
from a2gc_ros.bags.content import Content
from a2gc_ros.bags.covariances import PoseCovariances, covariances_of
from a2gc_ros.bags.formats import open_storage
from a2gc_ros.bags.message_types import TRANSFORMS
from a2gc_ros.bags.pose_source import (
    PoseSource,
    TransformSource,
    body_frame_of,
    extrinsics,
    trajectory_of,
    transform_source,
    transforms_of,
)
from a2gc_ros.bags.storage import RawMessage, Topic
from a2gc_ros.bags.topics import depth_topic as find_depth_topic
from a2gc_ros.bags.topics import image_topic, pose_topic
from a2gc_ros.bags.topics import info_topic as find_info_topic
from a2gc_ros.bags.trajectory import Trajectory
from a2gc_ros.errors import BagError
from a2gc_ros.geometry import Pose
from a2gc_ros.images.calibration import Rectification
from a2gc_ros.images.camera_options import CameraOptions
from a2gc_ros.images.frame import Frame
from a2gc_ros.images.image_calibration import ImageCalibration


class Recording:
    """A recording opened for reading; a context manager.

    One iteration over its frames or messages may run at a time. Nothing but the trajectory is held in memory.

    Attributes:
        path: Where it lies.
        topics: Its topics, by name.
        skips: Messages left out so far, by reason.
    """

    def __init__(self, path: str | Path) -> None:
        self._storage = open_storage(path)
        self._content = Content(self._storage)
        self.path = self._storage.path
        self.topics: tuple[Topic, ...] = self._storage.topics
        self.skips = self._content.skips
        self._streams: list[CameraStream] = []

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the files."""
        self._storage.close()

    @property
    def notes(self) -> tuple[str, ...]:
        """What was assumed or refused about calibration and poses so far, each in a sentence."""
        calibrations = (stream.calibration for stream in self._streams if stream.calibration is not None)
        of_calibrations = (note for calibration in calibrations for note in calibration.notes)
        return tuple(dict.fromkeys((*of_calibrations, *(note for stream in self._streams for note in stream.notes))))

    @property
    def stamped_on_receipt(self) -> int:
        """Images so far whose header carried no stamp, so that the time of receipt was taken."""
        return sum(stream.stamped_on_receipt for stream in self._streams)

    @property
    def start_ns(self) -> int:
        """Time of receipt of the first message in nanoseconds."""
        return self._storage.start_ns

    @property
    def duration(self) -> float:
        """Seconds between the first and the last message."""
        return (self._storage.end_ns - self._storage.start_ns) / 1e9

    def image_topic(self, wanted: str | None = None) -> Topic:
        """Returns the topic whose images ``frames`` yields; its ``count`` serves a progress bar.

        Raises:
            BagError: If there is none, or several and none was named; the message lists them.
        """
        return image_topic(self.topics, wanted)

    def frames(
        self,
        image_topic: str | None = None,
        pose_topic: str | None = None,
        trajectory: Trajectory | None = None,
        info_topic: str | None = None,
        start: float | None = None,
        stop: float | None = None,
        *,
        depth_topic: str | None = None,
        fixed_frame: str | None = None,
        base_frame: str | None = None,
        camera: CameraOptions | None = None,
        max_size: tuple[int, int] | None = None,
        workers: int = 1,
    ) -> Iterator[Frame]:
        """Streams the images of one camera with their poses and calibration, in order of receipt.

        Images that cannot be decoded are counted in ``skips``. Header stamps rule; only where one is zero does the
        time of receipt stand in for it.

        Args:
            image_topic: The camera's topic; None takes the only one.
            pose_topic: Topic of Odometry, PoseStamped, PoseWithCovarianceStamped or transforms; None takes the best
                there is, an empty name takes no poses.
            trajectory: Poses from elsewhere, in place of a topic.
            info_topic: Calibration topic; None takes the one beside the images, an empty name takes none.
            depth_topic: Topic of depth images registered to the camera (16UC1 or 32FC1); None takes none.
            start: First second wanted, counted from the start of the recording.
            stop: First second no longer wanted.
            fixed_frame: For transforms: the frame that stands still; None tries odom, map and world.
            base_frame: For transforms: the robot's frame; None tries base_link, base_footprint and the camera's.
            camera: What the user says of the camera; None takes the messages' word.
            max_size: (height, width) beyond which pixels are of no use; JPEG images are then decoded at reduced scale
                and their intrinsics scaled with them.
            workers: Threads that decode images ahead of the caller; with 0 the two take turns.

        Returns:
            An iterator over frames. Topics and poses are settled when this returns.

        Raises:
            BagError: If a topic or frame does not exist, carries something else, or several could be meant; and, when
                the iterator ends, if there was not one image of use.
        """
        image = self.image_topic(image_topic)
        camera = camera or CameraOptions()
        info = None if info_topic == "" else find_info_topic(self.topics, image, info_topic)
        poses = trajectory if trajectory is not None else self._poses(pose_topic, image, fixed_frame, base_frame)
        # Poses from elsewhere are taken for those of the robot's usual frame.
        topic_of_body = "" if trajectory is not None else pose_topic
        stream = CameraStream(
            content=self._content,
            image=image,
            info=None if info is None else info.name,
            calibration=None if info is None else self._calibration(info, image, camera.rectification),
            depth=None if depth_topic is None else find_depth_topic(self.topics, depth_topic).name,
            poses=poses,
            t_base_camera=self._extrinsics(poses, topic_of_body, image, base_frame),
            start_ns=self._at(start),
            stop_ns=self._at(stop),
            max_size=max_size,
            sensor_bits=camera.sensor_bits,
        )
        self._streams.append(stream)
        return stream.frames(workers)

    def trajectory(self, topic: str) -> Trajectory:
        """Reads all poses of a topic of Odometry, PoseStamped or PoseWithCovarianceStamped.

        Raises:
            BagError: If there is no such topic, or it carries something else.
        """
        found = pose_topic(self.topics, topic)
        if found is None or found.type == TRANSFORMS:
            raise BagError(f"{topic} holds transforms, not the poses of one frame; name a topic of poses")
        return trajectory_of(self._content, found)

    def covariances(self, topic: str | None = None) -> PoseCovariances:
        """Reads how sure a topic of poses is of them; None takes the topic that ``frames`` takes.

        Raises:
            BagError: If there is no such topic, or it carries something else.
        """
        found = pose_topic(self.topics, topic) if topic != "" else None
        return PoseCovariances() if found is None else covariances_of(self._content, found)

    def messages(
        self, topics: Collection[str] | None = None, start: float | None = None, stop: float | None = None
    ) -> Iterator[RawMessage]:
        """Streams serialized messages as CDR, ready for a ROS 2 publisher; those of ROS 1 are converted.

        Of the named topics, or all; ``start`` and ``stop`` are seconds since the recording's start, and what is at
        ``stop`` is left out.
        """
        for raw in self._content.raw(topics, self._at(start), self._at(stop)):
            try:
                yield RawMessage(raw.topic, raw.type, raw.stamp_ns, self._storage.to_cdr(raw))
            except BagError as error:
                self.skips.add(raw.topic, error)

    def _at(self, second: float | None) -> int | None:
        return None if second is None else self.start_ns + round(second * 1e9)

    def _poses(self, wanted: str | None, image: Topic, fixed: str | None, base: str | None) -> PoseSource | None:
        topic = None if wanted == "" else pose_topic(self.topics, wanted)
        if topic is None:
            return None
        if topic.type != TRANSFORMS:
            return trajectory_of(self._content, topic)
        tree = transforms_of(self._content)
        source = transform_source(tree, fixed, base, self._content.frame_id(image.name))
        if source is None and wanted is not None:
            raise BagError(
                f"the transforms hold no odom, map or world frame above base_link, base_footprint or the camera; "
                f"name the fixed and the base frame among {', '.join(sorted(tree.frames))}"
            )
        return source

    def _extrinsics(self, poses: PoseSource | None, wanted: str | None, image: Topic, base: str | None) -> Pose | None:
        """Returns the camera's pose on the body that the poses move, as /tf_static tells it."""
        if not any(topic.type == TRANSFORMS for topic in self.topics):
            return None
        body = base or ""
        if isinstance(poses, TransformSource):
            body = poses.moving
        elif not body and isinstance(poses, Trajectory) and wanted != "":
            topic = pose_topic(self.topics, wanted)
            body = "" if topic is None else body_frame_of(self._content, topic)
        tree = transforms_of(self._content, static_only=True)
        return extrinsics(tree, body, self._content.frame_id(image.name))

    def _calibration(self, info: Topic, image: Topic, rectification: Rectification) -> ImageCalibration:
        """Returns the calibration of a camera's images, as it stands in the first message that can be read."""
        calibration = ImageCalibration(image.name, rectification)
        for raw in self._content.raw({info.name}):
            learn(calibration, raw, self._content)
            if (said := calibration.current) is not None and said.is_given:
                break
        return calibration


def open_recording(path: str | Path) -> Recording:
    """Opens a recording.

    Args:
        path: A ROS 1 ``.bag``, an ``.mcap`` or ``.db3`` file, a rosbag2 folder, with or without its metadata.yaml, or a
            file or folder of a format that an installed package adds.

    Raises:
        BagError: If there is no recording or it is damaged.
    """
    return Recording(path)
