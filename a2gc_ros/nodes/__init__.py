"""ROS 2 nodes: one file per executable, thin; what they do lives in the other rooms."""
