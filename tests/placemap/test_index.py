"""The indices against the naive search, the cache that is checked, and the index of a map that grows."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from a2gc_ros.errors import MapError
from a2gc_ros.placemap import IndexOptions, Manifest, NewKeyframe, PlaceMap, index_cache, projection
from a2gc_ros.placemap import index as module
from a2gc_ros.placemap.index import CompressedIndex, ExactIndex, coarse_index

NONE = np.empty(0, dtype=np.int64)


def places(n: int, dim: int, seed: int = 0) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Draws descriptors as places give them: many share a low-dimensional look; a query is a place seen again."""
    rng = np.random.default_rng(seed)
    looks = rng.standard_normal((60, dim)).astype(np.float32)
    weights = rng.standard_normal((n, 60)).astype(np.float32) * (0.97 ** np.arange(60, dtype=np.float32))
    vectors = weights @ looks + 2 * rng.standard_normal((n, dim)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    again = vectors[::7] + 0.5 / dim**0.5 * rng.standard_normal((len(vectors[::7]), dim)).astype(np.float32)
    return vectors, again / np.linalg.norm(again, axis=1, keepdims=True)


def compressed(vectors: npt.NDArray[np.float32], reduced: int, lists_from: int = 10**9) -> CompressedIndex:
    """An index over vectors as a map stores them."""
    half = vectors.astype(np.float16)
    fitted = projection.fit(vectors[::3], reduced)
    coarse = coarse_index(fitted.coarse(vectors), len(vectors), lists_from)
    index = CompressedIndex(fitted, coarse, lambda rows: half[rows].astype(np.float32))
    for start in range(0, len(half), 1000):
        index.add(half[start : start + 1000])
    return index


@pytest.mark.slow
@pytest.mark.parametrize("lists_from", [10**9, 1000], ids=["flat", "lists"])
def test_compressed_search_finds_what_the_exact_one_finds(lists_from: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROWS_A_LIST", 60)
    vectors, queries = places(6000, 768)
    exact = ExactIndex(768)
    exact.add(vectors.astype(np.float16))
    exact_similarities, exact_rows = exact.search(queries, 5, NONE)
    similarities, rows = compressed(vectors, 256, lists_from).search(queries, 5, NONE)
    assert (rows[:, 0] == exact_rows[:, 0]).mean() >= 0.99
    same = rows == exact_rows
    np.testing.assert_allclose(similarities[same], exact_similarities[same], atol=1e-4)


def test_whitened_descriptors_lose_nothing_that_matters() -> None:
    """Without leading directions, as descriptors of a whitened model have none, a projection may not drop any."""
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((3000, 1024)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    queries = vectors[::10] + 0.05 * rng.standard_normal((300, 1024)).astype(np.float32)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    options = IndexOptions()
    index = compressed(vectors, options.reduced_dim)
    assert 0.4 < float(np.median((queries * vectors[::10]).sum(axis=1))) < 0.6
    assert (index.search(queries, 1, NONE)[1][:, 0] == np.arange(0, 3000, 10)).mean() >= 0.995


def test_projected_rows_and_queries_have_unit_length() -> None:
    vectors, _ = places(300, 64)
    fitted = projection.fit(vectors, 16)
    coarse = fitted.coarse(np.concatenate([vectors, fitted.mean[np.newaxis]]))
    np.testing.assert_allclose(np.linalg.norm(coarse[:-1], axis=1), 1, atol=1e-5)
    assert not coarse[-1].any()


def test_compressed_search_with_most_rows_excluded() -> None:
    vectors, queries = places(1500, 64)
    excluded = np.arange(3, 1500)
    _, rows = compressed(vectors, 32).search(queries[:4], 5, excluded)
    assert all(set(row[:3]) == {0, 1, 2} and row[3:].tolist() == [-1, -1] for row in rows)


def test_projection_keeps_the_leading_directions() -> None:
    vectors, _ = places(800, 200)
    fitted = projection.fit(vectors, 60)
    np.testing.assert_allclose(fitted.matrix @ fitted.matrix.T, np.eye(60), atol=1e-4)
    centered = vectors - vectors.mean(axis=0)
    best = np.sort(np.linalg.svd(centered, compute_uv=False)[:60])
    kept = np.sort(np.linalg.svd(fitted.apply(vectors), compute_uv=False))
    assert (kept**2).sum() >= 0.98 * (best**2).sum()
    again = projection.fit(vectors, 60)
    np.testing.assert_array_equal(fitted.matrix, again.matrix)


def test_projection_of_few_rows() -> None:
    fitted = projection.fit(places(5, 64)[0], 32)
    assert fitted.reduced_dim == 5
    assert np.isfinite(fitted.matrix).all()


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A map that is opened with the compressed index."""
    path = tmp_path / "large.a2gc"
    with PlaceMap.create(path, Manifest("f" * 64, 64)) as place_map:
        session = place_map.add_session("x")
        place_map.add_many(session.id, [NewKeyframe(i, v) for i, v in enumerate(places(400, 64)[0])])
    return path


OPTIONS = IndexOptions(compress_from=100, reduced_dim=64)


def _first(path: Path, *, read_only: bool = False) -> list[int]:
    with PlaceMap.open(path, read_only=read_only, options=OPTIONS) as place_map:
        return place_map.search(places(400, 64)[0], 1)[1][:, 0].tolist()


def kept(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.index"))


@pytest.mark.parametrize("read_only", [False, True])
def test_the_cache_is_written_and_used(
    large: Path, cache_folder: Path, monkeypatch: pytest.MonkeyPatch, read_only: bool
) -> None:
    beside = sorted(large.parent.iterdir())
    assert _first(large, read_only=read_only) == list(range(1, 401))
    (cache,) = kept(cache_folder)
    written = cache.read_bytes()
    fits: list[int] = []
    original = projection.fit
    monkeypatch.setattr(projection, "fit", lambda *a, **k: (fits.append(1), original(*a, **k))[1])
    assert _first(large, read_only=read_only) == list(range(1, 401))
    assert not fits
    assert cache.read_bytes() == written
    cache.unlink()
    assert _first(large, read_only=read_only) == list(range(1, 401))
    assert fits
    assert cache.exists()
    assert sorted(path for path in large.parent.iterdir() if "-" not in path.name) == beside


def test_a_small_map_needs_no_cache(large: Path, cache_folder: Path) -> None:
    with PlaceMap.open(large) as place_map:
        place_map.prepare()
    assert not kept(cache_folder)


def test_without_a_folder_for_it_maps_work_all_the_same(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(large))
    assert _first(large) == list(range(1, 401))


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.5, 0.9])
def test_a_damaged_cache_is_built_again(large: Path, cache_folder: Path, share: float) -> None:
    _first(large)
    (cache,) = kept(cache_folder)
    good = cache.read_bytes()
    at = int(share * len(good))
    for bad in (
        good[:at],
        good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :],
        good + b"x",
        np.random.default_rng(1).bytes(len(good)),
    ):
        cache.write_bytes(bad)
        assert _first(large) == list(range(1, 401))
        assert cache.read_bytes() == good


def test_copies_that_went_their_own_ways_have_a_cache_each(large: Path, tmp_path: Path, cache_folder: Path) -> None:
    """Two copies of a map have one identity."""
    copy = tmp_path / "copy.a2gc"
    with PlaceMap.open(large) as place_map:
        place_map.save_copy(copy)
    new = places(40, 64, seed=5)[0]
    for path, vectors in ((large, new[:20]), (copy, new[20:])):
        with PlaceMap.open(path) as place_map:
            place_map.add_many(1, [NewKeyframe(i, v) for i, v in enumerate(vectors)])
    for _ in range(2):
        for path, vectors in ((large, new[:20]), (copy, new[20:])):
            with PlaceMap.open(path, options=OPTIONS) as place_map:
                assert place_map.search(vectors, 1)[1][:, 0].tolist() == list(range(401, 421))
        assert len(kept(cache_folder)) == 2


def test_a_cache_of_other_rows_is_not_used(large: Path, cache_folder: Path) -> None:
    _first(large)
    with sqlite3.connect(large) as connection:
        # The last row is the same, and one before it is not.
        connection.execute("UPDATE descriptors SET keyframe_id = 1000 WHERE keyframe_id = 5")
        connection.execute("UPDATE descriptors SET keyframe_id = 5 WHERE keyframe_id = 6")
        connection.execute("UPDATE descriptors SET keyframe_id = 6 WHERE keyframe_id = 1000")
    assert _first(large) == [1, 2, 3, 4, 6, 5, *range(7, 401)]
    (cache,) = kept(cache_folder)
    cache.rename(cache.with_name(cache.name.replace("-400-", "-99999999999999999999999-")))
    assert _first(large) == [1, 2, 3, 4, 6, 5, *range(7, 401)]


@pytest.mark.parametrize("added", [10, 100])
def test_a_map_that_has_grown_keeps_its_cache_in_step(large: Path, cache_folder: Path, added: int) -> None:
    _first(large)
    (cache,) = kept(cache_folder)
    before = cache.read_bytes()
    new = places(added, 64, seed=3)[0]
    with PlaceMap.open(large, options=OPTIONS) as place_map:
        place_map.prepare()
        place_map.add_many(1, [NewKeyframe(i, v) for i, v in enumerate(new)])
        grown = place_map.search(new, 1)[1][:, 0]
    with PlaceMap.open(large, options=OPTIONS) as place_map:
        np.testing.assert_array_equal(place_map.search(new, 1)[1][:, 0], grown)
        assert place_map.columns.ordinals.tolist() == list(range(400 + added))
    (cache,) = kept(cache_folder)
    assert grown.tolist() == list(range(401, 401 + added))
    # A few more rows are added anew each time; many more are worth writing down.
    assert (cache.read_bytes() == before) == (added == 10)


def test_files_used_longest_ago_go_first(tmp_path: Path, cache_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_cache, "MOST_FILES", 2)
    vectors = places(120, 16)[0]
    for name in "abc":
        with PlaceMap.create(tmp_path / name, Manifest("f" * 64, 16), options=OPTIONS) as place_map:
            session = place_map.add_session("x")
            place_map.add_many(session.id, [NewKeyframe(i, v) for i, v in enumerate(vectors)])
        with PlaceMap.open(tmp_path / name, options=OPTIONS) as place_map:
            place_map.prepare()
    assert len(kept(cache_folder)) == 2


def kinds(options: IndexOptions, vectors: npt.NDArray[np.float32]) -> list[str]:
    """The index in use after each keyframe of a live map, all of which are found."""
    seen = []
    with PlaceMap.create(":memory:", Manifest("f" * 64, 64), options=options) as place_map:
        session = place_map.add_session("x")
        for at, vector in enumerate(vectors):
            place_map.add(session.id, at, vector)
            assert place_map.search(vector, 1)[1][0, 0] == at + 1
            index = place_map.index
            seen.append("exact" if index.kind == "exact" else f"{index.projection.mean[0]:.9f}")
        assert place_map.search(vectors, 1)[1][:, 0].tolist() == list(range(1, len(vectors) + 1))
    return seen


def test_a_map_that_grows_gets_its_indexes_at_the_same_keyframes_every_time(unit: Callable) -> None:
    seen = kinds(OPTIONS, unit(480, 64))
    changes = [at for at in range(1, 480) if seen[at] != seen[at - 1]]
    # From 100 on the first is built, in use from 110; it is fitted anew at twice as many, and again.
    assert changes == [109, 219, 439]
    assert kinds(OPTIONS, unit(480, 64)) == seen


def test_what_was_fitted_to_a_small_part_is_fitted_anew_in_the_background(large: Path, cache_folder: Path) -> None:
    _first(large)
    more = places(900, 64, seed=4)[0]
    with PlaceMap.open(large) as place_map:
        place_map.add_many(1, [NewKeyframe(i, v) for i, v in enumerate(more)])
    with PlaceMap.open(large, read_only=True, options=OPTIONS) as place_map:
        place_map.prepare()
        first = place_map.index
        deadline = time.monotonic() + 30
        while place_map.index is first and time.monotonic() < deadline:
            assert place_map.search(more[:3], 1)[1][:, 0].tolist() == [401, 402, 403]
        assert place_map.index is not first
        assert place_map.search(more, 1)[1][:, 0].tolist() == list(range(401, 1301))
    # The next one to open it has it at once.
    (cache,) = kept(cache_folder)
    written = cache.read_bytes()
    with PlaceMap.open(large, read_only=True, options=OPTIONS) as place_map:
        place_map.prepare()
        assert place_map.search(more, 1)[1][:, 0].tolist() == list(range(401, 1301))
    assert cache.read_bytes() == written


def test_a_map_is_closed_while_its_index_is_built(large: Path) -> None:
    _first(large)
    more = places(3000, 64, seed=4)[0]
    with PlaceMap.open(large) as place_map:
        place_map.add_many(1, [NewKeyframe(i, v) for i, v in enumerate(more)])
    for _ in range(5):
        with PlaceMap.open(large, read_only=True, options=OPTIONS) as place_map:
            place_map.prepare()
    assert not [thread for thread in threading.enumerate() if thread.name == "map-index"]


def test_a_damaged_descriptor_is_told_though_the_index_is_kept(large: Path) -> None:
    _first(large)
    with sqlite3.connect(large) as connection:
        connection.execute("UPDATE descriptors SET data = zeroblob(128) WHERE keyframe_id = 7")
    with PlaceMap.open(large, options=OPTIONS) as place_map, pytest.raises(MapError, match="keyframe 7 is damaged"):
        place_map.search(places(400, 64)[0][6], 1)
