"""The index on a GPU gives what the exact one gives; without a GPU, a flat index on the CPU stands in."""

from __future__ import annotations

from types import SimpleNamespace

import faiss
import numpy as np
import pytest

from a2gc_ros.errors import ConfigError
from a2gc_ros.placemap import IndexOptions, Manifest, PlaceMap
from a2gc_ros.placemap import index as module
from a2gc_ros.placemap.index import ExactIndex, GpuIndex, gpu_problem

DIM = 24


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    if gpu_problem() is not None:
        stand_ins = {
            "StandardGpuResources": SimpleNamespace,
            "GpuIndexFlatConfig": SimpleNamespace,
            "GpuIndexFlatIP": lambda resources, dim, configuration: faiss.IndexFlatIP(dim),
            "get_num_gpus": lambda: 1,
        }
        for name, value in stand_ins.items():
            monkeypatch.setattr(faiss, name, value, raising=False)


def descriptors(count: int, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(count, DIM)).astype(np.float32)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)


@pytest.mark.parametrize("excluded", [0, 40, 260])
@pytest.mark.parametrize("most", [2048, 100])
def test_the_nearest_are_those_of_the_exact_index(gpu, monkeypatch, excluded, most):
    monkeypatch.setattr(module, "GPU_MOST", most)
    exact, ours = ExactIndex(DIM), GpuIndex(DIM)
    for index in (exact, ours):
        index.add(descriptors(200))
        index.add(descriptors(100, seed=1))
    queries = descriptors(3, seed=2).astype(np.float32)
    _, best = exact.search(queries[:1], 300, np.empty(0, np.int64))
    left_out = best[0, :excluded]
    for (expected, rows), (found, ours_rows) in (
        (exact.search(queries, 50, left_out), ours.search(queries, 50, left_out)),
    ):
        np.testing.assert_array_equal(ours_rows, rows)
        np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(ours.compare(queries[0], best[0, :9]), exact.compare(queries[0], best[0, :9]), atol=1e-5)


def test_a_map_is_searched_on_the_gpu_where_that_is_asked_for(gpu):
    with PlaceMap.create(":memory:", Manifest("f" * 64, DIM), options=IndexOptions(gpu=True)) as place_map:
        session = place_map.add_session("run")
        stored = descriptors(5).astype(np.float32)
        for number, descriptor in enumerate(stored / np.linalg.norm(stored, axis=1, keepdims=True)):
            place_map.add(session.id, number, descriptor)
        place_map.prepare()
        assert place_map._live.index.kind == "gpu"


def test_without_a_gpu_the_refusal_says_what_to_do(monkeypatch):
    monkeypatch.delattr(faiss, "StandardGpuResources", raising=False)
    with pytest.raises(ConfigError, match="this FAISS is faiss-cpu; install faiss-gpu in its place"):
        GpuIndex(DIM)
    monkeypatch.setattr(faiss, "StandardGpuResources", SimpleNamespace, raising=False)
    monkeypatch.setattr(faiss, "get_num_gpus", lambda: 0, raising=False)
    with pytest.raises(ConfigError, match="FAISS finds none; look at nvidia-smi"):
        GpuIndex(DIM)
