"""Decoding of ROS images and files to RGB, and the resize each model was trained with."""
