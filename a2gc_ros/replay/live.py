"""The chain as it runs on a robot: a player, the node and a recorder, three processes on a real ROS 2 graph."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import yaml

from a2gc_ros.bags import Recording
from a2gc_ros.bags.message_types import TRANSFORMS
from a2gc_ros.bags.storage import Topic
from a2gc_ros.bags.topics import info_topic
from a2gc_ros.errors import A2gcError
from a2gc_ros.replay.chain import ReplayOptions
from a2gc_ros.replay.records import RunRecord, read_queries

STARTUP_S = 90.0
STOP_S = 20.0


@dataclass(frozen=True)
class _Topics:
    """What of a recording is played to the node; None where there is none.

    Attributes:
        odometry: nav_msgs/Odometry.
        transforms: Where the camera sits on the robot, and the robot itself.
        poses_from_transforms: Whether the robot's poses are among these, and not odometry's.
    """

    image: Topic
    odometry: Topic | None
    info: Topic | None
    transforms: list[Topic]
    poses_from_transforms: bool

    @classmethod
    def of(cls, options: ReplayOptions, recording: Recording) -> _Topics:
        image, poses = recording.image_topic(options.image_topic), options.pose_topic(recording)
        return cls(
            image,
            poses if poses is not None and poses.type.endswith("Odometry") else None,
            info_topic(recording.topics, image),
            [topic for topic in recording.topics if topic.type == TRANSFORMS and topic.count],
            poses is not None and poses.type == TRANSFORMS,
        )

    @property
    def compressed(self) -> bool:
        return self.image.type.endswith("CompressedImage")

    @property
    def names(self) -> list[str]:
        known = [topic for topic in (self.image, self.odometry, self.info) if topic is not None]
        return [topic.name for topic in (*known, *self.transforms)]


def run_live(options: ReplayOptions, recording: Recording, *, model: str, backend: str) -> RunRecord:
    """Plays a recording to the node and records its answers.

    Args:
        options: What is played, and how; the folder of the report gets the node's parameters, its log and
            ``live.a2gc``, the map that grew during the run.
        recording: The recording.
        model: Name of the model, for the record.
        backend: Runtime, for the record.

    Raises:
        A2gcError: If one of the three processes fails; the message quotes what it said.
    """
    topics, folder = _Topics.of(options, recording), options.report
    folder.mkdir(parents=True, exist_ok=True)
    answers = folder / "answers.jsonl"
    with contextlib.ExitStack() as stack:
        log = stack.enter_context((folder / "node.log").open("w+", encoding="utf-8"))
        parameters = _write_parameters(options, topics, folder / "parameters.yaml")
        stack.enter_context(_process(_node_command(topics, parameters), stderr=log, stdout=log))
        recorder = stack.enter_context(
            _process(
                _recorder_command(topics, answers, folder / "live.a2gc"),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
        )
        if _line(recorder) != "listening":
            raise A2gcError(f"the place recognition node did not start working; it said:\n{_tail(log)}")
        player = subprocess.run(_player_command(options, topics), env=environment(), check=False)
        if player.returncode:
            raise A2gcError(f"bag_player stopped with code {player.returncode}; its own message stands above")
        said, _ = recorder.communicate(timeout=STARTUP_S)
        counts = re.search(r"(\d+) images, (\d+) answers", said)
        if recorder.returncode or counts is None:
            raise A2gcError(f"the answers were not recorded: {said.strip()}\nthe node said:\n{_tail(log)}")
    images, answered = map(int, counts.groups())
    skipped = {"a newer image had come": images - answered} if images > answered else {}
    queries = read_queries(answers)
    answers.unlink()
    return RunRecord("live", model, backend, queries, skipped)


def environment() -> dict[str, str]:
    """Returns the environment of the three processes: this machine only, room for large images in shared memory."""
    variables = {**os.environ, "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST", "ROS_LOCALHOST_ONLY": "1"}
    # The wheels leave AMENT_PREFIX_PATH unset; rclpy finds the type support of messages through it.
    variables.setdefault("AMENT_PREFIX_PATH", sys.prefix)
    # A domain of our own keeps a robot on the same machine out of the replay, and the replay out of the robot.
    variables.setdefault("ROS_DOMAIN_ID", str(100 + os.getpid() % 100))
    profile = dds_profile()
    if profile is not None:
        variables.setdefault("FASTDDS_DEFAULT_PROFILES_FILE", str(profile))
    return variables


def dds_profile() -> Path | None:
    """Returns the Fast DDS profile of this package, from the installation or the source tree; None if it is lost."""
    places = [Path(sys.prefix) / "share" / "a2gc_ros", Path(__file__).resolve().parents[2]]
    places += [Path(p) / "share" / "a2gc_ros" for p in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if p]
    found = (place / "config" / "fastdds.xml" for place in places)
    return next((path for path in found if path.is_file()), None)


def _write_parameters(options: ReplayOptions, topics: _Topics, path: Path) -> Path:
    parameters: dict[str, object] = {"model": options.model, "backend": options.backend, "threads": options.threads}
    if options.maps:
        parameters["maps"] = [str(place_map.absolute()) for place_map in options.maps]
    parameters |= dataclasses.asdict(options.camera)
    parameters |= {f"loop.{name}": value for name, value in options.loop.items()}
    parameters |= {"use_sim_time": True, "image_transport": "compressed" if topics.compressed else "raw"}
    parameters["odometry_source"] = "tf" if topics.poses_from_transforms else "topic"
    path.write_text(yaml.safe_dump({"/**": {"ros__parameters": parameters}}), encoding="utf-8")
    return path


def _node_command(topics: _Topics, parameters: Path) -> list[str]:
    remaps = {
        "image/compressed" if topics.compressed else "image": topics.image.name,
        # An unused name keeps the node from listening to a topic the user did not choose.
        "odom": topics.odometry.name if topics.odometry else "no_odometry",
        "camera_info": topics.info.name if topics.info else "no_camera_info",
    }
    command = [sys.executable, "-m", "a2gc_ros.nodes.place_recognition", "--ros-args", "--params-file", str(parameters)]
    for name, topic in remaps.items():
        command += ["-r", f"{name}:={topic}"]
    return command


def _recorder_command(topics: _Topics, answers: Path, live_map: Path) -> list[str]:
    command = [sys.executable, "-m", "a2gc_ros.nodes.closure_recorder", "--image", topics.image.name]
    command += ["--out", str(answers), "--save-map", str(live_map), "--wait", str(STARTUP_S)]
    return [*command, "--compressed"] if topics.compressed else command


def _player_command(options: ReplayOptions, topics: _Topics) -> list[str]:
    command = [sys.executable, "-m", "a2gc_ros.nodes.bag_player", str(options.bag), "--rate", str(options.rate)]
    # The node and the recorder: an image played before both listen would be missed by one of them.
    command += ["--wait", str(STARTUP_S), "--subscribers", "2"]
    command += ["--start", str(options.start or 0.0), "--topics", *topics.names]
    command += ["--lockstep"] if options.lockstep else []
    return command if options.stop is None else [*command, "--stop", str(options.stop)]


@contextlib.contextmanager
def _process(
    command: Sequence[str], *, stdin: int | None = subprocess.DEVNULL, stdout: int | IO[str], stderr: int | IO[str]
) -> Iterator[subprocess.Popen[str]]:
    """Runs a process for the time of a block, and ends it as Ctrl-C would."""
    process = subprocess.Popen(
        command, stdin=stdin, stdout=stdout, stderr=stderr, text=True, env=environment(), start_new_session=True
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _line(process: subprocess.Popen[str]) -> str:
    return (process.stdout.readline() if process.stdout else "").strip()


def _tail(log: IO[str]) -> str:
    log.flush()
    log.seek(0)
    return log.read()[-2000:].strip()
