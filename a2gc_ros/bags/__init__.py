"""Recordings: rosbag1, rosbag2 and MCAP in, as frames with poses; and out, from simulations and image folders."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from a2gc_ros.bags.recording import Recording, open_recording
    from a2gc_ros.bags.trajectory import Trajectory
    from a2gc_ros.bags.writer import RecordingWriter

__all__ = ["Recording", "RecordingWriter", "Trajectory", "open_recording"]

_HOME = {
    "Recording": "recording",
    "RecordingWriter": "writer",
    "Trajectory": "trajectory",
    "open_recording": "recording",
}


def __getattr__(name: str) -> object:
    """Imports on first use: a live node looks only at messages and must not need the library that reads files."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
