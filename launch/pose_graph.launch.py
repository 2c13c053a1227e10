"""Starts the pose graph: the path of the robot with its loops closed.

    ros2 launch a2gc_ros pose_graph.launch.py odom:=/odom

It listens to the closures of the place recognition node, which place_recognition.launch.py starts.
"""

from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from a2gc_ros.nodes.launch_arguments import POSE_GRAPH, namespace_below, parameters_of, typed
from launch import LaunchDescription

TOPICS = {
    "odom": "Topic of the robot's odometry.",
    "loop_closures": "Topic of the place recognition node's closures.",
}


def start_node(context):
    """Starts the node with the arguments that were given."""
    given = {argument.name: LaunchConfiguration(argument.name).perform(context) for argument in POSE_GRAPH}
    namespace = LaunchConfiguration("namespace").perform(context)
    params_file = LaunchConfiguration("params_file").perform(context)
    topics = {topic: LaunchConfiguration(topic).perform(context) for topic in TOPICS}
    return [
        Node(
            package="a2gc_ros",
            executable="pose_graph",
            name="pose_graph",
            namespace=namespace_below(namespace, context.launch_configurations.get("ros_namespace", "")),
            output="screen",
            parameters=[
                *([params_file] if params_file else []),
                {name: typed(value) for name, value in parameters_of(POSE_GRAPH, given).items()},
            ],
            remappings=[(topic, name) for topic, name in topics.items() if name],
        )
    ]


def generate_launch_description():
    """Declares the arguments and starts the node."""
    return LaunchDescription(
        [
            DeclareLaunchArgument("namespace", default_value="", description="Namespace of the node."),
            DeclareLaunchArgument("params_file", default_value="", description="Parameter file, such as your robot's."),
            *(
                DeclareLaunchArgument(topic, default_value="", description=description)
                for topic, description in TOPICS.items()
            ),
            *(
                DeclareLaunchArgument(argument.name, default_value="", description=argument.description)
                for argument in POSE_GRAPH
            ),
            OpaqueFunction(function=start_node),
        ]
    )
