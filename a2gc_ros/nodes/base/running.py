"""Runs a node in a process of its own, which ends cleanly."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from types import FrameType
from typing import Protocol

import rclpy
from rclpy.executors import Executor
from rclpy.signals import SignalHandlerOptions

M_ARENA_MAX, ARENAS = -8, 2
"""glibc's name of the setting, and how many heaps its threads share."""


class Runnable(Protocol):
    """What is asked of a node beside what every node has."""

    def close(self) -> None:
        """Stops working and lets go."""

    def destroy_node(self) -> None:
        """Ends what it has in the graph."""


def _use_few_arenas() -> None:
    """Lets all threads share glibc's memory.

    It gives threads memory of their own, up to eight times the cores, and what one has freed the next cannot use: the
    threads of every activation took 30 MB more, until all had been used.
    """
    if "MALLOC_ARENA_MAX" not in os.environ:
        with suppress(AttributeError, OSError):
            ctypes.CDLL(None).mallopt(M_ARENA_MAX, ARENAS)


def run(make_node: Callable[[], Runnable], make_executor: Callable[[], Executor]) -> None:
    """Runs a node until SIGINT or SIGTERM.

    Args:
        make_node: Makes the node; its ``close`` is called at the end.
        make_executor: Makes what runs its callbacks.

    Raises:
        Exception: What a callback raised; the node ended for it.
    """
    _use_few_arenas()
    # rclpy's own handlers would shut the context down under working threads, and the process would abort.
    rclpy.init(args=sys.argv, signal_handler_options=SignalHandlerOptions.NO)
    stop = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the interface of signal.signal
        stop.set()

    signal.signal(signal.SIGINT, on_signal)
    signal.signal(signal.SIGTERM, on_signal)
    node = make_node()
    executor = make_executor()
    executor.add_node(node)  # type: ignore[arg-type]  # a node, which no protocol can say
    with ThreadPoolExecutor(1, thread_name_prefix="executor") as pool:
        spinning = pool.submit(executor.spin)
        # A node that hears nothing any more must not look alive.
        spinning.add_done_callback(lambda _: stop.set())
        stop.wait()
        executor.shutdown()
    node.close()
    node.destroy_node()
    rclpy.shutdown()
    spinning.result()
