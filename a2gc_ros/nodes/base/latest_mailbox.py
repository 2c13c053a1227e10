"""A mailbox for one image: the newest replaces whatever nobody has taken yet."""

from __future__ import annotations

import enum
import threading
from typing import Generic, TypeVar

T = TypeVar("T")

JITTER = 0.1
"""Part of a period by which a camera's stamps may come early without the image being passed over."""

JUMP_BACK_NS = 1_000_000_000
"""Stamps that fall behind by more than this are a restarted clock (a looping bag), not disorder on the network."""


class Offer(enum.Enum):
    """What became of an image that was put into the mailbox."""

    KEPT = "kept"
    REPLACED_OLDER = "replaced_older"
    TOO_SOON = "too_soon"
    TOO_OLD = "too_old"
    CLOSED = "closed"


class LatestMailbox(Generic[T]):
    """Hands the newest item from receiving threads to one working thread.

    The rate limit compares header stamps, so that a replay at any speed lets the same images through. While an image
    waits, a newer one takes its place without regard to the limit: the worker is late, and freshness counts.

    Args:
        rate: Most items per second of stamp time; 0 lets all through.
    """

    def __init__(self, rate: float = 0.0) -> None:
        self._condition = threading.Condition()
        self._item: tuple[int, T] | None = None
        self._last_taken_ns: int | None = None
        self._closed = False
        self.rate = rate

    def offer(self, stamp_ns: int, item: T) -> Offer:
        """Puts an item with its header stamp in, and never blocks; returns what became of it.

        Returns:
            What became of it.
        """
        with self._condition:
            if self._closed:
                return Offer.CLOSED
            newest = self._item[0] if self._item else self._last_taken_ns
            if newest is not None:
                step = stamp_ns - newest
                if -JUMP_BACK_NS <= step <= 0:
                    return Offer.TOO_OLD
                if self._item is None and 0 < step < self._period_ns() * (1 - JITTER):
                    return Offer.TOO_SOON
            replaced = self._item is not None
            self._item = (stamp_ns, item)
            self._condition.notify()
            return Offer.REPLACED_OLDER if replaced else Offer.KEPT

    def take(self) -> T | None:
        """Waits for an item and takes it; None when the mailbox was closed."""
        with self._condition:
            self._condition.wait_for(lambda: self._closed or self._item is not None)
            if self._closed or self._item is None:
                return None
            self._last_taken_ns, item = self._item
            self._item = None
            return item

    def close(self) -> None:
        """Wakes the worker with None; what still waits is dropped."""
        with self._condition:
            self._closed = True
            self._item = None
            self._condition.notify_all()

    def _period_ns(self) -> float:
        return 1e9 / self.rate if self.rate > 0 else 0.0
