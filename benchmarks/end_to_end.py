"""How long a camera image takes to become a loop closure message, on a live ROS 2 graph, by the size of the image.

    python benchmarks/end_to_end.py
    python benchmarks/end_to_end.py --sizes 1920x1080 --compressed --seconds 20 --json

For each size a real place recognition process gets images from this process. Twice: at a camera's rate, for the
latency from `publish` to the answer's arrival; and faster than it can work, for the rate it sustains. The peer in the
same run is an echo node that answers every image with an empty message and looks at no pixel: what is above it is ours.
Where the time goes is what the node says in its diagnostics. Where cv_bridge is installed, image conversion is compared
with it. Whether the node keeps up with a robot's drive beside a large map, `live_rate.py` tells.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.publisher import Publisher
from rich.console import Console
from rich.progress import track
from rich.table import Table
from sensor_msgs.msg import CompressedImage, Image

from a2gc_msgs.msg import LoopClosureCandidates
from a2gc_ros.images.convert import to_rgb
from a2gc_ros.nodes.base.conversions import header_message
from a2gc_ros.nodes.base.qos import results, sensor_stream
from a2gc_ros.nodes.inputs.image_conversion import ImageConverter

PROFILE = Path(__file__).resolve().parents[1] / "config" / "fastdds.xml"
PLACES = 40
SATURATION = 8
"""In the second run images come this many times faster than the camera's rate."""

STAGES = (
    "decode",
    "extract",
    "search",
    "features",
    "comparison",
    "evidence",
    "location",
    "store",
    "agreement",
    "publish",
)

Pixels = npt.NDArray[np.uint8]


class Camera(Node):
    """Publishes images and times the answers."""

    def __init__(self, namespace: str, views: Sequence[Pixels], *, compressed: bool) -> None:
        super().__init__("camera", namespace=namespace)
        kind: type = CompressedImage if compressed else Image
        topic = "image/compressed" if compressed else "image"
        self._publisher: Publisher[Any] = self.create_publisher(kind, topic, results(1))
        self._messages = [
            _compressed(view) if compressed else ImageConverter("own").message(view, header_message(0, "camera"))
            for view in views
        ]
        self._sent_s: dict[int, float] = {}
        self.answers: list[tuple[float, float]] = []
        """When an image was sent and when its answer came, seconds, in the order of the answers."""
        self.stages: dict[str, float] = {}
        self.create_subscription(LoopClosureCandidates, "loop_closures", self._on_answer, results(1000))
        self.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, results())

    def send(self, number: int) -> None:
        """Publishes the next image, stamped now."""
        message = self._messages[number % len(self._messages)]
        stamp_ns = time.time_ns()
        message.header = header_message(stamp_ns, "camera")
        self._sent_s[stamp_ns] = time.perf_counter()
        self._publisher.publish(message)

    def stream(self, rate: float, seconds: float) -> None:
        """Publishes at a rate."""
        begin = time.perf_counter()
        for number in range(round(rate * seconds)):
            time.sleep(max(0.0, begin + number / rate - time.perf_counter()))
            self.send(number)

    def wait_until_answered(self, timeout_s: float) -> None:
        """Sends single images until one is answered."""
        end = time.monotonic() + timeout_s
        while not self.answers:
            if time.monotonic() > end:
                raise TimeoutError(f"no answer on {self.get_namespace()}/loop_closures in {timeout_s:g} s")
            self.send(0)
            time.sleep(0.5)

    def clear(self) -> None:
        """Forgets what was measured."""
        self.answers.clear()

    def _on_answer(self, message: LoopClosureCandidates) -> None:
        now = time.perf_counter()
        stamp = message.header.stamp
        sent = self._sent_s.pop(stamp.sec * 1_000_000_000 + stamp.nanosec, None)
        if sent is not None:
            self.answers.append((sent, now))

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name.endswith("recognition") and status.name.startswith(self.get_namespace().strip("/")):
                values = {pair.key: pair.value for pair in status.values}
                found = {stage: values.get(f"stage {stage} [ms]") for stage in STAGES}
                self.stages = {stage: float(text) for stage, text in found.items() if text}


def echo(compressed: bool) -> None:
    """The peer: answers every image with an empty message."""
    rclpy.init()
    node = rclpy.create_node("echo", namespace="/echo")
    publisher = node.create_publisher(LoopClosureCandidates, "loop_closures", results())
    kind: type = CompressedImage if compressed else Image
    node.create_subscription(
        kind,
        "image/compressed" if compressed else "image",
        lambda image: publisher.publish(LoopClosureCandidates(header=image.header)),
        sensor_stream(1),
    )
    with contextlib.suppress(KeyboardInterrupt, ExternalShutdownException):
        rclpy.spin(node)


def views(width: int, height: int) -> list[Pixels]:
    """Draws places that look different, uint8 (height, width, 3)."""
    drawn = []
    for place in range(PLACES):
        rng = np.random.default_rng(place)
        coarse = rng.integers(0, 256, (9, 16, 3), dtype=np.uint8)
        image = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
        for _ in range(300):
            x, y = int(rng.integers(0, width)), int(rng.integers(0, height))
            size = int(rng.integers(width // 60 + 2, width // 20 + 3))
            color = tuple(int(c) for c in rng.integers(0, 256, 3))
            cv2.rectangle(image, (x, y), (x + size, y + size), color, -1)
        drawn.append(np.asarray(image, dtype=np.uint8))
    return drawn


def _compressed(view: Pixels) -> CompressedImage:
    _, data = cv2.imencode(".jpg", cv2.cvtColor(view, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 90])
    return CompressedImage(format="rgb8; jpeg compressed bgr8", data=data.tobytes())


@contextlib.contextmanager
def running(command: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    """Runs a process for the time of a block."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(20)


@contextlib.contextmanager
def spinning(node: Node) -> Iterator[None]:
    """Spins a node in a thread for the time of a block."""
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    thread = threading.Thread(target=executor.spin)
    thread.start()
    try:
        yield
    finally:
        executor.shutdown()
        thread.join()
        node.destroy_node()


def node_command(model: str, *, compressed: bool) -> list[str]:
    """The command of the node under test: every gate as by default, but short enough for loops to close here."""
    parameters = {
        "model": model,
        "image_transport": "compressed" if compressed else "raw",
        "diagnostics_period": 0.5,
        "loop.min_time_gap_s": 1.0,
        "loop.keyframe_min_interval_s": 0.05,
    }
    command = [sys.executable, "-m", "a2gc_ros.nodes.place_recognition", "--ros-args", "-r", "__ns:=/ours"]
    return command + [part for name, value in parameters.items() for part in ("-p", f"{name}:={value}")]


def measure(
    command: Sequence[str], namespace: str, drawn: Sequence[Pixels], arguments: argparse.Namespace
) -> dict[str, Any]:
    """Measures one node at one size."""
    camera = Camera(namespace, drawn, compressed=arguments.compressed)
    with running(command), spinning(camera):
        camera.wait_until_answered(120.0)
        camera.clear()
        camera.stream(arguments.rate, arguments.seconds)
        time.sleep(1.0)
        sent, arrived = np.array(camera.answers).T * 1e3
        latencies, stages = arrived - sent, dict(camera.stages)
        camera.clear()
        camera.stream(SATURATION * arguments.rate, arguments.seconds / 2)
        time.sleep(0.5)
        answered = [arrival for _, arrival in camera.answers]
        p50, p95, p99 = np.percentile(latencies, (50, 95, 99))
        return {
            "answered": len(latencies),
            "p50_ms": float(p50),
            "p95_ms": float(p95),
            "p99_ms": float(p99),
            "sustained_hz": (len(answered) - 1) / (answered[-1] - answered[0]),
            "stages_ms": stages,
        }


def conversion(view: Pixels, repeats: int = 50) -> dict[str, float] | None:
    """Compares our conversion of a bgr8 image with cv_bridge's; None where that is not installed."""
    try:
        bridge = importlib.import_module("cv_bridge").CvBridge()
    except ImportError:
        return None
    message = ImageConverter("own").message(view, header_message(0, "camera"))
    message.encoding = "bgr8"
    times: dict[str, list[float]] = {"ours": [], "cv_bridge": []}
    for _ in range(repeats):
        begin = time.perf_counter()
        to_rgb(message)
        middle = time.perf_counter()
        bridge.imgmsg_to_cv2(message, "rgb8")
        times["ours"].append(middle - begin)
        times["cv_bridge"].append(time.perf_counter() - middle)
    return {name: float(np.median(values)) * 1e3 for name, values in times.items()}


def show(rows: Sequence[dict[str, Any]], console: Console) -> None:
    """Prints the table."""
    table = Table("image", "node", "p50", "p95", "p99 [ms]", "sustained [Hz]", "where the time goes [ms]")
    for row in rows:
        for name in ("ours", "echo"):
            cell = row[name]
            stages = ", ".join(f"{stage} {value:.1f}" for stage, value in cell["stages_ms"].items() if value >= 0.05)
            numbers = (f"{cell[p]:.1f}" for p in ("p50_ms", "p95_ms", "p99_ms", "sustained_hz"))
            table.add_row(row["size"], name, *numbers, stages or "transport only")
        ratio = row["ours"]["p50_ms"] / row["echo"]["p50_ms"]
        table.add_row("", "ours : echo", f"{ratio:.1f}x")
        if row["conversion_ms"]:
            ours, theirs = row["conversion_ms"]["ours"], row["conversion_ms"]["cv_bridge"]
            table.add_row("", "cv_bridge : ours", f"{theirs / ours:.2f}x", "", "", "", "conversion of bgr8")
    console.print(table)


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", default=["320x240", "640x480", "1280x720", "1920x1080"])
    parser.add_argument("--rate", type=float, default=5.0, help="camera rate for the latency, images per second")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of the latency run")
    parser.add_argument("--model", default="a2gc-efficientnet-lite0")
    parser.add_argument("--compressed", action="store_true", help="JPEG images")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--echo", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    os.environ.setdefault("FASTDDS_DEFAULT_PROFILES_FILE", str(PROFILE))
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    os.environ.setdefault("ROS_DOMAIN_ID", str(1 + os.getpid() % 231))
    if arguments.echo:
        echo(arguments.compressed)
        return
    rclpy.init()
    console = Console(stderr=True)
    peer = [sys.executable, __file__, "--echo", *(["--compressed"] if arguments.compressed else [])]
    rows = []
    for size in track(arguments.sizes, "measuring", console=console, disable=not console.is_terminal):
        width, height = map(int, size.split("x"))
        drawn = views(width, height)
        ours = measure(node_command(arguments.model, compressed=arguments.compressed), "/ours", drawn, arguments)
        rows.append(
            {
                "size": size,
                "ours": ours,
                "echo": measure(peer, "/echo", drawn, arguments),
                "conversion_ms": conversion(drawn[0]),
            }
        )
    if arguments.json:
        print(json.dumps(rows, indent=2))
    else:
        show(rows, Console(width=140))
    rclpy.shutdown()


if __name__ == "__main__":
    main()
