"""What every input of the place recognition node stands on."""

from __future__ import annotations

from dataclasses import dataclass

from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node

from a2gc_ros.nodes.base.run_statistics import Statistics
from a2gc_ros.nodes.parameters import NodeSettings


@dataclass(frozen=True)
class InputContext:
    """Shared by the inputs of a node.

    Attributes:
        node: Owns the subscriptions.
        settings: Its parameters, which name topics and frames.
        statistics: Where messages are counted.
        group: Callback group of what has to come in its order: images, calibration and odometry.
    """

    node: Node
    settings: NodeSettings
    statistics: Statistics
    group: CallbackGroup

    def count_bad_transform(self, problem: str) -> None:
        """Counts a transform that is no pose."""
        self.statistics.fail("transforms", problem)
