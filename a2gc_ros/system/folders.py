"""Where the user's files lie."""

from __future__ import annotations

from pathlib import Path

import platformdirs


def cache_folder(name: str) -> Path:
    """``a2gc_ros/NAME`` in the user's cache folder: on Linux below ``XDG_CACHE_HOME``, or ``~/.cache``."""
    return Path(platformdirs.user_cache_dir("a2gc_ros", appauthor=False), name)
