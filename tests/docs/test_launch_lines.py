"""Every line of the documentation that starts a node, on a recording of a street that a map shows already.

``ros2`` comes with a ROS distribution: where it is installed the lines run as they stand. Elsewhere the node gets the
parameters that the launch file makes of the same arguments.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import yaml
from programs import load

pytest.importorskip("rclpy", reason="needs ROS 2, from a distribution or from the wheels")
pytest.importorskip("a2gc_msgs.msg", reason="needs a2gc_msgs: make venv")

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "ros"))

from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseStamped, PoseWithCovarianceStamped
from ros_probe import Probe, wait_for
from sensor_msgs.msg import Image

from a2gc_msgs.msg import LoopClosureCandidates
from a2gc_ros.bags import RecordingWriter
from a2gc_ros.nodes.launch_arguments import PLACE_RECOGNITION, POSE_GRAPH, parameters_of

TESTS = Path(__file__).resolve().parents[1]
REPOSITORY = TESTS.parent
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
LINE = re.compile(r"ros2 (?:launch|run) a2gc_ros (?:\w+\.launch\.py|place_recognition|pose_graph|bag_player)[^`\n#]*")
TEXTS = [re.sub(r"\\\n\s*", "", path.read_text(encoding="utf-8")) for path in PAGES]
LINES = list(dict.fromkeys(line.strip() for text in TEXTS for line in LINE.findall(text)))
HAS_ROS2 = shutil.which("ros2") is not None

SMALL_STREET = """
/**:
  ros__parameters:
    loop: {max_false_positive_rate: 1.0, min_agreeing: 1, max_features: 600}
"""
"""Sixteen keyframes do not tell how alike other places are."""

START_NS = 1_700_000_000_000_000_000
BEGIN_M, STEP_M, IMAGES = 4.0, 1.1, 6

pytestmark = [pytest.mark.ros, pytest.mark.slow]


@pytest.fixture(scope="module")
def street() -> ModuleType:
    """The rendered street of the loop tests."""
    return load(TESTS / "loops" / "conftest.py")


@pytest.fixture(scope="module")
def folder(street: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where somebody types: the map of a street, a recording of driving through it again, a robot's file."""
    folder = tmp_path_factory.mktemp("home")
    town = street.Town()
    for name, begin, step, count, aside in (
        ("first.mcap", BEGIN_M, 1.0, 16, 0.0),
        ("run.mcap", BEGIN_M + 3, STEP_M, IMAGES, 0.4),
    ):
        with RecordingWriter(folder / name) as writer:
            writer.add_transform(START_NS, street.ROBOT_CAMERA, parent="base_link", child="camera", static=True)
            for number in range(count):
                stamp_ns = START_NS + number * 10**9
                pose = town.pose(begin + step * number, lateral=aside)
                for offset_ns in (-20_000_000, 20_000_000):
                    writer.add_odometry(stamp_ns + offset_ns, pose)
                writer.add_camera_info(stamp_ns, street.INTRINSICS)
                writer.add_image(stamp_ns, town.view(pose @ street.ROBOT_CAMERA))
    command = [sys.executable, "-m", "a2gc_ros.cli.main", "map", "build", "first.mcap", "--out", "town.a2gc"]
    built = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert built.returncode == 0, built.stderr
    (folder / "small_street.yaml").write_text(SMALL_STREET)
    (folder / "my_robot.yaml").write_text((REPOSITORY / "config" / "example_robot.yaml").read_text() + SMALL_STREET)
    return folder


@pytest.fixture(scope="module")
def probe() -> Iterator[Probe]:
    os.environ |= {
        "ROS_DOMAIN_ID": str(1 + os.getpid() % 231),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        "FASTDDS_DEFAULT_PROFILES_FILE": str(REPOSITORY / "config" / "fastdds.xml"),
        "RCUTILS_LOGGING_USE_STDOUT": "1",
        "RCUTILS_LOGGING_BUFFERED_STREAM": "0",
        "PYTHONUNBUFFERED": "1",
    }
    with Probe() as probe:
        yield probe


def with_more(line: str) -> str:
    """The line with what a street of a few metres takes besides, where it names no file of parameters itself."""
    if "params_file:=" in line or "pose_graph" in line or "bag_player" in line:
        return line
    if "ros2 launch" in line:
        return f"{line} params_file:=small_street.yaml"
    return f"{line}{'' if '--ros-args' in line else ' --ros-args'} --params-file small_street.yaml"


def commands(line: str, folder: Path) -> list[list[str]]:
    """Returns the processes that a line starts."""
    words = shlex.split(line)
    if HAS_ROS2:
        return [words]
    verb, _, name, *rest = words[1:]
    if verb == "run":
        return [module(name, *rest)]
    given = dict(word.split(":=", 1) for word in rest)
    if name == "replay.launch.py":
        player = module("bag_player", given.pop("bag"), "--rate", given.pop("speed", "1.0"), "--wait", "30")
        return [node("place_recognition", {**given, "use_sim_time": "true"}, folder), player]
    return [node(name.removesuffix(".launch.py"), given, folder)]


def module(name: str, *words: str) -> list[str]:
    return [sys.executable, "-m", f"a2gc_ros.nodes.{name}", *words]


def node(name: str, given: dict[str, str], folder: Path) -> list[str]:
    """Returns how the launch file starts a node."""
    parameters: dict[str, Any] = dict(parameters_of(POSE_GRAPH if name == "pose_graph" else PLACE_RECOGNITION, given))
    files = [] if name == "pose_graph" else [str(REPOSITORY / "config" / "place_recognition.yaml")]
    files += [given["params_file"]] if "params_file" in given else []
    if parameters:
        file = folder / f"{name}_arguments.yaml"
        file.write_text(yaml.safe_dump({f"/{name}": {"ros__parameters": parameters}}))
        files.append(str(file))
    remapped = [f"{topic}:={given[topic]}" for topic in ("odom", "loop_closures") if topic in given]
    words = [*(("--params-file", path) for path in files), *(("-r", rule) for rule in remapped)]
    return module(name, "--ros-args", *(word for pair in words for word in pair))


@contextlib.contextmanager
def started(command: list[str], folder: Path, log: Path) -> Iterator[subprocess.Popen[str]]:
    with log.open("w") as output:
        process = subprocess.Popen(
            command, cwd=folder, stdout=output, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )
    try:
        yield process
    finally:
        # `ros2 launch` ends what it started at Ctrl-C.
        os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def play(folder: Path) -> None:
    command = module("bag_player", "run.mcap", "--rate", "2", "--wait", "30")
    played = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert played.returncode == 0, played.stderr


def test_there_are_lines() -> None:
    launched = [line for line in LINES if "place_recognition.launch.py" in line]
    assert len(LINES) >= 8
    assert any(line in (REPOSITORY / "README.md").read_text(encoding="utf-8") for line in launched)


@pytest.mark.parametrize("line", LINES)
def test_a_line_of_the_documentation_does_what_its_page_promises(line: str, folder: Path, probe: Probe) -> None:
    poses = probe.listen(PoseWithCovarianceStamped, "/relocalization_pose")
    corrected = probe.listen(PoseStamped, "/corrected_pose")
    images = probe.listen(Image, "/image")
    answers = probe.listen(LoopClosureCandidates, "/loop_closures")
    diagnostics = probe.listen(DiagnosticArray, "/diagnostics")
    for bridge, package in (("rtabmap", "rtabmap_msgs"), ("hydra", "pose_graph_tools_msgs")):
        if f"bridges:={bridge}" in line.replace("[", "").replace('"', "") and not importlib.util.find_spec(package):
            pytest.skip(f"needs {package}")
    first, *others = commands(with_more(line), folder)
    log = folder / "log.txt"

    def said(pattern: str) -> bool:
        return re.search(pattern, log.read_text(encoding="utf-8")) is not None

    def missing() -> list[str]:
        newest = {status.name.rpartition(" ")[2]: status for m in diagnostics for status in m.status}
        return [
            name for name in ("calibration", "odometry") if name not in newest or "so closures" in newest[name].message
        ]

    try:
        with started(first, folder, log):
            if "bag_player" in line:
                wait_for(lambda: len(images) == IMAGES, "the images under another name")
                return
            wait_for(lambda: said("active: listening to"), "the node at work", 90)
            for command in others:
                subprocess.run(command, cwd=folder, capture_output=True, timeout=120, check=True)
            if "bridges" in line and "maps" not in line:
                # The bridge is open; what it tells its back end, tests/ros/test_back_ends.py holds.
                return
            named = any(word in line for word in ("image:=", "odom:=", "my_robot"))
            if named and "replay" not in line:
                play(folder)
            if "pose_graph" in line:
                wait_for(lambda: corrected, "a corrected pose")
            elif "maps" in line or "my_robot" in line:
                wait_for(lambda: len(poses) >= 3, "poses in the map")
                assert all(np.sqrt(message.pose.covariance[0]) < 0.5 for message in poses), "metres"
                assert not said("is assumed"), "where the camera sits"
            elif "image:=" in line:
                # Without a map there is no place to be in yet; its calibration and odometry are heard all the same.
                wait_for(lambda: len(answers) >= 3, "answers to the images")
                wait_for(lambda: not missing(), "what poses in metres take")
            else:
                # It names no camera, and says so.
                wait_for(lambda: said("nobody publishes /image"), "what is missing")
    except AssertionError as error:
        raise AssertionError(f"{line}: {error}; it said:\n{log.read_text(encoding='utf-8')[-3000:]}") from None
