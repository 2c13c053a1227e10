"""A lock that is handed on in turn."""

from __future__ import annotations

import threading


class FairLock:
    """A reentrant lock whose holder cannot take it again before those who waited meanwhile.

    Python's own locks go to whoever is fastest, and that is the thread which has just let go: one that works without a
    pause would never let another in.
    """

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._lock = threading.Lock()
        self._holder: int | None = None
        self._depth = 0

    def __enter__(self) -> FairLock:
        if self._holder != threading.get_ident():
            # Whoever waits for the lock keeps the turn from all others.
            with self._turn:
                self._lock.acquire()
            self._holder = threading.get_ident()
        self._depth += 1
        return self

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        if self._depth == 0:
            self._holder = None
            self._lock.release()
