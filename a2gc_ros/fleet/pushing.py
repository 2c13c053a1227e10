"""What a map holds and the fleet's database does not, stored there."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import numpy as np

from a2gc_ros.errors import FleetError
from a2gc_ros.fleet.database import EVERYTHING, Along, Half, connected, dimension_of, shown
from a2gc_ros.placemap import Manifest, PlaceMap, Session
from a2gc_ros.placemap.descriptors import decode

BATCH: Final = 200
"""Keyframes in a transaction: what is lost with a link is sent again."""

_KEYFRAME: Final = (
    "INSERT INTO a2gc.keyframes (session, fingerprint, dim, number, stamp_ns, crc32, pose, x, y, z, travelled, "
    "frame_id, camera, t_base_camera, descriptor) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, "
    "(SELECT id FROM a2gc.cameras WHERE digest = sha256(%s::text::bytea)), %s, %s) "
    "ON CONFLICT (session, stamp_ns, crc32) DO NOTHING"
)
_BLOBS: Final = {
    "images": "INSERT INTO a2gc.images (keyframe, jpeg) SELECT id, %s FROM a2gc.keyframes "
    "WHERE session = %s AND stamp_ns = %s AND crc32 = %s ON CONFLICT DO NOTHING",
    "features": "INSERT INTO a2gc.features (keyframe, kind, data) SELECT id, %s, %s FROM a2gc.keyframes "
    "WHERE session = %s AND stamp_ns = %s AND crc32 = %s ON CONFLICT DO NOTHING",
}


@dataclass(frozen=True)
class Pushed:
    """What a push did.

    Attributes:
        sessions: In the map.
        keyframes: In the map.
        sent: Of them, those of which something was missing there.
    """

    sessions: int
    keyframes: int
    sent: int


def push(
    place_map: PlaceMap,
    url: str,
    site: str,
    along: Along = EVERYTHING,
    *,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Pushed:
    """Stores what a map holds in the fleet's database; only what is missing there travels.

    A batch is stored as a whole or not at all. Whatever ends a push, the same call goes on with what is still missing.
    Several may push at once, the same sessions, too.

    Args:
        place_map: Is only read.
        url: The database.
        site: Whose sessions these are.
        along: What goes beside descriptors and poses.
        on_progress: Called with how many keyframes are there and how many the map has.

    Raises:
        FleetError: If the database cannot be reached or refuses, or knows the model with another length.
        MapError: If the map is damaged.
    """
    sessions, total, done, sent = place_map.sessions(), len(place_map), 0, 0
    with connected(url) as connection:
        _enter_model(connection, place_map, url)
        for session in sessions:
            _enter_session(connection, place_map, session, site, url)
            there = _there(connection, session)
            missing = _missing(place_map, session, there, along)
            done += place_map.count(session.id) - sum(len(rows) for rows in missing.values())
            on_progress(done, total)
            for kind, rows in missing.items():
                wanted = iter(rows)
                while batch := list(islice(wanted, BATCH)):
                    with place_map.reading() as stored:
                        found = [_row(stored, number, place_map.manifest) for number in batch]
                    _send(connection, session, found, along, new=kind == "new")
                    done, sent = done + len(batch), sent + len(batch)
                    on_progress(done, total)
    return Pushed(len(sessions), total, sent)


def _enter_model(connection: Any, place_map: PlaceMap, url: str) -> None:
    manifest = place_map.manifest
    connection.execute(
        "INSERT INTO a2gc.models (fingerprint, dim, name) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
        (manifest.fingerprint, manifest.descriptor_dim, manifest.model_name),
    )
    dim = dimension_of(connection, manifest.fingerprint)
    if dim != manifest.descriptor_dim:
        raise FleetError(
            f"{shown(url)} knows {manifest.model_name or manifest.fingerprint[:12]} with {dim} dimensions, "
            f"{place_map.path} has {manifest.descriptor_dim}: one of the two is damaged, describe the map anew "
            "(`a2gc map redescribe`)"
        )


def _enter_session(connection: Any, place_map: PlaceMap, session: Session, site: str, url: str) -> None:
    manifest = place_map.manifest
    connection.execute(
        "INSERT INTO a2gc.sessions (uuid, site, fingerprint, dim, name, source) VALUES (%s, %s, %s, %s, %s, %s) "
        "ON CONFLICT DO NOTHING",
        (session.uuid, site, manifest.fingerprint, manifest.descriptor_dim, session.name, session.source),
    )
    query = "SELECT site, fingerprint FROM a2gc.sessions WHERE uuid = %s"
    row = connection.execute(query, (session.uuid,)).fetchone()
    if row is None or row[0] != site:
        where, remedy = (
            ("another site", "push it for that site, as a user who has its role")
            if row is None
            else (f"site {row[0]!r}", f"push it with `--site {row[0]}`")
        )
        raise FleetError(
            f"session {session.id} of {place_map.path}, {session.name!r}, belongs to {where} in {shown(url)}: {remedy}"
        )
    if row[1] != manifest.fingerprint:
        raise FleetError(
            f"session {session.id} of {place_map.path}, {session.name!r}, is in {shown(url)} as another model "
            "described it: describe the map with that model (`a2gc map redescribe`), or anew with this one"
        )


def _there(connection: Any, session: Session) -> dict[tuple[int, int], tuple[bool, bool]]:
    """Returns of which keyframes the database has a picture and features, by stamp and checksum."""
    query = (
        "SELECT k.stamp_ns, k.crc32, i.keyframe IS NOT NULL, f.keyframe IS NOT NULL FROM a2gc.keyframes k "
        "LEFT JOIN a2gc.images i ON i.keyframe = k.id LEFT JOIN a2gc.features f ON f.keyframe = k.id WHERE session = %s"
    )
    return {(row[0], row[1]): (row[2], row[3]) for row in connection.execute(query, (session.uuid,))}


def _missing(
    place_map: PlaceMap, session: Session, there: dict[tuple[int, int], tuple[bool, bool]], along: Along
) -> dict[str, list[int]]:
    """Returns the ids of keyframes that are not there, and of those whose picture or features are not."""
    query = (
        "SELECT k.id, k.stamp_ns, d.crc32, i.keyframe_id IS NOT NULL, f.keyframe_id IS NOT NULL FROM keyframes k "
        "JOIN descriptors d ON d.keyframe_id = k.id LEFT JOIN images i ON i.keyframe_id = k.id "
        "LEFT JOIN features f ON f.keyframe_id = k.id WHERE k.session_id = ? ORDER BY k.id"
    )
    new, more = [], []
    with place_map.reading() as rows:
        for number, stamp_ns, crc32, has_picture, has_features in rows.execute(query, (session.id,)):
            found = there.get((stamp_ns, crc32))
            if found is None:
                new.append(number)
            elif (along.pictures and has_picture and not found[0]) or (
                along.features and has_features and not found[1]
            ):
                more.append(number)
    return {"new": new, "more": more}


def _send(connection: Any, session: Session, rows: Sequence[dict[str, Any]], along: Along, *, new: bool) -> None:
    """Stores a batch as one; of keyframes that are there only what goes along."""
    with connection.transaction(), connection.cursor() as cursor:
        if new:
            cameras = sorted({row["camera"] for row in rows if row["camera"] is not None})
            cursor.executemany(
                "INSERT INTO a2gc.cameras (json) VALUES (%s) ON CONFLICT DO NOTHING", [(text,) for text in cameras]
            )
            cursor.executemany(_KEYFRAME, [(session.uuid, *row["keyframe"]) for row in rows])
        if along.pictures:
            sent = [(row["jpeg"], session.uuid, *row["key"]) for row in rows if row["jpeg"] is not None]
            cursor.executemany(_BLOBS["images"], sent)
        if along.features:
            found = [(*row["features"], session.uuid, *row["key"]) for row in rows if row["features"] is not None]
            cursor.executemany(_BLOBS["features"], found)


def _row(connection: sqlite3.Connection, number: int, manifest: Manifest) -> dict[str, Any]:
    query = (
        "SELECT k.stamp_ns, k.pose, k.travelled, k.frame_id, i.json, k.t_base_camera, d.data, d.crc32, p.jpeg, f.kind, "
        "f.data FROM keyframes k JOIN descriptors d ON d.keyframe_id = k.id "
        "LEFT JOIN intrinsics i ON i.id = k.intrinsics_id LEFT JOIN images p ON p.keyframe_id = k.id "
        "LEFT JOIN features f ON f.keyframe_id = k.id WHERE k.id = ?"
    )
    stamp_ns, pose, path_length, frame_id, camera, mounted, data, crc32, jpeg, kind, features = connection.execute(
        query, (number,)
    ).fetchone()
    position = [None] * 3 if pose is None else np.frombuffer(pose, "<f8").reshape(4, 4)[:3, 3].tolist()
    descriptor = Half(decode(data, crc32, manifest.descriptor_dim, number))
    return {
        "camera": camera,
        "key": (stamp_ns, crc32),
        "jpeg": jpeg,
        "features": None if kind is None else (kind, features),
        "keyframe": (
            manifest.fingerprint,
            manifest.descriptor_dim,
            number,
            stamp_ns,
            crc32,
            pose,
            *position,
            path_length,
            frame_id,
            camera,
            mounted,
            descriptor,
        ),
    }
