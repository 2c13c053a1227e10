"""Recordings: rosbag1, rosbag2 and MCAP in, as frames with poses; and out, from simulations and image folders."""

from a2gc_ros.bags.recording import Recording, open_recording
from a2gc_ros.bags.trajectory import Trajectory
from a2gc_ros.bags.writer import RecordingWriter

__all__ = ["Recording", "RecordingWriter", "Trajectory", "open_recording"]
