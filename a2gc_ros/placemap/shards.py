"""Parts of a recording that are built apart, each by a process of its own, and merged to what one run would give.

Batches are dealt out in turn. Every part reads all frames, which is quick, and describes its own batches alone, of the
same frames that one run would describe together.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable
from typing import Any

from a2gc_ros.errors import MapError


def session_uuid(source: str, settings: dict[str, Any]) -> str:
    """Returns the identity of the session that all parts of one recording share."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{source}/{json.dumps(settings, sort_keys=True)}"))


def require_all(progress: Iterable[tuple[Any, ...]]) -> None:
    """Refuses to merge some parts of a recording without the others, by their tables ``progress``.

    Raises:
        MapError: If a part is missing or not finished.
    """
    parts: dict[tuple[str, int], set[int]] = {}
    for source, _, _, finished, state in progress:
        shard = _settings(state).get("shard")
        if shard is not None:
            found = parts.setdefault((str(source), int(shard[1])), set())
            found |= {int(shard[0])} if finished else set()
    for (source, count), found in parts.items():
        if missing := set(range(1, count + 1)) - found:
            raise MapError(
                f"part {min(missing)} of {count} of {source.split(' ')[0]} is missing or not finished: build it, and "
                "merge all parts at once"
            )


def without_shard(state: str) -> str:
    """Returns how far a recording was read as one run would have written it."""
    settings = _settings(state)
    if "shard" not in settings:
        return state
    del settings["shard"]
    return json.dumps({**json.loads(state), "settings": settings}, sort_keys=True)


def _settings(state: str) -> dict[str, Any]:
    """Returns the settings that a recording was read with.

    Raises:
        ValueError: If this is not what a map notes.
    """
    read = json.loads(state)
    settings = read.get("settings") if isinstance(read, dict) else None
    if not isinstance(settings, dict):
        raise ValueError("how far it was built makes no sense")
    return settings
