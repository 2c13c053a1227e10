"""Recipes that build on one another: ``extends: other.yaml`` takes over everything the file does not say itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from a2gc_ros.errors import ConfigError
from a2gc_training.config import read_yaml

EXTENDS = "extends"


def read_extended(path: Path) -> dict[str, Any]:
    """Reads a YAML mapping together with those it extends, and without its entry ``extends``.

    Mappings are merged entry by entry; lists and single values replace what they extend. ``extends`` is a path relative
    to the file's own folder.

    Raises:
        ConfigError: A file cannot be read, is no mapping, or extends itself in the end.
    """
    return _read(path, ())


def _read(path: Path, below: tuple[Path, ...]) -> dict[str, Any]:
    if path.resolve() in below:
        raise ConfigError(f"The recipe {path} extends itself in the end; take one `{EXTENDS}` out.")
    values = read_yaml(path)
    if EXTENDS not in values:
        return values
    base = values.pop(EXTENDS)
    if not isinstance(base, str):
        raise ConfigError(f"The entry `{EXTENDS}` of the recipe {path} must be the path of another recipe.")
    return _merged(_read(path.parent / base, (*below, path.resolve())), values)


def _merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for key, value in changes.items():
        old = result.get(key)
        result[key] = _merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return result
