"""The other side of the graph: what a camera, an operator and a SLAM system would do."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.srv import GetParameterTypes
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup, ReentrantCallbackGroup
from rclpy.duration import Duration
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile, QoSReliabilityPolicy
from std_msgs.msg import Empty

from a2gc_ros.nodes.base.pool_executor import PoolExecutor

T = TypeVar("T")

_NUMBERS = itertools.count()

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


def wait_until_matched(probe: Probe, node: Any) -> None:
    """Waits until what a node of the test's own publishes arrives at the subscriptions that the probe has made so far.

    Endpoints find each other in the order in which they are made, so where a newer pair has, those before have, too.
    """
    topic = f"{node.get_fully_qualified_name()}/matched_{next(_NUMBERS)}"
    heard = probe.listen(Empty, topic)
    publisher = node.create_publisher(Empty, topic, 1)
    wait_for(lambda: publisher.publish(Empty()) or heard, f"a message on {topic}")
    node.destroy_publisher(publisher)


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
            self._clients[name] = self.node.create_client(service_type, name, callback_group=self._group)
            assert self._clients[name].wait_for_service(timeout_s), f"there is no service {name}"
            self._wait_until_answered(name.rpartition("/")[0], timeout_s)
        answer = self._ask(self._clients[name], request, timeout_s)
        assert answer is not None, f"{name} does not answer"
        return answer

    def _wait_until_answered(self, node_name: str, timeout_s: float) -> None:
        """Waits until a node's answers arrive at every client made so far.

        A node hears a client before it knows where to send the answer, and drops what it cannot send. It comes to know
        of clients in the order in which they are made, so one made now, which asks what can be asked again, tells.
        """
        name = f"{node_name}/get_parameter_types"
        client = self.node.create_client(GetParameterTypes, name, callback_group=self._group)
        assert client.wait_for_service(timeout_s), f"there is no service {name}"
        wait_for(lambda: self._ask(client, GetParameterTypes.Request(), 0.5), f"an answer of {node_name}", timeout_s)
        self.node.destroy_client(client)

    @staticmethod
    def _ask(client: Any, request: Any, timeout_s: float) -> Any | None:
        """Returns the answer, or nothing where none came in time."""
        answered = threading.Event()
        future = client.call_async(request)
        future.add_done_callback(lambda _: answered.set())
        return future.result() if answered.wait(timeout_s) else None

    def now_ns(self) -> int:
        """Returns the present time as stamps carry it."""
        return int(self.node.get_clock().now().nanoseconds)
