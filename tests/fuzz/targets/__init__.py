"""What inputs are handed to. Every module here offers ``targets()``; a new one is found by being here."""

from __future__ import annotations

import importlib
import pkgutil

from harness import Target


def all_targets() -> list[Target]:
    """The targets of every module whose needs are installed."""
    found = []
    for module in sorted(pkgutil.iter_modules(__path__), key=lambda module: module.name):
        try:
            found += importlib.import_module(f"{__name__}.{module.name}").targets()
        except ModuleNotFoundError as error:
            # A target may need ROS, torch or a runtime that is not installed here.
            if error.name is None or error.name.split(".")[0] in ("a2gc_ros", "harness", "targets"):
                raise
    return found
