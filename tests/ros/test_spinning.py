"""A node hears as long as it lives, whatever is destroyed while its executor looks for work."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator

import pytest
import rclpy
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.executors import MultiThreadedExecutor
from rclpy.node import Node
from std_msgs.msg import String

from a2gc_ros.nodes.lifecycle import spin

SECONDS = 3.0


@pytest.fixture
def node(ros_environment: None) -> Iterator[Node]:
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node("spinning", context=context)
    yield node
    node.destroy_node()
    rclpy.shutdown(context=context)


@pytest.fixture
def restless_threads() -> Iterator[None]:
    """Threads give way to each other at every step, so that what can happen happens."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("restless_threads")
def test_subscriptions_may_go_while_an_executor_looks_for_work(node: Node) -> None:
    executor = MultiThreadedExecutor(2, context=node.context)
    executor.add_node(node)
    spinning = threading.Thread(target=spin, args=(executor,))
    spinning.start()
    events = SubscriptionEventCallbacks(incompatible_qos=lambda _: None)
    end = time.monotonic() + SECONDS
    while spinning.is_alive() and time.monotonic() < end:
        node.destroy_subscription(node.create_subscription(String, "news", print, 1, event_callbacks=events))
    heard = threading.Event()
    node.create_timer(0.01, heard.set)
    try:
        assert heard.wait(10)
    finally:
        executor.shutdown()
        spinning.join()


def test_what_a_callback_raises_ends_the_spinning(node: Node) -> None:
    def fail() -> None:
        raise ValueError("a mistake")

    executor = MultiThreadedExecutor(2, context=node.context)
    executor.add_node(node)
    node.create_timer(0.01, fail)
    with pytest.raises(ValueError, match="a mistake"):
        spin(executor)
    executor.shutdown()
