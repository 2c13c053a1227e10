"""Descriptors of an image set on disk: half precision, memory-mappable, filled bit by bit, never half-written.

A store is a folder with ``descriptors.npy``, float16 (N, D); ``marks.npy``, int64 (N,), what each image looked like
when it was described, -1 before; and ``store.json``, what the descriptors are of. Rows are on disk before their marks
are, so whatever interrupts the work, only rows without a mark are to be done again.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from a2gc_ros.errors import DatasetError
from a2gc_ros.evaluation.images import ImageSet
from a2gc_ros.system.files import write_whole
from a2gc_ros.system.folders import cache_folder
from a2gc_ros.system.shards import Shard
from a2gc_ros.system.sizes import show_size

FORMAT = 1
HALF_BYTES = 2

_PART = ".part"
_TAKEN_AT_ONCE = 1024


@dataclass(frozen=True)
class StoreKey:
    """Whose descriptors of what.

    Attributes:
        model: Name of the model, for people.
        fingerprint: The extractor's.
        runtime: Backend and precision: they move a descriptor's last digits.
        dim: Length D of a descriptor.
        images: Name of the image set, for people.
        digest: As of :func:`digest_of`.
        rows: How many there are.
    """

    model: str
    fingerprint: str
    runtime: str
    dim: int
    images: str
    digest: str
    rows: int

    @property
    def folder(self) -> str:
        """Name of the store's folder."""
        key = hashlib.sha256(f"{FORMAT} {self.fingerprint} {self.runtime} {self.digest}".encode()).hexdigest()
        return f"{self.model}-{key[:16]}"


def digest_of(images: ImageSet) -> str:
    """Hex sha256 over where the images lie and their names, in order."""
    digest = hashlib.sha256(images.origin.encode() + b"\n")
    for name in images.names:
        digest.update(name.encode() + b"\n")
    return digest.hexdigest()


def default_folder() -> Path:
    """Where stores are kept."""
    return cache_folder("descriptors")


class DescriptorStore:
    """Descriptors of an image set, or of one part of it; a context manager that holds the store's lock.

    Raises:
        DatasetError: The disk has not enough room, the store is damaged, or another process is filling it.
    """

    def __init__(self, parent: Path, key: StoreKey, part: Shard | None = None) -> None:
        self.path = parent / (key.folder if part is None else f"{key.folder}{_PART}{part.number}of{part.count}")
        self.key = key
        self.dim = key.dim
        self.cost = HALF_BYTES * key.dim
        self.path.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(self.path / "lock")
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise DatasetError(f"Another process is using the store {self.path}; wait for it.") from None
        try:
            self._prepare()
            self._rows, self._offset = _open_npy(self.path / "descriptors.npy", (key.rows, key.dim), np.dtype("<f2"))
            self.marks: NDArray[np.int64] = np.load(self.path / "marks.npy", mmap_mode="r+", allow_pickle=False)
        except BaseException:
            self._lock.release()
            raise

    def __enter__(self) -> DescriptorStore:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Closes the files and gives the lock back."""
        os.close(self._rows)
        self._lock.release()

    def __len__(self) -> int:
        return self.key.rows

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """Returns rows ``start`` to ``stop`` as float32 (n, D).

        They are read, not mapped: mapped pages would count as memory of this process.
        """
        half = np.empty((stop - start, self.dim), np.float16)
        _read_fully(self._rows, half.reshape(-1).view(np.uint8).data, self._offset + start * self.dim * HALF_BYTES)
        return half.astype(np.float32)

    def write(self, rows: NDArray[np.int64], descriptors: NDArray[np.float32], marks: NDArray[np.int64]) -> None:
        """Writes descriptors, float32 (n, D), of n rows, and then that they are there."""
        for row, descriptor in zip(rows, descriptors.astype("<f2"), strict=True):
            os.pwrite(self._rows, descriptor.tobytes(), self._offset + int(row) * self.dim * HALF_BYTES)
        os.fsync(self._rows)
        self.marks[rows] = marks
        self.marks.flush()  # type: ignore[attr-defined]  # a memory map

    def take_parts(self) -> None:
        """Takes over what processes of their own described in parts, and removes these.

        Raises:
            DatasetError: A part is damaged, or still at work.
        """
        for path in sorted(self.path.parent.glob(f"{self.key.folder}{_PART}*")):
            number, _, count = path.name.rpartition(_PART)[2].partition("of")
            with DescriptorStore(self.path.parent, self.key, Shard(int(number), int(count))) as part:
                there = np.flatnonzero(part.marks >= 0).astype(np.int64)
                for at in range(0, len(there), _TAKEN_AT_ONCE):
                    rows = there[at : at + _TAKEN_AT_ONCE]
                    descriptors = np.concatenate([part.read(row, row + 1) for row in rows.tolist()])
                    self.write(rows, descriptors, part.marks[rows])
            shutil.rmtree(path)

    def _prepare(self) -> None:
        """Makes the files where there are none; ``store.json`` comes last, so it stands for a whole store."""
        about = self.path / "store.json"
        if about.is_file():
            self._check(about)
            return
        needed = self.key.rows * (self.key.dim * HALF_BYTES + 8)
        free = shutil.disk_usage(self.path).free
        if needed > free:
            raise DatasetError(
                f"The descriptors of {self.key.images} take {show_size(needed)}, and {self.path.parent} has "
                f"{show_size(free)} free; name another folder with --store."
            )
        shape = (self.key.rows, self.key.dim)
        np.lib.format.open_memmap(self.path / "descriptors.npy", mode="w+", dtype="<f2", shape=shape)
        marks = np.lib.format.open_memmap(self.path / "marks.npy", mode="w+", dtype="<i8", shape=(self.key.rows,))
        marks[:] = -1
        marks.flush()
        write_whole(about, json.dumps({"format": FORMAT, **asdict(self.key)}, indent=2))

    def _check(self, about: Path) -> None:
        try:
            stored: dict[str, Any] = json.loads(about.read_text(encoding="utf-8"))
        except ValueError:
            stored = {}
        wanted = asdict(self.key)
        if any(stored.get(name) != wanted[name] for name in ("fingerprint", "runtime", "digest", "dim", "rows")):
            raise DatasetError(f"The store {self.path} is damaged: {about.name} is not its own; delete the folder.")


def _open_npy(path: Path, shape: tuple[int, int], dtype: np.dtype[Any]) -> tuple[int, int]:
    """Opens an array's file: descriptor, and where its values begin."""
    try:
        values = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path} is damaged ({error}); delete its folder.") from None
    if values.shape != shape or values.dtype != dtype:
        raise DatasetError(f"{path} holds {values.dtype} {values.shape}, not {dtype} {shape}; delete its folder.")
    return os.open(path, os.O_RDWR), int(values.offset)


def _read_fully(file: int, buffer: memoryview, offset: int) -> None:
    """Fills a buffer; the system may give less than asked at a time."""
    done = 0
    while done < len(buffer):
        count = os.preadv(file, [buffer[done:]], offset + done)
        if count == 0:
            raise DatasetError("A store of descriptors ended early; delete its folder.")
        done += count
