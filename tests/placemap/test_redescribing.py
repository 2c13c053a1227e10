"""A map described anew: everything else is kept, nothing is lost, and an interrupted call is gone on with."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import numpy.typing as npt
import pytest

from a2gc_ros.errors import MapError
from a2gc_ros.images.frame import Frame
from a2gc_ros.placemap import FeatureBlob, Manifest, NewKeyframe, PlaceMap
from a2gc_ros.placemap.impostors import Impostor, read_impostors, write_impostors
from a2gc_ros.placemap.redescribing import recorded_pictures, redescribe, stored_pictures
from a2gc_ros.placemap.thumbnails import encode_jpeg

KEYFRAMES = 30


class MeanColours:
    """Describes an image by the colors of its quarters."""

    spec = SimpleNamespace(name="colors", fingerprint="f" * 64, descriptor_dim=12)

    def __init__(self) -> None:
        self.described = 0

    def extract(self, images: Sequence[npt.NDArray[np.uint8]]) -> npt.NDArray[np.float32]:
        self.described += len(images)
        quarters = [image.reshape(2, 16, 2, 16, 3).mean((1, 3)).ravel() + 1 for image in images]
        array = np.array(quarters, np.float32)
        return array / np.linalg.norm(array, axis=1, keepdims=True)


def image(at: int) -> npt.NDArray[np.uint8]:
    tiles = np.random.default_rng(at).integers(0, 256, (2, 2, 3), np.uint8)
    return np.ascontiguousarray(tiles.repeat(16, 0).repeat(16, 1))


@pytest.fixture
def pictured(tmp_path: Path, manifest: Manifest, unit: Callable) -> Path:
    """A map in two sessions whose stamps begin alike; keyframe 5 was stored without an image."""
    path = tmp_path / "town.a2gc"
    with PlaceMap.create(path, manifest) as place_map:
        sessions = [place_map.add_session(name, f"{name}.mcap").id for name in ("morning", "evening")]
        for at, vector in enumerate(unit(KEYFRAMES)):
            new = NewKeyframe(
                stamp_ns=10**9 * (1 + at // 2),
                descriptor=vector,
                pose=np.diag([1.0, 1, 1, 1]),
                path_length=float(at),
                image_jpeg=None if at == 4 else encode_jpeg(image(at)),
                features=FeatureBlob("test/1", bytes([at])),
            )
            place_map.add_many(sessions[at % 2], [new])
        write_impostors(place_map, {1: Impostor(0.5, 3)})
    return path


def test_everything_else_is_kept(pictured: Path, tmp_path: Path) -> None:
    before = pictured.read_bytes()
    out = tmp_path / "new.a2gc"
    seen: list[tuple[int, int]] = []
    with PlaceMap.open(pictured, read_only=True) as source:
        frames = [Frame(10**9 * (1 + at // 2), image(at)) for at in range(0, KEYFRAMES, 2)]
        mornings = source.keyframes(1)

        def pictures(missing: list) -> list:
            found = list(recorded_pictures(frames, mornings))
            rest = [k for k in missing if k.session_id == 2]
            return found + list(stored_pictures(source, rest))

        redescribe(source, out, MeanColours(), pictures, batch=7, on_progress=lambda *now: seen.append(now))
        with PlaceMap.open(out, read_only=True) as new:
            assert new.manifest.model_name == "colors"
            assert new.manifest.fingerprint == "f" * 64
            assert new.manifest.uuid != source.manifest.uuid
            for ours, theirs in zip(new.sessions(), source.sessions(), strict=True):
                assert (ours.id, ours.name, ours.source) == (theirs.id, theirs.name, theirs.source)
                # Another model's keyframes are not those of the session that others know.
                assert ours.uuid != theirs.uuid
            for old, kept in zip(source.keyframes(), new.keyframes(), strict=True):
                assert (old.id, old.session_id, old.stamp_ns, old.path_length) == (
                    kept.id,
                    kept.session_id,
                    kept.stamp_ns,
                    kept.path_length,
                )
                np.testing.assert_array_equal(old.pose, kept.pose)
                assert new.image(kept.id) == source.image(kept.id)
                assert new.features(kept.id) == source.features(kept.id)
            # What was measured of the old descriptors says nothing of the new ones.
            assert read_impostors(new) == []
            expected = MeanColours().extract([image(at) for at in range(KEYFRAMES)])
            np.testing.assert_allclose(new.descriptors(range(1, KEYFRAMES + 1)), expected, atol=0.05)
            # Those of a recording are the model's own, but for their storage in half precision.
            np.testing.assert_allclose(new.descriptors(range(1, KEYFRAMES + 1, 2)), expected[::2], atol=1e-3)
            assert new.search(expected[8], 1)[1][0, 0] == 9
    assert seen[0] == (0, KEYFRAMES)
    assert seen[-1] == (KEYFRAMES, KEYFRAMES)
    assert pictured.read_bytes() == before
    assert {path.name for path in tmp_path.iterdir() if "-" not in path.name} == {"town.a2gc", "new.a2gc"}


def test_what_was_interrupted_is_gone_on_with(pictured: Path, tmp_path: Path) -> None:
    out = tmp_path / "new.a2gc"
    model = MeanColours()
    with PlaceMap.open(pictured, read_only=True) as source:

        def cut(missing: list) -> list:
            found = [(k.id, image(k.id - 1)) for k in missing]
            if len(missing) == KEYFRAMES:
                found[10] = (found[10][0], None)
            return found

        with pytest.raises(AttributeError):
            redescribe(source, out, model, cut, batch=5)
        assert not out.exists()
        redescribe(source, out, model, cut, batch=5)
    # Ten before the cut, and the other twenty once.
    assert model.described == KEYFRAMES + 5
    with PlaceMap.open(out) as new:
        expected = MeanColours().extract([image(at) for at in range(KEYFRAMES)])
        np.testing.assert_allclose(new.descriptors(range(1, KEYFRAMES + 1)), expected, atol=1e-3)


def test_leftovers_of_another_model_are_begun_again(pictured: Path, tmp_path: Path) -> None:
    out = tmp_path / "new.a2gc"
    with PlaceMap.open(pictured, read_only=True) as source:
        source.save_copy(tmp_path / "new.a2gc.redescribing")
        redescribe(source, out, MeanColours(), lambda missing: [(k.id, image(k.id)) for k in missing])
    with PlaceMap.open(out) as new:
        assert len(new.descriptors(range(1, KEYFRAMES + 1))) == KEYFRAMES


def test_a_keyframe_without_an_image_is_named(pictured: Path, tmp_path: Path) -> None:
    out = tmp_path / "new.a2gc"
    with PlaceMap.open(pictured, read_only=True) as source:
        with pytest.raises(
            MapError, match=r"1 keyframes without a usable image, keyframe 5 of session 1 .* recordings"
        ):
            redescribe(source, out, MeanColours(), lambda missing: stored_pictures(source, missing))
        assert not out.exists()
        # The recording is given the next time; only what is missing is described.
        model = MeanColours()
        redescribe(source, out, model, lambda missing: [(k.id, image(k.id - 1)) for k in missing])
        assert model.described == 1


def test_a_damaged_image_counts_as_none(pictured: Path, tmp_path: Path) -> None:
    with sqlite3.connect(pictured) as connection:
        connection.execute("UPDATE images SET jpeg = x'ffd8' WHERE keyframe_id = 7")
    with (
        PlaceMap.open(pictured, read_only=True) as source,
        pytest.raises(MapError, match="2 keyframes without a usable image"),
    ):
        redescribe(source, tmp_path / "n.a2gc", MeanColours(), lambda m: stored_pictures(source, m))


def test_refusals(pictured: Path, manifest: Manifest, tmp_path: Path) -> None:
    same = MeanColours()
    same.spec = SimpleNamespace(name="numbers", fingerprint=manifest.fingerprint, descriptor_dim=12)
    with PlaceMap.open(pictured, read_only=True) as source:
        with pytest.raises(MapError, match="exists already"):
            redescribe(source, pictured, MeanColours(), lambda _: [])
        with pytest.raises(MapError, match="described by numbers already: name another model"):
            redescribe(source, tmp_path / "n.a2gc", same, lambda _: [])
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("n.")] == []
