"""What of the compressed index is slow to derive, kept in a file beside the map.

The file is never trusted: it is a plain header and plain arrays (no serialised index that a library would walk), and
it is used only when its checksum holds and it belongs to this very map. An exact index needs no cache: it is read from
the map as fast.

Layout, little-endian: 8 bytes magic, 36 bytes map uuid, int64 rows, int64 dim, int64 reduced dim, int64 id of the last
keyframe, 32 bytes SHA-256 of all that follows and of the fields before it, then float32 mean (dim), float32 matrix
(reduced, dim), float16 projected descriptors (rows, reduced).
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from a2gc_ros.placemap.descriptors import Half
from a2gc_ros.placemap.projection import Projection
from a2gc_ros.placemap.schema import publish

MAGIC: Final = b"A2GCIDX1"
FIELDS: Final = struct.Struct("<8s36sqqqq")
DIGEST_BYTES: Final = 32
MAX_REDUCED_DIM: Final = 4096


@dataclass(frozen=True)
class CachedIndex:
    """A fitted projection and the projected descriptors of a map's first rows.

    Attributes:
        projection: Fitted to this map.
        projected: float16, shape (rows, reduced).
        last_id: Id of the keyframe of the last row.
    """

    projection: Projection
    projected: Half
    last_id: int


def path_beside(map_path: str | Path) -> Path:
    """Returns the cache's name for a map: ``town.a2gc`` has ``town.a2gc.faiss``."""
    path = Path(map_path)
    return path.with_name(path.name + ".faiss")


def write(path: Path, uuid: str, cached: CachedIndex) -> None:
    """Writes a cache; it appears under its name only when complete.

    Raises:
        OSError: If the folder cannot be written.
    """
    projection = cached.projection
    fields = FIELDS.pack(
        MAGIC,
        uuid.encode("ascii"),
        len(cached.projected),
        projection.dim,
        projection.reduced_dim,
        cached.last_id,
    )
    body = (
        projection.mean.astype("<f4").tobytes()
        + projection.matrix.astype("<f4").tobytes()
        + cached.projected.astype("<f2").tobytes()
    )
    fresh = path.with_name(path.name + ".new")
    fresh.write_bytes(fields + _digest(fields, body) + body)
    publish(fresh, path)


def read(path: Path, uuid: str, dim: int) -> CachedIndex | None:
    """Reads a cache, or returns None when it is missing, damaged, or another map's."""
    try:
        with path.open("rb") as file:
            fields = file.read(FIELDS.size)
            if len(fields) != FIELDS.size:
                return None
            magic, owner, rows, its_dim, reduced, last_id = FIELDS.unpack(fields)
            if magic != MAGIC or owner != uuid.encode("ascii") or its_dim != dim:
                return None
            if not (0 < reduced <= MAX_REDUCED_DIM and reduced <= dim and rows > 0):
                return None
            # Checked before reading, so that a false header cannot ask for memory.
            size = 4 * dim + 4 * reduced * dim + 2 * rows * reduced
            if path.stat().st_size != FIELDS.size + DIGEST_BYTES + size:
                return None
            digest = file.read(DIGEST_BYTES)
            body = file.read(size)
    except OSError:
        return None
    if len(body) != size or _digest(fields, body) != digest:
        return None
    mean = np.frombuffer(body, "<f4", dim)
    matrix = np.frombuffer(body, "<f4", reduced * dim, offset=4 * dim).reshape(reduced, dim)
    projected = np.frombuffer(body, "<f2", offset=4 * dim * (1 + reduced)).reshape(rows, reduced)
    if not (np.isfinite(mean).all() and np.isfinite(matrix).all() and np.isfinite(projected).all()):
        return None
    projection = Projection(mean.astype(np.float32), matrix.astype(np.float32))
    return CachedIndex(projection, projected.astype(np.float16), last_id)


def _digest(fields: bytes, body: bytes) -> bytes:
    digest = hashlib.sha256(fields)
    digest.update(body)
    return digest.digest()
