"""The executable ``closure_recorder``: writes what the place recognition node answers, and how long it took.

It prints ``listening`` once the node is up, records until its standard input closes, waits until the answers cease,
asks the node to save its live map, and writes one JSON object for each answer.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.utilities import remove_ros_args
from sensor_msgs.msg import CompressedImage, Image

from a2gc_msgs.msg import LoopClosureCandidate, LoopClosureCandidates
from a2gc_msgs.srv import SaveMap
from a2gc_ros.bags.messages import nanoseconds_of
from a2gc_ros.errors import A2gcError
from a2gc_ros.nodes.base.conversions import relative_pose_of
from a2gc_ros.nodes.base.qos import results, sensor_stream
from a2gc_ros.nodes.base.running import mistakes_told
from a2gc_ros.replay.records import Answer, ClosureRecord, by_query, rows_of, write_queries

NOT_TOLD = "the node's message does not say"
"""Why there is no pose or no scale, as far as a live run can know."""

SAVE_S = 60.0

QUIET_S = 1.5
"""The run is over when no answer came for this long after the last image was played."""


class ClosureRecorder(Node):
    """Listens to the images and to the answers."""

    def __init__(self, image_topic: str, *, compressed: bool, node_name: str) -> None:
        super().__init__("closure_recorder")
        self._image_topic = image_topic
        self._image_arrival_s: dict[int, float] = {}
        self._last_answer_s = time.monotonic()
        self.answers: list[Answer] = []
        self.create_subscription(CompressedImage if compressed else Image, image_topic, self._on_image, sensor_stream())
        self.create_subscription(LoopClosureCandidates, "loop_closures", self._on_answer, results(1000))
        self._save: Any = self.create_client(SaveMap, f"{node_name}/save_map")

    @property
    def images(self) -> int:
        """How many images arrived here."""
        return len(self._image_arrival_s)

    def node_is_up(self) -> bool:
        """Whether somebody else listens to the images and answers to ``loop_closures``."""
        listeners = self.count_subscribers(self._image_topic)
        return listeners >= 2 and self.count_publishers("loop_closures") >= 1

    def wait_until_quiet(self) -> None:
        """Waits until no answer came for a while."""
        end = time.monotonic() + QUIET_S
        while time.monotonic() < max(end, self._last_answer_s + QUIET_S):
            time.sleep(0.05)

    def save_map(self, path: Path) -> None:
        """Asks the node for a copy of its live map; another thread must be spinning.

        Raises:
            A2gcError: If the node does not answer or refuses.
        """
        if not self._save.wait_for_service(SAVE_S):
            raise A2gcError(f"{self._save.srv_name} is not offered: has the node stopped?")
        future = self._save.call_async(SaveMap.Request(path=str(path), overwrite=True))
        done = threading.Event()
        future.add_done_callback(lambda _: done.set())
        if not done.wait(SAVE_S):
            raise A2gcError(f"{self._save.srv_name} did not answer within {SAVE_S:g} s: look at the node's output")
        if not future.result().success:
            raise A2gcError(f"the live map was not saved: {future.result().message}")

    def _on_image(self, message: Any) -> None:
        self._image_arrival_s[nanoseconds_of(message.header.stamp)] = time.monotonic()

    def _on_answer(self, message: LoopClosureCandidates) -> None:
        self._last_answer_s = time.monotonic()
        stamp_ns = nanoseconds_of(message.header.stamp)
        # Answer and image travel separately: an answer that overtakes its image took no measurable time.
        arrival_s = self._image_arrival_s.get(stamp_ns, self._last_answer_s)
        closures = tuple((nanoseconds_of(told.query_stamp), closure_record(told)) for told in message.candidates)
        self.answers.append(Answer(stamp_ns, (self._last_answer_s - arrival_s) * 1e3, closures))


def closure_record(candidate: LoopClosureCandidate) -> ClosureRecord:
    """Returns what the node says of one closure; why a pose or its scale is missing, its messages do not say."""
    pose, covariance = relative_pose_of(candidate)
    whole = pose is not None and candidate.scale_known
    return ClosureRecord(
        keyframe_stamp_ns=nanoseconds_of(candidate.keyframe_stamp),
        map_index=int(candidate.map_index),
        similarity=float(candidate.similarity),
        inliers=int(candidate.inliers),
        verified=bool(candidate.verified),
        probability=float(candidate.probability),
        relative_pose=rows_of(pose),
        scale_known=bool(candidate.scale_known),
        covariance=rows_of(covariance),
        reason="" if whole else NOT_TOLD,
        held_s=nanoseconds_of(candidate.held) / 1e9,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="closure_recorder",
        description="Records what the place recognition node answers, until its standard input closes.",
        epilog="example: closure_recorder --image /camera/image --out answers.jsonl --save-map run.a2gc",
    )
    parser.add_argument("--image", required=True, metavar="TOPIC", help="the images the node works on")
    parser.add_argument("--compressed", action="store_true", help="they are sensor_msgs/CompressedImage")
    parser.add_argument("--node", default="place_recognition", metavar="NAME", help="name of the node")
    parser.add_argument("--out", required=True, type=Path, metavar="FILE", help="where the answers go, as JSON lines")
    parser.add_argument("--save-map", type=Path, metavar="FILE", help="where the node shall save its live map")
    parser.add_argument("--wait", type=float, default=60.0, metavar="S", help="seconds to wait for the node")
    return parser


def _record(recorder: ClosureRecorder, arguments: argparse.Namespace) -> None:
    end = time.monotonic() + arguments.wait
    while not recorder.node_is_up():
        if time.monotonic() > end:
            raise A2gcError(
                f"nobody works on {arguments.image} after {arguments.wait:g} s: is the node active, and is its `image` "
                "remapped to that topic?"
            )
        time.sleep(0.05)
    print("listening", flush=True)
    sys.stdin.read()
    recorder.wait_until_quiet()
    if arguments.save_map:
        recorder.save_map(arguments.save_map.absolute())
    write_queries(arguments.out, by_query(recorder.answers))
    print(f"{recorder.images} images, {len(recorder.answers)} answers", flush=True)


def main() -> None:
    """Runs the recorder; a user's mistake prints one sentence and exits with 2."""
    arguments = _parser().parse_args(remove_ros_args(sys.argv)[1:])
    rclpy.init(args=sys.argv)
    recorder = ClosureRecorder(arguments.image, compressed=arguments.compressed, node_name=arguments.node)
    executor = SingleThreadedExecutor()
    executor.add_node(recorder)

    def spin() -> None:
        with suppress(ExternalShutdownException):
            executor.spin()

    spinner = threading.Thread(target=spin)
    spinner.start()
    try:
        with mistakes_told("closure_recorder"):
            _record(recorder, arguments)
    finally:
        # The process aborts when the context goes while a thread still spins.
        executor.shutdown()
        spinner.join()
        recorder.destroy_node()
        rclpy.try_shutdown()


if __name__ == "__main__":
    main()
