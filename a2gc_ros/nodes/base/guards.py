"""The boundary between rclpy and this package: nothing that a callback raises gets past it, and all of it is told.

An exception that reaches the executor ends the node. Whatever a message, a request, a file or a disk does, the node is
to answer, count and go on.
"""

from __future__ import annotations

import functools
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from rclpy.clock import Clock, ClockType
from rclpy.executors import InvalidHandle
from rclpy.impl.rcutils_logger import RcutilsLogger

from a2gc_ros.errors import A2gcError

THROTTLED: Final[dict[str, Any]] = {
    "throttle_duration_sec": 5.0,
    "throttle_time_source_type": Clock(clock_type=ClockType.STEADY_TIME),
}
"""How a line of code logs what may happen with every message."""

R = TypeVar("R")


def sentence(error: BaseException) -> str:
    """Says an exception in one sentence."""
    if isinstance(error, A2gcError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        names = [str(name) for name in (error.filename, error.filename2) if name is not None]
        return f"{error.strerror.lower()}{': ' if names else ''}{', '.join(names)}"
    if isinstance(error, MemoryError):
        return "out of memory"
    text = " ".join(str(error).split())
    return f"{type(error).__name__}{': ' if text else ''}{text}"


@dataclass(frozen=True)
class Callbacks:
    """What a guard caught.

    Attributes:
        failed: How often each failed, by its name.
        last: The newest failure.
    """

    failed: Mapping[str, int] = field(default_factory=dict)
    last: str = ""


class Guard:
    """Keeps what callbacks raise from the executor, and counts it.

    Args:
        logger: Gives the node's logger, once it has one.
    """

    def __init__(self, logger: Callable[[], RcutilsLogger]) -> None:
        self._logger = logger
        self._lock = threading.Lock()
        self._failed: Counter[str] = Counter()
        self._last = ""

    @property
    def caught(self) -> Callbacks:
        """What was caught so far."""
        with self._lock:
            return Callbacks(dict(self._failed), self._last)

    def callback(self, name: str, callback: Callable[..., R]) -> Callable[..., R | None]:
        """Wraps the callback of a subscription or a timer: what fails is told, and the next one is tried."""
        return self._wrap(name, callback, lambda _told, *_: None)

    def service(self, name: str, callback: Callable[..., R]) -> Callable[..., R]:
        """Wraps the callback of a service: where it fails, the answer says so."""

        def refuse(told: str, _request: Any, response: Any) -> Any:
            fields = response.get_fields_and_field_types()
            if "success" in fields:
                response.success = False
            if "message" in fields:
                response.message = told
            return response

        return self._wrap(name, callback, refuse)

    def note(self, name: str, error: Exception) -> str:
        """Counts and logs what went wrong under a name, and returns it as a sentence."""
        told = sentence(error)
        with self._lock:
            self._failed[name] += 1
            self._last = f"{name}: {told}"
        self._logger().error(f"{name}: {told}", **THROTTLED)
        if not isinstance(error, (A2gcError, OSError)):
            self._logger().debug("".join(traceback.format_exception(error)))
        return told

    def _wrap(self, name: str, callback: Callable[..., R], otherwise: Callable[..., Any]) -> Callable[..., R]:
        @functools.wraps(callback)
        def guarded(*arguments: Any) -> Any:
            try:
                return callback(*arguments)
            except InvalidHandle:
                # What it wanted to publish on was destroyed meanwhile.
                return otherwise("the node is being reconfigured: ask again", *arguments)
            except Exception as error:
                return otherwise(self.note(name, error), *arguments)

        return guarded
