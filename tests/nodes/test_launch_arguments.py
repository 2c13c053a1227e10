"""What people write after a launch file, and what the node gets."""

from __future__ import annotations

import pytest

from a2gc_ros.nodes.launch_arguments import (
    PLACE_RECOGNITION,
    POSE_GRAPH,
    namespace_below,
    parameters_of,
)
from a2gc_ros.nodes.parameters import PARAMETERS
from a2gc_ros.nodes.pose_graph_parameters import PARAMETERS as GRAPH_PARAMETERS


@pytest.mark.parametrize(("arguments", "parameters"), [(PLACE_RECOGNITION, PARAMETERS), (POSE_GRAPH, GRAPH_PARAMETERS)])
def test_arguments_are_parameters_of_the_node_and_of_their_type(arguments, parameters):
    known = {parameter.name: parameter for parameter in parameters}
    assert len({argument.name for argument in arguments}) == len(arguments)
    for argument in arguments:
        assert argument.description.endswith((".", "]."))
        if argument.parameter == "use_sim_time":
            continue
        parameter = known[argument.parameter]
        assert argument.kind == parameter.type_name, argument.name
        if argument.choices:
            assert argument.choices == parameter.choices


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("image:=/camera/image_raw", {"image_topic": "/camera/image_raw"}),
        ("rate:=5", {"rate": 5.0}),
        ("rate:=5.0", {"rate": 5.0}),
        ("use_sim_time:=True", {"use_sim_time": True}),
        ("use_sim_time:=false", {"use_sim_time": False}),
        ("autostart:=0", {"autostart": False}),
        ("maps:=town.a2gc", {"maps": ["town.a2gc"]}),
        ("maps:=[town.a2gc, yard.a2gc]", {"maps": ["town.a2gc", "yard.a2gc"]}),
        ("maps:=['/maps/old town.a2gc']", {"maps": ["/maps/old town.a2gc"]}),
        ("maps:=[2024]", {"maps": ["2024"]}),
        ("maps:=[]", {"maps": [""]}),
        ("maps:=", {}),
        ("live_map:=2024_11_02", {"live_map": "2024_11_02"}),
        ("camera_pose:=[0, 0, 1, -1.57, 0, -1.57]", {"camera_pose": [0.0, 0.0, 1.0, -1.57, 0.0, -1.57]}),
        ("bridges:=rtabmap", {"bridges": ["rtabmap"]}),
    ],
)
def test_texts_become_values(text, expected):
    name, _, value = text.partition(":=")
    assert parameters_of(PLACE_RECOGNITION, {name: value}) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rate:=fast", "rate:=fast must be a number"),
        ("use_sim_time:=maybe", "use_sim_time:=maybe must be true or false"),
        ("maps:=[town.a2gc", "is no list: write"),
        ("maps:=[[a]]", "is no list"),
        ("camera_pose:=[a, b]", "must be a list of numbers"),
        ("image_transport:=theora", "must be one of auto, raw, compressed"),
    ],
)
def test_what_is_none_is_named(text, said):
    name, _, value = text.partition(":=")
    with pytest.raises(ValueError, match=said.replace("[", r"\[")):
        parameters_of(PLACE_RECOGNITION, {name: value})


@pytest.mark.parametrize(
    ("wanted", "pushed", "given"),
    [
        ("", "", ""),
        ("robot1", "", "robot1"),
        ("", "/robot1", ""),
        ("robot1", "/robot1", ""),
        ("/robot1", "/fleet/robot1", ""),
        ("front", "/robot1", "front"),
        ("bot", "/robot", "bot"),
    ],
)
def test_a_namespace_that_was_pushed_is_not_given_twice(wanted, pushed, given):
    assert namespace_below(wanted, pushed) == given
