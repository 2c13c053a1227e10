"""Reads a recording ahead in a thread and hands out batches of frames that may become keyframes."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from a2gc_ros.errors import MapError
from a2gc_ros.images.frame import Frame
from a2gc_ros.placemap.records import FeatureBlob
from a2gc_ros.placemap.selection import MotionGate, Odometer, Proposal, Spacing
from a2gc_ros.placemap.thumbnails import encode_jpeg
from a2gc_ros.system.shards import Shard

READ_AHEAD: Final = 2
"""Batches read while another is described."""

Encode: TypeAlias = "Callable[[npt.NDArray[np.uint8]], bytes | None]"
"""An image, RGB uint8 (H, W, 3), as a map keeps it."""


@dataclass(frozen=True)
class BuildPlan:
    """What of a recording goes into a map.

    Attributes:
        spacing: How far apart keyframes are.
        batch: Images described at once.
        find_features: Finds the local features that are kept with a keyframe; None keeps none, and whoever needs them
            computes them from the kept image.
        encode: Gives the image to keep of a frame's, or None where none is kept.
        shard: Builds this part of each recording alone.
    """

    spacing: Spacing
    batch: int = 8
    find_features: Callable[[Frame], FeatureBlob] | None = None
    encode: Encode = encode_jpeg
    shard: Shard | None = None

    def features_of(self, frame: Frame) -> FeatureBlob | None:
        """Returns the local features to keep of a frame."""
        return None if self.find_features is None else self.find_features(frame)


@dataclass(frozen=True)
class ReadFrame:
    """A frame that may become a keyframe.

    Attributes:
        frame: The frame.
        proposal: KEEP or COMPARE.
        path_length: Metres since the source's begin, or None.
        jpeg: The image to keep, if it is certain that the frame is kept.
        features: Local features to keep, likewise.
    """

    frame: Frame
    proposal: Proposal
    path_length: float | None
    jpeg: bytes | None
    features: FeatureBlob | None


@dataclass(frozen=True)
class Batch:
    """Frames to describe together.

    Attributes:
        items: The frames; may be empty in the last batch.
        frames: Frames of the source read up to the end of this batch.
        stamp_ns: Stamp of the last frame read; 0 when there was none.
        state: From which reading goes on after this batch, as JSON values.
        is_last: Whether the source ends here.
    """

    items: list[ReadFrame]
    frames: int
    stamp_ns: int
    state: dict[str, Any]
    is_last: bool


class BatchReader:
    """Iterates over batches that a thread reads ahead; a context manager that stops the thread.

    Args:
        frames: All frames of the source.
        plan: What of them is handed out; batches of other parts come without frames.
        done: Frames to pass over, dealt with by an earlier run.
        state: ``Batch.state`` of the last batch of that run, or None.
    """

    def __init__(self, frames: Iterable[Frame], plan: BuildPlan, done: int, state: dict[str, Any] | None) -> None:
        self._frames = frames
        self._plan = plan
        self._done = done
        self._number = 0
        self._motion = MotionGate(plan.spacing)
        self._odometer = Odometer()
        if state is not None:
            self._motion.restore(state["motion"])
            self._odometer.restore(state["odometer"])
            self._number = state.get("batch", 0)
        self._queue: queue.Queue[Batch | BaseException] = queue.Queue(READ_AHEAD)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="map-reader", daemon=True)

    def __enter__(self) -> BatchReader:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def __iter__(self) -> Iterator[Batch]:
        """Yields batches until the last one.

        Raises:
            BaseException: Whatever reading a frame raised.
        """
        while True:
            item = self._queue.get()
            if isinstance(item, BaseException):
                raise item
            yield item
            if item.is_last:
                return

    def _run(self) -> None:
        try:
            with contextlib.closing(self._batches()) as batches:
                for batch in batches:
                    if not self._put(batch):
                        return
        except BaseException as error:
            self._put(error)

    def _put(self, item: Batch | BaseException) -> bool:
        """Waits for room in the queue; False when nobody wants the item any more."""
        while not self._stop.is_set():
            with contextlib.suppress(queue.Full):
                self._queue.put(item, timeout=0.1)
                return True
        return False

    def _batches(self) -> Generator[Batch, None, None]:
        items: list[ReadFrame] = []
        gathered = 0
        count = 0
        stamp_ns = 0
        for frame in self._frames:
            count += 1
            if count <= self._done:
                continue
            if self._stop.is_set():
                return
            stamp_ns = frame.stamp_ns
            path_length = self._odometer.update(frame.pose)
            proposal = self._motion.propose(frame.stamp_ns, frame.pose)
            if proposal is Proposal.SKIP:
                continue
            gathered += 1
            if self._plan.shard is None or self._plan.shard.has(self._number):
                items.append(self._read(frame, proposal, path_length))
            if gathered == self._plan.batch:
                self._number += 1
                yield Batch(items, count, stamp_ns, self._state(), is_last=False)
                items, gathered = [], 0
        yield Batch(items, count, stamp_ns, self._state(), is_last=True)

    def _read(self, frame: Frame, proposal: Proposal, path_length: float | None) -> ReadFrame:
        if self._plan.shard is not None and proposal is Proposal.COMPARE:
            raise MapError(
                "without poses each keyframe depends on the one before, so a recording cannot be built in parts: give "
                "poses, or a time between keyframes"
            )
        jpeg, features = None, None
        if proposal is Proposal.KEEP:
            jpeg = self._plan.encode(frame.image)
            features = self._plan.features_of(frame)
        return ReadFrame(frame, proposal, path_length, jpeg, features)

    def _state(self) -> dict[str, Any]:
        return {"motion": self._motion.state(), "odometer": self._odometer.state(), "batch": self._number}
