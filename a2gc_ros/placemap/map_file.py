"""An open map file: its tables, for one user at a time, and copies of it."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from a2gc_ros.errors import MapError
from a2gc_ros.placemap import opening, schema, trust
from a2gc_ros.placemap.records import Manifest
from a2gc_ros.placemap.writer_lock import WriterLock

Self = TypeVar("Self", bound="MapFile")


class MapFile:
    """A map's tables, and what it says about itself; a context manager."""

    def __init__(self, opened: opening.Opened) -> None:
        self._opened = opened
        self._connection = opened.connection
        self._lock = threading.RLock()

    @property
    def manifest(self) -> Manifest:
        """What the map says about itself."""
        return self._opened.manifest

    @property
    def path(self) -> str:
        """The file, or ``":memory:"``."""
        return self._opened.path

    @property
    def read_only(self) -> bool:
        """Whether changes are refused."""
        return self._opened.read_only

    def require(self, fingerprint: str, name: str = "") -> None:
        """Refuses an extractor that did not make this map.

        Raises:
            MapError: If the fingerprints differ; names both.
        """
        if fingerprint != self.manifest.fingerprint:
            ours = f"{self.manifest.model_name or 'an extractor'} ({self.manifest.fingerprint[:12]})"
            theirs = f"{name or 'the extractor in use'} ({fingerprint[:12]})"
            raise MapError(
                f"{self.path} was built with {ours}, its descriptors cannot be compared with those of {theirs}: "
                "use the model of the map, or describe the map with the other one (`a2gc map redescribe`)"
            )

    def is_file(self, path: str | Path) -> bool:
        """Says whether a path, however it is spelled and through whatever links, leads to this map's file."""
        if self.path == opening.PRIVATE:
            return False
        other, own = Path(path), Path(self.path)
        if os.path.realpath(other) == os.path.realpath(own):
            return True
        return other.exists() and own.exists() and other.samefile(own)

    def save_copy(self, path: str | Path) -> None:
        """Writes a consistent copy of the map while it is in use; an existing map is replaced in one step.

        Raises:
            MapError: If the copy cannot be written, would replace the map itself, a map that a program writes to, or
                what is no map.
        """
        if self.is_file(path):
            raise MapError(f"{path} is the open map itself: choose another name for the copy")
        # A link stays one, and what lies beside the file is found.
        target = Path(os.path.realpath(path))
        opening.require_replaceable(target)
        with opening.writing_to(target), WriterLock(target), self._reader() as reader:
            opening.write_copy(reader, target)

    @contextlib.contextmanager
    def _reader(self) -> Iterator[sqlite3.Connection]:
        """Lends a connection to read all of the map; one of its own where there is a file, so that nobody waits."""
        if self.path == opening.PRIVATE:
            with self._lock:
                yield self._connection
        else:
            reader = opening.open_existing(self.path, read_only=True)
            with reader.closing:
                yield reader.connection

    def close(self) -> None:
        """Closes the file; the map cannot be used afterwards."""
        with self._lock:
            self._opened.closing.close()

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Runs a block of statements as one: all of it is on the disk when the block ends, or none.

        Raises:
            MapError: If the map is read-only or cannot be written.
        """
        if self.read_only:
            raise MapError(
                f"{self.path} is open read-only and cannot be changed: open it for writing, or change a copy"
            )
        with self._lock:
            try:
                with schema.transaction(self._connection):
                    yield self._connection
            except sqlite3.Error as error:
                raise MapError(trust.sentence(self.path, error)) from error

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Lends the connection for reading; other threads wait meanwhile.

        Raises:
            MapError: If the file turns out to be damaged.
        """
        with self._lock:
            try:
                yield self._connection
            # Damage also shows as text that is none, and as values of another type or length.
            except (sqlite3.Error, ValueError, TypeError, OverflowError) as error:
                raise MapError(trust.sentence(self.path, error)) from error
