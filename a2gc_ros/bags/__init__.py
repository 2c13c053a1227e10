"""Recordings in: frames and trajectories from ROS 1 and ROS 2 bags and from folders."""
