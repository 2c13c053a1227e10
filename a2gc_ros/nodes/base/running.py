"""Runs a node in a process of its own, which ends cleanly."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from types import FrameType

import rclpy
from rclpy.executors import Executor, ExternalShutdownException
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from a2gc_ros.errors import A2gcError

M_ARENA_MAX, ARENAS = -8, 2
"""glibc's name of the setting, and how many heaps its threads share."""


def _use_few_arenas() -> None:
    """Lets all threads share glibc's memory.

    It gives threads memory of their own, up to eight times the cores, and what one has freed the next cannot use: the
    threads of every activation took 30 MB more, until all had been used.
    """
    if "MALLOC_ARENA_MAX" not in os.environ:
        with suppress(AttributeError, OSError):
            ctypes.CDLL(None).mallopt(M_ARENA_MAX, ARENAS)


@contextmanager
def mistakes_told(program: str) -> Iterator[None]:
    """Ends the process where a user's mistake is raised: with one sentence and code 2, and with 130 for Ctrl-C.

    Args:
        program: Begins the sentence.
    """
    try:
        yield
    except A2gcError as error:
        print(f"{program}: {error}", file=sys.stderr)
        sys.exit(2)
    except (KeyboardInterrupt, ExternalShutdownException):
        sys.exit(130)


def run(make_node: Callable[[], Node], make_executor: Callable[[], Executor]) -> None:
    """Runs a node until SIGINT or SIGTERM.

    Args:
        make_node: Makes the node, which lets go of everything when it is destroyed.
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
    executor.add_node(node)
    with ThreadPoolExecutor(1, thread_name_prefix="executor") as pool:
        spinning = pool.submit(executor.spin)
        # A node that hears nothing any more must not look alive.
        spinning.add_done_callback(lambda _: stop.set())
        stop.wait()
        executor.shutdown()
    node.destroy_node()
    rclpy.shutdown()
    spinning.result()
