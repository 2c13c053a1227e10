"""How many keyframes a map has, without counting them again each time."""

from __future__ import annotations

import sqlite3


class KeyframeCounts:
    """Keyframes by session. They are only ever added: what was counted once is kept, and only later ones are looked at.

    Not thread-safe; the map's lock guards it.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._of_session: dict[int, int] = {}
        self._last_id = 0

    def total(self) -> int:
        """Returns the number of all keyframes."""
        return sum(self._now().values())

    def of_session(self, session_id: int) -> int:
        """Returns the number of a session's keyframes."""
        return self._now().get(session_id, 0)

    def _now(self) -> dict[int, int]:
        counts, last = dict(self._of_session), self._last_id
        # A unary plus keeps SQLite from walking all of the index for the few that are new.
        group = "+session_id" if last else "session_id"
        query = f"SELECT session_id, COUNT(*), MAX(id) FROM keyframes WHERE id > ? GROUP BY {group}"
        for session_id, count, newest in self._connection.execute(query, (last,)):
            counts[session_id] = counts.get(session_id, 0) + count
            self._last_id = max(self._last_id, newest)
        if self._connection.in_transaction:
            # What is not stored yet may be taken back, and its numbers given to others.
            self._last_id = last
        else:
            self._of_session = counts
        return counts
