"""One status for each question, with the level that a person would give."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("diagnostic_msgs.msg", reason="needs ROS 2, from a distribution or from the wheels")

from a2gc_ros.nodes.base.guards import Callbacks
from a2gc_ros.nodes.base.run_statistics import Period, Snapshot
from a2gc_ros.nodes.health.diagnostics import (
    ERROR,
    OK,
    STALE,
    WARN,
    CameraState,
    Engine,
    judge_camera,
    judge_map,
    judge_memory,
    judge_recognition,
)

BEFORE = Snapshot(received=10, processed=10, relocalizations=2)
ENGINE = Engine("a model", "a runtime", "town.a2gc, 3 keyframes", {1: "city.a2gc, 9 keyframes"}, (1.0, 2.0))


def after(**more: Any) -> Snapshot:
    return Snapshot(**{"received": 20, "processed": 20, "relocalizations": 2, **more})


@pytest.mark.parametrize(
    ("state", "now", "silence", "stamps", "level", "said"),
    [
        ("active", after(), None, "", OK, "images arrive on /image"),
        ("inactive", after(), None, "", STALE, "not listening: the node is inactive"),
        ("unconfigured", Snapshot(), None, "", STALE, "the node is unconfigured"),
        ("active", Snapshot(), None, "", STALE, "waiting for the first image"),
        ("active", after(), "nobody publishes /image", "", ERROR, "nobody publishes /image"),
        ("active", after(), None, "the stamps are zero", WARN, "the stamps are zero"),
        ("active", after(old=9), None, "", WARN, "9 of 10 images on /image are not newer"),
        ("active", after(stepped_back=1), None, "", WARN, "stepped back"),
        ("active", after(failed={"image": 2}, last_failures={"image": "no colors"}), None, "", WARN, "no colors"),
        ("active", after(failed={"odometry": 2}, last_failures={"odometry": "NaN"}), None, "", OK, "images arrive"),
    ],
)
def test_the_camera(state: str, now: Snapshot, silence: str | None, stamps: str, level: bytes, said: str) -> None:
    before = Snapshot() if not now.received else BEFORE
    found = judge_camera(state, CameraState("/image", silence, stamps), Period(now, before))
    assert found.level == level
    assert said in found.sentence


@pytest.mark.parametrize(
    ("state", "refusal", "now", "callbacks", "level", "said"),
    [
        ("active", "", after(), Callbacks(), OK, "recognizing"),
        ("unconfigured", "not configured: no model", Snapshot(), Callbacks(), ERROR, "not configured: no model"),
        ("unconfigured", "", Snapshot(), Callbacks(), WARN, "nothing is recognized: the node is unconfigured"),
        ("inactive", "", after(), Callbacks(), WARN, "nothing is recognized: the node is inactive"),
        ("finalized", "", after(), Callbacks(), ERROR, "shut down"),
        ("active", "", after(processed=10), Callbacks(), STALE, "no image to recognize"),
        ("active", "", after(processed=12, skipped=8), Callbacks(), WARN, "slower than the camera: 8 of 10"),
        (
            "active",
            "",
            after(failed={"recognition": 3}, last_failures={"recognition": "out of memory"}),
            Callbacks(),
            ERROR,
            "3 images were not recognized: out of memory",
        ),
        ("active", "", after(), Callbacks({"~/ask": 1}, "~/ask: disk full"), WARN, "~/ask: disk full"),
        (
            "active",
            "",
            after(relocalizations=5, unposed=3, last_unposed="no calibration"),
            Callbacks(),
            WARN,
            "3 relocalizations without a pose: no calibration",
        ),
        ("active", "", after(relocalizations=5, unposed=1, last_unposed="flat"), Callbacks(), OK, "recognizing"),
    ],
)
def test_recognition(state: str, refusal: str, now: Snapshot, callbacks: Callbacks, level: bytes, said: str) -> None:
    found = judge_recognition(state, refusal, Period(now, BEFORE), callbacks, Callbacks())
    assert found.level == level
    assert said in found.sentence


def test_the_map() -> None:
    assert judge_map("unconfigured", None, Period()).level == STALE
    well = judge_map("active", ENGINE, Period(after(), BEFORE))
    assert (well.level, well.sentence) == (OK, "live map town.a2gc, 3 keyframes; 1 loaded")
    assert well.values["map 1"] == "city.a2gc, 9 keyframes"
    broken = after(failed={"map": 1}, last_failures={"map": "town.a2gc cannot be written: the disk is full"})
    assert judge_map("active", ENGINE, Period(broken, BEFORE)).level == ERROR
    assert "the disk is full" in judge_map("active", ENGINE, Period(broken, BEFORE)).sentence


def test_memory() -> None:
    found = judge_memory(ENGINE)
    assert found.level in (OK, WARN)
    assert float(str(found.values["resident memory [MB]"])) > 10
    assert found.values["GPU memory [MB]"] == "2.00"
