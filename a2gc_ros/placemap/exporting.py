"""A map's trajectories and descriptors as files other programs read."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from a2gc_ros import geometry
from a2gc_ros.errors import MapError
from a2gc_ros.placemap.opening import writing_to
from a2gc_ros.placemap.place_map import PlaceMap
from a2gc_ros.system.files import draft_of

CSV_HEADER = "keyframe_id,session_id,session,stamp_ns,x_m,y_m,z_m,qx,qy,qz,qw,travelled_m"


def export(place_map: PlaceMap, path: str | Path) -> None:
    """Writes a map as ``.npz`` (trajectories and descriptors) or ``.csv`` (trajectories).

    The arrays of the npz file, one row per keyframe: ``keyframe_id``, ``session_id``, ``stamp_ns`` (int64),
    ``pose`` (float64 (N, 4, 4), ``t_odom_base``, NaN without odometry), ``travelled_m`` (float64, NaN without
    odometry), ``descriptor`` (float16 (N, D)); and ``fingerprint``, ``model``.

    Raises:
        MapError: If the name ends otherwise, or the file cannot be written.
    """
    target = Path(path)
    writers = {".npz": _write_npz, ".csv": _write_csv}
    if target.suffix not in writers:
        raise MapError(f"{target} ends in neither .npz nor .csv: choose one of them")
    with writing_to(target), draft_of(target) as draft:
        writers[target.suffix](place_map, draft)


def _write_npz(place_map: PlaceMap, path: Path) -> None:
    keyframes = place_map.keyframes()
    nowhere = np.full((4, 4), np.nan)
    descriptors = np.empty((len(keyframes), place_map.manifest.descriptor_dim), dtype=np.float16)
    for at, keyframe in enumerate(keyframes):
        descriptors[at] = place_map.descriptors([keyframe.id])[0]
    with path.open("wb") as file:
        np.savez(
            file,
            keyframe_id=np.array([k.id for k in keyframes], dtype=np.int64),
            session_id=np.array([k.session_id for k in keyframes], dtype=np.int64),
            stamp_ns=np.array([k.stamp_ns for k in keyframes], dtype=np.int64),
            pose=np.array([nowhere if k.pose is None else k.pose for k in keyframes]).reshape(-1, 4, 4),
            travelled_m=np.array(
                [np.nan if k.path_length is None else k.path_length for k in keyframes], dtype=np.float64
            ),
            descriptor=descriptors,
            fingerprint=np.array(place_map.manifest.fingerprint),
            model=np.array(place_map.manifest.model_name),
        )


def _write_csv(place_map: PlaceMap, path: Path) -> None:
    names = {session.id: session.name for session in place_map.sessions()}
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(CSV_HEADER.split(","))
        for keyframe in place_map.keyframes():
            pose: list[object] = [""] * 7
            if keyframe.pose is not None:
                pose = [*keyframe.pose[:3, 3].tolist(), *geometry.quaternion_of(keyframe.pose).tolist()]
            path_length = "" if keyframe.path_length is None else keyframe.path_length
            name = names.get(keyframe.session_id, "")
            writer.writerow([keyframe.id, keyframe.session_id, name, keyframe.stamp_ns, *pose, path_length])
