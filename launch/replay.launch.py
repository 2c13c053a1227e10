"""Plays a recording to the place recognition node, in simulated time, and ends with it.

ros2 launch a2gc_ros replay.launch.py bag:=/bags/run.mcap image:=/camera/image_raw speed:=2.0
"""

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch.actions import DeclareLaunchArgument, EmitEvent, IncludeLaunchDescription, RegisterEventHandler
from launch.conditions import IfCondition
from launch.event_handlers import OnProcessExit
from launch.events import Shutdown
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from launch import LaunchDescription

SHARE = Path(get_package_share_directory("a2gc_ros"))

# Name, option of the player, default, description. Included files share names: rate is a parameter of the node.
PLAYER = [
    ("speed", "--rate", "1.0", "Times the recorded speed."),
    ("start", "--start", "0.0", "Seconds into the recording at which to begin."),
    ("wait", "--wait", "30.0", "Seconds to wait at most until the node listens."),
]

# Passed on to place_recognition.launch.py: name, default, description.
NODE = [
    ("image", "image", "Topic of the images in the recording, without /compressed."),
    ("camera_info", "camera_info", "Topic of the calibration in the recording."),
    ("odom", "odom", "Topic of the odometry in the recording."),
    ("rate", "", "Most images per second to work on; 0.0 for all."),
    ("image_transport", "", "Which images the recording holds: raw or compressed."),
    ("model", "", "Name of a shipped model, or path of an .onnx file."),
    ("maps", "", "Place maps to relocalise against, as a list."),
    ("live_map", "", "File for this run's keyframes."),
]


def generate_launch_description():
    """Starts node, player and, if wanted, RViz."""
    player = Node(
        package="a2gc_ros",
        executable="bag_player",
        name="bag_player",
        output="screen",
        arguments=[
            LaunchConfiguration("bag"),
            *(part for name, option, _, _ in PLAYER for part in (option, LaunchConfiguration(name))),
        ],
    )
    node = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(SHARE / "launch" / "place_recognition.launch.py")),
        launch_arguments={
            "use_sim_time": "true",
            "params_file": LaunchConfiguration("params_file"),
            **{name: LaunchConfiguration(name) for name, _, _ in NODE},
        }.items(),
    )
    rviz = Node(
        package="rviz2",
        executable="rviz2",
        arguments=["-d", str(SHARE / "config" / "place_recognition.rviz")],
        parameters=[{"use_sim_time": True}],
        condition=IfCondition(LaunchConfiguration("rviz")),
    )
    end = OnProcessExit(target_action=player, on_exit=[EmitEvent(event=Shutdown(reason="the recording ended"))])
    return LaunchDescription(
        [
            DeclareLaunchArgument("bag", description="The recording: ROS 1 bag, rosbag2 folder, .mcap or .db3."),
            *(
                DeclareLaunchArgument(name, default_value=default, description=description)
                for name, default, description in [(name, *rest) for name, _, *rest in PLAYER] + NODE
            ),
            DeclareLaunchArgument(
                "params_file",
                default_value=str(SHARE / "config" / "place_recognition.yaml"),
                description="Parameter file of the node.",
            ),
            DeclareLaunchArgument(
                "rviz", default_value="false", description="Show way and closures.", choices=["true", "false"]
            ),
            node,
            player,
            RegisterEventHandler(end),
            rviz,
        ]
    )
