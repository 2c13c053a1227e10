"""Bridges by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from rclpy.lifecycle import LifecycleNode

from a2gc_ros.bridges.bridge import Bridge
from a2gc_ros.bridges.initial_pose import InitialPoseBridge
from a2gc_ros.bridges.lio_sam import LioSamBridge
from a2gc_ros.bridges.pose_graph_tools import PoseGraphToolsBridge
from a2gc_ros.bridges.rtabmap import RtabmapBridge
from a2gc_ros.errors import ConfigError

BRIDGES: Final[dict[str, Callable[[LifecycleNode], Bridge]]] = {
    "lio_sam": LioSamBridge,
    "rtabmap": RtabmapBridge,
    "hydra": lambda node: PoseGraphToolsBridge(node, "hydra"),
    "kimera_pgmo": lambda node: PoseGraphToolsBridge(node, "kimera_pgmo"),
    "initialpose": InitialPoseBridge,
}


def open_bridges(node: LifecycleNode, names: Sequence[str]) -> list[Bridge]:
    """Opens bridges; either all or none.

    Raises:
        ConfigError: If a name is not known, or the messages of its back end are not installed.
    """
    for name in names:
        if name not in BRIDGES:
            raise ConfigError(f"parameter bridges names {name!r} but there are {', '.join(BRIDGES)}")
    opened: list[Bridge] = []
    try:
        for name in dict.fromkeys(names):
            opened.append(BRIDGES[name](node))
    except ConfigError:
        for bridge in opened:
            bridge.close()
        raise
    return opened
