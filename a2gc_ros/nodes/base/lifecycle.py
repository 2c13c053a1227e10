"""What every node of this package is: a guarded lifecycle node that can start itself."""

from __future__ import annotations

import ctypes
import gc
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.node import NodeNameNonExistentError
from rclpy.timer import Timer

from a2gc_ros.nodes.base import qos
from a2gc_ros.nodes.base.bond import Bond, open_bond
from a2gc_ros.nodes.base.declared_parameters import DeclaredParameters
from a2gc_ros.nodes.base.guards import Guard, sentence
from a2gc_ros.nodes.base.parameter import Parameter

SUCCESS = TransitionCallbackReturn.SUCCESS
FAILURE = TransitionCallbackReturn.FAILURE

STEP_BACK_S = 10.0
"""After it started itself, a node gives way for so long to a lifecycle manager that the middleware finds."""

LOOK_EVERY_S = 0.5


class SelfStartingNode(LifecycleNode):
    """A lifecycle node that configures and activates itself where its parameter ``autostart`` says so.

    A subclass says in :meth:`configure` and :meth:`activate` what it does, in :meth:`stop_working` and :meth:`release`
    how each is undone, and in :meth:`report` how it is. Every callback, of its own and of rclpy, is guarded.

    Args:
        name: Name of the node.
        parameters: Its parameters, ``autostart`` and ``diagnostics_period`` among them.
    """

    def __init__(self, name: str, parameters: Sequence[Parameter]) -> None:
        # Before rclpy's constructor, which creates services and subscriptions of its own.
        self.guard = Guard(self.get_logger)
        super().__init__(name)
        self.declared = DeclaredParameters(self, parameters)
        self.steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.refusal = ""
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", qos.results())
        self._report_timer = self._start_reporting()
        self._bond: Bond | None = None
        self._started_by_itself = False
        self._guard_transitions()
        self._autostart: Timer | None = None
        self._step_back_until_s = 0.0
        if self.get_parameter("autostart").value:
            self._autostart = self.create_timer(0.0, self._start_by_itself, clock=self.steady)

    def configure(self) -> None:
        """Makes ready what the parameters ask for; raises what does not fit, and leaves only what `release` undoes."""
        raise NotImplementedError

    def activate(self) -> None:
        """Begins to work; raises what does not fit, and leaves only what `stop_working` undoes."""
        raise NotImplementedError

    def stop_working(self) -> None:
        """Undoes activating; nothing to do is no error."""
        raise NotImplementedError

    def release(self) -> None:
        """Undoes configuring; nothing to do is no error."""
        raise NotImplementedError

    def report(self) -> Sequence[DiagnosticStatus]:
        """Returns how the node's parts are, in whatever state it is."""
        raise NotImplementedError

    @property
    def state(self) -> str:
        """The state of the lifecycle, such as ``inactive``."""
        return str(self._state_machine.current_state[1])

    def create_subscription(self, msg_type: Any, topic: str, callback: Any, *rest: Any, **options: Any) -> Any:
        """Subscribes as rclpy does, guarded."""
        guarded = self.guard.callback(f"messages on {topic}", callback)
        return super().create_subscription(msg_type, topic, guarded, *rest, **options)

    def create_timer(self, timer_period_sec: float, callback: Any, *rest: Any, **options: Any) -> Timer:
        """Starts a timer as rclpy does, guarded."""
        guarded = self.guard.callback(f"timer {getattr(callback, '__name__', '')}", callback)
        return super().create_timer(timer_period_sec, guarded, *rest, **options)

    def create_service(self, srv_type: Any, srv_name: str, callback: Any, **options: Any) -> Any:
        """Offers a service as rclpy does, guarded."""
        return super().create_service(srv_type, srv_name, self.guard.service(srv_name, callback), **options)

    def add_on_set_parameters_callback(self, callback: Any) -> None:
        """Registers a check of parameters as rclpy does; one that fails refuses the change."""

        def refuse(changes: Any) -> SetParametersResult:
            try:
                result: SetParametersResult = callback(changes)
                return result
            except Exception as error:
                return SetParametersResult(successful=False, reason=self.guard.note("parameters", error))

        super().add_on_set_parameters_callback(refuse)

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Configures; whatever does not fit is refused with a sentence, and can be tried again."""
        if not self._attempt("not configured", self.configure, self.release):
            return FAILURE
        self.declared.configured = True
        self.destroy_timer(self._report_timer)
        self._report_timer = self._start_reporting()
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Activates; whatever does not fit is refused with a sentence, and can be tried again."""
        result = super().on_activate(state)
        if not self._attempt("not activated", self.activate, self.stop_working):
            super().on_deactivate(state)
            return FAILURE
        self._bond = open_bond(self)
        return result

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stops working; what was configured stays."""
        self._stop()
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
        self._stop()
        self._unconfigure()

    def destroy_node(self) -> None:
        """Closes the node before rclpy ends it."""
        self.close()
        super().destroy_node()

    def _stop(self) -> None:
        self._undo(self._break_bond)
        self._undo(self.stop_working)

    def _break_bond(self) -> None:
        bond, self._bond = self._bond, None
        if bond is not None:
            bond.close()

    def _unconfigure(self) -> None:
        self.declared.configured = False
        self._undo(self.release)
        _give_memory_back()

    def _undo(self, step: Callable[[], None]) -> None:
        """Takes a step back; one that fails is told, and must not keep the next from being taken."""
        try:
            step()
        except Exception as error:
            self.guard.note(step.__name__, error)

    def _attempt(self, otherwise: str, step: Callable[[], None], undo: Callable[[], None]) -> bool:
        """Takes a step; one that fails is undone, and remembered and told as the refusal."""
        try:
            step()
        except Exception as error:
            self._undo(undo)
            self.refusal = f"{otherwise}: {sentence(error)}"
            self.get_logger().error(self.refusal)
            return False
        self.refusal = ""
        return True

    def _start_reporting(self) -> Timer:
        return self.create_timer(self.get_parameter("diagnostics_period").value, self._report, clock=self.steady)

    def _report(self) -> None:
        message = DiagnosticArray(status=list(self.report()))
        message.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(message)

    def _start_by_itself(self) -> None:
        self._stop_starting()
        # Somebody else may have been faster.
        if self.state != "unconfigured" or self.trigger_configure() != SUCCESS:
            return
        self._started_by_itself = True
        self._step_back_until_s = time.monotonic() + STEP_BACK_S
        self._autostart = self.create_timer(LOOK_EVERY_S, self._look_for_manager, clock=self.steady)
        if not self._has_manager():
            self.trigger_activate()

    def _look_for_manager(self) -> None:
        """Steps back where a lifecycle manager is found, which may take the middleware some seconds."""
        if not self._started_by_itself or time.monotonic() > self._step_back_until_s:
            self._stop_starting()
        elif self.state == "active" and self._has_manager():
            self.trigger_deactivate()

    def _stop_starting(self) -> None:
        if self._autostart is not None:
            self.destroy_timer(self._autostart)
            self._autostart = None

    def _has_manager(self) -> bool:
        """Looks for nodes that are about to change this node's state, such as Nav2's lifecycle manager."""
        wanted, found = f"{self.get_fully_qualified_name()}/change_state", []
        for name, namespace in self.get_node_names_and_namespaces():
            # Hidden ones are tools, such as a person's `ros2 lifecycle`.
            if name.startswith("_"):
                continue
            # One that ends while it is asked for is none.
            with suppress(NodeNameNonExistentError):
                if any(client == wanted for client, _ in self.get_client_names_and_types_by_node(name, namespace)):
                    found.append(f"{namespace.rstrip('/')}/{name}")
        if found:
            self._stop_starting()
            self.get_logger().info(f"configured, and left to {', '.join(found)} to activate")
        return bool(found)

    def _guard_transitions(self) -> None:
        """Puts this node's own answer before rclpy's, whose process ends on some distributions at a wrong request."""
        for service in self.services:
            if service.srv_name == f"{self.get_fully_qualified_name()}/change_state":
                answer = partial(self._on_change_state, service.callback)
                service.callback = self.guard.service("change_state", answer)

    def _on_change_state(
        self, answer: Callable[..., ChangeState.Response], request: ChangeState.Request, response: ChangeState.Response
    ) -> ChangeState.Response:
        """Answers a lifecycle manager.

        What this node did of itself, its manager finds done: the first one that configures a node which has configured
        and activated itself gets it configured and not yet active, as it expects.
        """
        wanted, state = request.transition, self.state
        label = wanted.label or _LABELS.get(wanted.id, f"transition {wanted.id}")
        possible = dict(transition[:2] for transition in self._state_machine.available_transitions)
        by_itself, self._started_by_itself = self._started_by_itself, False
        if by_itself and label == "configure" and state in ("inactive", "active"):
            self.get_logger().info("a lifecycle manager takes over from autostart")
            response.success = state == "inactive" or self.trigger_deactivate() == SUCCESS
        elif by_itself and label == "activate" and state == "active":
            response.success = True
        elif label in possible.values() if wanted.label else wanted.id in possible:
            return answer(request, response)
        else:
            allowed = ", ".join(sorted(possible.values())) or "nothing"
            self.get_logger().warning(
                f"{label} was asked for while the node is {state}, and only {allowed} is possible"
            )
            response.success = False
        return response


_LABELS = {
    Transition.TRANSITION_CONFIGURE: "configure",
    Transition.TRANSITION_CLEANUP: "cleanup",
    Transition.TRANSITION_ACTIVATE: "activate",
    Transition.TRANSITION_DEACTIVATE: "deactivate",
    Transition.TRANSITION_UNCONFIGURED_SHUTDOWN: "shutdown",
    Transition.TRANSITION_INACTIVE_SHUTDOWN: "shutdown",
    Transition.TRANSITION_ACTIVE_SHUTDOWN: "shutdown",
}


def _give_memory_back() -> None:
    """Frees what is held in cycles of references, for models are large, and hands free memory to the system."""
    gc.collect()
    # glibc keeps what a thread freed for that thread, and each configuration may come in another one.
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)
