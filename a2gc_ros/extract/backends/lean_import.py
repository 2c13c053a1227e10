"""Packages without the parts that a robot does not need."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType


def imported_without(package: str, part: str) -> ModuleType:
    """A package that does without ``part``, one of its modules, where importing that fails; it is not imported.

    Whoever needs the part imports it by its own name.

    Raises:
        ImportError: The package is not installed.
    """
    if package in sys.modules or part in sys.modules:
        return importlib.import_module(package)
    # None makes an import of the part fail.
    sys.modules[part] = None  # type: ignore[assignment]
    try:
        return importlib.import_module(package)
    finally:
        del sys.modules[part]
