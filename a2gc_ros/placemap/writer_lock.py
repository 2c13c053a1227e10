"""The right to write a map file, which one process has at a time and the kernel takes back when that process ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import sys
from pathlib import Path

from a2gc_ros.errors import MapError

MOST_WORDS = 4
"""Of the command line that tells who writes."""


class WriterLock:
    """Held by whoever writes a map, which need not exist yet; readers need none.

    The lock is on a file beside the map, never on the map itself: closing any descriptor of an SQLite file drops
    SQLite's own locks on it. Its name comes from the map's real path, so symbolic links and other spellings meet here.

    Raises:
        MapError: If another program, or another part of this one, writes to this map.
        OSError: If no file can be made beside the map.
    """

    def __init__(self, path: str | Path) -> None:
        real = Path(os.path.realpath(path))
        self._path = real.with_name(real.name + ".lock")
        self._descriptor = self._acquire(Path(path))
        os.ftruncate(self._descriptor, 0)
        os.write(self._descriptor, _who().encode())

    def __enter__(self) -> WriterLock:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def release(self) -> None:
        """Lets others write."""
        # While it is still locked, so that nobody's fresh file is removed.
        with contextlib.suppress(OSError):
            self._path.unlink()
        os.close(self._descriptor)

    def _acquire(self, path: Path) -> int:
        while True:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # The holder may have removed the file between its opening here and its locking.
                if _same_file(descriptor, self._path):
                    return descriptor
                os.close(descriptor)
            except BlockingIOError:
                holder = os.pread(descriptor, 500, 0).decode(errors="replace") or "another program"
                os.close(descriptor)
                raise MapError(
                    f"{path} is busy: {holder} writes to it; stop that first, or write to another file "
                    "(reading the map goes on meanwhile)"
                ) from None
            except OSError:
                os.close(descriptor)
                raise


def _same_file(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _who() -> str:
    """Names this process for people: its command without options, its number and its computer."""
    command = Path(sys.argv[0]).stem if sys.argv and sys.argv[0] else "python"
    words = [command]
    for argument in sys.argv[1:MOST_WORDS]:
        if argument.startswith("-"):
            break
        words.append(argument)
    return f"{' '.join(words)} (process {os.getpid()} on {socket.gethostname()})"
