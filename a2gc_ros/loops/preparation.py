"""What can be done for a frame while the ones before it are still looked at: its descriptor and its local features.

Both depend on the frame alone, so that finding them ahead, in another thread, changes no result. Features are wanted of
keyframes only; which frames those will be is foreseen by the same rule that decides it. Where the foresight errs, as
after a session that was begun from outside, features are found when they are needed, or were found for nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from a2gc_ros.images.frame import Frame
from a2gc_ros.loops.continuity import Continuity, usable_pose
from a2gc_ros.loops.detector import LoopDetector
from a2gc_ros.loops.verification import View
from a2gc_ros.placemap.selection import KeyframeSelector


@dataclass(frozen=True)
class Prepared:
    """A frame, ready for :meth:`LoopDetector.process`.

    Attributes:
        frame: The frame.
        descriptor: Of its image, float32 (D,).
        view: Its local features; None where it is hardly going to become a keyframe, or nothing is verified.
        timings_ms: Wall time of each stage: extract, features.
    """

    frame: Frame
    descriptor: npt.NDArray[np.float32]
    view: View | None = None
    timings_ms: dict[str, float] = field(default_factory=dict)


class Preparation:
    """Prepares frames in the order of their stamps; one thread at a time may call it, beside the detector's.

    Args:
        detector: Who gets them.
        describe: Gives the descriptor of an image, uint8 (H, W, 3), RGB.
    """

    def __init__(
        self, detector: LoopDetector, describe: Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.float32]]
    ) -> None:
        self._detector = detector
        self._describe = describe
        self.restart()

    def restart(self) -> None:
        """Takes the next frame for the first one of a session."""
        self._continuity = Continuity()
        self._selector = KeyframeSelector(self._detector.config.spacing)

    def __call__(self, frame: Frame) -> Prepared:
        """Prepares a frame; whatever describing raises is let through."""
        begin = time.perf_counter()
        descriptor = self._describe(frame.image)
        described = time.perf_counter()
        view = self._detector.look_at(frame) if self._foreseen(frame, descriptor) else None
        looked = time.perf_counter()
        timings = {"extract": (described - begin) * 1e3, "features": (looked - described) * 1e3}
        return Prepared(frame, descriptor, view, timings)

    def _foreseen(self, frame: Frame, descriptor: npt.NDArray[np.float32]) -> bool:
        if self._continuity.broken_by(frame):
            self.restart()
            self._continuity.broken_by(frame)
        return self._selector.select(frame.stamp_ns, frame.pose if usable_pose(frame) else None, descriptor)
