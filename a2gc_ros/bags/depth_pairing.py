"""Pairs each image of a recording with the depth image that was taken at the same moment."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

from a2gc_ros.bags.storage import RawMessage

MAX_APART_NS = 20_000_000
"""Depth images taken farther from an image than this show another moment."""

_HELD = 8
"""Images and depth images that may wait for each other."""

Stamp = Callable[[RawMessage], "int | None"]


def with_depth(
    messages: Iterator[RawMessage], depth_topic: str | None, stamp_of: Stamp
) -> Iterator[tuple[RawMessage, RawMessage | None]]:
    """Yields images in their order, each with its depth image where there is one.

    Args:
        messages: Messages of the camera and of the depth topic, in order of receipt.
        depth_topic: Name of the latter; None for none.
        stamp_of: Reads a header stamp in nanoseconds; None where the message is damaged.
    """
    if depth_topic is None:
        yield from ((raw, None) for raw in messages)
        return
    waiting: deque[tuple[int, RawMessage]] = deque()
    depths: deque[tuple[int, RawMessage]] = deque(maxlen=_HELD)

    def paired() -> tuple[RawMessage, RawMessage | None]:
        stamp_ns, raw = waiting.popleft()
        nearest = min(depths, key=lambda entry: abs(entry[0] - stamp_ns), default=None)
        fits = nearest is not None and abs(nearest[0] - stamp_ns) <= MAX_APART_NS
        return raw, nearest[1] if fits and nearest is not None else None

    for raw in messages:
        stamp_ns = stamp_of(raw)
        if raw.topic != depth_topic:
            # A damaged image is handed on for whoever counts it.
            waiting.append((stamp_ns or 0, raw))
        elif stamp_ns is not None:
            depths.append((stamp_ns, raw))
        newest = depths[-1][0] if depths else None
        while waiting and ((newest is not None and newest >= waiting[0][0]) or len(waiting) > _HELD):
            yield paired()
    while waiting:
        yield paired()
