"""Starts the place recognition node.

    ros2 launch a2gc_ros place_recognition.launch.py image:=/camera/image_raw odom:=/odom maps:="['/maps/town.a2gc']"

Parameters come from the parameter file; an argument that is given goes before it, an empty one leaves it as it is.
"""

from pathlib import Path

import yaml
from ament_index_python.packages import get_package_share_directory
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.substitutions import EnvironmentVariable, LaunchConfiguration
from launch_ros.actions import Node

from launch import LaunchDescription

CONFIG = Path(get_package_share_directory("a2gc_ros")) / "config"

TOPICS = {
    "image": "Topic of the camera's images; compressed ones lie under its /compressed.",
    "camera_info": "Topic of the camera's calibration.",
    "odom": "Topic of the robot's odometry.",
}

# Name, description, choices. A parameter of the node of the same name is set where one is given.
PARAMETERS = [
    ("image_transport", "Which images to subscribe.", ["", "auto", "raw", "compressed"]),
    ("rate", "Most images per second to work on; 0.0 for all.", None),
    ("model", "Name of a shipped model, or path of an .onnx file.", None),
    (
        "backend",
        "Inference runtime.",
        [
            "",
            "auto",
            "tensorrt",
            "tensorrt-rtx",
            "onnxruntime-tensorrt",
            "onnxruntime-cuda",
            "openvino",
            "onnxruntime",
            "torch",
            "torch-compile",
        ],
    ),
    ("maps", "Place maps to relocalise against, as a list: \"['/maps/town.a2gc']\".", None),
    ("bridges", "SLAM back ends to speak to, as a list: \"['lio_sam']\".", None),
    ("camera_pose", "Camera on the robot where /tf_static does not tell, as a list: x, y, z, roll, pitch, yaw.", None),
    ("live_map", "File for this run's keyframes.", None),
    ("autostart", "Configure and activate without a lifecycle manager.", ["", "true", "false"]),
    ("use_sim_time", "Take the time from /clock.", ["", "true", "false"]),
]


def start_node(context):
    """Starts the node with the arguments that were given."""
    given = {name: LaunchConfiguration(name).perform(context) for name, _, _ in PARAMETERS}
    return [
        Node(
            package="a2gc_ros",
            executable="place_recognition",
            name="place_recognition",
            namespace=LaunchConfiguration("namespace"),
            output="screen",
            arguments=["--ros-args", "--log-level", LaunchConfiguration("log_level")],
            parameters=[
                LaunchConfiguration("params_file").perform(context),
                {name: yaml.safe_load(text) for name, text in given.items() if text},
            ],
            remappings=[(topic, LaunchConfiguration(topic)) for topic in TOPICS],
        )
    ]


def generate_launch_description():
    """Declares the arguments and starts the node."""
    return LaunchDescription(
        [
            DeclareLaunchArgument("namespace", default_value="", description="Namespace of the node."),
            *(
                DeclareLaunchArgument(topic, default_value=topic, description=description)
                for topic, description in TOPICS.items()
            ),
            *(
                DeclareLaunchArgument(name, default_value="", description=description, choices=choices)
                for name, description, choices in PARAMETERS
            ),
            DeclareLaunchArgument(
                "params_file",
                default_value=str(CONFIG / "place_recognition.yaml"),
                description="Parameter file of the node.",
            ),
            DeclareLaunchArgument(
                "log_level",
                default_value="info",
                description="Least severe messages to print.",
                choices=["debug", "info", "warn", "error"],
            ),
            # Room for large images in shared memory; a profile that the user has set stays.
            SetEnvironmentVariable(
                "FASTDDS_DEFAULT_PROFILES_FILE",
                EnvironmentVariable("FASTDDS_DEFAULT_PROFILES_FILE", default_value=str(CONFIG / "fastdds.xml")),
            ),
            OpaqueFunction(function=start_node),
        ]
    )
