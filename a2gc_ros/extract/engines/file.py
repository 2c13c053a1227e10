"""Engines as files: one line of format, one of JSON, then the runtime's own bytes."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from a2gc_ros.extract.engines.key import EngineKey
from a2gc_ros.system.files import write_whole

SUFFIX = ".engine"

_FORMAT = b"a2gc engine 1\n"
_LONGEST_HEADER = 1 << 16


class EngineFileError(ValueError):
    """A file that holds no whole engine; the message says what is wrong with it."""


@dataclass(frozen=True)
class EngineHeader:
    """What an engine's file says of itself.

    Attributes:
        key: What the engine was built of and for.
        sha256: Of the engine's bytes.
        size: Their number.
        built_s: Seconds the build took.
        built_at: When it ended, UTC.
    """

    key: EngineKey
    sha256: str
    size: int
    built_s: float
    built_at: str


def write_engine(path: Path, key: EngineKey, plan: bytes, *, built_s: float, built_at: str) -> None:
    """Writes an engine's file; it is whole or not there, and replaces the one before at once."""
    header = EngineHeader(key, hashlib.sha256(plan).hexdigest(), len(plan), round(built_s, 2), built_at)
    write_whole(path, b"".join((_FORMAT, json.dumps(asdict(header), sort_keys=True).encode(), b"\n", plan)))


def read_engine(path: Path) -> tuple[EngineHeader, bytes]:
    """Reads a file, and checks that the engine is what was written.

    Raises:
        EngineFileError: It is no engine of this package, or damaged.
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        header = _header(file)
        plan = file.read()
    if len(plan) != header.size or hashlib.sha256(plan).hexdigest() != header.sha256:
        raise EngineFileError("it is damaged or cut off")
    return header, plan


def _header(file: BinaryIO) -> EngineHeader:
    if file.readline(len(_FORMAT)) != _FORMAT:
        raise EngineFileError("it is no engine of this package's format")
    try:
        entries: dict[str, Any] = json.loads(file.readline(_LONGEST_HEADER))
        entries["key"] = EngineKey.from_dict(entries["key"])
        return EngineHeader(**entries)
    except (ValueError, TypeError, KeyError, AttributeError):
        raise EngineFileError("its description is damaged") from None
