"""The executable ``rerun_viewer``: shows in Rerun what the place recognition node does, while it does it.

It listens to what that node says to anyone: closures, markers, the debug image, diagnostics. So recognition carries
nothing of it, and does not know it. Markers and pictures are made only while someone listens, as for RViz.
"""

from __future__ import annotations

import argparse
import math
import socket
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import numpy as np
import numpy.typing as npt
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.utilities import remove_ros_args
from sensor_msgs.msg import Image
from visualization_msgs.msg import Marker, MarkerArray

from a2gc_msgs.msg import LoopClosureCandidate, LoopClosureCandidates
from a2gc_ros.bags.message_types import IMAGE
from a2gc_ros.bags.messages import decode_image, nanoseconds_of
from a2gc_ros.errors import ConfigError
from a2gc_ros.nodes.base.guards import Guard
from a2gc_ros.nodes.base.qos import results
from a2gc_ros.nodes.base.running import mistakes_told, run
from a2gc_ros.placemap.thumbnails import encode_jpeg
from a2gc_ros.replay.rerun_layout import TIME, layout
from a2gc_ros.system.installation import needing

if TYPE_CHECKING:
    import rerun

BLOCK: Final = 500
"""Points of a marker that are logged together: a way grows at its end, and only its last block is logged again."""

MOVED_M: Final = 0.2
"""A loaded map is drawn anew when it has moved by more: each relocalization moves it a little."""

LONGEST_SIDE: Final = 960
QUALITY: Final = 80

PROXY: Final = "/proxy"
DEFAULT_PORT: Final = 9876
REACH_S: Final = 3.0
FLUSH_S: Final = 5.0

LEVELS: Final = {
    DiagnosticStatus.OK: "INFO",
    DiagnosticStatus.WARN: "WARN",
    DiagnosticStatus.ERROR: "ERROR",
    DiagnosticStatus.STALE: "WARN",
}


class Blocks:
    """Points as they were drawn last, block by block."""

    def __init__(self) -> None:
        self._drawn: list[npt.NDArray[np.float32]] = []

    def changed(self, points: npt.NDArray[np.float32], overlap: int) -> Iterator[tuple[int, npt.NDArray[np.float32]]]:
        """Gives the number and the points of each block that has to be drawn; an empty one is to be taken away.

        Args:
            points: All of them, float32 (N, 3).
            overlap: Points that a block shares with the next one: 1 for a line that goes on, else 0.
        """
        starts = range(0, len(points), BLOCK)
        for number, start in enumerate(starts):
            block = points[start : start + BLOCK + overlap]
            if number == len(self._drawn):
                self._drawn.append(np.empty((0, 3), np.float32))
            drawn = self._drawn[number]
            if len(block) != len(drawn) or np.abs(block - drawn).max() > MOVED_M:
                self._drawn[number] = block
                yield number, block
        while len(self._drawn) > len(starts):
            self._drawn.pop()
            yield len(self._drawn), np.empty((0, 3), np.float32)


class RerunViewer(Node):
    """Listens to the place recognition node and logs what it says."""

    def __init__(self, recording: rerun.RecordingStream, node_name: str) -> None:
        import rerun as rr

        super().__init__("rerun_viewer")
        self._rr = rr
        self._recording = recording
        self._blocks: defaultdict[str, Blocks] = defaultdict(Blocks)
        self._levels: dict[str, bytes] = {}
        self._watched = f"{self.get_namespace().rstrip('/')}/{node_name}".lstrip("/")
        for entity in ("similarity", "probability"):
            recording.log(entity, rr.SeriesPoints(marker_sizes=[4.0]), static=True)
        guard = Guard(self.get_logger)
        # No closure is passed over where drawing takes long; of markers and pictures the newest is enough.
        for kind, topic, callback, depth in (
            (LoopClosureCandidates, "loop_closures", self._on_answer, 1000),
            (MarkerArray, f"{node_name}/markers", self._on_markers, 1),
            (Image, f"{node_name}/debug_image", self._on_picture, 1),
            (DiagnosticArray, "/diagnostics", self._on_diagnostics, 100),
        ):
            self.create_subscription(kind, topic, guard.callback(topic, callback), results(depth))

    def _on_answer(self, message: LoopClosureCandidates) -> None:
        # Numbers stand at the image that a closure is about, words where it became sure.
        for candidate in message.candidates:
            self._set_time(candidate.query_stamp)
            self._recording.log("similarity", self._rr.Scalars(candidate.similarity))
            if math.isfinite(candidate.probability):
                self._recording.log("probability", self._rr.Scalars(candidate.probability))
        self._set_time(message.header.stamp)
        for candidate in message.candidates:
            self._recording.log("log/closures", self._rr.TextLog(in_words(candidate), level="INFO"))

    def _on_markers(self, message: MarkerArray) -> None:
        for marker in message.markers:
            points = np.array([(p.x, p.y, p.z) for p in marker.points], dtype=np.float32).reshape(-1, 3)
            overlap = int(marker.type == Marker.LINE_STRIP)
            for number, block in self._blocks[marker.ns].changed(points, overlap):
                colors = marker.colors[BLOCK * number : BLOCK * number + len(block)] or [marker.color]
                self._draw(f"world/{marker.ns.replace(' ', '_')}/{number}", marker.type, block, colors)

    def _draw(self, entity: str, kind: int, points: npt.NDArray[np.float32], colors: Any) -> None:
        shades = [[round(255 * part) for part in (color.r, color.g, color.b)] for color in colors]
        if not len(points):
            self._recording.log(entity, self._rr.Clear(recursive=False))
        elif kind == Marker.POINTS:
            self._recording.log(entity, self._rr.Points3D(points, colors=shades, radii=self._rr.Radius.ui_points(2.0)))
        elif kind == Marker.LINE_STRIP:
            self._recording.log(entity, self._rr.LineStrips3D([points], colors=shades))
        else:
            self._recording.log(entity, self._rr.LineStrips3D(points.reshape(-1, 2, 3), colors=shades[::2]))

    def _on_picture(self, message: Image) -> None:
        self._set_time(message.header.stamp)
        jpeg = encode_jpeg(decode_image(message, IMAGE), LONGEST_SIDE, QUALITY)
        self._recording.log("picture", self._rr.EncodedImage(contents=jpeg, media_type="image/jpeg"))

    def _set_time(self, stamp: Any) -> None:
        self._recording.set_time(TIME, timestamp=np.datetime64(nanoseconds_of(stamp), "ns"))

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            name, _, part = status.name.lstrip("/").partition(": ")
            if name != self._watched:
                continue
            if self._levels.get(part) != status.level:
                self._levels[part] = status.level
                self._recording.log(f"log/{part}", self._rr.TextLog(status.message, level=LEVELS[status.level]))
            for value in status.values:
                if value.key in ("latency p50 [ms]", "latency p95 [ms]") and _is_number(value.value):
                    self._recording.log(f"latency_ms/{value.key.split()[1]}", self._rr.Scalars(float(value.value)))

    def destroy_node(self) -> None:
        """Sends what is left, if somebody still takes it."""
        try:
            self._recording.flush(timeout_sec=FLUSH_S)
        except (OSError, RuntimeError, ValueError) as error:
            print(f"rerun_viewer: the last moments may be missing ({error})", file=sys.stderr)
        self._recording.disconnect()
        super().destroy_node()


def in_words(candidate: LoopClosureCandidate) -> str:
    """Says a closure in one line."""
    which = "loop closure" if candidate.map_index == 0 else f"relocalization in map {candidate.map_index}"
    words = f"{which}: keyframe {candidate.keyframe_id}, similarity {candidate.similarity:.2f}"
    if candidate.verified:
        words += f", {candidate.inliers} of {candidate.matches} features agree"
    if math.isfinite(candidate.probability):
        words += f", probability {candidate.probability:.4f}"
    held_s = nanoseconds_of(candidate.held) / 1e9
    return f"{words}, {held_s:.1f} s ago" if held_s else words


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="rerun_viewer",
        description="Shows in Rerun what the place recognition node does: where, what it sees, how sure, how fast.",
        epilog="Without an option a viewer opens on this machine. "
        "example: rerun_viewer --connect rerun+http://laptop:9876/proxy --ros-args -r __ns:=/robot1",
    )
    parser.add_argument("--node", default="place_recognition", metavar="NAME", help="name of the node")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--connect", metavar="URL", help="send it to a viewer that runs there (rerun on that machine)")
    where.add_argument("--save", type=Path, metavar="FILE", help="write it to this .rrd file")
    return parser


def _open_recording(arguments: argparse.Namespace) -> rerun.RecordingStream:
    """Opens a viewer, the way to one, or a file.

    Raises:
        ConfigError: If rerun-sdk is not installed, nobody answers there, or the file cannot be written.
    """
    with needing("rerun_viewer", "rerun"):
        import rerun as rr
        import rerun.blueprint as rrb
    views = layout([rrb.Spatial2DView(origin="/picture", name="Now, and then")], log="/log")
    recording = rr.RecordingStream("a2gc_ros")
    try:
        if arguments.connect:
            _must_answer(arguments.connect)
            recording.connect_grpc(arguments.connect, default_blueprint=views)
        elif arguments.save:
            arguments.save.parent.mkdir(parents=True, exist_ok=True)
            recording.save(arguments.save, default_blueprint=views)
        else:
            recording.spawn(default_blueprint=views)
    except (OSError, RuntimeError, ValueError) as error:
        where = arguments.connect or arguments.save or "a viewer on this machine"
        raise ConfigError(f"{where} cannot be used ({error}): name another one by --connect or --save") from error
    return recording


def _must_answer(url: str) -> None:
    """Raises OSError where nobody listens: Rerun itself would wait without a word."""
    parts = urlsplit(url)
    if parts.scheme not in ("rerun", "rerun+http", "rerun+https") or parts.path != PROXY or not parts.hostname:
        raise ValueError(f"such an address looks like rerun+http://laptop:{DEFAULT_PORT}{PROXY}")
    socket.create_connection((parts.hostname, parts.port or DEFAULT_PORT), REACH_S).close()


def main() -> None:
    """Runs until SIGINT or SIGTERM; a user's mistake prints one sentence and exits with 2."""
    arguments = _parser().parse_args(remove_ros_args(sys.argv)[1:])
    with mistakes_told("rerun_viewer"):
        recording = _open_recording(arguments)
    run(lambda: RerunViewer(recording, arguments.node), SingleThreadedExecutor)


if __name__ == "__main__":
    main()
