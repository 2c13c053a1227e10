"""Map files from anyone: refused in a sentence and at once, and busy told from damaged."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from a2gc_ros.errors import MapError
from a2gc_ros.placemap import Manifest, PlaceMap, opening, trust

FOREVER = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n"
INFINITE = np.full((4, 4), np.inf).tobytes()


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A map with three keyframes."""
    path = tmp_path / "town.a2gc"
    with PlaceMap.create(path, Manifest("f" * 64, 8, "test")) as place_map:
        session = place_map.add_session("one").id
        for stamp in range(3):
            place_map.add(session, stamp, np.full(8, 8**-0.5, np.float32), pose=np.eye(4), intrinsics_json="{}")
    return path


def used(path: Path) -> None:
    """Everything that a node and a replay read of a map."""
    with PlaceMap.open(path, read_only=True) as place_map:
        keyframes = place_map.keyframes()
        place_map.sessions()
        place_map.search(np.full(8, 8**-0.5, np.float32), 2)
        for keyframe in keyframes:
            place_map.image(keyframe.id)
            place_map.features(keyframe.id)


HOSTILE = {
    "a view in a table's place": "ALTER TABLE progress RENAME TO p; CREATE VIEW progress AS SELECT * FROM p",
    "a view without end": f"DROP TABLE manifest; CREATE VIEW manifest AS SELECT 'a' AS key, ({FOREVER}) AS value",
    "a view of itself": "CREATE VIEW loop AS SELECT * FROM loop",
    "a trigger": "CREATE TRIGGER t AFTER INSERT ON keyframes BEGIN DELETE FROM keyframes; END",
    "an index over an expression": "CREATE INDEX i ON keyframes (abs(stamp_ns))",
    "a computed column": "ALTER TABLE sessions ADD COLUMN more TEXT AS (zeroblob(900000000))",
    "a checked column": "CREATE TABLE more (x CHECK (x > 0))",
    "a table is missing": "DROP TABLE images",
    "a column is missing": "ALTER TABLE progress DROP COLUMN state",
    "a huge descriptor": "UPDATE manifest SET value = '1000000000' WHERE key = 'descriptor_dim'",
    "a negative descriptor": "UPDATE manifest SET value = '-8' WHERE key = 'descriptor_dim'",
    "settings without end": f"UPDATE manifest SET value = '{'[' * 50_000}' WHERE key = 'settings'",
    "no fingerprint": "DELETE FROM manifest WHERE key = 'fingerprint'",
    "an infinite stamp": "UPDATE keyframes SET stamp_ns = 9e999 WHERE id = 2",
    "a stamp of text": "UPDATE keyframes SET stamp_ns = 'noon' WHERE id = 2",
    "a way of text": "UPDATE keyframes SET travelled = 'far' WHERE id = 2",
    "a short pose": "UPDATE keyframes SET pose = x'00' WHERE id = 2",
    "an infinite pose": f"UPDATE keyframes SET pose = x'{INFINITE.hex()}' WHERE id = 2",
    "a name of bytes": "UPDATE keyframes SET frame_id = x'ff' WHERE id = 2",
    "a calibration of bytes": "UPDATE intrinsics SET json = x'ff'",
    "another descriptor": "UPDATE descriptors SET data = x'00' WHERE keyframe_id = 2",
    "a text that is none": "UPDATE sessions SET name = CAST(x'ff' AS TEXT)",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_no_map_holds_is_refused_at_once(name: str, made: Path) -> None:
    with contextlib.closing(sqlite3.connect(made)) as connection:
        connection.executescript(f"PRAGMA foreign_keys = OFF; {HOSTILE[name]}")
    begin = time.monotonic()
    with pytest.raises(MapError, match=r"town\.a2gc|keyframe 2"):
        used(made)
    assert time.monotonic() - begin < 1


def rewritten(made: Path, at: int, data: bytes) -> None:
    content = bytearray(made.read_bytes())
    content[at : at + len(data)] = data
    made.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda path: rewritten(path, 28, (10**6).to_bytes(4, "big")), "cut short|damaged"),
        (lambda path: rewritten(path, 4096, bytes(3000)), "damaged"),
        (lambda path: rewritten(path, 56, (3).to_bytes(4, "big")), "damaged|no place map"),
        (lambda path: path.write_bytes(path.read_bytes()[:5000]), "cut short|damaged"),
        (lambda path: path.write_bytes(b"SQLite format 3\0" + bytes(5000)), "not a place map"),
        (lambda path: path.write_bytes(b""), "not a place map"),
    ],
)
def test_damage_is_told(made: Path, damage: Callable[[Path], None], words: str) -> None:
    damage(made)
    with pytest.raises(MapError, match=words):
        used(made)


def test_a_map_in_use_is_busy_rather_than_damaged(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "BUSY_S", 0.05)
    with contextlib.closing(sqlite3.connect(made, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(MapError, match="is busy") as caught:
            used(made)
        assert "damaged" not in str(caught.value)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("database is locked", "is busy"),
        ("database table is locked: keyframes", "is busy"),
        ("database or disk is full", "make room"),
        ("attempt to write a readonly database", "cannot be written"),
        ("unable to open database file", "permissions"),
        ("disk I/O error", "permissions"),
        ("database disk image is malformed", "is damaged"),
        ("no such column: x", "is damaged"),
    ],
)
def test_busy_out_of_reach_and_damaged_have_words_of_their_own(words: str, sentence: str) -> None:
    assert sentence in trust.sentence("m.a2gc", sqlite3.OperationalError(words))


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b", ""])
def test_names_that_are_none_are_refused(name: str) -> None:
    with pytest.raises(MapError):
        PlaceMap.open(name, read_only=True)
