"""Recent depth images, asked for the one of a camera image's moment."""

from __future__ import annotations

from a2gc_ros.bags.depth_pairing import MAX_APART_NS
from a2gc_ros.nodes.inputs.waiting import StampedBuffer

LENGTH = 8
"""Depth images kept, not yet looked into."""


class DepthBuffer(StampedBuffer[bytes]):
    """Serialised depth images from the receiving thread, for the working thread."""

    def __init__(self) -> None:
        super().__init__(LENGTH)

    def message_at(self, stamp_ns: int, timeout_s: float) -> bytes | None:
        """Returns the message nearest to a stamp; None where none was taken at that moment.

        Args:
            stamp_ns: Stamp of the camera's image.
            timeout_s: Longest wait for it.
        """
        with self._condition:
            self._wait_for(lambda: self._found(stamp_ns) is not None, timeout_s)
            return self._found(stamp_ns)

    def _found(self, stamp_ns: int) -> bytes | None:
        nearest = min(self._items, key=lambda entry: abs(entry[0] - stamp_ns), default=None)
        return nearest[1] if nearest is not None and abs(nearest[0] - stamp_ns) <= MAX_APART_NS else None
