"""What a recording's files hold, where damage is counted and does not end the reading."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from a2gc_ros.bags.skips import Skips
from a2gc_ros.bags.storage import RawMessage, Storage
from a2gc_ros.errors import BagError


class Content:
    """The messages of a storage, as far as they can be read.

    Attributes:
        storage: The files.
        skips: Messages left out so far, by reason.
    """

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self.skips = Skips()

    def raw(
        self, topics: Collection[str] | None, start_ns: int | None = None, stop_ns: int | None = None
    ) -> Iterator[RawMessage]:
        """Streams messages up to the end or to where the file is damaged, which is counted."""
        try:
            yield from self.storage.messages(topics, start_ns, stop_ns)
        except BagError as error:
            self.skips.add_once(str(self.storage.path), error)

    def messages(self, topics: Collection[str]) -> Iterator[tuple[RawMessage, Any]]:
        """Streams messages that can be deserialized; the others are counted."""
        for raw in self.raw(topics):
            try:
                message = self.storage.deserialize(raw)
            except BagError as error:
                self.skips.add(raw.topic, error)
                continue
            yield raw, message

    def frame_id(self, topic: str) -> str:
        """Returns the frame of the first message with a header that can be read; empty where there is none."""
        for raw in self.raw({topic}):
            try:
                return str(self.storage.deserialize(raw).header.frame_id)
            except BagError:
                continue
        return ""
