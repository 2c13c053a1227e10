from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from miniature import write_picture

from a2gc_ros.errors import DatasetError
from a2gc_ros.evaluation import describe as describing
from a2gc_ros.evaluation.describe import describe
from a2gc_ros.evaluation.images import FileImages
from a2gc_ros.evaluation.store import DescriptorStore, StoreKey
from a2gc_ros.extract import Extractor
from a2gc_ros.system.shards import Shard

COUNT = 12


@pytest.fixture
def images(tmp_path: Path) -> FileImages:
    for place in range(COUNT):
        write_picture(tmp_path / "images" / f"{place:02d}.png", place)
    return FileImages("pictures", tmp_path / "images", [f"{place:02d}.png" for place in range(COUNT)])


class Watched(FileImages):
    """Images that note which were read."""

    def __init__(self, images: FileImages) -> None:
        super().__init__(images.name, images.root, images.names)
        self.seen: list[int] = []

    def read(self, rows: np.ndarray) -> Iterator[np.ndarray]:
        self.seen += rows.tolist()
        return super().read(rows)


def test_descriptors_are_those_of_the_model_in_half_precision(
    images: FileImages, extractor: Extractor, tmp_path: Path
) -> None:
    with describe(images, extractor, tmp_path, batch=5) as store:
        direct = extractor.extract(list(images.read(np.arange(COUNT))))
        assert store.read(0, COUNT) == pytest.approx(direct.astype(np.float16).astype(np.float32))
        assert store.read(3, 5).shape == (2, extractor.spec.descriptor_dim)
        mapped = np.load(store.path / "descriptors.npy", mmap_mode="r")
    assert mapped.dtype == np.float16
    assert mapped.shape == (COUNT, extractor.spec.descriptor_dim)


def test_only_what_is_new_or_changed_is_described(images: FileImages, extractor: Extractor, tmp_path: Path) -> None:
    first = Watched(images)
    describe(first, extractor, tmp_path).close()
    assert first.seen == list(range(COUNT))
    write_picture(images.root / "04.png", 99)
    (images.root / "04.png").write_bytes((images.root / "04.png").read_bytes() + b" ")
    again = Watched(images)
    calls: list[tuple[int, int]] = []
    describe(again, extractor, tmp_path, on_progress=lambda done, total: calls.append((done, total))).close()
    assert again.seen == [4]
    assert calls == [(COUNT - 1, COUNT), (COUNT, COUNT)]


def test_parts_are_taken_over_as_one_run_would_have_described_them(
    images: FileImages, extractor: Extractor, tmp_path: Path
) -> None:
    with describe(images, extractor, tmp_path / "whole", batch=3) as store:
        whole = store.read(0, COUNT)
    shared = tmp_path / "shared"
    seen = []
    for number in (2, 1):
        part = Watched(images)
        describe(part, extractor, shared, batch=3, shard=Shard(number, 3)).close()
        seen.append(part.seen)
    assert seen == [[3, 4, 5], [0, 1, 2, 9, 10, 11]]
    rest = Watched(images)
    with describe(rest, extractor, shared, batch=3) as store:
        np.testing.assert_array_equal(store.read(0, COUNT), whole)
    # What no part described is done now, and the parts are gone.
    assert rest.seen == [6, 7, 8]
    assert [path.name for path in shared.iterdir()] == [store.path.name]


def test_a_part_at_work_is_waited_for(images: FileImages, extractor: Extractor, tmp_path: Path) -> None:
    at_work = describe(images, extractor, tmp_path, shard=Shard(1, 2))
    with at_work, pytest.raises(DatasetError, match="wait for it"):
        describe(images, extractor, tmp_path)
    describe(images, extractor, tmp_path).close()


def test_a_damaged_image_leaves_the_rest_for_the_next_run(
    images: FileImages, extractor: Extractor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(describing, "WRITE_EVERY", 4)
    whole = (images.root / "09.png").read_bytes()
    (images.root / "09.png").write_bytes(whole[:-30])
    with pytest.raises(DatasetError, match=r"09\.png"):
        describe(images, extractor, tmp_path, batch=2)
    (images.root / "09.png").write_bytes(whole)
    again = Watched(images)
    describe(again, extractor, tmp_path).close()
    assert again.seen == [8, 9, 10, 11]


PROGRAM = """
import os, signal, sys
from pathlib import Path
from a2gc_ros.evaluation import describe as describing
from a2gc_ros.evaluation.images import FileImages
from a2gc_ros.extract import open_extractor

describing.WRITE_EVERY = 4
root, model, store = map(Path, sys.argv[1:])
names = sorted(path.name for path in root.iterdir())

def watch(done, total):
    if done >= 7:
        os.kill(os.getpid(), signal.SIGKILL)

extractor = open_extractor(model, threads=1)
describing.describe(FileImages("pictures", root, names), extractor, store, batch=1, on_progress=watch)
"""


def test_a_killed_run_is_continued(images: FileImages, model: Path, extractor: Extractor, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    arguments = [sys.executable, program, images.root, model, tmp_path / "store"]
    result = subprocess.run(arguments, capture_output=True, timeout=120, check=False, env=dict(os.environ))
    assert result.returncode == -signal.SIGKILL, result.stderr
    again = Watched(images)
    with describe(again, extractor, tmp_path / "store") as store:
        # Four were written; the three after them were described, but not yet written.
        assert again.seen == list(range(4, COUNT))
        direct = extractor.extract(list(images.read(np.arange(COUNT))))
        assert store.read(0, COUNT) == pytest.approx(direct.astype(np.float16).astype(np.float32))


def key(**changes: object) -> StoreKey:
    values = {"model": "m", "fingerprint": "f", "runtime": "r", "dim": 4, "images": "i", "digest": "d", "rows": 3}
    return StoreKey(**{**values, **changes})


@pytest.mark.parametrize("change", [{"fingerprint": "g"}, {"runtime": "s"}, {"digest": "e"}])
def test_other_models_runtimes_and_images_have_other_stores(change: dict[str, str]) -> None:
    assert key(**change).folder != key().folder


def test_sets_with_the_same_names_in_other_folders_have_other_stores(
    images: FileImages, extractor: Extractor, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for name in images.names:
        (other / name).write_bytes((images.root / name).read_bytes())
    with (
        describe(images, extractor, tmp_path) as ours,
        describe(FileImages("x", other, images.names), extractor, tmp_path) as theirs,
    ):
        assert ours.path != theirs.path


def test_a_store_is_one_processs_at_a_time(tmp_path: Path) -> None:
    with DescriptorStore(tmp_path, key()), pytest.raises(DatasetError, match="Another process"):
        DescriptorStore(tmp_path, key())
    DescriptorStore(tmp_path, key()).close()


@pytest.mark.parametrize("damage", ["store.json", "descriptors.npy"])
def test_a_damaged_store_is_refused(damage: str, tmp_path: Path) -> None:
    DescriptorStore(tmp_path, key()).close()
    (tmp_path / key().folder / damage).write_bytes(b"{}")
    with pytest.raises(DatasetError, match="delete"):
        DescriptorStore(tmp_path, key())


def test_a_store_that_does_not_fit_the_disk_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="--store"):
        DescriptorStore(tmp_path, key(rows=10**12))
