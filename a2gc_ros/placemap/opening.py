"""The map file: how it comes into being, is opened and is copied, and what is refused when it is opened."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from a2gc_ros.errors import MapError
from a2gc_ros.placemap import migration, trust
from a2gc_ros.placemap.records import Manifest
from a2gc_ros.placemap.schema import APPLICATION_ID, FORMAT_VERSION, lay_out, read_manifest, transaction
from a2gc_ros.placemap.writer_lock import WriterLock
from a2gc_ros.system.files import publish

PRIVATE: Final = ":memory:"
"""The name of a map that lives as long as its process."""

BUSY_S: Final = 30.0
"""Seconds to wait for another program that works on the file."""

QUICK_CHECK_BYTES: Final = 256 * 1024**2
"""Up to this size every page is checked on opening; a larger file is checked by its size and as it is read."""


@dataclass(frozen=True)
class Opened:
    """A map that is open; ``closing`` closes the connection and lets others write."""

    path: str
    connection: sqlite3.Connection
    manifest: Manifest
    read_only: bool
    closing: contextlib.ExitStack


def create(path: str | Path, manifest: Manifest) -> Opened:
    """Creates an empty map, see :meth:`a2gc_ros.placemap.PlaceMap.create`.

    A file appears under its name only when it is complete; until then it is called ``<name>.new``.
    """
    if manifest.descriptor_dim < 1 or not manifest.fingerprint:
        raise MapError(f"{path} needs an extractor's fingerprint and descriptor length to be created")
    with contextlib.ExitStack() as undo:
        if str(path) == PRIVATE:
            # The empty name gives a database that SQLite keeps in memory, and in a temporary file when it is large.
            connection = undo.enter_context(contextlib.closing(_connect("", uri=False)))
            lay_out(connection, manifest)
            return Opened(PRIVATE, connection, read_manifest(connection, path), False, undo.pop_all())
        try:
            undo.enter_context(WriterLock(path))
            require_new(Path(path))
            with _draft(Path(path)) as draft, contextlib.closing(_connect(str(draft), uri=False)) as connection:
                lay_out(connection, manifest)
        except (OSError, sqlite3.Error) as error:
            raise MapError(
                f"{path} cannot be created ({error}): check that its folder exists and is writable"
            ) from error
        return _open(path, False, undo.pop_all())


def require_new(path: Path) -> None:
    """Refuses, with MapError, a name that something has already."""
    if path.exists():
        raise MapError(f"{path} exists already: choose another name, or delete it first")


def require_replaceable(path: Path) -> None:
    """Refuses, with MapError, to let a map take the place of anything but a map."""
    if not path.exists():
        return
    if not path.is_file():
        raise MapError(f"{path} is no file: choose another name")
    try:
        _connect_map(path, read_only=True).close()
    except MapError as error:
        raise MapError(f"{path} is not overwritten ({error}): choose another name, or delete it first") from error
    except sqlite3.Error:
        # A damaged map is no loss.
        return


def write_copy(source: sqlite3.Connection, path: Path) -> None:
    """Writes all of an open map to another file, which appears under its name when it is complete."""
    with _draft(path) as draft:
        source.execute("VACUUM INTO ?", (str(draft),))
        with contextlib.closing(_connect(str(draft), uri=False)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")


@contextlib.contextmanager
def writing_to(path: Path) -> Iterator[None]:
    """Raises MapError, that a file cannot be written, in place of an error of SQLite or of the system."""
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        raise MapError(f"{path} cannot be written ({error}): check the folder and the free space") from error


def open_existing(path: str | Path, *, read_only: bool) -> Opened:
    """Opens a map file and refuses what is not one, see :meth:`a2gc_ros.placemap.PlaceMap.open`.

    A map of an older format is brought to the present one when it is opened for writing; opened read-only the file
    stays as it is, and is only seen in the present form.
    """
    with contextlib.ExitStack() as undo:
        try:
            if not read_only and Path(path).is_file():
                undo.enter_context(WriterLock(path))
        except OSError as error:
            raise MapError(
                f"{path} cannot be written ({error.strerror}): open it read-only, or copy it to a writable folder"
            ) from error
        return _open(path, read_only, undo.pop_all())


def _open(path: str | Path, read_only: bool, undo: contextlib.ExitStack) -> Opened:
    """Opens a map file; where that fails, nothing of it stays open, nor what was to be undone."""
    with undo:
        file = Path(path)
        _require_file(file)
        try:
            connection = undo.enter_context(contextlib.closing(_connect_map(file, read_only)))
            manifest = _examine(connection, file)
            if read_only:
                migration.view_as_present(connection)
            else:
                with transaction(connection):
                    migration.migrate(connection, FORMAT_VERSION, manifest.uuid)
        # A damaged file can make SQLite's own message undecodable.
        except (sqlite3.Error, UnicodeDecodeError, OSError) as error:
            raise MapError(trust.sentence(file, error)) from error
        return Opened(str(path), connection, manifest, read_only, undo.pop_all())


def _require_file(path: Path) -> None:
    try:
        if not path.exists():
            raise MapError(f"{path} does not exist: build it with `a2gc map build`")
        if not path.is_file():
            raise MapError(f"{path} is no file: name the .a2gc file itself")
    except (OSError, ValueError) as error:
        why = error.strerror.lower() if isinstance(error, OSError) and error.strerror else error
        raise MapError(f"{str(path)[:200]!r} cannot be a map's name ({why}): choose another") from error


@contextlib.contextmanager
def _draft(path: Path) -> Iterator[Path]:
    """Lends a name beside ``path`` for a file that takes its place at the end; after an error nothing of it is left."""
    draft = path.with_name(path.name + ".new")
    _clear(draft)
    draft.unlink(missing_ok=True)
    try:
        yield draft
        _clear(path)
        publish(draft, path)
    finally:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)


def _clear(path: Path) -> None:
    """Removes what SQLite left beside a map of this name: an old log would be replayed into the new file."""
    for ending in ("-wal", "-shm", "-journal"):
        path.with_name(path.name + ending).unlink(missing_ok=True)


def _connect(target: str, *, uri: bool) -> sqlite3.Connection:
    # Autocommit: transactions are explicit. Threads: MapFile serializes every use with its own lock.
    connection = sqlite3.connect(target, uri=uri, isolation_level=None, check_same_thread=False, timeout=BUSY_S)
    try:
        trust.be_careful(connection)
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = FULL")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _uri(path: Path, read_only: bool) -> str:
    """Chooses how SQLite opens the file.

    A map in WAL mode needs a shared-memory file beside it even for reading. On read-only media there can be none, and
    nobody can write either: there the file is declared immutable.
    """
    log = path.with_name(path.name + "-wal")
    writable = os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)
    base = path.absolute().as_uri()
    if writable:
        return base + "?mode=rw"
    if not read_only:
        raise MapError(f"{path} cannot be written: open it read-only, or copy it to a writable folder")
    if log.is_file() and log.stat().st_size > 0:
        raise MapError(
            f"{path} was not closed properly and cannot be repaired here: copy it with its -wal file "
            "to a writable folder and open it there once"
        )
    return base + "?mode=ro&immutable=1"


def _examine(connection: sqlite3.Connection, path: Path) -> Manifest:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > FORMAT_VERSION:
        raise MapError(
            f"{path} has format {version}, this program reads up to {FORMAT_VERSION}: upgrade a2gc_ros, "
            "or build the map again with this one"
        )
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    size = pages * connection.execute("PRAGMA page_size").fetchone()[0]
    log = path.with_name(path.name + "-wal")
    pending = log.is_file() and log.stat().st_size > 0
    if not pending and path.stat().st_size < size:
        raise MapError(f"{path} is cut short ({path.stat().st_size} of {size} bytes): copy it again")
    if problem := trust.problem_with_schema(connection):
        raise MapError(f"{path} is no place map ({problem}): use one that `a2gc map build` or the node made")
    if size <= QUICK_CHECK_BYTES:
        verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if verdict != "ok":
            raise MapError(
                f"{path} is damaged ({' '.join(verdict.split())}): restore it from a copy, or build it again"
            )
    return read_manifest(connection, path)


def _connect_map(path: Path, read_only: bool) -> sqlite3.Connection:
    """Opens a file that says in its header that it is one of ours.

    SQLite reads the header: a descriptor of our own, once closed, would drop the locks that this process's other
    connections hold on the file, and the next program to close the map would delete the log that these still write to.
    """
    try:
        connection = _connect(_uri(path, read_only), uri=True)
    except sqlite3.DatabaseError as error:
        if "not a database" in str(error):
            raise _no_map(path) from error
        raise
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        connection.close()
        raise _no_map(path)
    return connection


def _no_map(path: Path) -> MapError:
    return MapError(f"{path} is not a place map: name a file that `a2gc map build` or the node made")
