"""What was heard on a topic, and when."""

from __future__ import annotations

import time


class Heard:
    """Counts the messages of a topic; written by one thread, read by any.

    Attributes:
        topic: Full name of the topic.
        received: How many messages came.
    """

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self.received = 0
        self._since_s = time.monotonic()

    def note(self) -> None:
        """Counts a message that just came."""
        self.received += 1
        self._since_s = time.monotonic()

    @property
    def silent_s(self) -> float:
        """Seconds since the last message, or since the subscription where none came."""
        return time.monotonic() - self._since_s
