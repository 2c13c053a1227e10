"""Does the node keep up with a camera? How old its newest answer ever is, and what grows with time.

    python benchmarks/live_rate.py --out benchmarks/results/live_rate
    python benchmarks/live_rate.py --sizes --simulated 3600 --out benchmarks/results/live_hour

A real place recognition process gets the demo recording's drive from this one over ROS 2: images, calibration and
odometry at a camera's rate, at the speed at which the robot drove, so that each image is shown until the recording has
the next one; after its end it begins again. A map is loaded that holds the drive's first lap among so many made-up
keyframes, so every keyframe is compared with ten others: of the map and, later, of its own session.

"Oldest" is the time from when an image was sent to the arrival of the answer to the next image that was worked on: how
old the newest answer ever became. It is held against two periods of the camera and the longest work on one image, which
the same frames take one after the other, offline, on the same machine; both must give the same closures.

With `--simulated SECONDS` comes a run in which stamps go on at the camera's rate and each image is sent when the one
before was answered, so that an hour takes less: what grows then, in memory or latency, is seen by its tenths.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import queue
import subprocess
import sys
import tempfile
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import rclpy
from end_to_end import PROFILE, running, spinning
from kept_results import keep
from nav_msgs.msg import Odometry
from rclpy.node import Node
from rclpy.publisher import Publisher
from sensor_msgs.msg import CameraInfo, Image
from stored_views import store

from a2gc_msgs.msg import LoopClosureCandidates
from a2gc_ros.bags import open_recording
from a2gc_ros.bags.messages import nanoseconds_of
from a2gc_ros.extract import open_extractor
from a2gc_ros.extract.extractor import Extractor
from a2gc_ros.geometry import pose_from_xyz_rpy
from a2gc_ros.images.ahead import cores
from a2gc_ros.images.frame import Frame
from a2gc_ros.loops import LoopConfig, LoopDetector
from a2gc_ros.loops.verification import GeometricVerifier
from a2gc_ros.nodes.base.conversions import header_message, pose_with_covariance_message
from a2gc_ros.nodes.base.qos import results
from a2gc_ros.nodes.closure_recorder import closure_record
from a2gc_ros.nodes.inputs.image_conversion import ImageConverter
from a2gc_ros.placemap import Manifest, NewKeyframe, PlaceMap
from a2gc_ros.placemap.selection import KeyframeSelector
from a2gc_ros.replay.offline import run_offline
from a2gc_ros.shipped import DEFAULT_MODEL

RECORDING = Path(__file__).resolve().parents[1] / "maps/demo/town.mcap"
LOOKS_AHEAD = (0.0, 0.0, 0.0, -np.pi / 2, 0.0, -np.pi / 2)
FIRST_LAP_S = 150.0
TENTHS = 10
LOST_S = 5.0

Pair = tuple[int, int, int]
"""Stamp of the query, map index and stamp of the keyframe."""


@dataclass(frozen=True)
class Answer:
    """What the node said of an image.

    Attributes:
        stamp_ns: Stamp of the image.
        which: The frame that it showed.
        sent_s: When it was sent.
        arrived_s: When the answer came.
        pairs: Its closures.
    """

    stamp_ns: int
    which: int
    sent_s: float
    arrived_s: float
    pairs: tuple[Pair, ...]


@dataclass(frozen=True)
class Tenth:
    """A part of a run.

    Attributes:
        until: Its end, as a share of the run.
        answered: Images that were.
        median_ms: From image to answer.
        oldest_ms: How old the newest answer became.
        memory_mib: What the node held at its end.
    """

    until: float
    answered: int
    median_ms: float
    oldest_ms: float
    memory_mib: float


@dataclass(frozen=True)
class Row:
    """A run.

    Attributes:
        size: Of the images.
        simulated: Whether time was.
        images: Sent.
        answered: Of them.
        median_ms: From image to answer.
        oldest_ms: How old the newest answer became.
        work_ms: The longest work on one image, offline; None where that was not done.
        closures: Given out live.
        differing: Closures that only one of both ways gave.
        tenths: The parts of the run.
    """

    size: str
    simulated: bool
    images: int
    answered: int
    median_ms: float
    oldest_ms: float
    work_ms: float | None
    closures: int
    differing: int
    tenths: list[Tenth]


class Drive:
    """The recording's frames at another size, as a camera of another rate would have sent them.

    Args:
        size: Width and height.
        rate: Images per second.
        start: Second of the recording at which the drive begins.
    """

    def __init__(self, size: tuple[int, int], rate: float, start: float) -> None:
        camera_pose = pose_from_xyz_rpy(LOOKS_AHEAD)
        with open_recording(RECORDING) as recording:
            self.frames = [
                replace(
                    frame,
                    image=np.asarray(cv2.resize(frame.image, size, interpolation=cv2.INTER_CUBIC), dtype=np.uint8),
                    intrinsics=None if frame.intrinsics is None else frame.intrinsics.scaled_to(*size),
                    frame_id="camera",
                    t_base_camera=camera_pose,
                )
                for frame in recording.frames()
            ]
        first = self.frames[0].stamp_ns
        self._seconds = [(frame.stamp_ns - first) / 1e9 for frame in self.frames]
        self._rate, self._start = rate, start

    def at(self, number: int) -> int:
        """Returns which frame the camera's image with this number shows."""
        return bisect_right(self._seconds, (self._start + number / self._rate) % self._seconds[-1]) - 1


class Robot(Node):
    """Sends what a robot sends, and times the answers.

    Args:
        frames: What its camera may see.
    """

    def __init__(self, frames: Sequence[Frame]) -> None:
        super().__init__("robot")
        self._image: Publisher[Image] = self.create_publisher(Image, "image", results(1))
        self._info: Publisher[CameraInfo] = self.create_publisher(CameraInfo, "camera_info", results())
        self._odometry: Publisher[Odometry] = self.create_publisher(Odometry, "odom", results())
        self._frames = frames
        self._converter = ImageConverter("own")
        self._sent: dict[int, tuple[int, float]] = {}
        self.answers: list[Answer] = []
        self.answered: queue.SimpleQueue[int] = queue.SimpleQueue()
        self.create_subscription(LoopClosureCandidates, "loop_closures", self._on_answer, results(1000))

    def send(self, which: int, stamp_ns: int) -> None:
        """Sends a frame, stamped so."""
        frame = self._frames[which]
        assert frame.pose is not None
        assert frame.intrinsics is not None
        header, camera = header_message(stamp_ns, frame.frame_id), frame.intrinsics
        odometry = Odometry(header=header_message(stamp_ns, "odom"), child_frame_id="base_link")
        odometry.pose = pose_with_covariance_message(frame.pose, None)
        info = CameraInfo(header=header, width=camera.width, height=camera.height, distortion_model="plumb_bob")
        info.k, info.d = camera.matrix.ravel().tolist(), camera.distortion.ravel().tolist()
        image = self._converter.message(frame.image, header)
        self._odometry.publish(odometry)
        self._info.publish(info)
        self._sent[stamp_ns] = which, time.perf_counter()
        self._image.publish(image)

    def _on_answer(self, message: LoopClosureCandidates) -> None:
        now, stamp_ns = time.perf_counter(), nanoseconds_of(message.header.stamp)
        which, sent_s = self._sent.pop(stamp_ns)
        closures = [(nanoseconds_of(c.query_stamp), closure_record(c)) for c in message.candidates]
        pairs = tuple((query, closure.map_index, closure.keyframe_stamp_ns) for query, closure in closures)
        self.answers.append(Answer(stamp_ns, which, sent_s, now, pairs))
        self.answered.put(stamp_ns)


def loaded_map(path: Path, extractor: Extractor, drive: Drive, keyframes: int) -> Path:
    """Writes a map of made-up places and of the drive's first lap."""
    spec, rng, verifier = extractor.spec, np.random.default_rng(0), GeometricVerifier(LoopConfig())
    selector, begin = KeyframeSelector(LoopConfig().spacing), drive.frames[0].stamp_ns
    with PlaceMap.create(path, Manifest.of(spec)) as place_map:
        session = place_map.add_session("first lap")
        for frame in drive.frames:
            if frame.stamp_ns - begin > FIRST_LAP_S * 1e9:
                break
            descriptor = extractor.extract_one(frame.image)
            if selector.select(frame.stamp_ns, frame.pose, descriptor):
                store(place_map, session.id, frame, descriptor, verifier.view_of_frame(frame), verifier)
        made_up, missing = place_map.add_session("made up"), keyframes - len(place_map)
        drawn = rng.standard_normal((missing, spec.descriptor_dim), dtype=np.float32)
        drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
        place_map.add_many(made_up.id, [NewKeyframe(at, row) for at, row in enumerate(drawn)])
    return path


def streamed(robot: Robot, drive: Drive, rate: float, seconds: float) -> Iterator[int]:
    """Sends images at the camera's rate, stamped as it is; gives the number of each when the next one is due."""
    begin = time.perf_counter()
    for number in range(round(rate * seconds)):
        robot.send(drive.at(number), time.time_ns())
        time.sleep(max(0.0, begin + (number + 1) / rate - time.perf_counter()))
        yield number


def simulated(robot: Robot, drive: Drive, rate: float, seconds: float) -> Iterator[int]:
    """Sends each image when the one before was answered, with stamps at the camera's rate."""
    begin_ns = time.time_ns()
    for number in range(round(rate * seconds)):
        robot.send(drive.at(number), begin_ns + round(number * 1e9 / rate))
        # Images are sent with best effort: one that was lost is not waited for.
        with contextlib.suppress(queue.Empty):
            robot.answered.get(timeout=LOST_S)
        yield number


def memory_mib(process: subprocess.Popen[bytes]) -> float:
    """Returns what a process holds in memory."""
    pages = int(Path(f"/proc/{process.pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def oldest_ms(answers: Sequence[Answer]) -> float:
    """Returns how old the newest answer became."""
    return max((after.arrived_s - before.sent_s) * 1e3 for before, after in pairwise(answers))


def latencies_ms(answers: Sequence[Answer]) -> list[float]:
    """Returns the times from image to answer."""
    return [(answer.arrived_s - answer.sent_s) * 1e3 for answer in answers]


def driven(
    drive: Drive, loaded: Path, sent: Callable[[Robot], Iterator[int]], images: int
) -> tuple[list[Answer], list[Tenth]]:
    """Runs the node through the drive."""
    robot, tenths, seen = Robot(drive.frames), [], 0
    parameters = {"image_transport": "raw", "odometry_source": "topic", "maps": f"['{loaded}']"}
    command = [sys.executable, "-m", "a2gc_ros.nodes.place_recognition", "--ros-args"]
    command += [part for name, value in parameters.items() for part in ("-p", f"{name}:={value}")]
    with running(command) as process, spinning(robot):
        while robot.count_subscribers("/image") < 1 or robot.count_publishers("/loop_closures") < 1:
            time.sleep(0.1)
        time.sleep(1.0)
        for number in sent(robot):
            if (number + 1) % (images // TENTHS) == 0:
                since, seen = robot.answers[seen:], len(robot.answers)
                tenths.append(
                    Tenth(
                        (number + 1) / images,
                        len(since),
                        float(np.median(latencies_ms(since))),
                        oldest_ms(since),
                        memory_mib(process),
                    )
                )
                print(tenths[-1], file=sys.stderr, flush=True)
        time.sleep(2.0)
    return robot.answers, tenths


def offline(extractor: Extractor, drive: Drive, loaded: Path, answers: Sequence[Answer]) -> tuple[float, set[Pair]]:
    """Does the same without ROS, one frame after the other; returns the longest work in ms, and the closures."""
    frames = (replace(drive.frames[answer.which], stamp_ns=answer.stamp_ns) for answer in answers)
    manifest = Manifest.of(extractor.spec)
    with PlaceMap.open(loaded, read_only=True) as other, PlaceMap.create(":memory:", manifest) as live:
        # As the node does: with all cores.
        detector = LoopDetector(LoopConfig(), live, [other], threads=cores(0))
        run = run_offline(frames, extractor, detector, ahead=0)
    return max(query.latency_ms for query in run.queries), run.accepted_pairs()


def measured(size: str, arguments: argparse.Namespace, extractor: Extractor, *, in_simulated_time: bool) -> Row:
    """Makes one run."""
    rate, seconds = arguments.rate, arguments.simulated if in_simulated_time else arguments.seconds
    width, height = map(int, size.split("x"))
    drive = Drive((width, height), rate, arguments.start)
    images = round(rate * seconds)
    send = simulated if in_simulated_time else streamed
    with tempfile.TemporaryDirectory() as folder:
        loaded = loaded_map(Path(folder) / "loaded.a2gc", extractor, drive, arguments.keyframes)
        answers, tenths = driven(drive, loaded, lambda robot: send(robot, drive, rate, seconds), images)
        live = {pair for answer in answers for pair in answer.pairs}
        work_ms, pairs = (None, live) if in_simulated_time else offline(extractor, drive, loaded, answers)
    middle = float(np.median(latencies_ms(answers)))
    facts = images, len(answers), middle, oldest_ms(answers), work_ms, len(live), len(live ^ pairs)
    return Row(size, in_simulated_time, *facts, tenths)


def table(rows: Sequence[Row], rate: float, machine: str) -> str:
    """Returns the runs as Markdown."""
    lines = ["# Keeping up with a camera", "", f"`python benchmarks/live_rate.py`; {machine}.", ""]
    in_time = [(row, row.work_ms) for row in rows if row.work_ms is not None]
    if in_time:
        names = f"images at {rate:g} Hz", "answered", "median [ms]", "oldest [ms]", "allowed [ms]", "closures", "differ"
        lines += [f"| {' | '.join(names)} |", "|---" * len(names) + "|"]
    for row, work_ms in in_time:
        share = f"{row.answered / row.images:.3f} of {row.images:,}"
        times = f"{row.median_ms:.0f} | {row.oldest_ms:.0f} | {2e3 / rate + work_ms:.0f}"
        lines += [f"| {row.size} | {share} | {times} | {row.closures} | {row.differing} |"]
    if in_time:
        lines += [
            "",
            "Allowed: two periods and the longest work on one image, offline; differ: live or offline alone.",
            "",
        ]
    for row in rows:
        lines += [f"## By the tenth, {row.size}{', in simulated time' if row.simulated else ''}, {row.images:,} images"]
        lines += ["", "| until | answered | median [ms] | oldest [ms] | memory [MiB] |", "|---|---|---|---|---|"]
        lines += [
            f"| {t.until:.1f} | {t.answered:,} | {t.median_ms:.1f} | {t.oldest_ms:.0f} | {t.memory_mib:.0f} |"
            for t in row.tenths
        ]
        lines += [""]
    return "\n".join(lines)


def main() -> None:
    """Makes the runs and prints them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="*", default=["640x480"])
    parser.add_argument("--rate", type=float, default=20.0, help="images per second")
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--start", type=float, default=100.0, help="second of the recording at which the drive begins")
    parser.add_argument("--keyframes", type=int, default=10_000, help="of the loaded map")
    parser.add_argument("--simulated", type=float, default=0.0, metavar="SECONDS", help="at 320x240, besides")
    parser.add_argument("--out", type=Path, help="writes OUT.json and OUT.md")
    arguments = parser.parse_args()
    os.environ.setdefault("FASTDDS_DEFAULT_PROFILES_FILE", str(PROFILE))
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    os.environ.setdefault("ROS_DOMAIN_ID", str(1 + os.getpid() % 231))
    rclpy.init()
    runs = [(size, False) for size in arguments.sizes] + ([("320x240", True)] if arguments.simulated else [])
    extractor, rows, load = open_extractor(DEFAULT_MODEL), [], os.getloadavg()[0]
    for size, in_simulated_time in runs:
        rows.append(measured(size, arguments, extractor, in_simulated_time=in_simulated_time))
        beside = f"load of the machine {load:.1f} at its begin and {os.getloadavg()[0]:.1f} at its end"
        machine = f"{os.cpu_count()} cores, {beside}"
        text = table(rows, arguments.rate, machine)
        if arguments.out:
            keep(arguments.out, machine, rows, text)
    print(text)
    rclpy.shutdown()


if __name__ == "__main__":
    main()
