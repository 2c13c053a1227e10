"""The place map: keyframes of one or more sessions, searchable by descriptor, in one file."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType

import numpy as np
import numpy.typing as npt

from a2gc_ros.errors import MapError
from a2gc_ros.geometry import Pose
from a2gc_ros.placemap import descriptors as coding
from a2gc_ros.placemap import loading, opening, schema, trust
from a2gc_ros.placemap.columns import KeyframeColumns
from a2gc_ros.placemap.counting import KeyframeCounts
from a2gc_ros.placemap.index import Index
from a2gc_ros.placemap.index_cache import IndexCache
from a2gc_ros.placemap.live_index import IndexOptions, LiveIndex
from a2gc_ros.placemap.migration import derived_uuids
from a2gc_ros.placemap.records import FeatureBlob, Keyframe, Manifest, NewKeyframe, Session
from a2gc_ros.placemap.storing import insert_keyframes, insert_session
from a2gc_ros.placemap.writer_lock import WriterLock

_NONE: npt.NDArray[np.int64] = np.empty(0, dtype=np.int64)


class PlaceMap:
    """Keyframes, their descriptors and images, and the search over them.

    What was added is on the disk when the call returns: it survives ``kill -9`` and power loss.

    Every method may be called from any thread; calls on one map wait for each other. Several processes may have one
    file open, one of them for writing; a writer's keyframes are found by the others' next search.

    Use :meth:`create` or :meth:`open`, and :meth:`close` or a ``with`` block.
    """

    def __init__(
        self,
        path: str | Path,
        connection: sqlite3.Connection,
        manifest: Manifest,
        *,
        read_only: bool,
        options: IndexOptions | None = None,
        writing: WriterLock | None = None,
    ) -> None:
        self._path = str(path)
        self._writing = writing
        self._connection = connection
        self._manifest = manifest
        self._read_only = read_only
        self._lock = threading.RLock()
        self._counts = KeyframeCounts(connection)
        cache = None if self._path == opening.PRIVATE else IndexCache(manifest.uuid, connection)
        self._live = LiveIndex(connection, manifest.descriptor_dim, options or IndexOptions(), cache, self._lock)

    @classmethod
    def create(cls, path: str | Path, manifest: Manifest, *, options: IndexOptions | None = None) -> PlaceMap:
        """Creates an empty map.

        Args:
            path: A file that does not exist, or ``":memory:"`` for a map that ends with its process.
            manifest: Fingerprint and dimension are needed; the rest is filled in.
            options: When to compress the index.

        Raises:
            MapError: If the file exists, is being written by another program, or cannot be written.
        """
        if manifest.descriptor_dim < 1 or not manifest.fingerprint:
            raise MapError(f"{path} needs an extractor's fingerprint and descriptor length to be created")
        with contextlib.ExitStack() as undo:
            try:
                writing = None if str(path) == opening.PRIVATE else WriterLock(path)
            except OSError as error:
                raise MapError(
                    f"{path} cannot be created ({error}): check that its folder exists and is writable"
                ) from error
            if writing is not None:
                undo.callback(writing.release)
            connection = opening.create(path, manifest)
            undo.callback(connection.close)
            stored = schema.read_manifest(connection, path)
            undo.pop_all()
        return cls(path, connection, stored, read_only=False, options=options, writing=writing)

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        read_only: bool = False,
        fingerprint: str | None = None,
        options: IndexOptions | None = None,
    ) -> PlaceMap:
        """Opens a map file.

        Args:
            path: The file.
            read_only: Refuse every change; needed on read-only media.
            fingerprint: Where given, a map of another extractor is refused.
            options: When to compress the index.

        Raises:
            MapError: If the file is missing, no map, damaged, of a newer format, foreign, or wanted for writing while
                another program writes to it.
        """
        try:
            writing = None if read_only or not Path(path).is_file() else WriterLock(path)
        except OSError as error:
            raise MapError(
                f"{path} cannot be written ({error.strerror}): open it read-only, or copy it to a writable folder"
            ) from error
        try:
            connection, manifest = opening.open_existing(path, read_only=read_only)
        except BaseException:
            if writing is not None:
                writing.release()
            raise
        place_map = cls(path, connection, manifest, read_only=read_only, options=options, writing=writing)
        if fingerprint is not None:
            try:
                place_map.require(fingerprint)
            except MapError:
                place_map.close()
                raise
        return place_map

    @property
    def manifest(self) -> Manifest:
        """What the map says about itself."""
        return self._manifest

    @property
    def path(self) -> str:
        """The file, or ``":memory:"``."""
        return self._path

    @property
    def read_only(self) -> bool:
        """Whether changes are refused."""
        return self._read_only

    @property
    def columns(self) -> KeyframeColumns:
        """Ids, sessions, stamps and travelled distances of all keyframes, as of the last search or :meth:`prepare`."""
        return self._live.columns

    @property
    def index(self) -> Index:
        """What finds keyframes, in step with the last search or :meth:`prepare`."""
        return self._live.index

    def require(self, fingerprint: str, name: str = "") -> None:
        """Refuses an extractor that did not make this map.

        Raises:
            MapError: If the fingerprints differ; names both.
        """
        if fingerprint != self._manifest.fingerprint:
            ours = f"{self._manifest.model_name or 'an extractor'} ({self._manifest.fingerprint[:12]})"
            theirs = f"{name or 'the extractor in use'} ({fingerprint[:12]})"
            raise MapError(
                f"{self._path} was built with {ours}, its descriptors cannot be compared with those of {theirs}: "
                "use the model of the map, or describe the map with the other one (`a2gc map redescribe`)"
            )

    def add_session(self, name: str, source: str = "") -> Session:
        """Begins a session.

        Args:
            name: For people.
            source: Where its frames come from.
        """
        with self.transaction() as connection:
            return insert_session(connection, name, source)

    def sessions(self) -> list[Session]:
        """Returns all sessions in the order in which they were added."""
        with self.reading() as connection:
            rows = connection.execute("SELECT id, name, source, uuid FROM sessions ORDER BY id").fetchall()
            if any(row[3] is None for row in rows):
                derived = derived_uuids(connection, self._manifest.uuid)
                rows = [(*row[:3], row[3] or derived[row[0]]) for row in rows]
        return [Session(*row) for row in rows]

    def add(
        self,
        session_id: int,
        stamp_ns: int,
        descriptor: npt.NDArray[np.float32],
        *,
        pose: Pose | None = None,
        path_length: float | None = None,
        image_jpeg: bytes | None = None,
        intrinsics_json: str | None = None,
        frame_id: str = "",
        t_base_camera: Pose | None = None,
        features: FeatureBlob | None = None,
    ) -> int:
        """Stores one keyframe and returns its id; see :class:`NewKeyframe` for the arguments.

        Raises:
            MapError: If the session is unknown, the descriptor does not fit, or the map cannot be written.
        """
        new = NewKeyframe(
            stamp_ns,
            descriptor,
            pose=pose,
            path_length=path_length,
            image_jpeg=image_jpeg,
            intrinsics_json=intrinsics_json,
            frame_id=frame_id,
            t_base_camera=t_base_camera,
            features=features,
        )
        return self.add_many(session_id, [new])[0]

    def add_many(self, session_id: int, keyframes: Sequence[NewKeyframe]) -> list[int]:
        """Stores keyframes in one transaction and returns their ids.

        Raises:
            MapError: As :meth:`add`; then none of them is stored.
        """
        with self.transaction() as connection:
            return insert_keyframes(connection, session_id, keyframes, self._manifest.descriptor_dim)

    def keyframe(self, keyframe_id: int) -> Keyframe:
        """Returns a keyframe.

        Raises:
            MapError: If there is none with this id.
        """
        with self.reading() as connection:
            found = loading.keyframes(connection, "WHERE k.id = ?", (int(keyframe_id),))
        if not found:
            raise MapError(f"{self._path} has no keyframe {keyframe_id}: `a2gc map list` shows those it has")
        return found[0]

    def keyframes(self, session_id: int | None = None) -> list[Keyframe]:
        """Returns all keyframes, or a session's, in the order of their ids."""
        condition, values = ("", ()) if session_id is None else ("WHERE k.session_id = ?", (int(session_id),))
        with self.reading() as connection:
            return loading.keyframes(connection, f"{condition} ORDER BY k.id", values)

    def image(self, keyframe_id: int) -> bytes | None:
        """Returns a keyframe's JPEG, or None where none was kept."""
        with self.reading() as connection:
            row = connection.execute("SELECT jpeg FROM images WHERE keyframe_id = ?", (int(keyframe_id),)).fetchone()
            return loading.blob(row[0]) if row else None

    def features(self, keyframe_id: int) -> FeatureBlob | None:
        """Returns a keyframe's local features, or None where none were kept."""
        with self.reading() as connection:
            row = connection.execute(
                "SELECT kind, data FROM features WHERE keyframe_id = ?", (int(keyframe_id),)
            ).fetchone()
            return FeatureBlob(str(row[0]), loading.blob(row[1])) if row else None

    def descriptors(self, ids: Sequence[int] | npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """Returns descriptors as float32, shape (len(ids), D).

        Raises:
            MapError: If a keyframe does not exist or its descriptor is damaged.
        """
        with self.reading() as connection:
            stored = coding.StoredDescriptors(connection, self._manifest.descriptor_dim)
            return coding.widened(stored.take(np.asarray(ids, dtype=np.int64)))

    def __len__(self) -> int:
        with self.reading():
            return self._counts.total()

    def count(self, session_id: int) -> int:
        """Returns the number of keyframes of a session."""
        with self.reading():
            return self._counts.of_session(session_id)

    def last_of(self, session_id: int) -> int | None:
        """Returns the id of a session's newest keyframe; None where it has none."""
        with self.reading() as connection:
            query = "SELECT MAX(id) FROM keyframes WHERE session_id = ?"
            newest = connection.execute(query, (session_id,)).fetchone()[0]
            return None if newest is None else int(newest)

    def prepare(self) -> None:
        """Builds the index now, so that the first search does not wait for it.

        Raises:
            MapError: If a descriptor is damaged.
        """
        with self.reading():
            self._live.synchronize()

    def search(
        self,
        descriptors: npt.ArrayLike,
        k: int,
        *,
        exclude: npt.NDArray[np.int64] | None = None,
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
        """Finds the k nearest keyframes of each query by cosine.

        Args:
            descriptors: float32, shape (N, D) or (D,), L2-normalised.
            k: How many.
            exclude: Ids of keyframes that must not be found.

        Returns:
            Similarities, descending, float32 (N, k), and keyframe ids, int64 (N, k); -1 in both where there are
            fewer than k.

        Raises:
            MapError: If the descriptors do not fit, or a stored one is damaged.
        """
        if k < 1:
            raise MapError(f"a search for the {k} nearest keyframes finds nothing: ask for at least 1")
        queries = coding.checked(descriptors, self._manifest.descriptor_dim)
        with self.reading():
            self._live.synchronize()
            columns = self._live.columns
            if len(columns) == 0:
                shape = (len(queries), k)
                return np.full(shape, -1, dtype=np.float32), np.full(shape, -1, dtype=np.int64)
            excluded = _NONE if exclude is None else np.unique(columns.rows_of(exclude))
            similarities, rows = self._live.index.search(queries, k, excluded)
            return np.clip(similarities, -1, 1), np.where(rows >= 0, columns.ids[rows], -1)

    def compare(self, descriptor: npt.NDArray[np.float32], ids: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """Returns the cosine of one descriptor, float32 (D,), with each of these keyframes, float32 (len(ids),).

        Raises:
            MapError: If the descriptor does not fit, or a stored one is damaged.
        """
        query = coding.checked(descriptor, self._manifest.descriptor_dim)[0]
        with self.reading():
            self._live.synchronize()
            return np.clip(self._live.index.compare(query, self._live.columns.rows_of(ids)), -1, 1)

    def is_file(self, path: str | Path) -> bool:
        """Says whether a path, however it is spelled and through whatever links, leads to this map's file."""
        if self._path == opening.PRIVATE:
            return False
        other, own = Path(path), Path(self._path)
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
        try:
            with WriterLock(target), self._reader() as reader:
                opening.write_copy(reader, target)
        except (OSError, sqlite3.Error) as error:
            raise MapError(f"{target} cannot be written ({error}): check the folder and the free space") from error

    @contextlib.contextmanager
    def _reader(self) -> Iterator[sqlite3.Connection]:
        """Lends a connection to read all of the map; one of its own where there is a file, so that nobody waits."""
        if self._path == opening.PRIVATE:
            with self._lock:
                yield self._connection
        else:
            with contextlib.closing(opening.open_existing(self._path, read_only=True)[0]) as reader:
                yield reader

    def close(self) -> None:
        """Closes the file; the map cannot be used afterwards."""
        self._live.stop()
        with self._lock:
            self._connection.close()
            writing, self._writing = self._writing, None
            if writing is not None:
                writing.release()

    def __enter__(self) -> PlaceMap:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Runs a block of statements as one: all of it is on the disk when the block ends, or none.

        Raises:
            MapError: If the map is read-only or cannot be written.
        """
        if self._read_only:
            raise MapError(
                f"{self._path} is open read-only and cannot be changed: open it for writing, or change a copy"
            )
        with self._lock:
            try:
                with schema.transaction(self._connection):
                    yield self._connection
            except sqlite3.Error as error:
                raise MapError(trust.sentence(self._path, error)) from error

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
                raise MapError(trust.sentence(self._path, error)) from error
