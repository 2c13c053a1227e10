"""Plays a recording to the place recognition node, in simulated time, and ends with it.

ros2 launch a2gc_ros replay.launch.py bag:=/bags/run.mcap image:=/camera/image_raw speed:=2.0
"""

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch.actions import DeclareLaunchArgument, EmitEvent, IncludeLaunchDescription, RegisterEventHandler
from launch.event_handlers import OnProcessExit
from launch.events import Shutdown
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from a2gc_ros.nodes.launch_arguments import PLACE_RECOGNITION
from launch import LaunchDescription

SHARE = Path(get_package_share_directory("a2gc_ros"))

# Name, option of the player, default, description. Included files share names: rate is a parameter of the node.
PLAYER = [
    ("speed", "--rate", "1.0", "Times the recorded speed."),
    ("start", "--start", "0.0", "Seconds into the recording at which to begin."),
    ("wait", "--wait", "30.0", "Seconds to wait at most until the node listens."),
]


def generate_launch_description():
    """Starts node and player, and RViz if wanted."""
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
            **{argument.name: LaunchConfiguration(argument.name) for argument in PLACE_RECOGNITION},
            "params_file": LaunchConfiguration("params_file"),
            "rviz": LaunchConfiguration("rviz"),
            "rerun": LaunchConfiguration("rerun"),
            "use_sim_time": "true",
        }.items(),
    )
    end = OnProcessExit(target_action=player, on_exit=[EmitEvent(event=Shutdown(reason="the recording ended"))])
    return LaunchDescription(
        [
            DeclareLaunchArgument("bag", description="The recording: ROS 1 bag, rosbag2 folder, .mcap or .db3."),
            *(
                DeclareLaunchArgument(name, default_value=default, description=description)
                for name, _, default, description in PLAYER
            ),
            *(
                DeclareLaunchArgument(argument.name, default_value="", description=argument.description)
                for argument in PLACE_RECOGNITION
            ),
            DeclareLaunchArgument("params_file", default_value="", description="Parameter file, such as your robot's."),
            DeclareLaunchArgument("rviz", default_value="false", description="Show way, closures and matches in RViz."),
            DeclareLaunchArgument("rerun", default_value="false", description="Show them in Rerun (needs rerun-sdk)."),
            node,
            player,
            RegisterEventHandler(end),
        ]
    )
