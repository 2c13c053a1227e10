"""Faults of the machine, injected into a node at work: it says so, goes on, and recovers."""

from __future__ import annotations

import itertools
import resource
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from node_process import NodeProcess
from places import START_NS, image_message, view
from ros_probe import Probe, wait_for
from sensor_msgs.msg import Image

from a2gc_msgs.srv import LoadMap, SaveMap
from a2gc_ros.placemap import PlaceMap


class Camera:
    """Publishes ever new places, a second apart."""

    def __init__(self, node: NodeProcess, probe: Probe) -> None:
        self._numbers = itertools.count(1)
        self._images = probe.publisher(Image, node.topic("image"))
        node.wait_until_heard(self._images)

    def until(self, condition: Callable[[], bool], what: str) -> None:
        def seen() -> bool:
            number = next(self._numbers)
            self._images.publish(image_message(view(number), START_NS + number * 10**9))
            return condition()

        wait_for(seen, what)


@pytest.fixture
def node(start_node: Callable[..., NodeProcess]) -> NodeProcess:
    return start_node(live_map="live.a2gc", diagnostics_period=0.1).wait_until_active()


@pytest.fixture
def limit(node: NodeProcess) -> Iterator[Callable[[int, int], None]]:
    """Limits what the node's process may use; lifted at the end."""
    lifted: list[tuple[int, tuple[int, int]]] = []

    def set_limit(what: int, most: int) -> None:
        before = resource.prlimit(node.process.pid, what)
        lifted.append((what, before))
        resource.prlimit(node.process.pid, what, (most, before[1]))

    yield set_limit
    if node.process.poll() is None:
        for what, before in lifted:
            resource.prlimit(node.process.pid, what, before)


def kept(node: NodeProcess) -> int:
    text = node.value("map", "live map")
    return int(text.rpartition(", ")[2].split()[0]) if text else 0


def test_a_full_disk_is_told_and_nothing_that_was_kept_is_lost(
    node: NodeProcess, probe: Probe, limit: Callable[[int, int], None]
) -> None:
    camera = Camera(node, probe)
    camera.until(lambda: kept(node) > 10, "keyframes in the live map")
    log = Path(f"{node.folder}/live.a2gc-wal")
    # No file may grow any more, as on a full disk.
    limit(resource.RLIMIT_FSIZE, log.stat().st_size)
    camera.until(lambda: node.level("map") == DiagnosticStatus.ERROR, "an error about the map")
    assert "live.a2gc cannot be" in node.message("map")
    before = kept(node)
    limit(resource.RLIMIT_FSIZE, resource.RLIM_INFINITY)
    camera.until(lambda: kept(node) > before, "keyframes after there was room again")
    wait_for(lambda: node.level("map") == DiagnosticStatus.OK, "a map that is well")
    reported = kept(node)
    node.kill()
    with PlaceMap.open(node.folder / "live.a2gc", read_only=True) as place_map:
        assert len(place_map) >= reported


def test_too_many_open_files_are_told_and_forgotten(
    node: NodeProcess, probe: Probe, limit: Callable[[int, int], None]
) -> None:
    camera = Camera(node, probe)
    camera.until(lambda: kept(node) > 0, "a keyframe")
    assert probe.call(SaveMap, f"{node.name}/save_map", SaveMap.Request(path="copy.a2gc")).success
    open_files = len(list(Path(f"/proc/{node.process.pid}/fd").iterdir()))
    limit(resource.RLIMIT_NOFILE, open_files)
    for kind, service in ((SaveMap, "save_map"), (LoadMap, "load_map")):
        answer = probe.call(kind, f"{node.name}/{service}", kind.Request(path="copy.a2gc"))
        assert not answer.success
        assert "\n" not in answer.message
    limit(resource.RLIMIT_NOFILE, open_files + 100)
    assert probe.call(LoadMap, f"{node.name}/load_map", LoadMap.Request(path="copy.a2gc")).success
    before = len(node.closures)
    camera.until(lambda: len(node.closures) > before, "answers afterwards")
    assert "Traceback" not in node.log
