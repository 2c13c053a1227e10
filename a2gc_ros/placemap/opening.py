"""The map file: how it comes into being, is opened and is copied, and what is refused when it is opened."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path
from typing import Final

from a2gc_ros.errors import MapError
from a2gc_ros.placemap import migration, trust
from a2gc_ros.placemap.records import Manifest
from a2gc_ros.placemap.schema import APPLICATION_ID, FORMAT_VERSION, lay_out, read_manifest, transaction
from a2gc_ros.system.files import publish

PRIVATE: Final = ":memory:"
"""The name of a map that lives as long as its process."""

BUSY_S: Final = 30.0
"""Seconds to wait for another program that works on the file."""

QUICK_CHECK_BYTES: Final = 256 * 1024**2
"""Up to this size every page is checked on opening; a larger file is checked by its size and as it is read."""


def create(path: str | Path, manifest: Manifest) -> sqlite3.Connection:
    """Creates an empty map.

    A file appears under its name only when it is complete; until then it is called ``<name>.new``.

    Args:
        path: Where; ``":memory:"`` for a private map that SQLite keeps in memory, and in a temporary file when large.
        manifest: What the map says about itself.

    Raises:
        MapError: If the file exists or its folder cannot be written.
    """
    if str(path) == PRIVATE:
        # The empty name gives a private database that spills to disk, so a long run does not fill the memory.
        connection = _connect("", uri=False)
        lay_out(connection, manifest)
        return connection
    path = Path(path)
    if path.exists():
        raise MapError(f"{path} exists already: choose another name, or delete it first")
    fresh = path.with_name(path.name + ".new")
    try:
        _clear(fresh)
        fresh.unlink(missing_ok=True)
        connection = _connect(str(fresh), uri=False)
        try:
            lay_out(connection, manifest)
        finally:
            connection.close()
        _clear(path)
        publish(fresh, path)
    except (OSError, sqlite3.Error) as error:
        raise MapError(f"{path} cannot be created ({error}): check that its folder exists and is writable") from error
    return open_existing(path, read_only=False)[0]


def require_replaceable(path: Path) -> None:
    """Refuses to let a map take the place of anything but a map.

    Raises:
        MapError: If something else has this name.
    """
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
    """Writes all of an open map to another file, which appears under its name when it is complete.

    Raises:
        OSError, sqlite3.Error: If the folder cannot be written.
    """
    fresh = path.with_name(path.name + ".new")
    try:
        fresh.unlink(missing_ok=True)
        source.execute("VACUUM INTO ?", (str(fresh),))
        with contextlib.closing(_connect(str(fresh), uri=False)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
        _clear(path)
        publish(fresh, path)
    except (OSError, sqlite3.Error):
        with contextlib.suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise


def open_existing(path: str | Path, *, read_only: bool) -> tuple[sqlite3.Connection, Manifest]:
    """Opens a map file and refuses what is not one.

    A map of an older format is brought to the present one when it is opened for writing; opened read-only the file
    stays as it is, and is only seen in the present form.

    Raises:
        MapError: If the file is missing, no place map, of a newer format, damaged, or not readable.
    """
    path = Path(path)
    try:
        if not path.exists():
            raise MapError(f"{path} does not exist: build it with `a2gc map build`")
        if not path.is_file():
            raise MapError(f"{path} is no file: name the .a2gc file itself")
    except (OSError, ValueError) as error:
        why = error.strerror.lower() if isinstance(error, OSError) and error.strerror else error
        raise MapError(f"{str(path)[:200]!r} cannot be a map's name ({why}): choose another") from error
    connection: sqlite3.Connection | None = None
    try:
        connection = _connect_map(path, read_only)
        manifest = _examine(connection, path)
        if read_only:
            migration.view_as_present(connection)
        else:
            with transaction(connection):
                migration.migrate(connection, FORMAT_VERSION, manifest.uuid)
    # A damaged file can make SQLite's own message undecodable.
    except (sqlite3.Error, UnicodeDecodeError, OSError) as error:
        if connection is not None:
            connection.close()
        raise MapError(trust.sentence(path, error)) from error
    except MapError:
        if connection is not None:
            connection.close()
        raise
    return connection, manifest


def _clear(path: Path) -> None:
    """Removes what SQLite left beside a map of this name: an old log would be replayed into the new file."""
    for ending in ("-wal", "-shm", "-journal"):
        path.with_name(path.name + ending).unlink(missing_ok=True)


def _connect(target: str, *, uri: bool) -> sqlite3.Connection:
    # Autocommit: transactions are explicit. Threads: PlaceMap serialises every use with its own lock.
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
