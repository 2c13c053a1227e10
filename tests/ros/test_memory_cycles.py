"""A node that is configured and cleaned up again and again does not grow, for nothing holds its old models."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import rclpy
from node_process import ACTIVATE, CLEANUP, CONFIGURE, DEACTIVATE, NodeProcess, new_namespace, own_memory_mb

from a2gc_ros.nodes.base.pool_executor import PoolExecutor
from a2gc_ros.nodes.place_recognition import PlaceRecognition

CYCLES = 7
MOST_GROWTH = 0.5


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Python's search for cycles is off, so that each one shows."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
def test_nothing_holds_what_was_configured(ros_environment: None, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gc, "collect", lambda: 0)
    arguments = ["-r", f"__ns:={new_namespace()}", "-p", "autostart:=false", "-p", f"model:={model}"]
    rclpy.init(args=["--ros-args", *arguments, "-p", "bridges:=[initialpose, lio_sam]", "-p", "depth:=true"])
    node = PlaceRecognition()
    executor = PoolExecutor(2)
    executor.add_node(node)
    spinning = threading.Thread(target=executor.spin)
    spinning.start()
    held: list[weakref.ref[object]] = []
    try:
        for _ in range(2):
            node.trigger_configure()
            node.trigger_activate()
            configured, active = node._configured, node._active
            assert configured is not None
            assert active is not None
            parts = (configured.recognizer, configured.recognizer.extractor, configured.outputs, active.camera)
            held += [weakref.ref(part) for part in parts]
            del configured, active, parts
            node.trigger_deactivate()
            node.trigger_cleanup()
    finally:
        executor.shutdown()
        spinning.join()
        node.destroy_node()
        rclpy.shutdown()
    assert [type(part()).__name__ for part in held if part() is not None] == []


def test_the_shipped_model_comes_and_goes_without_growth(start_node: Callable[..., NodeProcess]) -> None:
    node = start_node(autostart=False, model="a2gc-mobilenetv2", threads=1)
    sizes = []
    for _ in range(CYCLES):
        for transition in (CONFIGURE, ACTIVATE, DEACTIVATE, CLEANUP):
            assert node.change(transition)
        sizes.append(own_memory_mb(node.process.pid))
    # The allocators go up and down between levels a quarter apart; a model left behind in each cycle would be a third
    # more every time.
    assert min(sizes[-3:]) < (1 + MOST_GROWTH) * min(sizes[:3]), sizes
