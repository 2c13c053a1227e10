"""Starts the pose graph: the path of the robot with its loops closed.

    ros2 launch a2gc_ros pose_graph.launch.py odom:=/odom

It listens to the closures of the place recognition node, which place_recognition.launch.py starts.
"""

import yaml
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from launch import LaunchDescription

TOPICS = {
    "odom": "Topic of the robot's odometry.",
    "loop_closures": "Topic of the place recognition node's closures.",
}

# Name, description, choices. A parameter of the node of the same name is set where one is given.
PARAMETERS = [
    ("map_frame", "Frame of the corrected path.", None),
    ("publish_tf", "Broadcast map to odom on /tf.", ["", "true", "false"]),
    ("odometry_translation_noise", "Least error of odometry, metres per root metre.", None),
    ("odometry_rotation_noise", "Least error of odometry, radians per root metre.", None),
    ("autostart", "Configure and activate without a lifecycle manager.", ["", "true", "false"]),
    ("use_sim_time", "Take the time from /clock.", ["", "true", "false"]),
]


def start_node(context):
    """Starts the node with the arguments that were given."""
    given = {name: LaunchConfiguration(name).perform(context) for name, _, _ in PARAMETERS}
    return [
        Node(
            package="a2gc_ros",
            executable="pose_graph",
            name="pose_graph",
            namespace=LaunchConfiguration("namespace"),
            output="screen",
            parameters=[{name: yaml.safe_load(text) for name, text in given.items() if text}],
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
            OpaqueFunction(function=start_node),
        ]
    )
