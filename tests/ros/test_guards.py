"""Faults injected one by one into every kind of callback: the node answers, counts, and goes on."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable, Iterator

import pytest
import rclpy
from node_process import new_namespace
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter as RosParameter
from ros_probe import Probe, wait_for
from std_msgs.msg import String
from std_srvs.srv import Trigger

from a2gc_ros.errors import MapError
from a2gc_ros.nodes.base.lifecycle import SelfStartingNode
from a2gc_ros.nodes.base.parameter import Parameter
from a2gc_ros.nodes.base.pool_executor import PoolExecutor

FAULTS: list[tuple[Exception, str]] = [
    (MapError("the map is upside down: turn it"), "the map is upside down: turn it"),
    (OSError(errno.ENOSPC, "No space left on device", "/maps/x"), "no space left on device: /maps/x"),
    (OSError(errno.EMFILE, "Too many open files"), "too many open files"),
    (PermissionError(errno.EACCES, "Permission denied", "/maps"), "permission denied: /maps"),
    (MemoryError(), "out of memory"),
    (RecursionError("maximum recursion depth exceeded"), "RecursionError: maximum recursion depth exceeded"),
    (ValueError("embedded null byte"), "ValueError: embedded null byte"),
    (ZeroDivisionError("division by zero"), "ZeroDivisionError: division by zero"),
    (KeyError("two\nlines"), r"KeyError: 'two\nlines'"),
    (AssertionError(), "AssertionError"),
    (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"), "UnicodeDecodeError: 'utf-8' codec"),
    (RuntimeError("rcl error"), "RuntimeError: rcl error"),
]


class FaultyNode(SelfStartingNode):
    """Raises on demand, in whichever callback comes next."""

    def __init__(self) -> None:
        parameters = (
            Parameter("autostart", False, "", change="never"),
            Parameter("diagnostics_period", 60.0, "", 0.1, 60.0),
            Parameter("word", "", "", change="anytime"),
        )
        super().__init__("faulty", parameters)
        self.faults: dict[str, Exception] = {}
        self.create_subscription(String, "~/words", lambda _: self.fail("subscription"), 10)
        self.create_service(Trigger, "~/ask", self.ask)
        self.create_timer(0.02, lambda: self.fail("timer"))
        self.add_on_set_parameters_callback(self.check)

    def fail(self, where: str) -> None:
        if (fault := self.faults.pop(where, None)) is not None:
            raise fault

    def ask(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self.fail("service")
        response.success = True
        return response

    def check(self, _: object) -> rclpy.node.SetParametersResult:
        self.fail("parameters")
        return rclpy.node.SetParametersResult(successful=True)

    def configure(self) -> None:
        self.fail("configure")

    def activate(self) -> None:
        self.fail("activate")

    def stop_working(self) -> None:
        self.fail("stop_working")

    def release(self) -> None:
        self.fail("let_go")

    def report(self) -> list[object]:
        return []


@pytest.fixture(scope="module")
def faulty(ros_environment: None) -> Iterator[FaultyNode]:
    rclpy.init(args=["--ros-args", "-r", f"__ns:={new_namespace()}"])
    node = FaultyNode()
    executor = PoolExecutor(2)
    executor.add_node(node)
    failed: list[BaseException] = []

    def spin() -> None:
        try:
            executor.spin()
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=spin)
    thread.start()
    yield node
    executor.shutdown()
    thread.join()
    node.destroy_node()
    rclpy.shutdown()
    assert not failed


def is_alive(node: FaultyNode, probe: Probe) -> bool:
    return bool(probe.call(Trigger, f"{node.get_fully_qualified_name()}/ask", Trigger.Request()).success)


@pytest.mark.parametrize(("fault", "told"), FAULTS, ids=[type(fault).__name__ for fault, _ in FAULTS])
def test_what_a_service_raises_is_its_answer(faulty: FaultyNode, probe: Probe, fault: Exception, told: str) -> None:
    before = faulty.guard.caught.failed.get("~/ask", 0)
    faulty.faults["service"] = fault
    answer = probe.call(Trigger, f"{faulty.get_fully_qualified_name()}/ask", Trigger.Request())
    assert not answer.success
    assert told in answer.message
    assert "\n" not in answer.message
    assert faulty.guard.caught.failed["~/ask"] == before + 1
    assert is_alive(faulty, probe)


@pytest.mark.parametrize("where", ["timer", "subscription"])
@pytest.mark.parametrize(("fault", "told"), FAULTS[:3], ids=[type(fault).__name__ for fault, _ in FAULTS[:3]])
def test_what_a_timer_or_a_subscription_raises_is_counted(
    faulty: FaultyNode, probe: Probe, where: str, fault: Exception, told: str
) -> None:
    words = probe.publisher(String, f"{faulty.get_fully_qualified_name()}/words")
    wait_for(words.get_subscription_count, "the subscription")
    before = sum(faulty.guard.caught.failed.values())
    faulty.faults[where] = fault

    def counted() -> bool:
        words.publish(String(data="hello"))
        time.sleep(0.05)
        return sum(faulty.guard.caught.failed.values()) > before

    wait_for(counted, "a count of the fault")
    assert told in faulty.guard.caught.last
    assert is_alive(faulty, probe)


def test_what_a_check_of_parameters_raises_refuses_the_change(faulty: FaultyNode, probe: Probe) -> None:
    faulty.faults["parameters"] = ZeroDivisionError("division by zero")
    request = SetParameters.Request(parameters=[RosParameter("word", value="x").to_parameter_msg()])
    name = f"{faulty.get_fully_qualified_name()}/set_parameters"
    refused = probe.call(SetParameters, name, request).results[0]
    assert not refused.successful
    assert "division by zero" in refused.reason
    assert faulty.get_parameter("word").value == ""
    assert probe.call(SetParameters, name, request).results[0].successful


@pytest.mark.parametrize(
    ("where", "steps", "states"),
    [
        ("configure", ["trigger_configure"], ["unconfigured"]),
        ("activate", ["trigger_configure", "trigger_activate"], ["inactive", "inactive"]),
        ("stop_working", ["trigger_configure", "trigger_activate", "trigger_deactivate"], ["inactive", "active"]),
        ("let_go", ["trigger_configure", "trigger_cleanup"], ["inactive", "unconfigured"]),
    ],
)
def test_what_a_transition_raises_leaves_a_node_that_can_be_configured_again(
    faulty: FaultyNode, where: str, steps: list[str], states: list[str]
) -> None:
    faulty.faults[where] = OSError(errno.ENOSPC, "No space left on device")
    for step, state in zip(steps, states, strict=False):
        getattr(faulty, step)()
        assert faulty.state == state
    trigger: Callable[[], object] = getattr(faulty, steps[-1])
    if len(steps) > len(states):
        trigger()
    assert not faulty.faults
    if faulty.state != "unconfigured":
        faulty.trigger_cleanup()
    assert faulty.state == "unconfigured"
    faulty.trigger_configure()
    assert faulty.state == "inactive"
    faulty.trigger_cleanup()
