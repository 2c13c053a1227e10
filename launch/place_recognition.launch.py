"""Starts the place recognition node.

    ros2 launch a2gc_ros place_recognition.launch.py image:=/camera/image_raw odom:=/odom maps:="['/maps/town.a2gc']"
"""

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, SetEnvironmentVariable
from launch.substitutions import EnvironmentVariable, LaunchConfiguration

ARGUMENTS = [
    ("namespace", "", "Namespace of the node.", None),
    ("image", "image", "Topic of the camera's images; compressed ones lie under its /compressed.", None),
    ("camera_info", "camera_info", "Topic of the camera's calibration.", None),
    ("odom", "odom", "Topic of the robot's odometry.", None),
    ("image_transport", "raw", "Which images to subscribe.", ["raw", "compressed"]),
    ("model", "a2gc-mobilenetv2", "Name of a shipped model, or path of an .onnx file.", None),
    ("backend", "auto", "Inference runtime.", ["auto", "openvino", "onnxruntime", "torch"]),
    ("maps", "['']", "Place maps to relocalise against, as a list.", None),
    ("live_map", "", "File for this run's keyframes; empty keeps them in memory.", None),
    ("autostart", "true", "Configure and activate without a lifecycle manager.", ["true", "false"]),
    ("use_sim_time", "false", "Take the time from /clock.", ["true", "false"]),
    ("params_file", "", "Parameter file; empty takes the one of this package.", None),
    ("log_level", "info", "Least severe messages to print.", ["debug", "info", "warn", "error"]),
]


def declare(arguments):
    for name, default, description, choices in arguments:
        yield DeclareLaunchArgument(name, default_value=default, description=description, choices=choices)


def generate_launch_description():
    config = Path(get_package_share_directory("a2gc_ros")) / "config"
    given = LaunchConfiguration
    text = {name: ParameterValue(given(name), value_type=str) for name in ("image_transport", "model", "backend", "live_map")}
    arguments = [
        (name, str(config / "place_recognition.yaml") if name == "params_file" else default, description, choices)
        for name, default, description, choices in ARGUMENTS
    ]
    return LaunchDescription(
        [
            *declare(arguments),
            SetEnvironmentVariable(
                "FASTDDS_DEFAULT_PROFILES_FILE",
                EnvironmentVariable("FASTDDS_DEFAULT_PROFILES_FILE", default_value=str(config / "fastdds.xml")),
            ),
            Node(
                package="a2gc_ros",
                executable="place_recognition",
                name="place_recognition",
                namespace=given("namespace"),
                output="screen",
                arguments=["--ros-args", "--log-level", given("log_level")],
                parameters=[
                    given("params_file"),
                    text
                    | {
                        "maps": ParameterValue(given("maps"), value_type=list[str]),
                        "autostart": ParameterValue(given("autostart"), value_type=bool),
                        "use_sim_time": ParameterValue(given("use_sim_time"), value_type=bool),
                    },
                ],
                remappings=[(topic, given(topic)) for topic in ("image", "camera_info", "odom")],
            ),
        ]
    )
