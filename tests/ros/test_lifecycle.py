"""Transitions, and what they refuse."""

from __future__ import annotations

import signal
from pathlib import Path

import numpy as np
import pytest
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from node_process import ACTIVATE, CLEANUP, CONFIGURE, DEACTIVATE, SHUTDOWN, new_namespace
from ros_probe import wait_for
from thumbnail_model import HEIGHT, WIDTH

from a2gc_ros.placemap import Manifest, PlaceMap


@pytest.fixture(scope="module")
def node(start_node):
    """A node that waits to be configured; every test leaves it so."""
    return start_node(autostart=False)


def make_map(path: Path, fingerprint: str, dim: int = HEIGHT * WIDTH) -> Path:
    with PlaceMap.create(path, Manifest(fingerprint, dim, "another")) as place_map:
        session = place_map.add_session("first")
        descriptor = np.zeros(dim, np.float32)
        descriptor[0] = 1.0
        place_map.add(session.id, 1, descriptor)
    return path


def test_the_node_is_discovered_unconfigured(node, probe):
    wait_for(lambda: node.name in probe.node.get_fully_qualified_node_names(), "the node on the graph")
    assert node.state() == "unconfigured"


def test_values_given_at_the_start_are_refused_one_by_one_until_they_fit(start_node):
    node = start_node(autostart=False, rate=-3.0, threads=1.5)
    assert not node.change(CONFIGURE)
    node.wait_for_log("not configured: parameter threads must be a whole number: set it and configure again")
    assert not node.set("threads", 1)
    assert not node.change(CONFIGURE)
    node.wait_for_log("not configured: parameter rate is -3 but must be between 0 and 1000")
    assert not node.set("rate", 0.0)
    assert node.state() == "unconfigured"
    assert node.change(CONFIGURE)


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("rate", -1.0, "parameter rate out of range min: 0.0, max: 1000.0"),
        ("rate", float("nan"), "parameter rate out of range"),
        ("loop.threshold", 1.5, "parameter loop.threshold out of range min: -1.0, max: 1.0"),
        ("image_transport", "theora", "parameter image_transport is 'theora' but must be one of auto, raw, compressed"),
        ("camera_pose", [1.0, 2.0], "parameter camera_pose needs 6 numbers"),
        ("autostart", True, "read-only"),
        ("threads", "many", "Wrong parameter type"),
    ],
)
def test_a_value_that_does_not_fit_is_not_taken(node, name, value, reason):
    assert reason.lower() in node.set(name, value).lower()


def test_a_missing_model_a_missing_map_a_damaged_map_and_a_foreign_map_are_refused(node, model, tmp_path):
    assert not node.set("model", str(tmp_path / "none.onnx"))
    assert not node.change(CONFIGURE)
    node.wait_for_log(r"not configured: The model \S+none.onnx cannot be read")
    assert not node.set("model", str(model))

    damaged = tmp_path / "damaged.a2gc"
    damaged.write_bytes(make_map(tmp_path / "whole.a2gc", "0" * 64).read_bytes()[:3000])
    foreign = make_map(tmp_path / "foreign.a2gc", "f" * 64)
    for path, pattern in [
        (tmp_path / "missing.a2gc", r"not configured: .*missing\.a2gc"),
        (damaged, r"not configured: .*damaged\.a2gc"),
        (foreign, r"not configured: .*foreign\.a2gc was built with another \(ffffffffffff\).*thumbnail"),
    ]:
        assert not node.set("maps", [str(path)])
        assert not node.change(CONFIGURE)
        node.wait_for_log(pattern)
        assert node.state() == "unconfigured"
    assert not node.set("live_map", str(foreign))
    assert not node.set("maps", [""])
    assert not node.change(CONFIGURE)
    assert not node.set("live_map", "")


def test_it_goes_up_and_down_and_up_again_and_ends_cleanly(start_node):
    node = start_node(autostart=False)
    assert node.change(CONFIGURE)
    assert node.state() == "inactive"
    assert "takes effect when the node is configured" in node.set("model", "other")
    assert not node.set("rate", 5.0)
    assert node.change(ACTIVATE)
    assert node.state() == "active"
    assert node.change(DEACTIVATE)
    assert node.change(CLEANUP)
    assert node.state() == "unconfigured"
    assert not node.set("threads", 1)
    assert node.change(CONFIGURE)
    assert node.change(ACTIVATE)
    assert node.change(SHUTDOWN["active"])
    assert node.state() == "finalized"
    assert node.stop(signal.SIGINT) == 0
    assert "Traceback" not in node.log


@pytest.mark.parametrize(
    ("steps", "state", "possible"),
    [
        ([], "unconfigured", {CONFIGURE, SHUTDOWN["unconfigured"]}),
        ([CONFIGURE], "inactive", {CLEANUP, ACTIVATE, SHUTDOWN["inactive"]}),
        ([CONFIGURE, ACTIVATE], "active", {DEACTIVATE, SHUTDOWN["active"]}),
        ([SHUTDOWN["unconfigured"]], "finalized", set()),
    ],
)
def test_requests_that_the_state_does_not_allow_are_refused(start_node, probe, steps, state, possible):
    node = start_node(autostart=False)
    for step in steps:
        assert node.change(step)
    assert node.state() == state
    for number in {*range(12), 50, 60, 97, 98, 99, 200, 255} - possible:
        assert not node.change(number), number
    for label in ("destroy", "transition_success", "transition_error", "nonsense", "a" * 4096):
        request = ChangeState.Request(transition=Transition(label=label))
        assert not probe.call(ChangeState, f"{node.name}/change_state", request).success, label
    assert node.state() == state
    assert "Traceback" not in node.log
    assert node.stop() == 0


def test_a_manager_takes_over_from_a_node_that_started_itself(start_node):
    """As Nav2's does: configure, look whether it is inactive, activate, look whether it is active."""
    node = start_node().wait_until_active()
    assert node.change(CONFIGURE)
    assert node.state() == "inactive"
    node.wait_for_log("a lifecycle manager takes over from autostart|left to /probe to activate")
    assert node.change(ACTIVATE)
    assert node.state() == "active"
    assert not node.change(CONFIGURE)
    assert node.state() == "active"
    assert node.log.count("configured: thumbnail") == 1


def test_a_node_that_has_a_manager_leaves_activating_to_it(start_node, probe):
    namespace = new_namespace()
    probe.node.create_client(ChangeState, f"{namespace}/place_recognition/change_state")
    node = start_node(namespace)
    node.wait_for_log("configured, and left to /probe to activate")
    wait_for(lambda: node.state() == "inactive", "a step back")
    assert node.change(CONFIGURE)
    assert node.change(ACTIVATE)
    assert node.state() == "active"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_cleanly_while_active(start_node, number):
    node = start_node(use_sim_time=True).wait_until_active()
    assert node.state() == "active"
    assert node.stop(number) == 0
    assert "Traceback" not in node.log


def test_a_refused_start_leaves_a_node_that_can_still_be_configured(start_node):
    node = start_node(maps=["/nowhere/town.a2gc"])
    node.wait_for_log("not configured: ")
    assert node.state() == "unconfigured"
    assert not node.set("maps", [""])
    assert node.change(CONFIGURE)
