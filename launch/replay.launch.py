"""Plays a recording to the place recognition node, in simulated time.

    ros2 launch a2gc_ros replay.launch.py bag:=/bags/run.mcap image:=/camera/image_raw rate:=2.0
"""

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch_ros.actions import Node

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, EmitEvent, IncludeLaunchDescription, RegisterEventHandler
from launch.conditions import IfCondition
from launch.event_handlers import OnProcessExit
from launch.events import Shutdown
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration

PLAYER_ARGUMENTS = [
    ("rate", "1.0", "Times the recorded speed."),
    ("start", "0.0", "Seconds into the recording at which to begin."),
    ("wait", "30.0", "Seconds to wait at most for the node to listen."),
]

NODE_ARGUMENTS = [
    ("image", "image", "Topic of the images in the recording, without /compressed."),
    ("camera_info", "camera_info", "Topic of the calibration in the recording."),
    ("odom", "odom", "Topic of the odometry in the recording."),
    ("image_transport", "raw", "Which images the recording holds: raw or compressed."),
    ("model", "a2gc-mobilenetv2", "Name of a shipped model, or path of an .onnx file."),
    ("maps", "['']", "Place maps to relocalise against, as a list."),
    ("live_map", "", "File for this run's keyframes; empty keeps them in memory."),
]


def generate_launch_description():
    share = Path(get_package_share_directory("a2gc_ros"))
    given = LaunchConfiguration
    player = Node(
        package="a2gc_ros",
        executable="bag_player",
        name="bag_player",
        output="screen",
        arguments=[given("bag"), *(part for name, _, _ in PLAYER_ARGUMENTS for part in (f"--{name}", given(name)))],
    )
    return LaunchDescription(
        [
            DeclareLaunchArgument("bag", description="The recording: ROS 1 bag, rosbag2 folder, .mcap or .db3."),
            *(
                DeclareLaunchArgument(name, default_value=default, description=text)
                for name, default, text in (*PLAYER_ARGUMENTS, *NODE_ARGUMENTS)
            ),
            DeclareLaunchArgument(
                "rviz", default_value="false", description="Show the map and the closures.", choices=["true", "false"]
            ),
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource(str(share / "launch" / "place_recognition.launch.py")),
                launch_arguments={
                    "use_sim_time": "true",
                    **{name: given(name) for name, _, _ in NODE_ARGUMENTS},
                }.items(),
            ),
            player,
            Node(
                package="rviz2",
                executable="rviz2",
                arguments=["-d", str(share / "config" / "place_recognition.rviz")],
                parameters=[{"use_sim_time": True}],
                condition=IfCondition(given("rviz")),
            ),
            RegisterEventHandler(
                OnProcessExit(target_action=player, on_exit=[EmitEvent(event=Shutdown(reason="the recording ended"))])
            ),
        ]
    )
