"""Amounts of memory as people write and read them."""

from __future__ import annotations

import re

from a2gc_ros.errors import ConfigError

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def parse_size(text: str) -> int:
    """Reads a size such as ``4G`` or ``500M`` as bytes; units are powers of 1024.

    Raises:
        ConfigError: It is no size.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)I?B?", text.strip().upper())
    if not match or float(match[1]) <= 0:
        raise ConfigError(f"{text!r} is no size of memory; write it as 4G or 500M.")
    return int(float(match[1]) * _UNITS[match[2]])


def show_size(count: float) -> str:
    """Says a number of bytes for people, in powers of 1024."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"
