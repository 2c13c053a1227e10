"""Paths as recipes write them."""

from __future__ import annotations

import os
import re
from pathlib import Path

from a2gc_ros.errors import DatasetError


def expanded(path: str) -> Path:
    """A path with ``~`` and environment variables filled in; raises DatasetError that names one that is not set."""
    text = os.path.expandvars(path)
    unset = re.search(r"\$\{?(\w+)", text)
    if unset:
        raise DatasetError(
            f"The recipe's path {path} needs the environment variable {unset[1]}, which is not set; export it, or "
            "replace the path with --set."
        )
    return Path(text).expanduser()
