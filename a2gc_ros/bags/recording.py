"""A recording as a stream of frames."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from a2gc_ros.bags.covariances import PoseCovariances, covariances_of
from a2gc_ros.bags.depth_pairing import with_depth
from a2gc_ros.bags.formats import open_storage
from a2gc_ros.bags.message_types import TRANSFORMS
from a2gc_ros.bags.messages import calibration_of, decode_depth, decode_image, image_size, sensor_bits_of, stamp_of
from a2gc_ros.bags.pose_source import (
    PoseSource,
    TransformSource,
    body_frame_of,
    extrinsics,
    trajectory_of,
    transform_source,
    transforms_of,
)
from a2gc_ros.bags.skips import Skips
from a2gc_ros.bags.storage import RawMessage, Topic
from a2gc_ros.bags.topics import depth_topic as find_depth_topic
from a2gc_ros.bags.topics import image_topic, pose_topic
from a2gc_ros.bags.topics import info_topic as find_info_topic
from a2gc_ros.bags.trajectory import Trajectory
from a2gc_ros.errors import BagError, CalibrationError, ImageError
from a2gc_ros.geometry import Pose
from a2gc_ros.images.ahead import done_ahead
from a2gc_ros.images.calibration import CameraCalibration, ImageCalibration, Rectification
from a2gc_ros.images.camera_options import MOST_BITS, CameraOptions, samples_note
from a2gc_ros.images.frame import CameraIntrinsics, Frame


@dataclass(frozen=True)
class _Selection:
    """What ``Recording.frames`` has settled before it reads the first image."""

    image: Topic
    poses: PoseSource | None
    info: str | None
    calibration: ImageCalibration | None
    t_base_camera: Pose | None
    depth: str | None
    start_ns: int | None
    stop_ns: int | None
    max_size: tuple[int, int] | None
    sensor_bits: int


@dataclass(frozen=True)
class _Sent:
    """An image's message, its depth image where those were asked for, and what the camera last said of itself."""

    raw: RawMessage
    depth: RawMessage | None
    said: CameraCalibration | None


class Recording:
    """A recording opened for reading; a context manager.

    One iteration over its frames or messages may run at a time. Nothing but the trajectory is held in memory.

    Attributes:
        path: Where it lies.
        topics: Its topics, by name.
        skips: Messages left out so far, by reason.
        stamped_on_receipt: Images so far whose header carried no stamp, so that the time of receipt was taken.
    """

    def __init__(self, path: str | Path) -> None:
        self._storage = open_storage(path)
        self.path = self._storage.path
        self.topics: tuple[Topic, ...] = self._storage.topics
        self.skips = Skips()
        self.stamped_on_receipt = 0
        self._calibrations: list[ImageCalibration] = []
        self._said: list[str] = []

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
        of_cameras = (note for calibration in self._calibrations for note in calibration.notes)
        return tuple(dict.fromkeys((*of_cameras, *self._said)))

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
            workers: Threads that decode images ahead of the caller; 0 decodes in the caller's thread.

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
        selection = _Selection(
            image=image,
            poses=poses,
            info=None if info is None else info.name,
            calibration=None if info is None else self._calibration(info, image, camera.rectification),
            t_base_camera=self._extrinsics(poses, topic_of_body, image, base_frame),
            depth=None if depth_topic is None else find_depth_topic(self.topics, depth_topic).name,
            start_ns=self._at(start),
            stop_ns=self._at(stop),
            max_size=max_size,
            sensor_bits=camera.sensor_bits,
        )
        return self._at_least_one(self._decoded(selection, workers), selection)

    def trajectory(self, topic: str) -> Trajectory:
        """Reads all poses of a topic of Odometry, PoseStamped or PoseWithCovarianceStamped.

        Raises:
            BagError: If there is no such topic, or it carries something else.
        """
        found = pose_topic(self.topics, topic)
        if found is None or found.type == TRANSFORMS:
            raise BagError(f"{topic} holds transforms, not the poses of one frame; name a topic of poses")
        return trajectory_of(self._storage, found, self.skips)

    def covariances(self, topic: str | None = None) -> PoseCovariances:
        """Reads how sure a topic of poses is of them; None takes the topic that ``frames`` takes.

        Raises:
            BagError: If there is no such topic, or it carries something else.
        """
        found = pose_topic(self.topics, topic) if topic != "" else None
        return PoseCovariances() if found is None else covariances_of(self._storage, found, self.skips)

    def messages(
        self,
        topics: Collection[str] | None = None,
        start: float | None = None,
        stop: float | None = None,
    ) -> Iterator[RawMessage]:
        """Streams serialised messages as CDR, ready for a ROS 2 publisher; those of ROS 1 are converted.

        Args:
            topics: Names of the topics wanted; None for all.
            start: First second wanted, counted from the start of the recording.
            stop: First second no longer wanted.
        """
        for raw in self._raw(topics, self._at(start), self._at(stop)):
            try:
                yield RawMessage(raw.topic, raw.type, raw.stamp_ns, self._storage.to_cdr(raw))
            except BagError as error:
                self.skips.add(raw.topic, error)

    def _at(self, second: float | None) -> int | None:
        return None if second is None else self.start_ns + round(second * 1e9)

    def _raw(self, topics: Collection[str] | None, start_ns: int | None, stop_ns: int | None) -> Iterator[RawMessage]:
        """Streams messages up to the end or to where the file is damaged, which is counted."""
        try:
            yield from self._storage.messages(topics, start_ns, stop_ns)
        except BagError as error:
            self.skips.add_once(str(self.path), error)

    def _poses(self, wanted: str | None, image: Topic, fixed: str | None, base: str | None) -> PoseSource | None:
        if wanted == "":
            return None
        topic = pose_topic(self.topics, wanted)
        if topic is None:
            return None
        if topic.type != TRANSFORMS:
            return trajectory_of(self._storage, topic, self.skips)
        tree = transforms_of(self._storage, self.skips)
        source = transform_source(tree, fixed, base, self._frame_id(image))
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
            body = "" if topic is None else body_frame_of(self._storage, topic, self.skips)
        tree = transforms_of(self._storage, self.skips, static_only=True)
        return extrinsics(tree, body, self._frame_id(image))

    def _frame_id(self, image: Topic) -> str:
        for raw in self._raw({image.name}, None, None):
            try:
                return str(self._storage.deserialize(raw).header.frame_id)
            except BagError:
                continue
        return ""

    def _calibration(self, info: Topic, image: Topic, rectification: Rectification) -> ImageCalibration:
        """Returns the calibration of a camera's images, as it stands in the first message that can be read."""
        calibration = ImageCalibration(image.name, rectification)
        for raw in self._raw({info.name}, None, None):
            self._learn(calibration, raw)
            if (said := calibration.current) is not None and said.is_given:
                break
        self._calibrations.append(calibration)
        return calibration

    def _learn(self, calibration: ImageCalibration, raw: RawMessage) -> None:
        try:
            calibration.use(calibration_of(self._storage.deserialize(raw)))
        except (BagError, CalibrationError) as error:
            self.skips.add(raw.topic, error)

    def _at_least_one(self, frames: Iterator[Frame], selection: _Selection) -> Iterator[Frame]:
        """Yields frames; if there are none, says what was seen, and if none has a pose, why that is."""
        seen, posed = 0, 0
        before = self.skips.of(selection.image.name)
        if not selection.sensor_bits:
            self._tell_bits(selection.image)
        for frame in frames:
            seen += 1
            posed += frame.pose is not None
            yield frame
        if not seen:
            raise BagError(self._nothing(selection, self.skips.of(selection.image.name) - before))
        if not posed and selection.poses is not None:
            self._say(
                f"no image of {selection.image.name} has a pose: the poses are of other times than the images; compare "
                "their header stamps"
            )

    def _tell_bits(self, image: Topic) -> None:
        """Says which bits of 16-bit samples the first image uses, where that is not all of them."""
        for raw in self._raw({image.name}, None, None):
            try:
                bits = sensor_bits_of(self._storage.deserialize(raw), raw.type)
            except (BagError, ImageError):
                continue
            if bits is not None and bits < MOST_BITS:
                self._say(samples_note(image.name, bits))
            return

    def _nothing(self, selection: _Selection, left_out: Counter[str]) -> str:
        """Says why a recording has no image of use."""
        image = selection.image
        where = f"{self.path} has no usable image on {image.name} ({image.type}, {image.count} messages)"
        if left_out:
            reasons = "; ".join(f"{count} x {reason}" for reason, count in left_out.most_common(3))
            return f"{where}: {reasons}"
        if image.count and (selection.start_ns is not None or selection.stop_ns is not None):
            return f"{where} between the chosen seconds; it lasts {self.duration:.1f} s"
        damage = str(self.skips).splitlines()[:1]
        return f"{where}: {damage[0] if damage else 'none can be read; compare its topics with `a2gc bag info`'}"

    def _say(self, sentence: str) -> None:
        if sentence not in self._said:
            self._said.append(sentence)

    def _decoded(self, selection: _Selection, workers: int) -> Iterator[Frame]:
        """Keeps two images per worker in the making, so that memory stays bounded and the order is kept."""

        def decode(sent: _Sent) -> tuple[Frame, bool] | tuple[str, Exception]:
            try:
                return self._frame(sent, selection)
            except (BagError, ImageError) as error:
                return sent.raw.topic, error

        for first, second in done_ahead(self._images(selection), decode, steps=2 * workers, threads=max(workers, 1)):
            if isinstance(first, Frame):
                self.stamped_on_receipt += not second
                yield first
            else:
                self.skips.add(first, second)

    def _images(self, selection: _Selection) -> Iterator[_Sent]:
        """Streams the camera's messages, each with what was sent with it.

        What the camera says of itself meanwhile is taken as it comes.
        """
        topics = {name for name in (selection.image.name, selection.depth, selection.info) if name}

        def without_info() -> Iterator[RawMessage]:
            for raw in self._raw(topics, selection.start_ns, selection.stop_ns):
                if raw.topic != selection.info:
                    yield raw
                elif selection.calibration is not None:
                    self._learn(selection.calibration, raw)

        for raw, depth in with_depth(without_info(), selection.depth, self._stamp):
            yield _Sent(raw, depth, selection.calibration.current if selection.calibration else None)

    def _stamp(self, raw: RawMessage) -> int | None:
        try:
            return stamp_of(self._storage.deserialize(raw).header) or raw.stamp_ns
        except BagError:
            return None

    def _depth(self, raw: RawMessage | None) -> npt.NDArray[np.float32] | None:
        """Decodes a depth image; a damaged one is counted, and the frame goes without."""
        if raw is None:
            return None
        try:
            return decode_depth(self._storage.deserialize(raw))
        except (BagError, ImageError) as error:
            self.skips.add(raw.topic, error)
            return None

    def _frame(self, sent: _Sent, selection: _Selection) -> tuple[Frame, bool]:
        """Returns a frame, and whether its header carried a stamp."""
        raw = sent.raw
        message = self._storage.deserialize(raw)
        image = decode_image(message, raw.type, selection.max_size, selection.sensor_bits)
        header_stamp = stamp_of(message.header)
        stamp_ns = header_stamp or raw.stamp_ns
        intrinsics, uncalibrated = self._fitting(selection, sent.said, image_size(message, raw.type), image)
        frame = Frame(
            stamp_ns=stamp_ns,
            image=image,
            frame_id=str(message.header.frame_id),
            intrinsics=intrinsics,
            pose=selection.poses.interpolate(stamp_ns) if selection.poses is not None else None,
            t_base_camera=selection.t_base_camera,
            depth=self._depth(sent.depth),
            uncalibrated=uncalibrated,
        )
        return frame, bool(header_stamp)

    @staticmethod
    def _fitting(
        selection: _Selection, said: CameraCalibration | None, sent: tuple[int, int], image: npt.NDArray[np.uint8]
    ) -> tuple[CameraIntrinsics | None, str]:
        """Returns the calibration of a decoded image that was sent as (width, height); or why there is none."""
        if selection.calibration is None:
            return None, "there is no camera_info for it"
        intrinsics, problem = selection.calibration.at(*sent, said)
        height, width = image.shape[:2]
        return (None if intrinsics is None else intrinsics.scaled_to(width, height)), problem


def open_recording(path: str | Path) -> Recording:
    """Opens a recording.

    Args:
        path: A ROS 1 ``.bag``, an ``.mcap`` or ``.db3`` file, a rosbag2 folder, with or without its metadata.yaml, or a
            file or folder of a format that an installed package adds.

    Raises:
        BagError: If there is no recording or it is damaged.
    """
    return Recording(path)
