"""An executor hands out each piece of work once, and hears as long as it lives."""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
import rclpy
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.node import Node
from std_msgs.msg import String

from a2gc_ros.nodes.base.pool_executor import PoolExecutor

SECONDS = 3.0
THREADS = 2


@pytest.fixture
def node(ros_environment: None) -> Iterator[Node]:
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node("spinning", context=context)
    yield node
    node.destroy_node()
    rclpy.shutdown(context=context)


@pytest.fixture
def executor(node: Node) -> Iterator[PoolExecutor]:
    executor = PoolExecutor(THREADS, context=node.context)
    executor.add_node(node)
    yield executor
    executor.shutdown()


@pytest.fixture
def spinning(executor: PoolExecutor) -> Iterator[threading.Thread]:
    spinning = threading.Thread(target=executor.spin)
    spinning.start()
    yield spinning
    executor.shutdown()
    spinning.join()


@pytest.fixture
def restless_threads() -> Iterator[None]:
    """Threads give way to each other at every step, so that what can happen happens."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("restless_threads")
def test_subscriptions_may_go_while_it_looks_for_work(node: Node, spinning: threading.Thread) -> None:
    events = SubscriptionEventCallbacks(incompatible_qos=lambda _: None)
    end = time.monotonic() + SECONDS
    while spinning.is_alive() and time.monotonic() < end:
        node.destroy_subscription(node.create_subscription(String, "news", print, 1, event_callbacks=events))
    heard = threading.Event()
    node.create_timer(0.01, heard.set)
    assert heard.wait(10)


def test_work_that_waits_for_a_thread_is_handed_out_once(
    node: Node, executor: PoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There are more timers than threads, and each keeps one for a while."""
    handed: Counter[Any] = Counter()
    calls = [0] * (THREADS + 3)
    submit = ThreadPoolExecutor.submit

    def counted(pool: ThreadPoolExecutor, work: Any, *arguments: Any) -> Any:
        handed[work] += 1
        return submit(pool, work, *arguments)

    def keep_a_thread(number: int) -> None:
        time.sleep(0.02)
        calls[number] += 1

    monkeypatch.setattr(ThreadPoolExecutor, "submit", counted)
    for number in range(len(calls)):
        node.create_timer(0.01, partial(keep_a_thread, number), callback_group=ReentrantCallbackGroup())
    spinning = threading.Thread(target=executor.spin)
    spinning.start()
    time.sleep(SECONDS / 3)
    executor.shutdown()
    spinning.join()
    assert set(handed.values()) == {1}
    assert min(calls) > 2


@pytest.mark.usefixtures("spinning")
def test_callbacks_of_several_groups_run_side_by_side(node: Node) -> None:
    together, met = threading.Barrier(THREADS + 1), threading.Event()
    for _ in range(THREADS):
        node.create_timer(0.01, lambda: met.is_set() or together.wait(10), callback_group=ReentrantCallbackGroup())
    together.wait(10)
    met.set()


def test_what_a_callback_raises_ends_the_spinning(node: Node, executor: PoolExecutor) -> None:
    def fail() -> None:
        raise ValueError("a mistake")

    node.create_timer(0.01, fail)
    with pytest.raises(ValueError, match="a mistake"):
        executor.spin()
