"""The chain as it runs on a robot: a player, the node and a recorder, three processes on a real ROS 2 graph."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import yaml

from a2gc_ros.errors import A2gcError
from a2gc_ros.replay.records import RunRecord, read_queries

STARTUP_S = 90.0
STOP_S = 20.0


@dataclass(frozen=True)
class LiveOptions:
    """What is played to the node.

    Attributes:
        image_topic: Topic of its images.
        odometry_topic: Topic of nav_msgs/Odometry; empty for none.
        info_topic: Topic of CameraInfo; empty for none.
        transforms: Topics of transforms to play: where the camera sits on the robot, and the robot itself.
        poses_from_transforms: Whether the robot's poses are among them, and not odometry's.
        start: First second of the recording.
        stop: First second no longer played.
        rate: How many times faster than recorded.
        lockstep: Hold each image back until the node has answered the one before.
        parameters: Parameters of the node; numbers, texts and lists as in YAML.
    """

    bag: Path
    image_topic: str
    compressed: bool
    odometry_topic: str = ""
    info_topic: str = ""
    transforms: tuple[str, ...] = ()
    poses_from_transforms: bool = False
    start: float = 0.0
    stop: float | None = None
    rate: float = 1.0
    lockstep: bool = False
    parameters: Mapping[str, object] = field(default_factory=dict)


def run_live(options: LiveOptions, folder: Path, *, model: str, backend: str) -> RunRecord:
    """Plays a recording to the node and records its answers.

    Args:
        options: What is played.
        folder: Gets the node's parameters, its log and ``live.a2gc``, the map that grew during the run.
        model: Name of the model, for the record.
        backend: Runtime, for the record.

    Raises:
        A2gcError: If one of the three processes fails; the message quotes what it said.
    """
    folder.mkdir(parents=True, exist_ok=True)
    answers = folder / "answers.jsonl"
    with contextlib.ExitStack() as stack:
        log = stack.enter_context((folder / "node.log").open("w+", encoding="utf-8"))
        parameters = _write_parameters(options, folder / "parameters.yaml")
        stack.enter_context(_process(_node_command(options, parameters), stderr=log, stdout=log))
        recorder = stack.enter_context(
            _process(
                _recorder_command(options, answers, folder / "live.a2gc"),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
        )
        if _line(recorder) != "listening":
            raise A2gcError(f"the place recognition node did not start working; it said:\n{_tail(log)}")
        player = subprocess.run(_player_command(options), env=environment(), check=False)
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


def _write_parameters(options: LiveOptions, path: Path) -> Path:
    transport = "compressed" if options.compressed else "raw"
    parameters = {**options.parameters, "use_sim_time": True, "image_transport": transport}
    parameters["odometry_source"] = "tf" if options.poses_from_transforms else "topic"
    path.write_text(yaml.safe_dump({"/**": {"ros__parameters": parameters}}), encoding="utf-8")
    return path


def _node_command(options: LiveOptions, parameters: Path) -> list[str]:
    remaps = {("image/compressed" if options.compressed else "image"): options.image_topic}
    # An unused name keeps the node from listening to a topic the user did not choose.
    remaps["odom"] = options.odometry_topic or "no_odometry"
    remaps["camera_info"] = options.info_topic or "no_camera_info"
    command = [sys.executable, "-m", "a2gc_ros.nodes.place_recognition", "--ros-args", "--params-file", str(parameters)]
    for name, topic in remaps.items():
        command += ["-r", f"{name}:={topic}"]
    return command


def _recorder_command(options: LiveOptions, answers: Path, live_map: Path) -> list[str]:
    command = [sys.executable, "-m", "a2gc_ros.nodes.closure_recorder", "--image", options.image_topic]
    command += ["--out", str(answers), "--save-map", str(live_map), "--wait", str(STARTUP_S)]
    return [*command, "--compressed"] if options.compressed else command


def _player_command(options: LiveOptions) -> list[str]:
    topics = [name for name in (options.image_topic, options.odometry_topic, options.info_topic) if name]
    topics += options.transforms
    command = [sys.executable, "-m", "a2gc_ros.nodes.bag_player", str(options.bag), "--rate", str(options.rate)]
    # The node and the recorder: an image played before both listen would be missed by one of them.
    command += ["--wait", str(STARTUP_S), "--subscribers", "2"]
    command += ["--start", str(options.start), "--topics", *topics]
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
