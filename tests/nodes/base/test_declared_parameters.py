"""Values as the start gives them: taken as they are meant, and refused by name where that is not clear."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2, from a distribution or from the wheels")

import rclpy
from rclpy.node import Node

from a2gc_ros.errors import ConfigError
from a2gc_ros.nodes.base.declared_parameters import DeclaredParameters, as_meant
from a2gc_ros.nodes.parameters import PARAMETERS


@pytest.mark.parametrize(
    ("type_name", "given", "meant"),
    [
        ("double", 5, 5.0),
        ("double", 5.5, 5.5),
        ("double", True, None),
        ("double", "fast", None),
        ("double", [5.0], None),
        ("double[]", array("q", [1, 2]), [1.0, 2.0]),
        ("double[]", [1.0, 2.5], [1.0, 2.5]),
        ("double[]", 3, [3.0]),
        ("double[]", ["a"], None),
        ("string[]", "town.a2gc", ["town.a2gc"]),
        ("string[]", ["a", "b"], ["a", "b"]),
        ("string[]", None, [""]),
        ("string[]", [1], None),
        ("string", "a", "a"),
        ("string", 5, None),
        ("integer", 5, 5),
        ("integer", 5.0, None),
        ("integer", True, None),
        ("bool", True, True),
        ("bool", 1, None),
    ],
)
def test_values_are_taken_as_they_are_meant(type_name, given, meant):
    assert as_meant(type_name, given) == meant


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


@pytest.fixture
def values(tmp_path):
    """Gives the values of the node's parameters for a parameter file in a namespace."""
    context = rclpy.Context()
    rclpy.init(context=context)
    nodes = []

    def of(text: str) -> dict:
        file = tmp_path / "parameters.yaml"
        file.write_text(text)
        arguments = ["--ros-args", "--params-file", str(file)]
        nodes.append(Node("place_recognition", context=context, namespace="robot1", cli_args=arguments))
        return DeclaredParameters(nodes[-1], PARAMETERS).values()

    yield of
    for node in nodes:
        node.destroy_node()
    rclpy.shutdown(context=context)


@pytest.mark.parametrize("section", ["/**", "/robot1/place_recognition", "/**/place_recognition"])
def test_a_file_for_all_nodes_of_a_robot_is_read_by_its_sections(values, section):
    found = values(
        f"amcl:\n  ros__parameters: {{rate: 1.0}}\n"
        f"{section}:\n  ros__parameters: {{rate: 5, maps: town.a2gc, camera_pose: [0, 0, 1, -1, 0, 1], bridges: []}}\n"
    )
    assert found["rate"] == 5.0
    assert found["maps"] == ("town.a2gc",)
    assert found["bridges"] == ()
    assert list(found["camera_pose"]) == [0.0, 0.0, 1.0, -1.0, 0.0, 1.0]


def test_what_does_not_fit_tells_what_to_do(values):
    with pytest.raises(ConfigError, match="parameter rate must be a number: set it and configure again"):
        values("/**:\n  ros__parameters: {rate: fast}\n")
