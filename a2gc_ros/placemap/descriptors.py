"""Descriptors as they are stored: half precision, each with a checksum, and a growing block store of them."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from a2gc_ros.errors import MapError

Half: TypeAlias = npt.NDArray[np.float16]

Fetch: TypeAlias = Callable[[npt.NDArray[np.int64]], npt.NDArray[np.float32]]
"""Gives rows by their numbers as float32 (N, D)."""

BLOCK_ROWS = 1024

ASKED_AT_ONCE = 500
"""Rows of one statement; SQLite before 3.32 takes 999 values."""

KEPT_BYTES = 16 * 1024**2
"""Of descriptors asked for last: 2,048 of 2,048 dimensions, several times a keyframe's impostors and candidates."""

UNIT_TOLERANCE = 0.01


def checked(descriptors: npt.ArrayLike, dim: int) -> npt.NDArray[np.float32]:
    """Returns descriptors of shape (N, D) or (D,), D being ``dim``, as float32 of shape (N, D).

    Raises:
        MapError: If the length is another, or a value is not finite, or a vector is not of unit length.
    """
    array = np.ascontiguousarray(np.atleast_2d(np.asarray(descriptors, dtype=np.float32)))
    if array.ndim != 2 or array.shape[1] != dim:
        raise MapError(
            f"descriptors of shape {array.shape} do not fit a map of {dim}-dimensional ones: "
            "use the extractor the map was built with"
        )
    lengths = np.einsum("nd,nd->n", array, array)
    # Written so that NaN fails too.
    if not bool((np.abs(lengths - 1.0) <= 2 * UNIT_TOLERANCE).all()):
        raise MapError(
            "a descriptor is not a finite vector of unit length: the extractor's output is broken, try another backend"
        )
    return array


def encode(descriptor: npt.NDArray[np.float32]) -> tuple[bytes, int]:
    """Returns a descriptor's little-endian fp16 bytes and their CRC-32."""
    data = descriptor.astype("<f2").tobytes()
    return data, zlib.crc32(data)


def decode(data: bytes, crc32: int, dim: int, keyframe_id: int) -> Half:
    """Reads a stored descriptor.

    Raises:
        MapError: If its length or checksum is wrong.
    """
    return _halves([_whole(data, crc32, dim, keyframe_id)], dim)[0]


def _whole(data: bytes, crc32: int, dim: int, keyframe_id: int) -> bytes:
    """Returns a stored descriptor's bytes, if they are what was stored."""
    if len(data) != 2 * dim or zlib.crc32(data) != crc32:
        raise MapError(
            f"the descriptor of keyframe {keyframe_id} is damaged: restore the map from a copy, or build it again"
        )
    return data


def _halves(rows: Sequence[bytes], dim: int) -> Half:
    """Returns stored descriptors as an array, (N, D); together, for one by one takes longer than reading them."""
    return np.frombuffer(b"".join(rows), dtype="<f2").reshape(len(rows), dim).astype(np.float16, copy=False)


def widened(halves: Half) -> npt.NDArray[np.float32]:
    """Returns finite half-precision values in single precision, exactly; a sixth of the time that NumPy takes.

    Sign, exponent and fraction move to their places of IEEE 754's binary32, subnormal ones too; the product makes good
    the other bias of the exponent.
    """
    bits = np.ascontiguousarray(halves).view(np.int16).astype(np.int32)
    bits <<= 13
    # The sign was extended over bits that are the exponent's.
    bits &= np.int32(-0x70002000)
    single = bits.view(np.float32)
    single *= np.float32(2.0**112)
    return single


class StoredDescriptors:
    """Descriptors where the map keeps them.

    Not thread-safe; the map's lock guards it.
    """

    def __init__(self, connection: sqlite3.Connection, dim: int) -> None:
        self._connection = connection
        self._dim = dim

    def take(self, ids: npt.NDArray[np.int64]) -> Half:
        """Returns the descriptors of keyframes, (N, D).

        Raises:
            MapError: If one is missing or damaged.
        """
        rows: list[bytes] = []
        for begin in range(0, len(ids), ASKED_AT_ONCE):
            some = ids[begin : begin + ASKED_AT_ONCE].tolist()
            # One statement for many: starting one takes longer than finding a row.
            asked = ",".join("?" * len(some))
            query = f"SELECT keyframe_id, data, crc32 FROM descriptors WHERE keyframe_id IN ({asked})"
            found = {number: (data, crc32) for number, data, crc32 in self._connection.execute(query, some)}
            if missing := [number for number in some if number not in found]:
                raise MapError(f"the map has no keyframe {missing[0]}, or none with a descriptor: build it again")
            rows += [_whole(*found[number], self._dim, number) for number in some]
        return _halves(rows, self._dim)


class RecentDescriptors:
    """Keeps in memory the descriptors that were asked for last: a robot asks again for those around it.

    In single precision: to widen stored ones takes longer than to read them. A keyframe's descriptor never changes.
    Not thread-safe; the map's lock guards it.
    """

    def __init__(self, stored: StoredDescriptors, dim: int) -> None:
        self._stored = stored
        self._rows = np.empty((max(1, KEPT_BYTES // (4 * dim)), dim), dtype=np.float32)
        self._ids = np.zeros(len(self._rows), dtype=np.int64)
        self._places: dict[int, int] = {}
        self._next = 0

    def take(self, ids: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """Returns the descriptors of keyframes, float32 (N, D).

        Raises:
            MapError: If one is missing or damaged.
        """
        places = np.array([self._places.get(number, -1) for number in ids.tolist()], dtype=np.int64)
        missing = places < 0
        out = self._rows[places]
        if missing.any():
            out[missing] = fresh = widened(self._stored.take(ids[missing]))
            self._keep(ids[missing][-len(self._rows) :], fresh[-len(self._rows) :])
        return out

    def _keep(self, ids: npt.NDArray[np.int64], fresh: npt.NDArray[np.float32]) -> None:
        """Puts rows in the place of those that have been there longest."""
        places = (self._next + np.arange(len(ids))) % len(self._rows)
        self._next = (self._next + len(ids)) % len(self._rows)
        for place, old in zip(places.tolist(), self._ids[places].tolist(), strict=True):
            if self._places.get(old) == place:
                del self._places[old]
        self._rows[places], self._ids[places] = fresh, ids
        self._places.update(zip(ids.tolist(), places.tolist(), strict=True))


class DescriptorBlocks:
    """Rows of fp16 descriptors in blocks, so that growing never copies what is there."""

    def __init__(self, dim: int) -> None:
        self.dim = dim
        self._blocks: list[Half] = []
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def append(self, rows: Half) -> None:
        """Adds rows of shape (N, D)."""
        done = 0
        while done < len(rows):
            within = self._size % BLOCK_ROWS
            if within == 0:
                self._blocks.append(np.empty((BLOCK_ROWS, self.dim), dtype=np.float16))
            count = min(len(rows) - done, BLOCK_ROWS - within)
            self._blocks[-1][within : within + count] = rows[done : done + count]
            self._size += count
            done += count

    def take(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """Returns the given rows as float32, shape (N, D)."""
        out = np.empty((len(rows), self.dim), dtype=np.float32)
        for at, row in enumerate(rows):
            out[at] = self._blocks[row // BLOCK_ROWS][row % BLOCK_ROWS]
        return out
