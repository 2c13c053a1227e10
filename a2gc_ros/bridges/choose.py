"""Bridges by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from rclpy.lifecycle import LifecycleNode

from a2gc_ros.bridges.bridge import Bridge
from a2gc_ros.errors import ConfigError
from a2gc_ros.plugins import Registry

BRIDGES: Final[Registry[Callable[[LifecycleNode], Bridge]]] = Registry(
    "bridges",
    "bridge",
    ConfigError,
    {
        "lio_sam": "a2gc_ros.bridges.lio_sam:LioSamBridge",
        "rtabmap": "a2gc_ros.bridges.rtabmap:RtabmapBridge",
        "hydra": "a2gc_ros.bridges.pose_graph_tools:hydra",
        "kimera_pgmo": "a2gc_ros.bridges.pose_graph_tools:kimera_pgmo",
        "initialpose": "a2gc_ros.bridges.initial_pose:InitialPoseBridge",
    },
)


def open_bridges(node: LifecycleNode, names: Sequence[str]) -> list[Bridge]:
    """Opens bridges; either all or none.

    Raises:
        ConfigError: If a name is not known, a package's bridge cannot be loaded, or the messages of its back end are
            not installed.
    """
    for name in names:
        if name not in BRIDGES:
            raise ConfigError(f"parameter bridges names {name!r} but there are {', '.join(BRIDGES)}")
    opened: list[Bridge] = []
    try:
        for name in dict.fromkeys(names):
            opened.append(BRIDGES[name](node))
    except BaseException:
        for bridge in opened:
            bridge.close()
        raise
    return opened
