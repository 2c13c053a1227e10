"""Which time a message has: that of its header, or that of its arrival where the header's is of no use."""

from __future__ import annotations

from collections.abc import Callable

from rclpy.node import Node

from a2gc_ros.nodes.parameters import NodeSettings, StampChoice

PATIENCE = 3
"""Messages in a row whose stamps are of no use, after which the header is given up; one or two are an accident."""


class Stamps:
    """Chooses the stamp of each message of one topic.

    A stamp is of no use where it is zero or the one before again: a driver that does not fill it in.

    Args:
        topic: Full name of the topic, for the warning.
        choice: ``header`` and ``arrival`` take that time always; ``auto`` takes the header's as long as it is of use.
        now_ns: The node's clock.
        warn: Told once what is wrong, and what is done about it.

    Attributes:
        problem: What is wrong with the newest stamps, in one sentence; empty where nothing is.
    """

    def __init__(self, topic: str, choice: StampChoice, now_ns: Callable[[], int], warn: Callable[[str], None]) -> None:
        self._topic = topic
        self._choice = choice
        self._now_ns = now_ns
        self._warn = warn
        self._before_ns: int | None = None
        self._useless = 0
        self._told = False
        self.problem = ""

    @property
    def taken(self) -> str:
        """Which time is taken at present: ``header`` or ``arrival``."""
        gives_up = self._choice == "auto" and self._useless >= PATIENCE
        return "arrival" if gives_up or self._choice == "arrival" else "header"

    def stamp_ns(self, header_ns: int) -> int | None:
        """Returns the stamp to work with, by the header's, or None where there is none; called from one thread."""
        useless = header_ns == 0 or header_ns == self._before_ns
        self._useless = self._useless + 1 if useless else 0
        self._before_ns = header_ns
        self.problem = self._judge("zero" if header_ns == 0 else "the same again and again")
        if self.problem and not self._told:
            self._told = True
            self._warn(self.problem)
        if self.taken == "arrival":
            # Simulated time is zero until /clock comes.
            return self._now_ns() or None
        return None if useless else header_ns

    def _judge(self, how: str) -> str:
        if self._choice == "arrival" or self._useless < PATIENCE:
            return ""
        done, other = "so the time of arrival is taken", "arrival"
        if self._choice == "header":
            done, other = "and such messages are passed over", "auto"
        remedy = f"have the driver stamp its messages, or set stamps to {other}"
        return f"the stamps on {self._topic} are {how}, {done}: {remedy}"


def stamps_of(node: Node, topic: str, settings: NodeSettings) -> Stamps:
    """Returns the chooser for a topic of a node, by the parameter ``stamps``."""

    def warn(problem: str) -> None:
        node.get_logger().warning(problem)

    choice: StampChoice = settings.stamps  # type: ignore[assignment]
    return Stamps(topic, choice, lambda: int(node.get_clock().now().nanoseconds), warn)
