"""Recent depth images, asked for the one of a camera image's moment."""

from __future__ import annotations

import threading
import time
from collections import deque

from a2gc_ros.bags.depth_pairing import MAX_APART_NS

LENGTH = 8
"""Depth images kept, not yet looked into."""

STILL_ARRIVING_S = 1.0
"""A depth camera that has been silent for longer is not waited for."""


class DepthBuffer:
    """Serialised depth images from the receiving thread, for the working thread."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._messages: deque[tuple[int, bytes]] = deque(maxlen=LENGTH)
        self._last_arrival_s = float("-inf")
        self._closed = False

    def add(self, stamp_ns: int, data: bytes) -> None:
        """Appends a message."""
        with self._condition:
            self._messages.append((stamp_ns, data))
            self._last_arrival_s = time.monotonic()
            self._condition.notify_all()

    def message_at(self, stamp_ns: int, timeout_s: float) -> bytes | None:
        """Returns the message nearest to a stamp; None where none was taken at that moment.

        Args:
            stamp_ns: Stamp of the camera's image.
            timeout_s: Longest wait for it.
        """
        with self._condition:
            if time.monotonic() - self._last_arrival_s < STILL_ARRIVING_S:
                self._condition.wait_for(lambda: self._closed or self._found(stamp_ns) is not None, timeout_s)
            return self._found(stamp_ns)

    def close(self) -> None:
        """Ends every wait, for good."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()

    def _found(self, stamp_ns: int) -> bytes | None:
        nearest = min(self._messages, key=lambda entry: abs(entry[0] - stamp_ns), default=None)
        return nearest[1] if nearest is not None and abs(nearest[0] - stamp_ns) <= MAX_APART_NS else None
