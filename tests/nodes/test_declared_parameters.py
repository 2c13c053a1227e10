"""Parameters as files give them: an empty list is a list, and what has no type is refused by name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

rclpy = pytest.importorskip("rclpy", reason="needs ROS 2, from a distribution or from the wheels")

from a2gc_ros.errors import ConfigError  # noqa: E402
from a2gc_ros.nodes.declared_parameters import DeclaredParameters  # noqa: E402
from a2gc_ros.nodes.parameters import PARAMETERS  # noqa: E402


@pytest.fixture
def declared(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[DeclaredParameters]:
    """The node's parameters, with some given by a file."""
    file = tmp_path / "parameters.yaml"
    file.write_text(f"/**:\n  ros__parameters:\n    {request.param}\n")
    context = rclpy.Context()
    rclpy.init(args=["--ros-args", "--params-file", str(file)], context=context)
    node = rclpy.create_node("parameters_under_test", context=context)
    try:
        yield DeclaredParameters(node, PARAMETERS)
    finally:
        node.destroy_node()
        rclpy.shutdown(context=context)


@pytest.mark.parametrize("declared", ["maps: []", "maps: ['']"], indirect=True)
def test_an_empty_list_of_maps_is_no_maps(declared: DeclaredParameters) -> None:
    assert declared.values()["maps"] == ()


@pytest.mark.parametrize(
    ("declared", "sentence"),
    [
        ("camera_pose: []", "camera_pose must be a list of numbers"),
        ("model: []", "model must be text"),
        ("rate: []", "rate must be a number"),
        ("maps: 3", "maps must be a list of texts"),
        ("rectification: both", "must be one of auto, raw, rectified"),
    ],
    indirect=["declared"],
)
def test_what_does_not_fit_is_refused_by_name(declared: DeclaredParameters, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        declared.values()
