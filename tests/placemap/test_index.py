"""The two indices against the naive search, and the cache that is never trusted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from a2gc_ros.placemap import IndexOptions, Manifest, NewKeyframe, PlaceMap, index_cache, projection
from a2gc_ros.placemap.index import CompressedIndex, ExactIndex

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


def test_compressed_search_finds_what_the_exact_one_finds() -> None:
    vectors, queries = places(6000, 768)
    half = vectors.astype(np.float16)
    exact = ExactIndex(768)
    exact.add(half)
    compressed = CompressedIndex(projection.fit(vectors[::3], 256))
    for start in range(0, len(half), 1000):
        compressed.add(half[start : start + 1000])
    exact_similarities, exact_rows = exact.search(queries, 5, NONE)
    similarities, rows = compressed.search(queries, 5, NONE)
    assert (rows[:, 0] == exact_rows[:, 0]).mean() >= 0.99
    same = rows == exact_rows
    np.testing.assert_allclose(similarities[same], exact_similarities[same], atol=1e-4)


def test_compressed_search_with_most_rows_excluded() -> None:
    vectors, queries = places(1500, 64)
    index = CompressedIndex(projection.fit(vectors, 32))
    index.add(vectors.astype(np.float16))
    excluded = np.arange(3, 1500)
    _, rows = index.search(queries[:4], 5, excluded)
    assert all(set(row[:3]) == {0, 1, 2} and row[3:].tolist() == [-1, -1] for row in rows)


def test_projection_keeps_the_leading_directions() -> None:
    vectors, _ = places(800, 200)
    fitted = projection.fit(vectors, 60)
    np.testing.assert_allclose(fitted.matrix @ fitted.matrix.T, np.eye(60), atol=1e-4)
    centred = vectors - vectors.mean(axis=0)
    best = np.sort(np.linalg.svd(centred, compute_uv=False)[:60])
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


OPTIONS = IndexOptions(compress_from=100, reduced_dim=32)


def _first(path: Path) -> list[int]:
    with PlaceMap.open(path, options=OPTIONS) as place_map:
        return place_map.search(places(400, 64)[0], 1)[1][:, 0].tolist()


def test_the_cache_is_written_and_used(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _first(large) == list(range(1, 401))
    cache = index_cache.path_beside(large)
    written = cache.stat().st_mtime_ns
    fits: list[int] = []
    original = projection.fit
    monkeypatch.setattr(projection, "fit", lambda *a, **k: (fits.append(1), original(*a, **k))[1])
    assert _first(large) == list(range(1, 401))
    assert not fits
    assert cache.stat().st_mtime_ns == written
    cache.unlink()
    assert _first(large) == list(range(1, 401))
    assert fits
    assert cache.exists()


def test_a_small_map_needs_no_cache(large: Path) -> None:
    with PlaceMap.open(large) as place_map:
        place_map.prepare()
    assert not index_cache.path_beside(large).exists()


@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.5, 0.9])
def test_a_damaged_cache_is_built_again(large: Path, share: float) -> None:
    _first(large)
    cache = index_cache.path_beside(large)
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


def test_a_header_cannot_ask_for_memory(tmp_path: Path) -> None:
    path = tmp_path / "x.faiss"
    uuid = "u" * 36
    huge = index_cache.FIELDS.pack(index_cache.MAGIC, uuid.encode(), 2**60, 64, 32, 1)
    path.write_bytes(huge + bytes(100))
    assert index_cache.read(path, uuid, 64) is None
    negative = index_cache.FIELDS.pack(index_cache.MAGIC, uuid.encode(), -1, 64, -32, 1)
    path.write_bytes(negative + bytes(100))
    assert index_cache.read(path, uuid, 64) is None


def test_another_map_s_cache_is_not_used(large: Path, tmp_path: Path) -> None:
    _first(large)
    other = tmp_path / "other.a2gc"
    with PlaceMap.create(other, Manifest("f" * 64, 64)) as place_map:
        session = place_map.add_session("x")
        place_map.add_many(session.id, [NewKeyframe(i, v) for i, v in enumerate(places(400, 64)[0][::-1])])
    index_cache.path_beside(other).write_bytes(index_cache.path_beside(large).read_bytes())
    assert _first(other) == list(range(400, 0, -1))


def test_a_cache_of_a_copy_that_went_its_own_way_is_not_used(large: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.a2gc"
    with PlaceMap.open(large) as place_map:
        place_map.save_copy(copy)
    new = places(40, 64, seed=5)[0]
    for path, vectors in ((large, new[:20]), (copy, new[20:])):
        with PlaceMap.open(path) as place_map:
            place_map.add_many(1, [NewKeyframe(i, v) for i, v in enumerate(vectors)])
    _first(copy)
    index_cache.path_beside(large).write_bytes(index_cache.path_beside(copy).read_bytes())
    with PlaceMap.open(large, options=OPTIONS) as place_map:
        assert place_map.search(new[:20], 1)[1][:, 0].tolist() == list(range(401, 421))


@pytest.mark.parametrize("added", [10, 200])
def test_a_map_that_has_grown_keeps_its_cache_in_step(large: Path, added: int) -> None:
    _first(large)
    before = index_cache.path_beside(large).read_bytes()
    new = places(added, 64, seed=3)[0]
    with PlaceMap.open(large, options=OPTIONS) as place_map:
        place_map.prepare()
        place_map.add_many(1, [NewKeyframe(i, v) for i, v in enumerate(new)])
        grown = place_map.search(new, 1)[1][:, 0]
    with PlaceMap.open(large, options=OPTIONS) as place_map:
        np.testing.assert_array_equal(place_map.search(new, 1)[1][:, 0], grown)
    assert grown.tolist() == list(range(401, 401 + added))
    # A few more rows are projected anew each time; many more are worth writing down.
    assert (index_cache.path_beside(large).read_bytes() == before) == (added == 10)


def test_no_cache_is_written_for_a_read_only_map(large: Path) -> None:
    with PlaceMap.open(large, read_only=True, options=OPTIONS) as place_map:
        place_map.prepare()
    assert not index_cache.path_beside(large).exists()


def test_growing_beyond_the_threshold_does_not_rebuild(tmp_path: Path, unit: Callable) -> None:
    vectors = unit(150, 64)
    with PlaceMap.create(tmp_path / "m.a2gc", Manifest("f" * 64, 64), options=OPTIONS) as place_map:
        session = place_map.add_session("x")
        for at, vector in enumerate(vectors):
            place_map.add(session.id, at, vector)
            place_map.search(vector, 1)
        assert place_map.search(vectors, 1)[1][:, 0].tolist() == list(range(1, 151))
    assert not index_cache.path_beside(tmp_path / "m.a2gc").exists()
