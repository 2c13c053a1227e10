"""Fills stores with descriptors, from where an earlier run stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from a2gc_ros.errors import DatasetError
from a2gc_ros.evaluation.images import ImageSet
from a2gc_ros.evaluation.store import DescriptorStore, StoreKey, digest_of
from a2gc_ros.extract.extractor import Extractor
from a2gc_ros.system.shards import Shard

WRITE_EVERY = 128
"""Images between two writes: what a killed run may lose."""

Progress = Callable[[int, int], None]


def describe(
    images: ImageSet,
    extractor: Extractor,
    parent: Path,
    *,
    batch: int = 16,
    shard: Shard | None = None,
    on_progress: Progress = lambda _done, _total: None,
) -> DescriptorStore:
    """Opens the store of an image set, and describes what it lacks or what has changed since.

    Parts have stores of their own, so that processes on several machines may fill them at once; whoever opens the whole
    store takes them over. The same ``batch`` images run through the model together, in parts or in one run.
    ``on_progress`` is called with images described and in total; the first call says what an earlier run left.

    Raises:
        DatasetError: An image is missing or damaged, or the store cannot be used; what was described stays.
        BackendError: The runtime failed.
    """
    marks = images.marks()
    spec = extractor.spec
    key = StoreKey(
        model=spec.name,
        fingerprint=spec.fingerprint,
        runtime=f"{extractor.backend} {extractor.precision}",
        dim=spec.descriptor_dim,
        images=images.name,
        digest=digest_of(images),
        rows=len(images.names),
    )
    mine = [row for row in range(len(marks)) if shard is None or shard.has(row // batch)]
    rows = np.array(mine, dtype=np.int64)
    store = DescriptorStore(parent, key, shard)
    try:
        if shard is None:
            store.take_parts()
        todo = rows[np.asarray(store.marks)[rows] != marks[rows]]
        total, before, done = len(rows), len(rows) - len(todo), 0
        on_progress(before, total)
        for found in _described(images.read(todo), extractor, batch, lambda count: on_progress(before + count, total)):
            written = todo[done : done + len(found)]
            store.write(written, found, marks[written])
            done += len(found)
        if done < len(todo):
            raise DatasetError(f"{images.name} ended after {before + done} of {total} images; run the command again.")
    except BaseException:
        store.close()
        raise
    return store


def _described(
    pictures: Iterator[NDArray[np.uint8]], extractor: Extractor, batch: int, on_described: Callable[[int], None]
) -> Iterator[NDArray[np.float32]]:
    """Yields descriptors of images, some `WRITE_EVERY` at a time; tells how many images are described by then."""
    found: list[NDArray[np.float32]] = []
    count = 0
    while prepared := [extractor.prepare(picture) for picture in islice(pictures, batch)]:
        found.append(extractor.run(np.stack(prepared)))
        count += len(prepared)
        on_described(count)
        if sum(map(len, found)) >= WRITE_EVERY:
            yield np.concatenate(found)
            found = []
    if found:
        yield np.concatenate(found)
