"""The images of one camera of a recording, as frames with all that is known of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from a2gc_ros.bags.content import Content
from a2gc_ros.bags.depth_pairing import with_depth
from a2gc_ros.bags.messages import calibration_of, decode_depth, decode_image, image_size, sensor_bits_of, stamp_of
from a2gc_ros.bags.pose_source import PoseSource
from a2gc_ros.bags.storage import RawMessage, Topic
from a2gc_ros.errors import BagError, CalibrationError, ImageError
from a2gc_ros.geometry import Pose
from a2gc_ros.images.ahead import done_ahead
from a2gc_ros.images.calibration import CameraCalibration
from a2gc_ros.images.camera_options import MOST_BITS, samples_note
from a2gc_ros.images.frame import CameraIntrinsics, Frame
from a2gc_ros.images.image_calibration import ImageCalibration


@dataclass(frozen=True)
class _Sent:
    """An image's message, its depth image where those were asked for, and what the camera last said of itself."""

    raw: RawMessage
    depth: RawMessage | None
    said: CameraCalibration | None


@dataclass
class CameraStream:
    """One pass over the images of a camera.

    Attributes:
        content: What the recording holds.
        image: The camera's topic.
        info: Name of the topic of its calibration; None for none.
        calibration: What that topic says; None for none.
        depth: Name of the topic of its depth images; None for none.
        poses: Where the robot was; None where that is not known.
        t_base_camera: The camera's pose on the robot, where it is known.
        start_ns: First time of receipt wanted.
        stop_ns: First time of receipt no longer wanted.
        max_size: (height, width) beyond which pixels are of no use.
        sensor_bits: Bits of 16-bit samples that the camera uses; 0 where the images tell.
        stamped_on_receipt: Images so far whose header carried no stamp.
        notes: What is to be said of the images and poses so far, each in a sentence.
    """

    content: Content
    image: Topic
    info: str | None
    calibration: ImageCalibration | None
    depth: str | None
    poses: PoseSource | None
    t_base_camera: Pose | None
    start_ns: int | None
    stop_ns: int | None
    max_size: tuple[int, int] | None
    sensor_bits: int
    stamped_on_receipt: int = 0
    notes: list[str] = field(default_factory=list)

    def frames(self, workers: int) -> Iterator[Frame]:
        """Yields frames, decoded by so many threads; if there are none, says why, and if none has a pose, notes it.

        Raises:
            BagError: At the end, if there was not one image of use.
        """
        seen, posed = 0, 0
        before = self.content.skips.of(self.image.name)
        if not self.sensor_bits:
            self._note_bits()
        for frame in self._decoded(workers):
            seen += 1
            posed += frame.pose is not None
            yield frame
        if not seen:
            raise BagError(self._nothing(self.content.skips.of(self.image.name) - before))
        if not posed and self.poses is not None:
            self.notes.append(
                f"no image of {self.image.name} has a pose: the poses are of other times than the images; compare "
                "their header stamps"
            )

    def _note_bits(self) -> None:
        """Says which bits of 16-bit samples the first image uses, where that is not all of them."""
        for raw in self.content.raw({self.image.name}):
            try:
                bits = sensor_bits_of(self.content.storage.deserialize(raw), raw.type)
            except (BagError, ImageError):
                continue
            if bits is not None and bits < MOST_BITS:
                self.notes.append(samples_note(self.image.name, bits))
            return

    def _nothing(self, left_out: Counter[str]) -> str:
        """Says why a recording has no image of use."""
        image, storage = self.image, self.content.storage
        where = f"{storage.path} has no usable image on {image.name} ({image.type}, {image.count} messages)"
        if left_out:
            reasons = "; ".join(f"{count} x {reason}" for reason, count in left_out.most_common(3))
            return f"{where}: {reasons}"
        if image.count and (self.start_ns is not None or self.stop_ns is not None):
            return f"{where} between the chosen seconds; it lasts {(storage.end_ns - storage.start_ns) / 1e9:.1f} s"
        damage = str(self.content.skips).splitlines()[:1]
        return f"{where}: {damage[0] if damage else 'none can be read; compare its topics with `a2gc bag info`'}"

    def _decoded(self, workers: int) -> Iterator[Frame]:
        """Keeps two images per worker in the making, so that memory stays bounded and the order is kept."""

        def decode(sent: _Sent) -> tuple[Frame, bool] | tuple[str, Exception]:
            try:
                return self._frame(sent)
            except (BagError, ImageError) as error:
                return sent.raw.topic, error

        for first, second in done_ahead(self._images(), decode, steps=2 * workers, threads=max(workers, 1)):
            if isinstance(first, Frame):
                self.stamped_on_receipt += not second
                yield first
            else:
                self.content.skips.add(first, second)

    def _images(self) -> Iterator[_Sent]:
        """Streams the camera's messages, each with what was sent with it.

        What the camera says of itself meanwhile is taken as it comes.
        """
        topics = {name for name in (self.image.name, self.depth, self.info) if name}

        def without_info() -> Iterator[RawMessage]:
            for raw in self.content.raw(topics, self.start_ns, self.stop_ns):
                if raw.topic != self.info:
                    yield raw
                elif self.calibration is not None:
                    learn(self.calibration, raw, self.content)

        for raw, depth in with_depth(without_info(), self.depth, self._stamp):
            yield _Sent(raw, depth, self.calibration.current if self.calibration else None)

    def _stamp(self, raw: RawMessage) -> int | None:
        try:
            return stamp_of(self.content.storage.deserialize(raw).header) or raw.stamp_ns
        except BagError:
            return None

    def _depth(self, raw: RawMessage | None) -> npt.NDArray[np.float32] | None:
        """Decodes a depth image; a damaged one is counted, and the frame goes without."""
        if raw is None:
            return None
        try:
            return decode_depth(self.content.storage.deserialize(raw))
        except (BagError, ImageError) as error:
            self.content.skips.add(raw.topic, error)
            return None

    def _frame(self, sent: _Sent) -> tuple[Frame, bool]:
        """Returns a frame, and whether its header carried a stamp."""
        raw = sent.raw
        message = self.content.storage.deserialize(raw)
        image = decode_image(message, raw.type, self.max_size, self.sensor_bits)
        header_stamp = stamp_of(message.header)
        stamp_ns = header_stamp or raw.stamp_ns
        intrinsics, uncalibrated = self._fitting(sent.said, image_size(message, raw.type), image)
        frame = Frame(
            stamp_ns=stamp_ns,
            image=image,
            frame_id=str(message.header.frame_id),
            intrinsics=intrinsics,
            pose=self.poses.interpolate(stamp_ns) if self.poses is not None else None,
            t_base_camera=self.t_base_camera,
            depth=self._depth(sent.depth),
            uncalibrated=uncalibrated,
        )
        return frame, bool(header_stamp)

    def _fitting(
        self, said: CameraCalibration | None, sent: tuple[int, int], image: npt.NDArray[np.uint8]
    ) -> tuple[CameraIntrinsics | None, str]:
        """Returns the calibration of a decoded image that was sent as (width, height); or why there is none."""
        if self.calibration is None:
            return None, "there is no camera_info for it"
        intrinsics, problem = self.calibration.at(*sent, said)
        height, width = image.shape[:2]
        return (None if intrinsics is None else intrinsics.scaled_to(width, height)), problem


def learn(calibration: ImageCalibration, raw: RawMessage, content: Content) -> None:
    """Takes what a camera says of itself; a message that cannot be read is counted."""
    try:
        calibration.use(calibration_of(content.storage.deserialize(raw)))
    except (BagError, CalibrationError) as error:
        content.skips.add(raw.topic, error)
