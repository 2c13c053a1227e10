from __future__ import annotations

from collections import Counter
from itertools import chain
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from a2gc_training.data.generated import GeneratedSource
from a2gc_training.data.module import PlacesDataModule
from a2gc_training.data.places import load_places
from a2gc_training.data.rules import Places
from a2gc_training.data.sampling import PlaceSampler
from a2gc_training.sections import SamplingSection, TrainerSection
from hypothesis import given
from hypothesis import strategies as st

from a2gc_ros.errors import ConfigError
from a2gc_ros.images.preprocess import Preprocessing


def places(sizes: list[int], near: list[list[int]] | None = None) -> Places:
    rows = iter(range(sum(sizes)))
    members = [np.array([next(rows) for _ in range(size)], np.int64) for size in sizes]
    return Places(members, [np.array(numbers, np.int64) for numbers in near or [[] for _ in sizes]])


def sampler(
    of: Places, p: int = 2, k: int = 2, *, steps: int | None = None, min_images: int = 1, **options: Any
) -> PlaceSampler:
    return PlaceSampler(of, SamplingSection(p, k, min_images, steps), **options)


@given(st.lists(st.integers(1, 6), min_size=8, max_size=20), st.integers(2, 4), st.integers(2, 4), st.integers(0, 99))
def test_batches_hold_k_images_of_p_places(sizes: list[int], p: int, k: int, seed: int) -> None:
    of = places(sizes)
    drawn = sampler(of, p, k, seed=seed)
    batches = list(drawn)
    assert len(batches) == len(drawn) == len(sizes) // p
    seen: Counter[int] = Counter()
    for batch in batches:
        assert Counter(place for _, place in batch) == dict.fromkeys({place for _, place in batch}, k)
        assert len({place for _, place in batch}) == p
        for place in {place for _, place in batch}:
            rows = [row for row, other in batch if other == place]
            assert set(rows) <= set(of.members[place].tolist())
            assert len(set(rows)) == min(k, sizes[place])
        seen.update({place for _, place in batch})
    assert max(seen.values()) == 1


def test_an_epoch_repeats_and_another_differs() -> None:
    first, second = sampler(places([3] * 12), seed=5), sampler(places([3] * 12), seed=5)
    assert list(first) == list(second) == list(first)
    second.set_epoch(1)
    assert list(first) != list(second)
    assert list(first) != list(sampler(places([3] * 12), seed=6))


@pytest.mark.parametrize("world_size", [2, 3])
def test_processes_share_out_the_batch_of_one(world_size: int) -> None:
    of = places([3] * 24)
    one = list(sampler(of, 2 * world_size, seed=4))
    shares = [list(sampler(of, 2, seed=4, rank=rank, world_size=world_size)) for rank in range(world_size)]
    assert [list(chain(*parts)) for parts in zip(*shares, strict=True)] == one


def test_places_that_conflict_never_meet() -> None:
    count = 20
    near = [[other for other in (n - 2, n - 1, n + 1, n + 2) if 0 <= other < count] for n in range(count)]
    for epoch in range(5):
        drawn = sampler(places([2] * count, near), p=4, steps=25)
        drawn.set_epoch(epoch)
        batches = list(drawn)
        assert len(batches) == 25
        for batch in batches:
            numbers = sorted({place for _, place in batch})
            assert len(numbers) == 4
            assert min(np.diff(numbers)) > 2


def test_every_place_comes_once_before_any_comes_again() -> None:
    drawn = sampler(places([2] * 9), p=2, steps=18)
    seen: Counter[int] = Counter()
    for batch in drawn:
        seen.update({place for _, place in batch})
        assert max(seen.values()) - min(seen[place] for place in range(9)) <= 1 + 1
    assert set(seen.values()) == {4}


def test_groups_do_not_mix_and_share_the_epoch_by_size() -> None:
    groups = np.array([0] * 12 + [1] * 6 + [2], np.int64)
    batches = list(sampler(places([2] * 19), p=3, groups=groups))
    of_batch = [{int(groups[place]) for _, place in batch} for batch in batches]
    assert Counter(next(iter(found)) for found in of_batch) == {0: 4, 1: 2}
    assert all(len(found) == 1 for found in of_batch)


def test_small_places_are_left_out() -> None:
    drawn = sampler(places([1, 4, 4, 1, 4, 4]), min_images=3, steps=10)
    assert {place for batch in drawn for _, place in batch} == {1, 2, 4, 5}


@pytest.mark.parametrize(
    ("of", "options", "sentence"),
    [
        (places([3]), {}, "needs 2 places that may meet; 1 have 1"),
        (places([3, 1, 1]), {"min_images": 2}, "1 have 2 or more images"),
        (places([3, 3, 3]), {"world_size": 2}, "needs 4 places"),
        (places([3, 3], [[1], [0]]), {}, "neighbors never meet"),
        (places([3, 3]), {"groups": np.array([0, 1])}, "in the largest group"),
        (Places([], []), {}, "0 have"),
    ],
)
def test_too_little_data_is_refused(of: Places, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        sampler(of, **options)


def test_a_resumed_run_begins_with_the_order_of_its_epoch() -> None:
    source = GeneratedSource(places=8, views=2, height=24, width=32)
    training = load_places([source], Preprocessing(height=24, width=32))
    data = PlacesDataModule(
        training, [], SamplingSection(places_per_batch=2, images_per_place=2), TrainerSection(workers=0)
    )
    trainer: Any = SimpleNamespace(
        current_epoch=2, global_rank=0, world_size=1, strategy=SimpleNamespace(root_device=torch.device("cpu"))
    )
    data.trainer = trainer
    third = data.sampler()
    third.set_epoch(2)
    # Reading processes are handed their first batches before Lightning announces the epoch.
    assert list(data.train_dataloader().sampler) == list(third)
