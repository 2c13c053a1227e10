"""The other side of the graph: what a camera, an operator and a SLAM system would do."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup, ReentrantCallbackGroup
from rclpy.duration import Duration
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile, QoSReliabilityPolicy

from a2gc_ros.nodes.base.pool_executor import PoolExecutor

T = TypeVar("T")

TIMEOUT_S = 30.0


def wait_for(condition: Callable[[], T], what: str, timeout_s: float = TIMEOUT_S) -> T:
    """Returns the condition's value once it is true; fails with `what` when it stays false."""
    end = time.monotonic() + timeout_s
    while True:
        if value := condition():
            return value
        if time.monotonic() > end:
            raise AssertionError(f"in {timeout_s:g} s there was not: {what}")
        time.sleep(0.02)


class LostAnswerError(AssertionError):
    """A service was asked and no answer came."""


@contextmanager
def spinning(node: Any, context: Any) -> Iterator[None]:
    """Lets another node of the test's own work in a thread; destroys it at the end."""
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    thread = threading.Thread(target=executor.spin)
    thread.start()
    try:
        yield
    finally:
        executor.shutdown()
        thread.join()
        node.destroy_node()


class Probe:
    """A node in the test's process, spinning in a thread."""

    def __init__(self) -> None:
        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        self.node = rclpy.create_node("probe", context=self.context)
        self._group = ReentrantCallbackGroup()
        self._clients: dict[str, Any] = {}
        self._executor = PoolExecutor(2, context=self.context)
        self._executor.add_node(self.node)
        self._thread = threading.Thread(target=self._executor.spin)
        # Heard once for all nodes: each of them tells every second.
        self.diagnostics: list[DiagnosticArray] = self.listen(DiagnosticArray, "/diagnostics")

    def __enter__(self) -> Probe:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._executor.shutdown()
        self._thread.join()
        self.node.destroy_node()
        rclpy.shutdown(context=self.context)

    def listen(self, message_type: type, topic: str, *, depth: int = 1000, raw: bool = False) -> list[Any]:
        """Returns a list that grows with every message, or its bytes, in the order of arrival."""
        received: list[Any] = []
        group = MutuallyExclusiveCallbackGroup()
        self.node.create_subscription(message_type, topic, received.append, depth, callback_group=group, raw=raw)
        return received

    def publisher(self, message_type: type, topic: str, *, best_effort: bool = False, depth: int = 10) -> Any:
        reliability = QoSReliabilityPolicy.BEST_EFFORT if best_effort else QoSReliabilityPolicy.RELIABLE
        return self.node.create_publisher(message_type, topic, QoSProfile(depth=depth, reliability=reliability))

    def deliver(self, publisher: Any, message: Any) -> None:
        """Publishes, and waits until every reliable subscription that is known has the message."""
        publisher.publish(message)
        assert publisher.wait_for_all_acked(Duration(seconds=TIMEOUT_S)), f"{publisher.topic_name} is not heard"

    def call(self, service_type: type, name: str, request: Any, timeout_s: float = TIMEOUT_S) -> Any:
        """Asks a service and returns the answer."""
        if name not in self._clients:
            client = self.node.create_client(service_type, name, callback_group=self._group)
            assert client.wait_for_service(timeout_s), f"there is no service {name}"
            # Requests are matched before answers are; an answer in between would be lost.
            time.sleep(0.3)
            self._clients[name] = client
        # The middleware may lose an answer on a busy machine; a question that changes nothing can be asked again.
        tries = 3 if name.endswith("/get_state") else 1
        for _ in range(tries):
            answered = threading.Event()
            future = self._clients[name].call_async(request)
            future.add_done_callback(lambda _, event=answered: event.set())
            if answered.wait(timeout_s / tries):
                return future.result()
        raise LostAnswerError(f"{name} does not answer")

    def now_ns(self) -> int:
        """Returns the present time as stamps carry it."""
        return int(self.node.get_clock().now().nanoseconds)
