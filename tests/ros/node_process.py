"""One process of a node, as a user would start it."""

from __future__ import annotations

import itertools
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from nav_msgs.msg import Odometry
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from ros_probe import Probe, wait_for

from a2gc_msgs.msg import LoopClosureCandidates

_NUMBERS = itertools.count()


def own_memory_mb(process_id: int) -> float:
    """Returns a process's memory in 10^6 bytes, without the shared one: the middleware's segments fill once."""
    lines = Path(f"/proc/{process_id}/status").read_text().splitlines()
    sizes = {line.split(":")[0]: float(line.split()[1]) for line in lines if line.startswith(("VmRSS", "RssShmem"))}
    return (sizes["VmRSS"] - sizes["RssShmem"]) * 1024 / 1e6


def new_namespace() -> str:
    return f"/test_{os.getpid()}_{next(_NUMBERS)}"


CONFIGURE = Transition.TRANSITION_CONFIGURE
CLEANUP = Transition.TRANSITION_CLEANUP
ACTIVATE = Transition.TRANSITION_ACTIVATE
DEACTIVATE = Transition.TRANSITION_DEACTIVATE
SHUTDOWN = {
    "unconfigured": Transition.TRANSITION_UNCONFIGURED_SHUTDOWN,
    "inactive": Transition.TRANSITION_INACTIVE_SHUTDOWN,
    "active": Transition.TRANSITION_ACTIVE_SHUTDOWN,
}


class NodeProcess:
    """Starts the executable in a namespace of its own.

    Args:
        probe: The tests' node.
        folder: Gets the parameter file and the log.
        parameters: Of the node.
        namespace: Of the node.
        executable: Which one; it is also the node's name.
    """

    def __init__(
        self,
        probe: Probe,
        folder: Path,
        parameters: dict[str, object],
        namespace: str,
        executable: str = "place_recognition",
    ) -> None:
        self.probe = probe
        self.namespace = namespace
        self.name = f"{self.namespace}/{executable}"
        self.folder = folder
        file = folder / "parameters.yaml"
        file.write_text(yaml.safe_dump({"/**": {"ros__parameters": parameters}}))
        self._log_path = folder / "log.txt"
        command = [sys.executable, "-m", f"a2gc_ros.nodes.{executable}", "--ros-args"]
        command += ["-r", f"__ns:={self.namespace}", "--params-file", str(file)]
        self.closures: list[LoopClosureCandidates] = probe.listen(LoopClosureCandidates, self.topic("loop_closures"))
        with self._log_path.open("w") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)

    def topic(self, name: str) -> str:
        return f"{self.namespace}/{name}"

    @property
    def log(self) -> str:
        return self._log_path.read_text()

    def wait_for_log(self, pattern: str) -> str:
        try:
            return wait_for(lambda: re.search(pattern, self.log), f"{pattern!r} in the log").group(0)
        except AssertionError as error:
            raise AssertionError(f"{error}; exit code {self.process.poll()}; it said:\n{self.log}") from None

    def state(self) -> str:
        return str(self.probe.call(GetState, f"{self.name}/get_state", GetState.Request()).current_state.label)

    def change(self, transition: int) -> bool:
        request = ChangeState.Request(transition=Transition(id=transition))
        return bool(self.probe.call(ChangeState, f"{self.name}/change_state", request).success)

    def set(self, name: str, value: Any) -> str:
        """Sets a parameter and returns the reason why it was refused, or nothing."""
        request = SetParameters.Request(parameters=[Parameter(name, value=value).to_parameter_msg()])
        result = self.probe.call(SetParameters, f"{self.name}/set_parameters", request).results[0]
        return "" if result.successful else str(result.reason)

    def wait_until_active(self) -> NodeProcess:
        # To the end of the line: what it listens to is looked for there.
        self.wait_for_log(r"active: listening to .*\n")
        return self

    def wait_until_heard_of(self) -> NodeProcess:
        """Waits until it is active and what it says arrives: answers to who is not yet found are lost.

        The middleware tells the node of subscriptions in the order in which they are made, so where a newer one is
        served, those before it are, too.
        """
        self.wait_until_active()
        said = self.probe.listen(DiagnosticArray, "/diagnostics")
        name = self.part("recognition")
        wait_for(lambda: any(s.name == name for m in list(said) for s in m.status), f"diagnostics of {self.name}")
        return self

    def wait_until_heard(self, publisher: Any) -> None:
        """Waits until a publisher sends to this node, and not only to another one that listens to the topic, too."""

        def heard() -> bool:
            listeners = self.probe.node.get_subscriptions_info_by_topic(publisher.topic_name)
            own = any(listener.node_namespace == self.namespace for listener in listeners)
            return own and publisher.get_subscription_count() >= len(listeners)

        wait_for(heard, f"a subscription of the node to {publisher.topic_name}")

    def shake_hands(self, *publishers: Any) -> None:
        """Waits until messages arrive: a publisher knows of a subscription before that one knows of the publisher.

        What a publisher sends before is lost where the subscription is best effort. What is sent here is refused and
        counted, so it leaves no trace in the results.
        """
        for publisher in publishers:
            self.wait_until_heard(publisher)
            spoilt = publisher.msg_type()
            if isinstance(spoilt, Odometry):
                spoilt.pose.pose.orientation.w = float("nan")
            else:
                spoilt.data = b"nothing"
            key = f"bad messages: {'odometry' if isinstance(spoilt, Odometry) else 'image'}"

            def arrived(publisher: Any = publisher, spoilt: Any = spoilt, key: str = key) -> bool:
                publisher.publish(spoilt)
                time.sleep(0.1)
                return self.count("camera", key) > 0

            wait_for(arrived, key)

    def part(self, name: str) -> str:
        """Returns how the diagnostics name a part, such as `camera`."""
        return f"{self.name.lstrip('/')}: {name}"

    def status(self, part: str) -> DiagnosticStatus | None:
        """Returns the newest status of a part, such as `camera`."""
        wanted = self.part(part)
        for message in reversed(self.probe.diagnostics):
            for status in message.status:
                if status.name == wanted:
                    return status
        return None

    def message(self, part: str) -> str:
        status = self.status(part)
        return str(status.message) if status else ""

    def level(self, part: str) -> bytes | None:
        status = self.status(part)
        return None if status is None else status.level

    def value(self, part: str, key: str) -> str:
        status = self.status(part)
        values = {pair.key: pair.value for pair in status.values} if status else {}
        return values.get(key, "")

    def count(self, part: str, key: str) -> int:
        return int(self.value(part, key) or 0)

    def wait_for_reports(self) -> None:
        """Waits until the node has surely reported anew: what may be set at any time is looked at then."""
        name, seen = self.part("camera"), len(self.probe.diagnostics)

        def reported() -> bool:
            # One may have been on its way already.
            return sum(s.name == name for m in self.probe.diagnostics[seen:] for s in m.status) >= 2

        wait_for(reported, f"reports of {self.name}")

    def stop(self, number: int = signal.SIGINT) -> int:
        """Asks the process to end and returns its exit code."""
        self.process.send_signal(number)
        return self.process.wait(20)

    def interrupt(self) -> None:
        """Asks the process to end, if it still runs."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)

    def end(self) -> None:
        """Waits for the process to end, and kills one that does not."""
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
