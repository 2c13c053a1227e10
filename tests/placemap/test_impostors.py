"""A map's statistics about itself, and the comparison they come from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from a2gc_ros.errors import MapError
from a2gc_ros.placemap import IndexOptions, Manifest, PlaceMap
from a2gc_ros.placemap.impostors import Impostor, read_impostors, write_impostors
from a2gc_ros.placemap.records import NewKeyframe

DIM = 48


def filled(path: Path, count: int = 300) -> np.ndarray:
    rng = np.random.default_rng(0)
    descriptors = rng.normal(size=(count, DIM)).astype(np.float32)
    descriptors /= np.linalg.norm(descriptors, axis=1, keepdims=True)
    with PlaceMap.create(path, Manifest("f" * 64, DIM)) as place_map:
        session = place_map.add_session("run")
        place_map.add_many(session.id, [NewKeyframe(at, d) for at, d in enumerate(descriptors)])
    return descriptors


@pytest.mark.parametrize(("compress_from", "kind"), [(10_000, "exact"), (10, "compressed")])
def test_comparing_gives_the_cosines(tmp_path: Path, compress_from: int, kind: str) -> None:
    descriptors = filled(tmp_path / "a.a2gc")
    with PlaceMap.open(tmp_path / "a.a2gc", options=IndexOptions(compress_from, 16)) as place_map:
        ids = np.array([5, 250, 7, 7])
        found = place_map.compare(descriptors[3], ids)
        place_map.prepare()
        assert place_map._live.index.kind == kind
    np.testing.assert_allclose(found, descriptors[ids - 1] @ descriptors[3], atol=2e-3)


def test_what_was_found_is_kept_in_the_order_of_the_keyframes(tmp_path: Path) -> None:
    filled(tmp_path / "a.a2gc", 9)
    with PlaceMap.open(tmp_path / "a.a2gc") as place_map:
        assert read_impostors(place_map) == []
        write_impostors(place_map, {7: Impostor(0.5, 4), 2: Impostor(0.25, 3, 0.125)})
        write_impostors(place_map, {7: Impostor(0.75, 5, None)})
        with pytest.raises(MapError):
            write_impostors(place_map, {99: Impostor(0.5, 4)})
        place_map.save_copy(tmp_path / "b.a2gc")
    with PlaceMap.open(tmp_path / "b.a2gc", read_only=True) as copy:
        assert read_impostors(copy) == [Impostor(0.25, 3, 0.125), Impostor(0.75, 5)]
