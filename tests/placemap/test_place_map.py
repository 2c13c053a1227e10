"""The map file: what goes in comes out, what is no map is refused, what was stored stays."""

from __future__ import annotations

import functools
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from a2gc_ros.errors import MapError
from a2gc_ros.placemap import IndexOptions, Manifest, NewKeyframe, PlaceMap, opening


def test_what_goes_in_comes_out(filled: Path, unit: Callable) -> None:
    vectors = unit(60)
    with PlaceMap.open(filled) as place_map:
        assert len(place_map) == 60
        assert [s.name for s in place_map.sessions()] == ["morning", "evening"]
        assert place_map.count(1) == 40
        keyframe = place_map.keyframe(8)
        assert keyframe.stamp_ns == 7 * 10**9
        assert keyframe.path_length == 7.0
        assert keyframe.pose is not None
        assert keyframe.pose[0, 3] == 7.0
        assert keyframe.frame_id == "camera"
        assert place_map.keyframe(50).pose is None
        assert place_map.image(8) == b"\xff\xd8jpeg7"
        np.testing.assert_allclose(place_map.descriptors([8, 3]), vectors[[7, 2]], atol=1e-3)
        assert [k.id for k in place_map.keyframes(2)] == list(range(41, 61))


def test_search_is_the_naive_search(filled: Path, unit: Callable) -> None:
    stored = unit(60).astype(np.float16).astype(np.float32)
    queries = unit(5, seed=1)
    with PlaceMap.open(filled) as place_map:
        similarities, ids = place_map.search(queries, 7)
    naive = queries @ stored.T
    order = np.argsort(-naive, axis=1)[:, :7]
    np.testing.assert_array_equal(ids, order + 1)
    np.testing.assert_allclose(similarities, np.take_along_axis(naive, order, axis=1), atol=1e-5)


@pytest.mark.parametrize("compress_from", [10, 10_000])
def test_excluded_keyframes_are_never_found(filled: Path, unit: Callable, compress_from: int) -> None:
    with PlaceMap.open(filled, options=IndexOptions(compress_from, 16)) as place_map:
        exclude = np.arange(1, 58)
        similarities, ids = place_map.search(unit(60)[:2], 5, exclude=exclude)
    for row, found in zip(similarities, ids, strict=True):
        assert set(found[:3]) == {58, 59, 60}
        assert found[3:].tolist() == [-1, -1]
        assert row[3:].tolist() == [-1.0, -1.0]


def test_an_empty_map_finds_nothing(manifest: Manifest, unit: Callable) -> None:
    with PlaceMap.create(":memory:", manifest) as place_map:
        similarities, ids = place_map.search(unit(1)[0], 3)
        assert ids.tolist() == [[-1, -1, -1]]
        assert similarities.tolist() == [[-1, -1, -1]]


def test_a_keyframe_is_found_by_the_next_search(manifest: Manifest, unit: Callable) -> None:
    vectors = unit(20)
    with PlaceMap.create(":memory:", manifest) as place_map:
        session = place_map.add_session("live")
        for at, vector in enumerate(vectors):
            place_map.search(vector, 1)
            keyframe_id = place_map.add(session.id, at, vector)
            similarities, ids = place_map.search(vector, 1)
            assert ids[0, 0] == keyframe_id
            assert similarities[0, 0] == pytest.approx(1, abs=1e-3)


def test_another_process_s_keyframes_are_found_too(filled: Path, unit: Callable) -> None:
    new = unit(1, seed=9)[0]
    with PlaceMap.open(filled, read_only=True) as reader, PlaceMap.open(filled) as writer:
        reader.prepare()
        keyframe_id = writer.add(2, 99, new)
        assert reader.search(new, 1)[1][0, 0] == keyframe_id


@pytest.mark.parametrize(
    ("descriptor", "words"),
    [
        (np.ones(31, dtype=np.float32) / 31**0.5, "do not fit"),
        (np.full(32, np.nan, dtype=np.float32), "unit length"),
        (np.zeros(32, dtype=np.float32), "unit length"),
        (np.full(32, 1e38, dtype=np.float32), "unit length"),
    ],
)
def test_what_is_no_descriptor_is_refused(filled: Path, descriptor: np.ndarray, words: str) -> None:
    with PlaceMap.open(filled) as place_map:
        with pytest.raises(MapError, match=words):
            place_map.add(1, 0, descriptor)
        with pytest.raises(MapError, match=words):
            place_map.search(descriptor, 1)
        assert len(place_map) == 60


def test_a_batch_is_stored_whole_or_not_at_all(filled: Path, unit: Callable) -> None:
    good = NewKeyframe(1, unit(1)[0])
    bad = NewKeyframe(2, unit(1)[0], pose=np.full((4, 4), np.nan))
    with PlaceMap.open(filled) as place_map:
        with pytest.raises(MapError, match="pose of the keyframe at 2 ns"):
            place_map.add_many(1, [good, bad])
        with pytest.raises(MapError, match="no session 7"):
            place_map.add_many(7, [good])
        assert len(place_map) == 60


def test_a_map_of_another_extractor_is_refused_naming_both(filled: Path) -> None:
    with pytest.raises(MapError, match=r"numbers \(0123456789ab\).*\(ffffffffffff\)"):
        PlaceMap.open(filled, fingerprint="f" * 64)
    PlaceMap.open(filled, fingerprint="0123456789abcdef" * 4).close()


def test_a_newer_format_is_refused(filled: Path) -> None:
    with sqlite3.connect(filled) as connection:
        connection.execute("PRAGMA user_version = 7")
    connection.close()
    with pytest.raises(MapError, match="format 7, this program reads up to 3"):
        PlaceMap.open(filled)


@pytest.mark.parametrize(
    "content",
    [b"", b"hello", b"SQLite format 3\0" + bytes(200), os.urandom(5000)],
    ids=["empty", "text", "sqlite", "noise"],
)
def test_what_is_no_map_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.a2gc"
    path.write_bytes(content)
    with pytest.raises(MapError, match="is not a place map"):
        PlaceMap.open(path)
    with pytest.raises(MapError, match="does not exist"):
        PlaceMap.open(tmp_path / "nothing.a2gc")


def test_another_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.a2gc"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE keyframes (id INTEGER)")
    connection.close()
    with pytest.raises(MapError, match="is not a place map"):
        PlaceMap.open(path)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.99])
def test_a_truncated_map_is_refused(filled: Path, share: float) -> None:
    whole = filled.read_bytes()
    filled.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(MapError, match=r"cut short|damaged|not a place map"):
        PlaceMap.open(filled)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_damage_anywhere_is_a_sentence_or_harmless(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Overwrites a random stretch of a map: opening and using it either works or raises MapError, nothing else."""
    folder = tmp_path_factory.mktemp("damage")
    path = folder / "town.a2gc"
    content = bytearray(_small_map(folder.parent))
    start = data.draw(st.integers(0, len(content) - 1))
    content[start : start + 64] = data.draw(st.binary(min_size=64, max_size=64))[: len(content) - start]
    path.write_bytes(content)
    try:
        with PlaceMap.open(path) as place_map:
            vectors = place_map.descriptors([k.id for k in place_map.keyframes()])
            place_map.search(np.eye(32, dtype=np.float32)[0], 3)
            np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=0.01)
    except MapError:
        pass


@functools.lru_cache
def _small_map(folder: Path) -> bytes:
    path = folder / "whole.a2gc"
    vectors = np.random.default_rng(0).standard_normal((30, 32)).astype(np.float32)
    with PlaceMap.create(path, Manifest("f" * 64, 32)) as place_map:
        session = place_map.add_session("x")
        place_map.add_many(
            session.id,
            [NewKeyframe(i, v / np.linalg.norm(v), np.eye(4), float(i)) for i, v in enumerate(vectors)],
        )
    return path.read_bytes()


def test_a_damaged_descriptor_is_named(filled: Path, unit: Callable) -> None:
    with sqlite3.connect(filled) as connection:
        connection.execute("UPDATE descriptors SET data = zeroblob(64) WHERE keyframe_id = 13")
    connection.close()
    with PlaceMap.open(filled) as place_map, pytest.raises(MapError, match="keyframe 13 is damaged"):
        place_map.search(unit(1)[0], 1)


def test_a_map_on_read_only_media_can_be_read(filled: Path, unit: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    filled.chmod(stat.S_IRUSR)
    filled.parent.chmod(stat.S_IRUSR | stat.S_IXUSR)
    # The superuser may write anywhere: say what any other user would be told.
    monkeypatch.setattr(opening.os, "access", lambda path, mode: mode != os.W_OK)
    before = sorted(p.name for p in filled.parent.iterdir())
    try:
        with PlaceMap.open(filled, read_only=True) as place_map:
            assert place_map.search(unit(60)[4], 1)[1][0, 0] == 5
            assert sorted(p.name for p in filled.parent.iterdir()) == before
        with pytest.raises(MapError, match="cannot be written"):
            PlaceMap.open(filled)
    finally:
        filled.parent.chmod(stat.S_IRWXU)


def test_a_read_only_map_refuses_changes(filled: Path, unit: Callable) -> None:
    with PlaceMap.open(filled, read_only=True) as place_map:
        with pytest.raises(MapError, match="read-only"):
            place_map.add(1, 0, unit(1)[0])
        with pytest.raises(MapError, match="read-only"):
            place_map.add_session("x")


def test_an_existing_file_is_not_overwritten(filled: Path, manifest: Manifest) -> None:
    with pytest.raises(MapError, match="exists already"):
        PlaceMap.create(filled, manifest)
    with pytest.raises(MapError, match="cannot be created"):
        PlaceMap.create(filled.parent / "no" / "such" / "folder.a2gc", manifest)


def test_a_stale_log_is_not_replayed_into_a_new_map(tmp_path: Path, manifest: Manifest, unit: Callable) -> None:
    path = tmp_path / "town.a2gc"
    place_map = PlaceMap.create(path, manifest)
    session = place_map.add_session("old")
    place_map.add(session.id, 0, unit(1)[0])
    log = tmp_path / "town.a2gc-wal"
    kept = log.read_bytes()
    place_map.close()
    path.unlink()
    log.write_bytes(kept)
    with PlaceMap.create(path, manifest) as fresh:
        assert len(fresh) == 0
        assert fresh.sessions() == []


def test_a_copy_is_complete_and_independent(filled: Path, unit: Callable) -> None:
    copy = filled.parent / "copy.a2gc"
    with PlaceMap.open(filled) as place_map:
        place_map.save_copy(copy)
        place_map.add(1, 99, unit(1, seed=5)[0])
        with pytest.raises(MapError, match="the open map itself"):
            place_map.save_copy(filled)
    with PlaceMap.open(copy) as copied:
        assert len(copied) == 60
        copied.add(1, 100, unit(1, seed=6)[0])
        copied.save_copy(filled.parent / "again.a2gc")
    with PlaceMap.open(filled.parent / "again.a2gc") as again:
        assert len(again) == 61
    assert not list(filled.parent.glob("*.new"))


def test_a_private_map_is_saved_to_a_file(tmp_path: Path, manifest: Manifest, unit: Callable) -> None:
    with PlaceMap.create(":memory:", manifest) as place_map:
        session = place_map.add_session("live")
        place_map.add(session.id, 5, unit(1)[0], image_jpeg=b"j")
        place_map.save_copy(tmp_path / "saved.a2gc")
    with PlaceMap.open(tmp_path / "saved.a2gc", read_only=True) as saved:
        assert saved.keyframe(1).stamp_ns == 5
        assert saved.image(1) == b"j"


def test_stored_keyframes_are_in_the_file_without_closing(filled: Path, unit: Callable) -> None:
    """What a killed process leaves behind: the file and its log, copied while the map is open."""
    left = filled.parent / "left" / "town.a2gc"
    left.parent.mkdir()
    place_map = PlaceMap.open(filled)
    place_map.add(2, 12345, unit(1, seed=3)[0])
    for ending in ("", "-wal"):
        shutil.copyfile(f"{filled}{ending}", f"{left}{ending}")
    place_map.close()
    with PlaceMap.open(left) as found:
        assert found.keyframe(61).stamp_ns == 12345


def test_threads_share_a_map(filled: Path, unit: Callable) -> None:
    vectors = unit(200, seed=4)
    failures: list[BaseException] = []
    found: list[int] = []
    stop = threading.Event()

    def search(place_map: PlaceMap) -> None:
        try:
            while not stop.is_set():
                ids = place_map.search(vectors[0], 5)[1]
                found.append(int(place_map.keyframe(int(ids[0, 0])).id))
                assert place_map.descriptors([1]).shape == (1, 32)
        except BaseException as error:
            failures.append(error)

    with PlaceMap.open(filled) as place_map:
        threads = [threading.Thread(target=search, args=(place_map,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for at, vector in enumerate(vectors):
            place_map.add(1, at, vector)
        place_map.save_copy(filled.parent / "copy.a2gc")
        stop.set()
        for thread in threads:
            thread.join()
        assert not failures
        assert found
        assert len(place_map) == 260
        assert place_map.search(vectors[-1], 1)[1][0, 0] == 260


def test_a_saved_copy_costs_no_keyframe_when_another_program_closes_the_map(filled: Path, unit: Callable) -> None:
    """SQLite's locks on the map must outlive the copy, or the reader's close deletes the log this map writes to."""
    with PlaceMap.open(filled) as place_map:
        place_map.save_copy(filled.with_name("copy.a2gc"))
        script = f"from a2gc_ros.placemap import PlaceMap; PlaceMap.open({str(filled)!r}, read_only=True).close()"
        subprocess.run([sys.executable, "-c", script], check=True)
        added = place_map.add(1, 10**12, unit(1)[0])
        with PlaceMap.open(filled, read_only=True) as reader:
            assert reader.keyframe(added).stamp_ns == 10**12


@pytest.mark.parametrize("spelling", ["name", "dots", "folder link", "file link"])
def test_a_copy_never_replaces_the_open_map_however_it_is_spelled(filled: Path, spelling: str, unit: Callable) -> None:
    folder = filled.parent
    (folder / "link").symlink_to(folder, target_is_directory=True)
    (folder / "link.a2gc").symlink_to(filled)
    path = {
        "name": filled,
        "dots": folder / ".." / folder.name / filled.name,
        "folder link": folder / "link" / filled.name,
        "file link": folder / "link.a2gc",
    }[spelling]
    with PlaceMap.open(filled) as place_map:
        before = filled.stat().st_ino
        with pytest.raises(MapError, match="is the open map itself"):
            place_map.save_copy(path)
        assert filled.stat().st_ino == before
        added = place_map.add(1, 10**12, unit(1)[0])
    with PlaceMap.open(filled, read_only=True) as reader:
        assert reader.keyframe(added).stamp_ns == 10**12


def test_a_copy_leaves_alone_what_is_no_map(filled: Path, tmp_path: Path) -> None:
    letter = tmp_path / "letter.txt"
    letter.write_text("dear friend")
    with PlaceMap.open(filled) as place_map:
        for path, words in ((letter, "not a place map"), (tmp_path, "is no file"), (Path(os.devnull), "is no file")):
            with pytest.raises(MapError, match=words):
                place_map.save_copy(path)
    assert letter.read_text() == "dear friend"
    assert not list(tmp_path.glob("*.new"))
