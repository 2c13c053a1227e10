"""Thins the old sessions of a map, into a map of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from a2gc_ros.errors import MapError
from a2gc_ros.placemap.merging import copy_keyframes, written_whole
from a2gc_ros.placemap.place_map import PlaceMap
from a2gc_ros.placemap.selection import KeyframeSelector, Spacing


def prune(
    source: PlaceMap,
    out: str | Path,
    spacing: Spacing,
    older_than_s: float,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> int:
    """Writes a map in which old sessions have the keyframes that a wider spacing would have given them.

    A keyframe stays behind only where one of its own session that is kept lies within the spacing, so no place loses
    its last view. Other sessions are never asked: what looks alike need not be the same place. Recordings stay known as
    read. The source is only read.

    Args:
        source: The map.
        out: The map to write; must not exist.
        spacing: Between the keyframes that old sessions keep.
        older_than_s: Seconds between a session's last keyframe and the newest of the map from which it is old.
        on_progress: Called with how many keyframes of old sessions were looked at, and how many there are.

    Returns:
        How many keyframes stayed behind.

    Raises:
        MapError: If ``out`` exists, or the map holds none.
    """
    if len(source) == 0:
        raise MapError(f"{source.path} holds no keyframes, so there is nothing to thin: name a map that holds some")
    ends = {
        s.id: source.keyframe(last).stamp_ns for s in source.sessions() if (last := source.last_of(s.id)) is not None
    }
    newest = max(ends.values())
    old = [session_id for session_id, end in ends.items() if newest - end > older_than_s * 1e9]
    total, done = sum(map(source.count, old)), 0
    behind: set[int] = set()
    for session_id in old:
        selector = KeyframeSelector(spacing)
        for keyframe in source.keyframes(session_id):
            (descriptor,) = source.descriptors([keyframe.id])
            if not selector.select(keyframe.stamp_ns, keyframe.pose, descriptor):
                behind.add(keyframe.id)
            done += 1
            on_progress(done, total)
    with written_whole(Path(out), replace(source.manifest, uuid="", created_ns=0)) as thinned:
        copy_keyframes([source], thinned, behind)
    return len(behind)
