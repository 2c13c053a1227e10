"""The bond by which Nav2's lifecycle manager sees whether a node lives.

Both ends of a bond publish on one topic that they live, under the name of the bond and an identity of their own; who
does not hear the other for the time they agreed on takes it for dead. The protocol is that of the ROS package bondcpp.
"""

from __future__ import annotations

import importlib
import threading
import time
import uuid
from typing import Any

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.timer import Timer

from a2gc_ros.nodes.base import qos

TOPIC = "bond"
"""Relative, as Nav2 has it: manager and node meet in one namespace."""

PERIODS_S = (0.01, 10.0)
"""Bounds of the heartbeat that a manager may ask for."""

LEAST_TIMEOUT_S = 4.0

FAREWELL = Duration(seconds=1.0)
"""How long the manager may take to hear of the end: what a publisher has not delivered goes with it."""


class Bond:
    """Answers the manager that asks for a bond with this node, and is silent where none does.

    Args:
        node: Whose life is told; the bond has its name.
        status: The message type, ``bond/msg/Status``.
    """

    def __init__(self, node: Node, status: Any) -> None:
        self._node = node
        self._status = status
        self._identity = str(uuid.uuid4())
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        # Of its own: nothing that takes long may delay a heartbeat.
        self._group = MutuallyExclusiveCallbackGroup()
        self._publisher = node.create_publisher(status, TOPIC, qos.results(100))
        self._subscription = node.create_subscription(
            status, TOPIC, self._on_status, qos.results(100), callback_group=self._group
        )
        self._lock = threading.Lock()
        self._closed = False
        self._timer: Timer | None = None
        self._period_s = self._timeout_s = 0.0
        self._heard_s = 0.0

    def close(self) -> None:
        """Breaks the bond, so that the manager need not wait to miss it."""
        # A heartbeat after the word of the end would be a life again.
        with self._lock:
            self._closed = True
            if self._timer is not None:
                self._publish(active=False)
            self._rest()
        self._publisher.wait_for_all_acked(FAREWELL)
        self._node.destroy_subscription(self._subscription)
        self._node.destroy_publisher(self._publisher)

    def _on_status(self, message: Any) -> None:
        if message.id != self._node.get_name() or message.instance_id == self._identity:
            return
        with self._lock:
            if not self._closed:
                self._answer(message)

    def _answer(self, message: Any) -> None:
        if not message.active:
            # The manager lets go first, and waits for an answer.
            self._rest()
            self._publish(active=False)
            return
        self._heard_s = time.monotonic()
        self._timeout_s = message.heartbeat_timeout
        period_s = min(max(message.heartbeat_period, PERIODS_S[0]), PERIODS_S[1])
        if self._timer is None or period_s != self._period_s:
            self._rest()
            self._period_s = period_s
            self._timer = self._node.create_timer(period_s, self._beat, self._group, clock=self._steady)
            self._publish(active=True)

    def _beat(self) -> None:
        with self._lock:
            if self._timer is None:
                return
            if time.monotonic() - self._heard_s > max(self._timeout_s, LEAST_TIMEOUT_S):
                self._rest()
            else:
                self._publish(active=True)

    def _rest(self) -> None:
        if self._timer is not None:
            self._node.destroy_timer(self._timer)
            self._timer = None

    def _publish(self, *, active: bool) -> None:
        message = self._status(
            id=self._node.get_name(),
            instance_id=self._identity,
            active=active,
            heartbeat_timeout=self._timeout_s,
            heartbeat_period=self._period_s,
        )
        message.header.stamp = self._steady.now().to_msg()
        self._publisher.publish(message)


def open_bond(node: Node) -> Bond | None:
    """Returns the end of a bond; None where ROS has no ``bond``, and so no manager that asks for one."""
    try:
        return Bond(node, importlib.import_module("bond.msg").Status)
    except ImportError:
        return None
