"""Other libraries, kept from loading what a robot does not need and from talking to the user."""

from __future__ import annotations

import importlib
import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
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


@contextmanager
def without_warnings(*loggers: str) -> Iterator[None]:
    """Keeps warnings, and what these loggers say below an error, off the terminal; ``""`` is the root logger."""
    levels = {logger: logger.level for logger in map(logging.getLogger, loggers)}
    for logger in levels:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in levels.items():
            logger.setLevel(level)
