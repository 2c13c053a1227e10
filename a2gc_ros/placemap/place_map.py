"""The place map: keyframes of one or more sessions, searchable by descriptor, in one file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from a2gc_ros.errors import MapError
from a2gc_ros.geometry import Pose
from a2gc_ros.placemap import descriptors as coding
from a2gc_ros.placemap import loading, opening
from a2gc_ros.placemap.columns import KeyframeColumns
from a2gc_ros.placemap.counting import KeyframeCounts
from a2gc_ros.placemap.index import Index
from a2gc_ros.placemap.index_cache import IndexCache
from a2gc_ros.placemap.live_index import IndexOptions, LiveIndex
from a2gc_ros.placemap.map_file import MapFile
from a2gc_ros.placemap.migration import derived_uuids
from a2gc_ros.placemap.records import FeatureBlob, Keyframe, Manifest, NewKeyframe, Session
from a2gc_ros.placemap.storing import insert_keyframes, insert_session

_NONE: npt.NDArray[np.int64] = np.empty(0, dtype=np.int64)


class PlaceMap(MapFile):
    """Keyframes, their descriptors and images, and the search over them.

    What was added is on the disk when the call returns: it survives ``kill -9`` and power loss.

    Every method may be called from any thread; calls on one map wait for each other. Several processes may have one
    file open, one of them for writing; a writer's keyframes are found by the others' next search.

    Use :meth:`create` or :meth:`open`, and :meth:`close` or a ``with`` block.
    """

    def __init__(self, opened: opening.Opened, options: IndexOptions | None = None) -> None:
        super().__init__(opened)
        connection, manifest = opened.connection, opened.manifest
        self._counts = KeyframeCounts(connection)
        cache = None if self.path == opening.PRIVATE else IndexCache(manifest.uuid, connection)
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
        return cls(opening.create(path, manifest), options)

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        read_only: bool = False,
        fingerprint: str | None = None,
        model_name: str = "",
        options: IndexOptions | None = None,
    ) -> PlaceMap:
        """Opens a map file.

        Args:
            path: The file.
            read_only: Refuse every change; needed on read-only media.
            fingerprint: Where given, a map of another extractor is refused.
            model_name: What the refusal calls the extractor with this fingerprint.
            options: When to compress the index.

        Raises:
            MapError: If the file is missing, no map, damaged, of a newer format, foreign, or wanted for writing while
                another program writes to it.
        """
        place_map = cls(opening.open_existing(path, read_only=read_only), options)
        if fingerprint is not None:
            try:
                place_map.require(fingerprint, model_name)
            except MapError:
                place_map.close()
                raise
        return place_map

    @property
    def columns(self) -> KeyframeColumns:
        """Ids, sessions, stamps and travelled distances of all keyframes, as of the last search or :meth:`prepare`."""
        return self._live.columns

    @property
    def index(self) -> Index:
        """What finds keyframes, in step with the last search or :meth:`prepare`."""
        return self._live.index

    def add_session(self, name: str, source: str = "") -> Session:
        """Begins a session, with a name for people, of frames from a source."""
        with self.transaction() as connection:
            return insert_session(connection, name, source)

    def sessions(self) -> list[Session]:
        """Returns all sessions in the order in which they were added."""
        with self.reading() as connection:
            rows = connection.execute("SELECT id, name, source, uuid FROM sessions ORDER BY id").fetchall()
            if any(row[3] is None for row in rows):
                derived = derived_uuids(connection, self.manifest.uuid)
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
            return insert_keyframes(connection, session_id, keyframes, self.manifest.descriptor_dim)

    def keyframe(self, keyframe_id: int) -> Keyframe:
        """Returns a keyframe.

        Raises:
            MapError: If there is none with this id.
        """
        with self.reading() as connection:
            found = loading.keyframes(connection, "WHERE k.id = ?", (int(keyframe_id),))
        if not found:
            raise MapError(f"{self.path} has no keyframe {keyframe_id}: `a2gc map list` shows those it has")
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
            stored = coding.StoredDescriptors(connection, self.manifest.descriptor_dim)
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
        self, descriptors: npt.ArrayLike, k: int, *, exclude: npt.NDArray[np.int64] | None = None
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
        """Finds the k nearest keyframes of each query by cosine.

        Args:
            descriptors: float32, shape (N, D) or (D,), L2-normalized.
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
        queries = coding.checked(descriptors, self.manifest.descriptor_dim)
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
        query = coding.checked(descriptor, self.manifest.descriptor_dim)[0]
        with self.reading():
            self._live.synchronize()
            return np.clip(self._live.index.compare(query, self._live.columns.rows_of(ids)), -1, 1)

    def close(self) -> None:
        """Closes the file; the map cannot be used afterwards."""
        self._live.stop()
        super().close()
