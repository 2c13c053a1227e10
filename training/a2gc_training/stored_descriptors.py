"""Descriptors of a table's images, worked out once and kept on disk: for teachers too large to run at every step."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from a2gc_ros.extract import Extractor
from a2gc_training.data.tables import ImageTable
from a2gc_training.progress import watched

BATCH = 32
"""Images that are described between two notes of how far the work is."""


def cache_folder() -> Path:
    """Where descriptors are kept: ``a2gc_ros/descriptors`` in the user's cache folder, as the XDG rules name it."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "a2gc_ros" / "descriptors"


def stored_descriptors(
    extractor: Extractor, table: ImageTable, folder: Path | None = None, *, readers: int = 2
) -> NDArray[np.float16]:
    """Descriptors of every row, described now or in an earlier run.

    The file is named by the extractor's fingerprint and by the images, so another model, another image or another
    version of a file has another one. Interrupted work goes on where it stopped. Of several processes one works and
    the others wait.

    Args:
        extractor: The model.
        table: The images.
        folder: Where files are kept; None is `cache_folder`.
        readers: Threads that read images.

    Returns:
        float16 (rows, D), L2-normalised but for rounding; a read-only map of the file.

    Raises:
        DatasetError: An image cannot be read.
        BackendError: The model's runtime failed.
    """
    folder = cache_folder() if folder is None else folder
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{extractor.spec.fingerprint[:16]}-{_key(table)}.npy"
    with _locked(file):
        if not file.is_file():
            _describe(extractor, table, file, readers)
    return np.load(file, mmap_mode="r", allow_pickle=False)


def _key(table: ImageTable) -> str:
    digest = hashlib.sha256()
    for name in table.images:
        digest.update(f"{table.reader.identity(name)}\n{table.reader.version(name)}\n".encode())
    return digest.hexdigest()[:16]


def _describe(extractor: Extractor, table: ImageTable, file: Path, readers: int) -> None:
    partial, progress = file.with_suffix(".part"), file.with_suffix(".done")
    shape = (len(table), extractor.spec.descriptor_dim)
    done = int(progress.read_text()) if partial.is_file() and progress.is_file() else 0
    kept = np.lib.format.open_memmap(partial, "r+" if done else "w+", np.float16, None if done else shape)
    with ThreadPoolExecutor(readers) as pool:
        for first in watched(range(done, len(table), BATCH), f"Describing images with {extractor.spec.name}"):
            rows = range(first, min(first + BATCH, len(table)))
            kept[rows.start : rows.stop] = extractor.extract(list(pool.map(table.read, rows)))
            kept.flush()
            progress.write_text(str(rows.stop))
    partial.replace(file)
    progress.unlink(missing_ok=True)


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    with file.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
