"""Whatever a service is asked for, the node answers with one sentence and goes on."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from node_process import NodeProcess
from places import image_message, view
from rcl_interfaces.msg import Parameter as RosParameter
from rcl_interfaces.msg import ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from ros_probe import Probe, wait_for
from sensor_msgs.msg import Image

from a2gc_msgs.srv import LoadMap, Relocalize, SaveMap
from a2gc_ros.placemap import Manifest, PlaceMap


@pytest.fixture(scope="module")
def node(start_node: Callable[..., NodeProcess]) -> NodeProcess:
    return start_node(live_map="live.a2gc", diagnostics_period=0.2).wait_until_active()


@pytest.fixture(scope="module")
def folder(node: NodeProcess) -> Path:
    """The node's map directory, with things in it that are no map of its model."""
    (node.folder / "letter.txt").write_text("dear friend")
    (node.folder / "folder.a2gc").mkdir()
    (node.folder / "link.a2gc").symlink_to("live.a2gc")
    (node.folder / "here").symlink_to(node.folder, target_is_directory=True)
    (node.folder / "broken.a2gc").symlink_to("nowhere/nothing.a2gc")
    os.mkfifo(node.folder / "pipe.a2gc")
    PlaceMap.create(node.folder / "other.a2gc", Manifest("0" * 64, 8, "another")).close()
    (node.folder / "half.a2gc").write_bytes((node.folder / "other.a2gc").read_bytes()[:5000])
    return node.folder


SAVE = [
    (".", "is no file"),
    ("folder.a2gc", "is no file"),
    ("letter.txt", "is not a place map"),
    ("letter.txt/map.a2gc", "letter.txt"),
    ("pipe.a2gc", "is no file"),
    ("live.a2gc", "is the open map itself"),
    ("link.a2gc", "is the open map itself"),
    ("here/live.a2gc", "is the open map itself"),
    ("./../{name}/live.a2gc", "is the open map itself"),
    ("/dev/null", "is no file"),
    ("/proc/map.a2gc", "cannot be written"),
    ("/proc/1/maps/map.a2gc", "cannot be made"),
    ("a" * 4096, "file name too long"),
    ("/".join(["a"] * 2047), "file name too long"),
    ("broken.a2gc", "cannot be written"),
]


@pytest.mark.parametrize("overwrite", [True, False])
@pytest.mark.parametrize(("path", "told"), SAVE, ids=[path[:25] for path, _ in SAVE])
def test_a_map_is_saved_nowhere_where_it_would_do_harm(
    node: NodeProcess, folder: Path, probe: Probe, path: str, told: str, overwrite: bool
) -> None:
    live = (folder / "live.a2gc").stat().st_ino
    request = SaveMap.Request(path=path.replace("{name}", folder.name), overwrite=overwrite)
    answer = probe.call(SaveMap, f"{node.name}/save_map", request)
    assert not answer.success
    assert told in answer.message or (not overwrite and "exists" in answer.message)
    assert "\n" not in answer.message
    assert (folder / "live.a2gc").stat().st_ino == live
    assert (folder / "letter.txt").read_text() == "dear friend"
    assert not list(folder.glob("*.new"))


LOAD = [
    ("", "no path"),
    (".", "is no file"),
    ("folder.a2gc", "is no file"),
    ("none.a2gc", "does not exist"),
    ("broken.a2gc", "does not exist"),
    ("letter.txt", "is not a place map"),
    ("letter.txt/map.a2gc", "does not exist"),
    ("pipe.a2gc", "is no file"),
    ("/dev/zero", "is no file"),
    ("/proc/self/mem", "/proc/self/mem"),
    ("half.a2gc", "half.a2gc"),
    ("other.a2gc", "was built with another"),
    ("a" * 4096, "file name too long"),
]


@pytest.mark.parametrize(("path", "told"), LOAD, ids=[path[:25] for path, _ in LOAD])
def test_what_is_no_map_of_this_model_is_not_loaded(
    node: NodeProcess, folder: Path, probe: Probe, path: str, told: str
) -> None:
    answer = probe.call(LoadMap, f"{node.name}/load_map", LoadMap.Request(path=path))
    assert not answer.success
    assert told in answer.message
    assert "\n" not in answer.message


def images() -> list[tuple[str, Image]]:
    good = view(1, width=64, height=48)
    cases = {
        "no pixels": {"width": 0, "height": 0},
        "more pixels than data": {"width": 4_000_000_000, "height": 4_000_000_000},
        "steps too short": {"step": 3},
        "an unknown encoding": {"encoding": "nothing9"},
        "no encoding": {"encoding": ""},
        "a long encoding": {"encoding": "b" * 4096},
        "too little data": {"data": b"123"},
    }
    found = []
    for name, fields in cases.items():
        message = image_message(good, 0)
        for field, value in fields.items():
            setattr(message, field, value)
        found.append((name, message))
    return found


@pytest.mark.parametrize(("name", "image"), images(), ids=[name for name, _ in images()])
def test_what_is_no_image_is_not_relocalized(node: NodeProcess, probe: Probe, name: str, image: Image) -> None:
    answer = probe.call(Relocalize, f"{node.name}/relocalize", Relocalize.Request(image=image))
    assert not answer.success
    assert answer.message
    assert "\n" not in answer.message


@pytest.mark.parametrize("most", [0, 1, 2**32 - 1])
def test_any_number_of_candidates_may_be_asked_for(node: NodeProcess, probe: Probe, most: int) -> None:
    request = Relocalize.Request(image=image_message(view(1), 0), max_candidates=most)
    answer = probe.call(Relocalize, f"{node.name}/relocalize", request)
    assert answer.success, answer.message


@pytest.mark.parametrize(
    "parameter",
    [
        RosParameter(name="no such", value=ParameterValue(type=ParameterType.PARAMETER_STRING)),
        RosParameter(name="n" * 4096, value=ParameterValue(type=ParameterType.PARAMETER_BOOL)),
        RosParameter(name="rate", value=ParameterValue(type=ParameterType.PARAMETER_NOT_SET)),
        RosParameter(name="rate", value=ParameterValue(type=200)),
        RosParameter(name="rate", value=ParameterValue(type=ParameterType.PARAMETER_STRING, string_value="5")),
        RosParameter(name="rate", value=ParameterValue(type=ParameterType.PARAMETER_DOUBLE, double_value=float("inf"))),
        RosParameter(name="silence_timeout", value=ParameterValue(type=ParameterType.PARAMETER_BYTE_ARRAY)),
        RosParameter(name="use_sim_time", value=ParameterValue(type=ParameterType.PARAMETER_STRING)),
    ],
    ids=lambda parameter: f"{parameter.name[:12]}-{parameter.value.type}",
)
def test_what_is_no_parameter_of_the_node_is_refused(node: NodeProcess, probe: Probe, parameter: RosParameter) -> None:
    request = SetParameters.Request(parameters=[parameter])
    answer = probe.call(SetParameters, f"{node.name}/set_parameters", request)
    assert [result.successful for result in answer.results] in ([], [False])


def test_afterwards_the_node_is_well(node: NodeProcess, folder: Path, probe: Probe) -> None:
    assert node.state() == "active"
    assert "Traceback" not in node.log
    camera = probe.publisher(Image, node.topic("image"))
    node.wait_until_heard(camera)
    before = len(node.closures)

    def answered() -> bool:
        camera.publish(image_message(view(int(np.random.default_rng().integers(99))), probe.now_ns()))
        return len(node.closures) > before

    wait_for(answered, "an answer to an image")
    saved = probe.call(SaveMap, f"{node.name}/save_map", SaveMap.Request(path="copy.a2gc"))
    assert saved.success, saved.message
    loaded = probe.call(LoadMap, f"{node.name}/load_map", LoadMap.Request(path="copy.a2gc"))
    assert loaded.success, loaded.message
    onto = probe.call(SaveMap, f"{node.name}/save_map", SaveMap.Request(path="here/copy.a2gc", overwrite=True))
    assert not onto.success
    assert "is loaded as map 1" in onto.message
