"""Callbacks in a pool of threads."""

from __future__ import annotations

from concurrent import futures
from contextlib import suppress
from typing import Any

from rclpy.context import Context
from rclpy.executors import (
    ConditionReachedException,
    Executor,
    ExternalShutdownException,
    InvalidHandle,
    ShutdownException,
    TimeoutException,
)

REST_S = 0.001
"""Between two looks for work while some of it waits for a thread."""


class PoolExecutor(Executor):
    """Runs callbacks in a pool of threads, each piece of work once.

    rclpy's MultiThreadedExecutor does not: work that waits for a thread is offered to it again at once, and each time
    it goes into the pool and onto a list that is gone through at every step. A few callbacks of some milliseconds are
    enough for thousands of copies, and the loop keeps the interpreter from the threads that should work them off.
    That loop also ends where a subscription is destroyed in one thread while another lists what to wait for.
    """

    def __init__(self, threads: int, *, context: Context | None = None) -> None:
        super().__init__(context=context)
        self._pool = futures.ThreadPoolExecutor(threads, thread_name_prefix="callbacks")
        self._given: dict[Any, futures.Future[Any]] = {}

    def spin_once(self, timeout_sec: Any = None) -> None:
        """Waits for work and hands it to a thread; raises what a callback raised."""
        try:
            work, _, _ = self.wait_for_ready_callbacks(timeout_sec=timeout_sec)
        except (ConditionReachedException, ExternalShutdownException, ShutdownException, TimeoutException):
            return
        except InvalidHandle:
            # What was just destroyed is not listed again.
            return
        for given in [given for given, run in self._given.items() if run.done()]:
            del self._given[given]
            # Where it was destroyed before its turn came, there was nothing to do.
            with suppress(InvalidHandle):
                given.result()
        if work in self._given:
            futures.wait(self._given.values(), REST_S, futures.FIRST_COMPLETED)
        else:
            self._given[work] = self._pool.submit(work)

    def shutdown(self, timeout_sec: float | None = None) -> bool:
        """Ends spinning and the threads; says whether all work was done in time."""
        done = super().shutdown(timeout_sec)
        self._pool.shutdown()
        return done
