from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from a2gc_training.config import from_mapping
from a2gc_training.data.rules import Places
from a2gc_training.data.sampling import PlaceSampler
from a2gc_training.look_alikes import look_alikes
from a2gc_training.recipe import Recipe
from a2gc_training.run import train
from a2gc_training.sections import SamplingSection
from hypothesis import given
from hypothesis import strategies as st

from a2gc_ros.errors import ConfigError


def random_case(seed: int, count: int = 7) -> tuple[Any, list[Any], Places, Any]:
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 4, count)
    rows = np.split(np.arange(sizes.sum()), np.cumsum(sizes)[:-1])
    descriptors = rng.standard_normal((sizes.sum(), 5)).astype(np.float32)
    descriptors /= np.linalg.norm(descriptors, axis=1, keepdims=True)
    near = [np.array([number ^ 1]) if number ^ 1 < count else np.empty(0, np.int64) for number in range(count)]
    return descriptors, rows, Places(rows, near), rng.integers(0, 2, sizes.sum())


@given(st.integers(0, 1000), st.booleans())
def test_the_likest_pair_decides_and_conflicts_are_left_out(seed: int, across: bool) -> None:
    descriptors, rows, places, sessions = random_case(seed)
    found = look_alikes(descriptors, rows, places, 3, sessions if across else None)
    for place in range(len(rows)):
        best = {}
        for other in set(range(len(rows))) - {place} - set(places.conflicts[place].tolist()):
            pairs = [
                float(descriptors[i] @ descriptors[j])
                for i in rows[place]
                for j in rows[other]
                if not across or sessions[i] != sessions[j]
            ]
            if pairs:
                best[other] = max(pairs)
        assert found[place].tolist() == sorted(best, key=lambda other: -best[other])[:3]


def sampler(beside: int) -> PlaceSampler:
    """Twelve places in four families of three that look alike."""
    places = Places([np.array([2 * n, 2 * n + 1]) for n in range(12)], [np.empty(0, np.int64)] * 12)
    drawn = PlaceSampler(places, SamplingSection(6, 2, min_images=1, steps_per_epoch=20, look_alikes=beside))
    drawn.look_alikes = [np.array([m for m in range(12) if m % 4 == n % 4 and m != n]) for n in range(12)]
    return drawn


def test_places_that_look_alike_meet() -> None:
    batches = [{place for _, place in batch} for batch in sampler(beside=2)]
    assert all(len(batch) == 6 for batch in batches)
    assert all(len({place % 4 for place in batch}) == 2 for batch in batches)
    # Still every place comes once before any comes again.
    assert all(first | second == set(range(12)) for first, second in zip(batches[::2], batches[1::2], strict=True))
    by_chance = [{place % 4 for _, place in batch} for batch in sampler(beside=0)]
    assert max(len(families) for families in by_chance) == 4


def test_look_alikes_serve_a_run_and_a_resumed_one(tiny_recipe: dict[str, Any], tmp_path: Path) -> None:
    values = {
        **tiny_recipe,
        "sampling": {"places_per_batch": 4, "images_per_place": 2, "look_alikes": 1, "across": "view"},
    }
    train(from_mapping(Recipe, values), tmp_path)
    values["trainer"] = {**tiny_recipe["trainer"], "epochs": 2}
    assert train(from_mapping(Recipe, values), tmp_path, resume=True).after["rooms"].at(10) > 0


def test_entries_without_sense_are_refused() -> None:
    with pytest.raises(ConfigError):
        SamplingSection(look_alikes=-1)
    with pytest.raises(ConfigError, match="across says how"):
        SamplingSection(across="session")
