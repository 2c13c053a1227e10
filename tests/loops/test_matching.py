"""Searching several maps."""

from __future__ import annotations

from contextlib import ExitStack

import numpy as np
import pytest

from a2gc_ros.loops import matching
from a2gc_ros.placemap import Manifest, NewKeyframe, PlaceMap

DIM = 16


@pytest.mark.parametrize("large", [1, 50, 1000])
def test_maps_searched_beside_one_another_give_what_each_gives(large: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching, "LARGE", large)
    vectors = np.random.default_rng(0).normal(size=(5, 60, DIM)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
    # The same keyframe in three maps: ties are sorted by map.
    vectors[1:4, 7] = vectors[1, 7]
    with ExitStack() as stack:
        maps = [stack.enter_context(PlaceMap.create(":memory:", Manifest("f" * 64, DIM))) for _ in vectors]
        for place_map, rows in zip(maps, vectors, strict=True):
            place_map.add_many(
                place_map.add_session("").id,
                [NewKeyframe(at, row, pose=np.eye(4), path_length=float(at)) for at, row in enumerate(rows)],
            )
            place_map.prepare()
        excluded = np.array([1, 8])
        one_by_one = [
            found
            for index, place_map in enumerate(maps)
            for found in matching.nearest(place_map, index, 5, vectors[1, 7], 4, None if index else excluded)
        ]
        together = matching.nearest_in_each(maps, 5, vectors[1, 7], 4, excluded)
    assert together == matching.best_first(one_by_one)
    assert [(found.match.map_index, found.match.keyframe_id) for found in together[:3]] == [(1, 8), (2, 8), (3, 8)]
