"""Tells recordings apart, so that a map knows which it has read already."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Final

from a2gc_ros.errors import MapError

SAMPLE_BYTES: Final = 64 * 1024
DIGITS: Final = 32


def source_identity(path: str | Path, **reading: object) -> str:
    """Returns a name for a recording and the way it is read.

    It follows from names and sizes within the recording and from the begin and end of each file, not from where the
    recording lies, so a recording that was moved or mounted elsewhere is still known.

    Args:
        path: A file or a folder of files.
        **reading: What else decides which frames come out, such as the topic; None counts as not given.

    Raises:
        MapError: If there is nothing to read.
    """
    root = Path(path)
    try:
        files = sorted(p for p in root.rglob("*") if p.is_file()) if root.is_dir() else [root]
        digest = hashlib.sha256()
        for file in files:
            size = file.stat().st_size
            digest.update(f"{file.relative_to(root)}\0{size}\0".encode())
            with file.open("rb") as opened:
                digest.update(opened.read(SAMPLE_BYTES))
                opened.seek(max(0, size - SAMPLE_BYTES))
                digest.update(opened.read(SAMPLE_BYTES))
    except OSError as error:
        raise MapError(f"{root} cannot be read ({error}): check its permissions and the disk") from error
    how = "".join(f" {name}={value}" for name, value in sorted(reading.items()) if value is not None)
    return f"{root.name} {digest.hexdigest()[:DIGITS]}{how}"


def source_name(identity: str) -> str:
    """Returns what people call a recording and the way it is read, of its identity."""
    return re.sub(rf" [0-9a-f]{{{DIGITS}}}(?= |$)", "", identity, count=1)
