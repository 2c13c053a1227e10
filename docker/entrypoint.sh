#!/bin/bash
# Runs a command with ROS and this workspace sourced.
set -e
# The setup files read variables that are not set.
source "/opt/ros/${ROS_DISTRO}/setup.bash"
source /ws/install/setup.bash
# Room for large images in shared memory; a profile that the user has set stays.
export FASTDDS_DEFAULT_PROFILES_FILE="${FASTDDS_DEFAULT_PROFILES_FILE:-/ws/install/a2gc_ros/share/a2gc_ros/config/fastdds.xml}"
exec "$@"
