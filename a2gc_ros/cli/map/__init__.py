"""``a2gc map``: its commands, and the work behind each."""

from a2gc_ros.cli.map import commands as commands
