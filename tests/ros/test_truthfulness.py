"""The diagnostics say what a person would say, in every state, and no bad stamp makes a node deaf in silence."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from node_process import ACTIVATE, CLEANUP, CONFIGURE, DEACTIVATE, SHUTDOWN, NodeProcess
from places import START_NS, image_message, view
from ros_probe import Probe, wait_for
from sensor_msgs.msg import Image

OK, WARN, ERROR, STALE = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR, DiagnosticStatus.STALE
QUESTIONS = ("camera", "odometry", "calibration", "map", "recognition", "memory")


def levels(node: NodeProcess) -> dict[str, bytes | None]:
    found = {part: node.status(part) for part in QUESTIONS}
    return {part: None if status is None else status.level for part, status in found.items()}


def test_each_question_is_answered_in_every_state(start_node: Callable[..., NodeProcess]) -> None:
    node = start_node(autostart=False, diagnostics_period=0.1, silence_timeout=0.5, maps=["none.a2gc"])

    def reach(state: str, **expected: bytes) -> None:
        def reached() -> bool:
            return state in node.message("recognition") and expected.items() <= levels(node).items()

        wait_for(reached, f"{state}: {expected}, not {levels(node)} {node.message('recognition')}")

    unheard = {"camera": STALE, "odometry": STALE, "calibration": STALE}
    reach("is unconfigured", **unheard, map=STALE, recognition=WARN)
    assert node.level("memory") in (OK, WARN)
    assert not node.change(CONFIGURE)
    reach("not configured: ", **unheard, map=STALE, recognition=ERROR)
    assert "none.a2gc does not exist" in node.message("recognition")
    assert not node.set("maps", [""])
    assert node.change(CONFIGURE)
    reach("is inactive", **unheard, map=OK, recognition=WARN)
    assert node.change(ACTIVATE)
    reach("no image", camera=ERROR, odometry=WARN, calibration=WARN, map=OK, recognition=STALE)
    assert "nobody publishes" in node.message("camera")
    assert node.message("camera") in node.log
    assert node.message("odometry") in node.log
    assert node.change(DEACTIVATE)
    reach("is inactive", **unheard, map=OK, recognition=WARN)
    assert node.change(CLEANUP)
    reach("is unconfigured", **unheard, map=STALE, recognition=WARN)
    assert node.change(SHUTDOWN["unconfigured"])
    reach("shut down", **unheard, map=STALE, recognition=ERROR)


@pytest.mark.parametrize("choice", ["auto", "header"])
@pytest.mark.parametrize("header_ns", [0, START_NS], ids=["zero", "standing still"])
def test_stamps_that_are_of_no_use_are_told_and_replaced(
    start_node: Callable[..., NodeProcess], probe: Probe, header_ns: int, choice: str
) -> None:
    node = start_node(stamps=choice, diagnostics_period=0.1).wait_until_active()
    images = probe.publisher(Image, node.topic("image"))
    node.wait_until_heard(images)
    numbers = iter(range(10**6))

    def told() -> bool:
        images.publish(image_message(view(next(numbers)), header_ns))
        return node.level("camera") == WARN and f"the stamps on {node.topic('image')} are" in node.message("camera")

    wait_for(told, "a warning about stamps")
    assert node.message("camera") in node.log
    if choice == "header":
        assert "such messages are passed over" in node.message("camera")
        assert len(node.closures) <= 1
        return
    assert node.value("camera", "stamps taken from") == "arrival"
    before = len(node.closures)

    def answered() -> bool:
        images.publish(image_message(view(next(numbers)), header_ns))
        return len(node.closures) > before + 2

    wait_for(answered, "answers to images without stamps")
    assert abs(node.closures[-1].header.stamp.sec - probe.now_ns() / 1e9) < 10


def test_stamps_that_step_back_are_told(start_node: Callable[..., NodeProcess], probe: Probe) -> None:
    node = start_node(diagnostics_period=0.1).wait_until_active()
    images = probe.publisher(Image, node.topic("image"))
    node.wait_until_heard(images)

    def publish_until(seconds: float, step_ms: int, condition: Callable[[], bool]) -> None:
        times = itertools.count(START_NS + round(seconds * 1e9), step_ms * 1_000_000)

        def tried() -> bool:
            images.publish(image_message(view(1), next(times)))
            return condition()

        wait_for(tried, f"an effect of an image at {seconds} s")

    publish_until(100, 1, lambda: len(node.closures) > 0)
    publish_until(50, 1, lambda: node.count("camera", "steps back in time") == 1)
    node.wait_for_log(rf"the stamps on {node.topic('image')} stepped back by [45]\d\.\d s, so a new session begins")
    publish_until(50, -1, lambda: node.level("camera") == WARN and "not newer" in node.message("camera"))


def test_a_second_node_does_not_write_into_the_first_one_s_map(start_node: Callable[..., NodeProcess]) -> None:
    first = start_node(live_map="live.a2gc").wait_until_active()
    path = str(first.folder / "live.a2gc")
    second = start_node(live_map=path)
    second.wait_for_log(rf"not configured: \S+ is busy: place_recognition \(process {first.process.pid} on .*\) writes")
    assert not second.set("live_map", "")
    assert not second.set("maps", [path])
    assert second.change(CONFIGURE), second.log
    first.kill()
    third = start_node(live_map=path)
    third.wait_until_active()


def test_the_live_map_is_not_loaded_beside_itself(start_node: Callable[..., NodeProcess]) -> None:
    node = start_node(live_map="live.a2gc", maps=["live.a2gc"])
    node.wait_for_log(r"not configured: \S+live.a2gc is the live map already")
