"""What the launch files take, and the node's parameters that follow: they hold no more than launch's own words.

An argument is text, whatever it means, and people write it as other launch files taught them: ``True`` and ``true``,
``rate:=5`` and ``rate:=5.0``, ``maps:=town.a2gc`` and ``maps:="[town.a2gc, yard.a2gc]"``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, List, Literal, TypeAlias  # noqa: UP035

import yaml

Kind: TypeAlias = Literal["string", "double", "bool", "string[]", "double[]"]
Value: TypeAlias = "str | float | bool | list[str] | list[float]"

_SWITCHES = {word: on for on, words in ((True, "true yes on 1"), (False, "false no off 0")) for word in words.split()}


@dataclass(frozen=True)
class Argument:
    """An argument that sets a parameter of the node where it is given.

    Attributes:
        name: Of the argument.
        kind: What its text means, in ROS's words.
        description: One sentence for ``--show-args``.
        choices: The texts allowed, where there are few.
        sets: Name of the parameter, where it is another.
    """

    name: str
    kind: Kind
    description: str
    choices: tuple[str, ...] = ()
    sets: str = ""

    @property
    def parameter(self) -> str:
        """Name of the parameter."""
        return self.sets or self.name


_CAMERA_POSE = Argument(
    "camera_pose", "double[]", "Camera on the robot, where /tf_static is silent: x, y, z, roll, pitch, yaw."
)
_TIME = Argument("use_sim_time", "bool", "Take the time from /clock.")
_START = Argument("autostart", "bool", "Configure and activate without a lifecycle manager.")

PLACE_RECOGNITION: tuple[Argument, ...] = (
    Argument("image", "string", "Topic of the images; compressed ones lie under its /compressed.", sets="image_topic"),
    Argument(
        "camera_info",
        "string",
        "Topic of the calibration; the one beside the images unless set.",
        sets="camera_info_topic",
    ),
    Argument("odom", "string", "Topic of the robot's odometry.", sets="odom_topic"),
    Argument("depth", "bool", "Subscribe to depth images registered to the camera."),
    Argument("depth_topic", "string", "Topic of the depth images."),
    Argument("image_transport", "string", "Which images to subscribe.", ("auto", "raw", "compressed")),
    Argument("odometry_source", "string", "Where the robot's poses come from.", ("auto", "topic", "tf")),
    Argument("odom_frame", "string", "Fixed frame of the poses from /tf."),
    Argument("base_frame", "string", "Frame of the robot in the poses from /tf."),
    Argument("map_frame", "string", "Frame of relocalization_pose."),
    _CAMERA_POSE,
    Argument("rate", "double", "Most images per second to work on; 0 for all."),
    Argument("model", "string", "Name of a shipped model, or path of an .onnx file."),
    Argument("backend", "string", "Inference runtime."),
    Argument("maps", "string[]", "Place map to relocalize against, or a list of them: [town.a2gc, yard.a2gc]."),
    Argument("live_map", "string", "File for this run's keyframes."),
    Argument("map_directory", "string", "Folder of relative map paths; the folder you are in unless given."),
    Argument("bridges", "string[]", "SLAM back ends to speak to: [lio_sam, rtabmap]."),
    _START,
    _TIME,
)
"""Of place_recognition.launch.py."""

POSE_GRAPH: tuple[Argument, ...] = (
    Argument("map_frame", "string", "Frame of the corrected path."),
    Argument("publish_tf", "bool", "Broadcast map to odom on /tf."),
    _CAMERA_POSE,
    Argument("odometry_translation_noise", "double", "Least error of odometry, metres per root metre."),
    Argument("odometry_rotation_noise", "double", "Least error of odometry, radians per root metre."),
    _START,
    _TIME,
)
"""Of pose_graph.launch.py."""


def parameters_of(arguments: Sequence[Argument], given: Mapping[str, str]) -> dict[str, Value]:
    """Returns the parameters that the arguments set; an empty text sets none.

    Raises:
        ValueError: If a text is not of its argument's kind.
    """
    return {
        argument.parameter: value_of(argument, text)
        for argument in arguments
        if (text := given.get(argument.name, "").strip())
    }


def value_of(argument: Argument, text: str) -> Value:
    """Returns what a text means.

    Raises:
        ValueError: If it is not of the argument's kind.
    """
    if argument.choices and text not in argument.choices:
        raise ValueError(f"{argument.name}:={text} must be one of {', '.join(argument.choices)}")
    if argument.kind == "string":
        return text
    if argument.kind == "bool":
        if text.lower() not in _SWITCHES:
            raise ValueError(f"{argument.name}:={text} must be true or false")
        return _SWITCHES[text.lower()]
    if argument.kind == "string[]":
        # ROS knows no empty list, so an empty text stands for it.
        return _items(argument, text) or [""]
    try:
        if argument.kind == "double[]":
            return [float(item) for item in _items(argument, text)]
        return float(text)
    except ValueError:
        wanted = "a list of numbers, such as [0, 1.5]" if argument.kind == "double[]" else "a number"
        raise ValueError(f"{argument.name}:={text} must be {wanted}") from None


def typed(value: Value) -> Any:
    """Returns a value as launch_ros takes it; it would read a mere text as YAML, and a map may be called 2024."""
    # Only a ROS distribution brings launch, and only launch files come here.
    from launch_ros.parameter_descriptions import ParameterValue

    # The lists of typing are those that launch_ros knows.
    kind: Any = List[type(value[0])] if isinstance(value, list) else type(value)  # type: ignore[misc]  # noqa: UP006
    return ParameterValue(value, value_type=kind)


def namespace_below(wanted: str, pushed: str) -> str:
    """Returns the namespace to give a node inside one that was pushed already.

    Who includes a launch file inside ``PushRosNamespace`` hands its own argument ``namespace`` on with all others, and
    the node would get it twice.

    Args:
        wanted: The argument ``namespace``.
        pushed: The namespace that launch has pushed.
    """
    inside = f"/{pushed.strip('/')}".endswith(f"/{wanted.strip('/')}")
    return "" if wanted.strip("/") and inside else wanted


def _items(argument: Argument, text: str) -> list[str]:
    """Returns the items of a list as texts; what is no list is its only item."""
    if not text.startswith("["):
        return [text]
    try:
        # The base loader makes texts and lists only, so every item stays text: a map may be called 2024.
        items = yaml.BaseLoader(text).get_single_data()
    except yaml.YAMLError:
        items = None
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise ValueError(f"{argument.name}:={text} is no list: write [first, second]")
    return items
