"""What a receiving thread keeps for a working thread, which waits a little for what is still to come."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

STILL_ARRIVING_S = 1.0
"""What has been silent for longer is not waited for."""


class StampedBuffer(Generic[T]):
    """The last few items, each with its stamp.

    Args:
        length: How many are kept.
    """

    def __init__(self, length: int) -> None:
        self._condition = threading.Condition()
        self._items: deque[tuple[int, T]] = deque(maxlen=length)
        self._last_arrival_s = float("-inf")
        self._closed = False

    def add(self, stamp_ns: int, item: T) -> None:
        """Appends an item."""
        with self._condition:
            self._items.append((stamp_ns, item))
            self._last_arrival_s = time.monotonic()
            self._condition.notify_all()

    def close(self) -> None:
        """Ends every wait, for good."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()

    def _wait_for(self, there: Callable[[], bool], timeout_s: float) -> None:
        """Waits, under the condition's lock, until something is there, unless nothing has come for a while."""
        if time.monotonic() - self._last_arrival_s < STILL_ARRIVING_S:
            self._condition.wait_for(lambda: self._closed or there(), timeout_s)
