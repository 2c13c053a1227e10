"""Starts the place recognition node.

    ros2 launch a2gc_ros place_recognition.launch.py image:=/camera/image_raw odom:=/odom maps:=town.a2gc

An argument that is given goes before params_file, and that one before the file that the package ships. Paths are
relative to the folder you are in.
"""

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.conditions import IfCondition
from launch.substitutions import EnvironmentVariable, LaunchConfiguration
from launch_ros.actions import Node

from a2gc_ros.nodes.launch_arguments import PLACE_RECOGNITION, namespace_below, parameters_of, typed
from launch import LaunchDescription

CONFIG = Path(get_package_share_directory("a2gc_ros")) / "config"

# Topics of the RViz configuration, which follow the node into its namespace.
SHOWN = ["place_recognition/markers", "place_recognition/debug_image", "relocalization_pose"]


def start_node(context):
    """Starts the node with the arguments that were given."""
    given = {argument.name: LaunchConfiguration(argument.name).perform(context) for argument in PLACE_RECOGNITION}
    namespace = LaunchConfiguration("namespace").perform(context)
    params_file = LaunchConfiguration("params_file").perform(context)
    parameters = {name: typed(value) for name, value in parameters_of(PLACE_RECOGNITION, given).items()}
    namespace = namespace_below(namespace, context.launch_configurations.get("ros_namespace", ""))
    return [
        Node(
            package="a2gc_ros",
            executable="place_recognition",
            name="place_recognition",
            namespace=namespace,
            output="screen",
            arguments=["--ros-args", "--log-level", LaunchConfiguration("log_level")],
            parameters=[
                str(CONFIG / "place_recognition.yaml"),
                *([params_file] if params_file else []),
                parameters,
            ],
        ),
        Node(
            package="rviz2",
            executable="rviz2",
            namespace=namespace,
            arguments=["-d", str(CONFIG / "place_recognition.rviz")],
            parameters=[{name: value for name, value in parameters.items() if name == "use_sim_time"}],
            remappings=[(f"/{topic}", topic) for topic in SHOWN],
            condition=IfCondition(LaunchConfiguration("rviz")),
        ),
        Node(
            package="a2gc_ros",
            executable="rerun_viewer",
            namespace=namespace,
            output="screen",
            condition=IfCondition(LaunchConfiguration("rerun")),
        ),
    ]


def generate_launch_description():
    """Declares the arguments and starts the node."""
    return LaunchDescription(
        [
            DeclareLaunchArgument("namespace", default_value="", description="Namespace of the node."),
            DeclareLaunchArgument("params_file", default_value="", description="Parameter file, such as your robot's."),
            *(
                DeclareLaunchArgument(argument.name, default_value="", description=argument.description)
                for argument in PLACE_RECOGNITION
            ),
            DeclareLaunchArgument(
                "log_level",
                default_value="info",
                description="Least severe messages to print.",
                choices=["debug", "info", "warn", "error"],
            ),
            DeclareLaunchArgument("rviz", default_value="false", description="Show way, closures and matches in RViz."),
            DeclareLaunchArgument("rerun", default_value="false", description="Show them in Rerun (needs rerun-sdk)."),
            # Room for large images in shared memory; a profile that the user has set stays.
            SetEnvironmentVariable(
                "FASTDDS_DEFAULT_PROFILES_FILE",
                EnvironmentVariable("FASTDDS_DEFAULT_PROFILES_FILE", default_value=str(CONFIG / "fastdds.xml")),
            ),
            OpaqueFunction(function=start_node),
        ]
    )
