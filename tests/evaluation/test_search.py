from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from a2gc_ros.errors import ConfigError
from a2gc_ros.evaluation import memory
from a2gc_ros.evaluation.memory import Blocks, divide
from a2gc_ros.evaluation.rows import ArrayRows, SubsetRows
from a2gc_ros.evaluation.search import search
from a2gc_ros.system.memory import resident


def unit(rng: np.random.Generator, count: int, dim: int) -> np.ndarray:
    rows = rng.standard_normal((count, dim)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


class Counted(ArrayRows):
    """Rows that note the largest block that was read."""

    largest = 0
    read_rows = 0

    def read(self, start: int, stop: int) -> np.ndarray:
        self.largest = max(self.largest, stop - start)
        self.read_rows += stop - start
        return super().read(start, stop)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 9), st.integers(1, 9))
def test_blocks_change_nothing(seed: int, query_block: int, database_block: int) -> None:
    rng = np.random.default_rng(seed)
    queries, database = unit(rng, 8, 5), unit(rng, 23, 5)
    ignored = [np.flatnonzero(rng.random(23) < 0.2) for _ in queries]
    patch = pytest.MonkeyPatch()
    with patch.context() as context:
        context.setattr("a2gc_ros.evaluation.search.divide", lambda *_, **__: Blocks(query_block, database_block))
        found = search(queries, database, 6, ignored, ram=1)
    for number, query in enumerate(queries):
        order = sorted(set(range(23)) - set(ignored[number].tolist()), key=lambda row: -float(query @ database[row]))
        assert found.rows[number].tolist() == order[:6]
        assert found.similarities[number] == pytest.approx(database[order[:6]] @ query, abs=1e-6)


def test_a_limit_makes_blocks_that_fit() -> None:
    rng = np.random.default_rng(1)
    database = Counted(unit(rng, 5000, 512))
    database.cost = 4 * 512
    queries = unit(rng, 40, 512)
    room = 4 << 20
    found = search(queries, database, 3, ram=resident() + memory.RESERVE + room)
    assert 0 < database.largest * (4 * 512 + database.cost) <= room
    assert found.rows.tolist() == search(queries, database, 3).rows.tolist()


def test_progress_counts_every_row_of_every_pass() -> None:
    calls: list[tuple[int, int]] = []
    rng = np.random.default_rng(1)
    search(unit(rng, 4, 3), unit(rng, 9, 3), 2, on_progress=lambda done, total: calls.append((done, total)))
    assert calls[-1] == (9, 9)


def test_too_little_memory_says_how_much_would_do() -> None:
    with pytest.raises(ConfigError, match=r"10\.0 MiB of memory are not enough.*allow at least"):
        search(np.ones((2, 4), np.float32), np.ones((3, 4), np.float32), 1, ram=10 << 20)


def test_the_gpu_is_refused_where_faiss_has_none() -> None:
    with pytest.raises(ConfigError, match="faiss-gpu"):
        search(np.ones((1, 4), np.float32), np.ones((1, 4), np.float32), 1, gpu=True)


def test_many_queries_are_divided_before_the_database_becomes_slivers() -> None:
    free = 64 << 20
    many = np.broadcast_to(np.float32(0), (10**6, 1024))
    queries, database = ArrayRows(many), ArrayRows(many)
    database.cost = 2048
    blocks = divide(queries, database, 100, resident() + memory.RESERVE + free)
    assert blocks.database >= 256
    assert blocks.queries * (4096 + 100 * memory.NEIGHBOR_BYTES) + blocks.database * 6144 <= free * 1.05


def test_some_rows_of_others() -> None:
    rows = ArrayRows(np.arange(20, dtype=np.float32).reshape(10, 2))
    chosen = SubsetRows(rows, np.array([2, 3, 7, 1]))
    assert len(chosen) == 4
    assert chosen.read(1, 4)[:, 0].tolist() == [6, 14, 2]
