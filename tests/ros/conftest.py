"""Real processes on a real middleware, on a domain of this test process's own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2, from a distribution or from the wheels")
pytest.importorskip("a2gc_msgs.msg", reason="needs a2gc_msgs: make venv")

HERE = Path(__file__).resolve().parent
PROFILE = HERE.parents[1] / "config" / "fastdds.xml"

# Pytest imports test files by path; what they share lies beside them.
sys.path.insert(0, str(HERE))

if TYPE_CHECKING:
    from node_process import NodeProcess
    from ros_probe import Probe


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.ros)


@pytest.fixture(scope="session", autouse=True)
def ros_environment() -> None:
    """An own domain, this machine only, room for large images; inherited by every process."""
    os.environ.update(
        # Domains up to 232 have ports; the workers of one run have different process ids.
        ROS_DOMAIN_ID=str(1 + os.getpid() % 231),
        ROS_AUTOMATIC_DISCOVERY_RANGE="LOCALHOST",
        FASTDDS_DEFAULT_PROFILES_FILE=str(PROFILE),
        RCUTILS_LOGGING_USE_STDOUT="1",
        RCUTILS_LOGGING_BUFFERED_STREAM="0",
        PYTHONUNBUFFERED="1",
        OMP_NUM_THREADS="1",
    )


@pytest.fixture(scope="module")
def probe(ros_environment: None) -> Iterator[Probe]:
    """A node of the tests' own that publishes, listens and asks.

    It ends with the module: what it listens to would gather, and the more that is, the later it is found and hears.
    """
    from ros_probe import Probe

    with Probe() as probe:
        yield probe


@pytest.fixture(scope="session")
def model(thumbnail_model: Path) -> Path:
    """A model whose descriptor is a thumbnail."""
    return thumbnail_model


@pytest.fixture(scope="module")
def start_node(
    probe: Probe, model: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., NodeProcess]]:
    """Starts place recognition processes, each in a namespace of its own; they end with the module."""
    from node_process import NodeProcess, new_namespace

    started: list[NodeProcess] = []

    def start(namespace: str = "", **parameters: object) -> NodeProcess:
        folder = tmp_path_factory.mktemp("node")
        parameters = {"model": str(model), "map_directory": str(folder), **parameters}
        node = NodeProcess(probe, folder, parameters, namespace or new_namespace())
        started.append(node)
        return node

    yield start
    # Those that are killed leave their shared memory behind.
    for node in started:
        node.interrupt()
    for node in started:
        node.end()


@pytest.fixture(scope="session")
def play(ros_environment: None) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs the bag player to its end."""

    def run(*arguments: object, timeout_s: float = 60.0) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "a2gc_ros.nodes.bag_player", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)

    return run
