"""Two threads that work on the newest item of a mailbox: one prepares it while the other is with the one before."""

from __future__ import annotations

import functools
import queue
import threading
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from a2gc_ros.nodes.base.latest_mailbox import LatestMailbox

T = TypeVar("T")
P = TypeVar("P")

IN_WORK: Final = 2
"""Items that were taken and are not finished: one that is prepared, one that is worked on. The next one is taken when
one of them is done, so that it is the newest then, and nothing but the mailbox ever waits."""


class Worker(Generic[T, P]):
    """Takes items from a mailbox, prepares and finishes them in their order, in two threads of its own.

    Args:
        mailbox: Where items come from; closing it ends the threads.
        prepare: What to do with an item first, beside the work on the one before.
        work: What to do with what was prepared.
        on_error: Told about an exception that either let out, in its thread; both go on.
        overlap: Whether the two share the time; otherwise an item is finished before the next is taken.
    """

    def __init__(
        self,
        mailbox: LatestMailbox[T],
        prepare: Callable[[T], P],
        work: Callable[[P], None],
        on_error: Callable[[Exception], None],
        *,
        overlap: bool = True,
    ) -> None:
        self._mailbox = mailbox
        self._prepare = prepare
        self._work = work
        self._on_error = on_error
        self._free = threading.Semaphore(IN_WORK if overlap else 1)
        self._prepared: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._run_preparing, name="preparation", daemon=True),
            threading.Thread(target=self._run_working, name="recognizer", daemon=True),
        ]

    def start(self) -> None:
        """Starts the threads."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Closes the mailbox and waits for the items in work to be finished."""
        self._mailbox.close()
        for thread in self._threads:
            if thread.is_alive():
                thread.join()

    def _run_preparing(self) -> None:
        while self._free.acquire() and (item := self._mailbox.take()) is not None:
            # One bad image must not end the thread: whatever it was, it is told and the next one is tried.
            try:
                prepared = self._prepare(item)
            except Exception as error:
                self._on_error(error)
                self._free.release()
            else:
                self._prepared.put(functools.partial(self._work, prepared))
        self._prepared.put(None)

    def _run_working(self) -> None:
        while (work := self._prepared.get()) is not None:
            try:
                work()
            except Exception as error:
                self._on_error(error)
            finally:
                self._free.release()
