"""Files that are whole or not there."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_CHUNK = 1 << 20


@contextmanager
def folder_beside(path: Path) -> Iterator[Path]:
    """A new folder beside ``path``, for files that belong together until they are published; removed at the end."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=_prefix(path), dir=path.parent, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@contextmanager
def draft_of(path: Path) -> Iterator[Path]:
    """A file for the caller to write and to check, which takes the place of ``path`` at the end.

    After an exception nothing of it is left, and ``path`` is what it was.
    """
    with folder_beside(path) as folder:
        draft = folder / path.name
        yield draft
        publish(draft, path)


def write_whole(path: Path, content: str | bytes) -> None:
    """Writes a file, text in UTF-8, at once: others see what was there before or all of it."""
    with draft_of(path) as draft:
        draft.write_bytes(content.encode() if isinstance(content, str) else content)


def publish(finished: Path, path: Path) -> None:
    """Gives a finished file its name, so that a power loss leaves either nothing or all of it there."""
    with finished.open("rb") as file:
        os.fsync(file.fileno())
    finished.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        # Not every platform can.
        with suppress(OSError):
            os.fsync(folder)
    finally:
        os.close(folder)


def remove_drafts(path: Path) -> None:
    """Removes the drafts of ``path`` that killed processes left; the caller knows that nobody writes one now."""
    for draft in path.parent.glob(f"{_prefix(path)}{'?' * 8}"):
        shutil.rmtree(draft, ignore_errors=True)


def sha256_of(path: Path) -> str:
    """Hex sha256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _prefix(path: Path) -> str:
    return f".{path.stem}-"
