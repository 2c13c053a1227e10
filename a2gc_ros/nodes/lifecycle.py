"""What every node of this package is: a lifecycle node that can start itself, and ends cleanly."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import FrameType

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.clock import Clock, ClockType
from rclpy.executors import Executor
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.signals import SignalHandlerOptions
from rclpy.timer import Timer

from a2gc_ros.nodes import qos
from a2gc_ros.nodes.declared_parameters import DeclaredParameters
from a2gc_ros.nodes.parameters import Parameter

WARN_EVERY_S = 5.0
"""Least seconds between two warnings from one line of code."""


class SelfStartingNode(LifecycleNode):
    """A lifecycle node that configures and activates itself where its parameter ``autostart`` says so.

    A subclass configures and activates, and says in :meth:`stop_working` and :meth:`let_go` how each is undone.

    Args:
        name: Name of the node.
        parameters: Its parameters, ``autostart`` among them.
    """

    def __init__(self, name: str, parameters: Sequence[Parameter]) -> None:
        super().__init__(name)
        self.declared = DeclaredParameters(self, parameters)
        self.steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", qos.results())
        self._autostart: Timer | None = None
        if self.get_parameter("autostart").value:
            self._autostart = self.create_timer(0.0, self._start_by_itself, clock=self.steady)

    def stop_working(self) -> None:
        """Undoes activating; nothing to do is no error."""
        raise NotImplementedError

    def let_go(self) -> None:
        """Undoes configuring; nothing to do is no error."""
        raise NotImplementedError

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stops working; what was configured stays."""
        self.stop_working()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Lets go of everything."""
        self._unconfigure()
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stops everything for good."""
        self.close()
        return super().on_shutdown(state)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Goes back to unconfigured after an exception in a transition."""
        self.get_logger().error("a transition failed: the node is unconfigured again")
        self.close()
        return super().on_error(state)

    def close(self) -> None:
        """Stops working and lets go, in whatever state the node is."""
        self.stop_working()
        self._unconfigure()

    def publish_diagnostics(self, statuses: Sequence[DiagnosticStatus]) -> None:
        """Publishes the states of the node's parts."""
        message = DiagnosticArray(status=list(statuses))
        message.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(message)

    def _unconfigure(self) -> None:
        self.declared.configured = False
        self.let_go()

    def _start_by_itself(self) -> None:
        if self._autostart is not None:
            self.destroy_timer(self._autostart)
            self._autostart = None
        if self.trigger_configure() == TransitionCallbackReturn.SUCCESS:
            self.trigger_activate()


def run(make_node: Callable[[], SelfStartingNode], make_executor: Callable[[], Executor]) -> None:
    """Runs a node until SIGINT or SIGTERM.

    Args:
        make_node: Makes the node.
        make_executor: Makes what runs its callbacks.

    Raises:
        Exception: What a callback raised; the node ended for it.
    """
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
    node.close()
    node.destroy_node()
    rclpy.shutdown()
    spinning.result()
