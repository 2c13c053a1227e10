"""The viewer of the live node: to a file and over the network; what it cannot do it says."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from nav_msgs.msg import Odometry
from places import LOOP_PARAMETERS, PLACES, image_message, odometry_message, stamp, view
from ros_probe import wait_for
from sensor_msgs.msg import Image

VIEWER = [sys.executable, "-m", "a2gc_ros.nodes.rerun_viewer"]


@contextlib.contextmanager
def running(command: list[str], **options: object) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(command, text=True, **options) as process:  # type: ignore[call-overload]
        try:
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def rows(path: Path) -> Counter[str]:
    from rerun.chunk import RrdReader

    counted: Counter[str] = Counter()
    for part in RrdReader(str(path)).stream():
        counted[part.entity_path] += part.num_rows
    return counted


@pytest.mark.parametrize("over_the_network", [False, True])
def test_what_the_node_does_is_seen(over_the_network: bool, start_node, probe, tmp_path: Path) -> None:
    pytest.importorskip("rerun.chunk", reason="needs a rerun-sdk that reads its files: pip install '.[rerun]'")
    file = tmp_path / "run.rrd"
    with contextlib.ExitStack() as stack:
        where = ["--save", str(file)]
        if over_the_network:
            port = str(free_port())
            environment = {**os.environ, "RERUN_ANALYTICS": "0"}
            rerun = [sys.executable, "-m", "rerun_cli"]
            stack.enter_context(running([*rerun, "--serve-grpc", "--port", port], env=environment))
            wait_for(lambda: _listens(int(port)), "Rerun's server")
            address = f"rerun+http://127.0.0.1:{port}/proxy"
            stack.enter_context(running([*rerun, "--save", str(file), address], env=environment))
            where = ["--connect", address]
        node = start_node(**LOOP_PARAMETERS, diagnostics_period=0.2)
        viewer = stack.enter_context(running([*VIEWER, *where, "--ros-args", "-r", f"__ns:={node.namespace}"]))
        for topic in ("loop_closures", "place_recognition/markers", "place_recognition/debug_image"):
            wait_for(lambda topic=topic: _heard(probe, node.topic(topic)), f"the viewer at {topic}")
        images = probe.publisher(Image, node.topic("image"))
        odometry = probe.publisher(Odometry, node.topic("odom"))
        node.shake_hands(images, odometry)
        for step in range(2 * PLACES):
            before = len(node.closures)
            for offset_ns in (-20_000_000, 20_000_000):
                odometry.publish(odometry_message(step, stamp(step) + offset_ns))
            images.publish(image_message(view(step % PLACES, offset=3 if step >= PLACES else 0), stamp(step)))
            wait_for(lambda before=before: len(node.closures) > before, f"an answer to step {step}")
        closures = sum(len(message.candidates) for message in node.closures)
        assert closures > PLACES // 2
        wait_for(lambda: rows(file)["/log/closures"] == closures, "every closure in the file")
        viewer.send_signal(signal.SIGINT)
        assert viewer.wait(20) == 0
    counted = rows(file)
    # One more says how they are drawn.
    assert counted["/similarity"] == counted["/probability"] == closures + 1
    # Of markers and pictures only the newest is kept for a slow viewer.
    assert counted["/picture"] > PLACES
    assert counted["/world/way/0"] > PLACES
    assert counted["/world/verified/0"] > PLACES // 3
    assert counted["/log/recognition"] >= 1
    assert counted["/latency_ms/p50"] >= 1


def _heard(probe, topic: str) -> bool:
    listeners = probe.node.get_subscriptions_info_by_topic(topic)
    return any(listener.node_name == "rerun_viewer" for listener in listeners)


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--connect", "rerun+http://127.0.0.1:1/proxy"], "Connection refused"),
        (["--connect", "http://laptop:9876"], "such an address looks like rerun+http://"),
        (["--save", "/dev/null/run.rrd"], "cannot be used"),
    ],
)
def test_where_nothing_can_be_shown_is_one_sentence(arguments: list[str], words: str) -> None:
    pytest.importorskip("rerun", reason="needs rerun-sdk: pip install '.[rerun]'")
    done = subprocess.run([*VIEWER, *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert words in done.stderr


def test_without_reruns_package_it_says_how_to_get_it() -> None:
    program = "import sys; sys.modules['rerun'] = None; from a2gc_ros.nodes.rerun_viewer import main; main()"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("rerun_viewer: rerun_viewer needs the Python package rerun")
    assert len(done.stderr.splitlines()) == 1
