"""How much memory a search may take, and into which blocks that divides it."""

from __future__ import annotations

import re
import resource
import sys
from dataclasses import dataclass
from pathlib import Path

from a2gc_ros.errors import ConfigError

LARGEST_BLOCK = 16384
"""Database rows beyond which a larger block gains no speed."""

RESERVE = 96 << 20
"""Bytes for the similarities of a slice of queries and what the matrix product keeps for itself."""

NEIGHBOUR_BYTES = 3 * 12
"""A neighbour is four bytes of similarity and eight of row; the running best, the block's, and a sorted copy."""

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


@dataclass(frozen=True)
class Blocks:
    """Rows that a search holds at once.

    Attributes:
        queries: Of the queries; the database is read once for each such block.
        database: Of the database.
    """

    queries: int
    database: int


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
    for unit in ("B", "KB", "MB", "GB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TB"


def resident() -> int:
    """Bytes of this process that lie in memory now; where the system does not tell, the most there ever were."""
    statm = Path("/proc/self/statm")
    if statm.is_file():
        return int(statm.read_text().split()[1]) * resource.getpagesize()
    return peak_resident()


def peak_resident() -> int:
    """Most bytes of this process that ever lay in memory at once."""
    status = Path("/proc/self/status")
    if status.is_file():
        # What getrusage tells a fresh process on Linux is at least what its parent had.
        peaks = [line for line in status.read_text().splitlines() if line.startswith("VmHWM:")]
        if peaks:
            return int(peaks[0].split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def divide(queries: int, database: int, *, query_bytes: int, database_bytes: int, k: int, ram: int) -> Blocks:
    """Chooses blocks so that the process stays within ``ram``.

    The database's block comes first, up to the size beyond which it gains nothing; the queries get the rest.

    Args:
        queries: Rows there are.
        database: Rows there are.
        query_bytes: Memory of one row while it is read and compared.
        database_bytes: The same for the database.
        k: Neighbours of a query.
        ram: Bytes that the whole process may hold.

    Raises:
        ConfigError: So little is left that a search would take forever.
    """
    taken = resident() + RESERVE
    query_bytes += k * NEIGHBOUR_BYTES
    wanted_database = min(database, LARGEST_BLOCK)
    least = min(queries, 64) * query_bytes + min(database, 256) * database_bytes
    free = ram - taken
    if free < least:
        raise ConfigError(
            f"{show_size(ram)} of memory are not enough: the process takes {show_size(taken)} before the search, which "
            f"needs {show_size(least)} more; allow at least {show_size(taken + 4 * least)}."
        )
    if queries * query_bytes + wanted_database * database_bytes <= free:
        return Blocks(queries, wanted_database)
    half = max(min(database, 256), min(wanted_database, free // 2 // database_bytes))
    return Blocks(max(1, min(queries, (free - half * database_bytes) // query_bytes)), half)
