"""One thread that works on the newest item of a slot."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from a2gc_ros.nodes.newest_slot import NewestSlot

T = TypeVar("T")


class Worker(Generic[T]):
    """Takes items from a slot and works on them, one after the other, in a thread of its own.

    Args:
        slot: Where items come from; closing it ends the thread.
        work: What to do with an item.
        on_error: Told about an exception that `work` let out; the thread goes on.
    """

    def __init__(self, slot: NewestSlot[T], work: Callable[[T], None], on_error: Callable[[Exception], None]) -> None:
        self._slot = slot
        self._work = work
        self._on_error = on_error
        self._thread = threading.Thread(target=self._run, name="recogniser", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Closes the slot and waits for the item in work to be finished."""
        self._slot.close()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while (item := self._slot.take()) is not None:
            try:
                self._work(item)
            # One bad image must not end the thread: whatever it was, it is told and the next one is tried.
            except Exception as error:
                self._on_error(error)
