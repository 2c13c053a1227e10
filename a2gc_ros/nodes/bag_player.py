"""The executable ``bag_player``: plays a recording on a live graph, as it was recorded, with /clock.

Messages are published as the bytes that were recorded, so nothing is decoded on the way. ROS 1 bags are converted.
ROS's own remapping works: ``bag_player run.mcap --ros-args -r /cam0/image_raw:=/image``.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rclpy
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile
from rclpy.utilities import remove_ros_args
from rich.console import Console
from rosgraph_msgs.msg import Clock

from a2gc_msgs.msg import LoopClosureCandidates
from a2gc_ros.bags.message_types import TRANSFORMS
from a2gc_ros.bags.messages import stamp_of
from a2gc_ros.bags.recording import Recording
from a2gc_ros.bags.storage import RawMessage, Topic
from a2gc_ros.errors import BagError, ConfigError
from a2gc_ros.nodes.base import qos
from a2gc_ros.nodes.base.conversions import time_message
from a2gc_ros.nodes.base.running import mistakes_told
from a2gc_ros.nodes.inputs.image_input import stamp_of_serialized
from a2gc_ros.system.progress import progress_bar

DEPTH = 50
SETTLE_S = 1.0
"""A publisher knows of a subscription before that one knows of the publisher; what is sent in between is lost."""

ACKNOWLEDGED, LINGER_S = Duration(seconds=2), 0.5
"""How long the end waits for those who acknowledge messages, and then for those who do not."""

ANSWER_S = 10.0
"""In lockstep: an image that gets no answer for so long will get none."""

LATE_S = 0.5
"""A player that is later than this has lost its pace, and says so at the end."""


@dataclass(frozen=True)
class PlayOptions:
    """How a recording is played.

    Attributes:
        topics: Names of the topics to play; empty for all.
        rate: How many times faster than recorded.
        clock_hz: How often /clock is published, in seconds of the recording; 0 for never.
        lockstep: Hold the next image back until the place recognition node has answered the last one.
        start: First second of the recording.
        stop: First second no longer wanted.

    Raises:
        ConfigError: If a value is out of range.
    """

    topics: Sequence[str] = ()
    rate: float = 1.0
    clock_hz: float = 100.0
    lockstep: bool = False
    start: float = 0.0
    stop: float | None = None

    def __post_init__(self) -> None:
        if not 0.01 <= self.rate <= 1000:
            raise ConfigError(f"--rate is {self.rate:g} but must be between 0.01 and 1000")
        if not 0 <= self.clock_hz <= 10_000:
            raise ConfigError(f"--clock is {self.clock_hz:g} but must be between 0 and 10000")
        if self.start < 0 or (self.stop is not None and self.stop <= self.start):
            raise ConfigError("--start must be at least 0 and --stop after it")


class BagPlayer:
    """Publishes the messages of a recording at the pace they were recorded.

    Attributes:
        unknown_types: Types that are not installed, by the names of topics that are left out for it.
        worst_lateness_s: By how much a message came later than it should, at most.
        unanswered: Images that got no answer, in lockstep.
    """

    def __init__(self, node: Node, recording: Recording, options: PlayOptions) -> None:
        self._node = node
        self._recording = recording
        self._options = options
        self._clock_period_ns = round(1e9 / options.clock_hz) if options.clock_hz > 0 else None
        types = {topic: _message_type(topic.type) for topic in _selected(recording, options.topics)}
        played = {topic: message_type for topic, message_type in types.items() if message_type is not None}
        if not played:
            raise BagError(f"nothing in {recording.path} can be played: no message type of it is installed")
        self.unknown_types = {topic.name: topic.type for topic in types if topic not in played}
        self._publishers: dict[str, Publisher[Any]] = {
            topic.name: node.create_publisher(message_type, topic.name, _qos(topic))
            for topic, message_type in played.items()
        }
        self._image_topics = [topic.name for topic in played if topic.is_image]
        self._latched = {topic.name for topic in played if _is_latched(topic)}
        self._clock = node.create_publisher(Clock, "/clock", DEPTH) if self._clock_period_ns else None
        self.worst_lateness_s = 0.0
        self.unanswered = 0
        self._begin_s = 0.0
        self._asked_ns = self._answered_ns = 0
        if options.lockstep:
            node.create_subscription(LoopClosureCandidates, "loop_closures", self._on_answer, DEPTH)

    @property
    def topics(self) -> list[str]:
        """Names of the topics that are played."""
        return sorted(self._publishers)

    def offer_latched(self) -> None:
        """Publishes what a late subscriber would get: who begins in the middle needs the fixed transforms, too.

        What comes shortly after the begin counts as there.
        """
        if self._latched:
            for message in self._recording.messages(self._latched, None, self._options.start + SETTLE_S):
                self._publishers[message.topic].publish(bytes(message.data))

    def wait_for_subscribers(self, timeout_s: float, count: int) -> bool:
        """Waits until so many listen to the images, or to anything where there are none; False after the timeout."""
        wanted = self._image_topics or self.topics
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            if any(self._publishers[name].get_subscription_count() >= count for name in wanted):
                time.sleep(SETTLE_S)
                return True
            time.sleep(0.05)
        return False

    def play(self) -> Iterator[int]:
        """Publishes one message after the other.

        Yields:
            The number of messages published so far, after each of them.
        """
        first_ns: int | None = None
        self._begin_s = time.monotonic()
        next_clock_ns = 0
        start, stop = self._options.start or None, self._options.stop
        for count, message in enumerate(self._recording.messages(set(self._publishers), start, stop), 1):
            if first_ns is None:
                first_ns = next_clock_ns = message.stamp_ns
            if self._clock is not None and self._clock_period_ns is not None:
                while next_clock_ns <= message.stamp_ns:
                    self._wait_until((next_clock_ns - first_ns) / 1e9)
                    self._clock.publish(Clock(clock=time_message(next_clock_ns)))
                    next_clock_ns += self._clock_period_ns
            self._wait_until((message.stamp_ns - first_ns) / 1e9)
            self._publish(message)
            yield count

    def finish(self) -> None:
        """Waits until the last messages are with the subscribers."""
        if self._options.lockstep:
            self._wait_for_answer()
        for publisher in self._publishers.values():
            publisher.wait_for_all_acked(ACKNOWLEDGED)
        # What a publisher still holds ends with it.
        time.sleep(LINGER_S)

    def _publish(self, message: RawMessage) -> None:
        data = bytes(message.data)
        if self._options.lockstep and message.topic in self._image_topics:
            # Only here, not after each image: the node waits for the odometry that follows it.
            self._wait_for_answer()
            self._asked_ns, self._answered_ns = stamp_of_serialized(data), 0
        self._publishers[message.topic].publish(data)

    def _wait_until(self, recorded_s: float) -> None:
        """Waits for a moment of the recording, in seconds from its begin."""
        wait = self._begin_s + recorded_s / self._options.rate - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        else:
            self.worst_lateness_s = max(self.worst_lateness_s, -wait)

    def _wait_for_answer(self) -> None:
        """Waits for the answer to the last image, and begins later by as much."""
        begin = time.monotonic()
        while self._asked_ns and self._answered_ns < self._asked_ns:
            rclpy.spin_once(self._node, timeout_sec=0.1)
            if time.monotonic() - begin > ANSWER_S:
                self.unanswered += 1
                break
        self._begin_s += time.monotonic() - begin

    def _on_answer(self, message: LoopClosureCandidates) -> None:
        self._answered_ns = stamp_of(message.header)


def _selected(recording: Recording, names: Sequence[str]) -> list[Topic]:
    known = {topic.name: topic for topic in recording.topics if topic.count and topic.name != "/clock"}
    if missing := [name for name in names if name not in known]:
        raise BagError(f"{recording.path} has no topic {missing[0]}; it has {', '.join(sorted(known))}")
    return [known[name] for name in names or sorted(known)]


def _message_type(name: str) -> Any | None:
    """Returns the class of ``package/msg/Name``, or None where that package is not installed."""
    package, _, message = name.split("/")
    try:
        return getattr(importlib.import_module(f"{package}.msg"), message, None)
    except ModuleNotFoundError:
        return None


def _is_latched(topic: Topic) -> bool:
    """Whether late subscribers get the last messages; those of /tf_static must, however they were recorded."""
    return topic.latched or (topic.type == TRANSFORMS and topic.name.endswith("tf_static"))


def _qos(topic: Topic) -> QoSProfile:
    return qos.latched(DEPTH) if _is_latched(topic) else qos.results(DEPTH)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bag_player",
        description="Plays a ROS 1 bag, a rosbag2 folder, an MCAP or a .db3 file on the ROS 2 graph, with /clock.",
        epilog="example: bag_player run.mcap --rate 5 --wait 10 --ros-args -r /camera/image_raw:=/image",
    )
    parser.add_argument("bag", type=Path, help="the recording")
    parser.add_argument("--rate", type=float, default=1.0, help="times the recorded speed (default 1)")
    parser.add_argument("--loop", action="store_true", help="begin anew at the end, until Ctrl-C")
    parser.add_argument("--start", type=float, default=0.0, metavar="S", help="begin S seconds into the recording")
    parser.add_argument("--stop", type=float, default=None, metavar="S", help="end S seconds into the recording")
    parser.add_argument("--topics", nargs="+", default=[], metavar="TOPIC", help="play only these topics")
    for option, default, unit, text in (
        ("--clock", 100.0, "HZ", "/clock messages per second recorded; 0 for none"),
        ("--wait", 0.0, "S", "wait up to S seconds for a subscriber to the images"),
        ("--subscribers", 1, "N", "with --wait: wait for N of them (default 1)"),
    ):
        parser.add_argument(option, type=type(default), default=default, metavar=unit, help=text)
    parser.add_argument(
        "--lockstep",
        action="store_true",
        help="hold each image back until the place recognition node has answered the one before: "
        "on a slow machine, too, it then works on every image",
    )
    return parser


def _run(arguments: argparse.Namespace, console: Console) -> None:
    options = PlayOptions(
        arguments.topics, arguments.rate, arguments.clock, arguments.lockstep, arguments.start, arguments.stop
    )
    with Recording(arguments.bag) as recording:
        node = rclpy.create_node("bag_player")
        player = BagPlayer(node, recording, options)
        for name, kind in player.unknown_types.items():
            console.print(f"bag_player: {name} is left out, {kind} is not installed")
        console.print(f"bag_player: {recording.duration:.1f} s at {options.rate:g}x: {', '.join(player.topics)}")
        player.offer_latched()
        if arguments.wait and not player.wait_for_subscribers(arguments.wait, arguments.subscribers):
            console.print(f"bag_player: too few listen after {arguments.wait:g} s; playing all the same")
        total = sum(topic.count for topic in recording.topics if topic.name in player.topics)
        whole = not options.start and options.stop is None
        while True:
            with progress_bar("playing") as show:
                for count in player.play():
                    show(count, total if whole else None)
            if not arguments.loop:
                break
        player.finish()
        if player.worst_lateness_s > LATE_S:
            console.print(
                f"bag_player: fell {player.worst_lateness_s:.1f} s behind; play with a lower --rate to keep the pace"
            )
        if player.unanswered:
            console.print(f"bag_player: {player.unanswered} images got no answer on loop_closures")
        node.destroy_node()


def main() -> None:
    """Runs the player; a user's mistake prints one sentence and exits with 2."""
    arguments = _parser().parse_args(remove_ros_args(sys.argv)[1:])
    rclpy.init(args=sys.argv)
    try:
        with mistakes_told("bag_player"):
            _run(arguments, Console(stderr=True, soft_wrap=True, highlight=False))
    finally:
        rclpy.try_shutdown()


if __name__ == "__main__":
    main()
