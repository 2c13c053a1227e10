"""What the fleet's database holds, as an ordinary map file."""

from __future__ import annotations

import uuid
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from operator import attrgetter
from pathlib import Path
from typing import Any, Final

import numpy as np

from a2gc_ros.errors import FleetError
from a2gc_ros.fleet.database import EVERYTHING, Along, connected, shown
from a2gc_ros.geometry import Pose
from a2gc_ros.placemap import FeatureBlob, Manifest, NewKeyframe, PlaceMap
from a2gc_ros.placemap.storing import insert_keyframes, insert_session

BATCH: Final = 200


@dataclass(frozen=True)
class Wanted:
    """Which keyframes are pulled; what is None or empty asks for nothing.

    Attributes:
        model: Name, or fingerprint or its beginning; may be left out where there is one model only.
        sites: Of these sites.
        sessions: Of these sessions, by UUID or name.
        since_ns: Seen at this time or later, nanoseconds since the epoch.
        area: x and y from, x and y to, metres in a session's own odometry frame.
    """

    model: str = ""
    sites: Sequence[str] = ()
    sessions: Sequence[str] = ()
    since_ns: int | None = None
    area: tuple[float, float, float, float] | None = None


def pull(
    url: str,
    out: str | Path,
    wanted: Wanted,
    along: Along = EVERYTHING,
    *,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> int:
    """Writes what is wanted and missing into a map, which is made if it does not exist.

    A batch is stored as a whole or not at all. Whatever ends a pull, the same call goes on with what is still missing.

    Args:
        url: The database.
        out: The map; one that exists must be of the same model.
        wanted: Which keyframes.
        along: What comes beside descriptors and poses.
        on_progress: Called with how many keyframes are there and how many are wanted.

    Returns:
        How many keyframes came.

    Raises:
        FleetError: If the database cannot be reached or refuses, or has nothing of what is wanted.
        MapError: If the map is of another model, is being written, or cannot be written.
    """
    with connected(url) as connection:
        model = _model(connection, wanted.model, url)
        found = _found(connection, model[0], wanted)
        if not found:
            raise FleetError(
                f"{shown(url)} has no keyframes like these that this user may see: ask for more, or its "
                "owner for the role of the site"
            )
        with _opened(Path(out), Manifest(*model)) as place_map:
            place_map.require(model[0], model[2])
            there = _there(place_map)
            missing = [row for row in found if row[1:] not in there]
            done = len(found) - len(missing)
            on_progress(done, len(found))
            rest = iter(missing)
            while batch := list(islice(rest, BATCH)):
                _store(connection, place_map, [row[0] for row in batch], along)
                done += len(batch)
                on_progress(done, len(found))
    return len(missing)


def _model(connection: Any, wanted: str, url: str) -> tuple[str, int, str]:
    known = connection.execute("SELECT fingerprint, dim, name FROM a2gc.models ORDER BY name").fetchall()
    models = [row for row in known if not wanted or row[2] == wanted or row[0].startswith(wanted)]
    if len(models) == 1:
        return models[0]
    if len(models) > 1:
        raise FleetError(
            f"{shown(url)} holds several models, {_named(models)}: name one, by its fingerprint where names are alike"
        )
    if not known:
        raise FleetError(f"{shown(url)} is empty: push a map first")
    raise FleetError(f"{shown(url)} has no model {wanted!r}: name one that it has, {_named(known)}")


def _named(models: Sequence[tuple[str, int, str]]) -> str:
    return ", ".join(f"{name} ({fingerprint[:12]})" for fingerprint, _, name in models)


def _found(connection: Any, fingerprint: str, wanted: Wanted) -> list[tuple[int, str, int, int]]:
    """Returns id, session, stamp and checksum of the keyframes that are wanted, session by session in their order."""
    conditions, values = ["k.fingerprint = %s"], [fingerprint]  # type: tuple[list[str], list[Any]]
    if wanted.sites:
        conditions.append("s.site = ANY(%s)")
        values.append(list(wanted.sites))
    if wanted.sessions:
        conditions.append("(s.uuid::text = ANY(%s) OR s.name = ANY(%s))")
        values += [list(wanted.sessions)] * 2
    if wanted.since_ns is not None:
        conditions.append("k.stamp_ns >= %s")
        values.append(wanted.since_ns)
    if wanted.area is not None:
        conditions.append("k.x BETWEEN %s AND %s AND k.y BETWEEN %s AND %s")
        values += [wanted.area[0], wanted.area[2], wanted.area[1], wanted.area[3]]
    query = (
        "SELECT k.id, s.uuid::text, k.stamp_ns, k.crc32 FROM a2gc.keyframes k "
        f"JOIN a2gc.sessions s ON s.uuid = k.session WHERE {' AND '.join(conditions)} "
        "ORDER BY s.first_pushed, s.uuid, k.number, k.stamp_ns, k.id"
    )
    return connection.execute(query, values).fetchall()


def _opened(out: Path, manifest: Manifest) -> PlaceMap:
    return PlaceMap.open(out) if out.exists() else PlaceMap.create(out, manifest)


def _there(place_map: PlaceMap) -> set[tuple[str, int, int]]:
    query = "SELECT k.session_id, k.stamp_ns, d.crc32 FROM keyframes k JOIN descriptors d ON d.keyframe_id = k.id"
    names = {session.id: session.uuid for session in place_map.sessions()}
    with place_map.reading() as rows:
        return {(names[session_id], stamp_ns, crc32) for session_id, stamp_ns, crc32 in rows.execute(query)}


def _store(connection: Any, place_map: PlaceMap, ids: list[int], along: Along) -> None:
    from psycopg.rows import namedtuple_row

    query = (
        "SELECT s.uuid::text AS session, s.name, s.source, k.stamp_ns, k.descriptor, k.crc32, k.pose, k.travelled, "
        f"k.frame_id, k.t_base_camera, c.json AS camera, {'i.jpeg' if along.pictures else 'NULL'} AS jpeg, "
        f"{'f.kind, f.data' if along.features else 'NULL AS kind, NULL AS data'} "
        "FROM unnest(%s::bigint[]) WITH ORDINALITY AS wanted (id, place) JOIN a2gc.keyframes k ON k.id = wanted.id "
        "JOIN a2gc.sessions s ON s.uuid = k.session LEFT JOIN a2gc.cameras c ON c.id = k.camera "
        "LEFT JOIN a2gc.images i ON i.keyframe = k.id LEFT JOIN a2gc.features f ON f.keyframe = k.id ORDER BY place"
    )
    rows = connection.cursor(binary=True, row_factory=namedtuple_row).execute(query, (ids,)).fetchall()
    sessions = {session.uuid: session.id for session in place_map.sessions()}
    with place_map.transaction() as out:
        for text, group in groupby(rows, key=attrgetter("session")):
            identity, of_session = str(uuid.UUID(text)), list(group)
            if identity not in sessions:
                first = of_session[0]
                sessions[identity] = insert_session(out, first.name, first.source, identity).id
            found = [_keyframe(row) for row in of_session]
            insert_keyframes(out, sessions[identity], found, place_map.manifest.descriptor_dim)


def _keyframe(row: Any) -> NewKeyframe:
    if zlib.crc32(row.descriptor.values.astype("<f2").tobytes()) != row.crc32:
        raise FleetError(
            f"the descriptor of the keyframe at {row.stamp_ns} ns of session {row.session} was changed in the "
            "database: restore it from a copy"
        )
    return NewKeyframe(
        row.stamp_ns,
        row.descriptor.values.astype(np.float32),
        _pose(row.pose),
        row.travelled,
        row.jpeg,
        row.camera,
        row.frame_id,
        _pose(row.t_base_camera),
        None if row.kind is None else FeatureBlob(row.kind, row.data),
    )


def _pose(data: bytes | None) -> Pose | None:
    return None if data is None else np.frombuffer(data, dtype="<f8").reshape(4, 4)
