"""What can be done for a frame while the ones before it are still looked at: its descriptor and its local features.

Both depend on the frame alone, so that finding them ahead, in another thread, changes no result. Features are wanted of
keyframes only; which frames those will be is foreseen by the same rule that decides it. Where the foresight errs, as
after a session that was begun from outside, features are found when they are needed, or were found for nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from a2gc_ros.images.ahead import done_ahead
from a2gc_ros.images.frame import Frame
from a2gc_ros.loops.continuity import Continuity, usable_pose
from a2gc_ros.loops.detector import LoopDetector
from a2gc_ros.loops.verification import View
from a2gc_ros.placemap.selection import KeyframeSelector

IN_STORE: Final = 2
"""Frames that may be ready for the next stage: with one, a frame that takes long would stop the stage before it."""


@dataclass(frozen=True)
class Prepared:
    """A frame, ready for :meth:`LoopDetector.process`.

    Attributes:
        descriptor: Of the image, float32 (D,).
        view: Its local features; None where it is hardly going to become a keyframe, or nothing is verified.
        timings_ms: Wall time of each stage: extract, features.
    """

    frame: Frame
    descriptor: npt.NDArray[np.float32]
    view: View | None = None
    timings_ms: dict[str, float] = field(default_factory=dict)


class Preparation:
    """Prepares frames in the order of their stamps, beside the detector's thread.

    Args:
        describe: Gives the descriptor of an image, uint8 (H, W, 3), RGB.
    """

    def __init__(
        self, detector: LoopDetector, describe: Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.float32]]
    ) -> None:
        self._detector = detector
        self._descriptor_of = describe
        self.restart()

    def restart(self) -> None:
        """Takes the next frame for the first one of a session."""
        self._continuity = Continuity()
        self._selector = KeyframeSelector(self._detector.config.spacing)

    def __call__(self, frame: Frame) -> Prepared:
        """Prepares a frame, one thread at a time; whatever describing raises is let through."""
        return self._look(self._describe(frame))

    def _describe(self, frame: Frame) -> tuple[Prepared, bool]:
        """Does the first half; says besides whether the frame is going to become a keyframe, as far as is foreseen."""
        begin = time.perf_counter()
        descriptor = self._descriptor_of(frame.image)
        spent_ms = (time.perf_counter() - begin) * 1e3
        return Prepared(frame, descriptor, timings_ms={"extract": spent_ms}), self._foreseen(frame, descriptor)

    def _look(self, described: tuple[Prepared, bool]) -> Prepared:
        """Does the second half: finds the features of what becomes a keyframe."""
        prepared, keyframe = described
        begin = time.perf_counter()
        view = self._detector.look_at(prepared.frame) if keyframe else None
        timings = {**prepared.timings_ms, "features": (time.perf_counter() - begin) * 1e3}
        return replace(prepared, view=view, timings_ms=timings)

    def ahead(self, frames: Iterable[Frame], *, steps: int = 1) -> Iterator[Prepared]:
        """Prepares frames while the caller works on earlier ones: one thread describes, another one finds features.

        Args:
            frames: Drawn in the caller's thread.
            steps: How far either may be ahead, in units of :data:`IN_STORE` frames; with 0 all take turns.
        """
        described = done_ahead(frames, self._describe, steps=steps * IN_STORE)
        return done_ahead(described, self._look, steps=steps * IN_STORE)

    def _foreseen(self, frame: Frame, descriptor: npt.NDArray[np.float32]) -> bool:
        if self._continuity.broken_by(frame):
            self.restart()
            self._continuity.broken_by(frame)
        return self._selector.select(frame.stamp_ns, frame.pose if usable_pose(frame) else None, descriptor)
