"""How much memory a search may take, and into which blocks that divides it."""

from __future__ import annotations

from dataclasses import dataclass

from a2gc_ros.errors import ConfigError
from a2gc_ros.evaluation.rows import Rows
from a2gc_ros.system.memory import resident
from a2gc_ros.system.sizes import show_size

LARGEST_BLOCK = 16384
"""Database rows beyond which a larger block gains no speed."""

RESERVE = 96 << 20
"""Bytes for the similarities of a slice of queries and what the matrix product keeps for itself."""

NEIGHBOR_BYTES = 3 * 12
"""A neighbor is four bytes of similarity and eight of row; the running best, the block's, and a sorted copy."""


@dataclass(frozen=True)
class Blocks:
    """Rows that a search holds at once; the database is read once for each block of queries."""

    queries: int
    database: int


def divide(queries: Rows, database: Rows, k: int, ram: int | None) -> Blocks:
    """Chooses blocks so that the process stays within ``ram``.

    The database's block comes first, up to the size beyond which it gains nothing; the queries, each with its k
    neighbors, get the rest. ``ram`` is bytes of the whole process; None sets no limit.

    Raises:
        ConfigError: So little is left that a search would take forever.
    """
    if ram is None:
        return Blocks(len(queries), LARGEST_BLOCK)
    taken = resident() + RESERVE
    query_bytes = 4 * queries.dim + queries.cost + k * NEIGHBOR_BYTES
    database_bytes = 4 * database.dim + database.cost
    wanted_database = min(len(database), LARGEST_BLOCK)
    least = min(len(queries), 64) * query_bytes + min(len(database), 256) * database_bytes
    free = ram - taken
    if free < least:
        raise ConfigError(
            f"{show_size(ram)} of memory are not enough: the process takes {show_size(taken)} before the search, which "
            f"needs {show_size(least)} more; allow at least {show_size(taken + 4 * least)}."
        )
    if len(queries) * query_bytes + wanted_database * database_bytes <= free:
        return Blocks(len(queries), wanted_database)
    half = max(min(len(database), 256), min(wanted_database, free // 2 // database_bytes))
    return Blocks(max(1, min(len(queries), (free - half * database_bytes) // query_bytes)), half)
