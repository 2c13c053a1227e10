"""Fills stores with descriptors, from where an earlier run stopped."""

from __future__ import annotations

from collections.abc import Callable
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
    store takes them over. The same images run through the model together, in parts or in one run.

    Args:
        images: The images.
        extractor: The model.
        parent: The folder that holds stores.
        batch: Images that run through the model at once.
        shard: Describes this part alone.
        on_progress: Called with images described and in total; the first call says what an earlier run left.

    Returns:
        The store, open.

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
        on_progress(len(rows) - len(todo), len(rows))
        _fill(store, images, marks, todo, len(rows), extractor, batch, on_progress)
    except BaseException:
        store.close()
        raise
    return store


def _fill(
    store: DescriptorStore,
    images: ImageSet,
    marks: NDArray[np.int64],
    todo: NDArray[np.int64],
    total: int,
    extractor: Extractor,
    batch: int,
    on_progress: Progress,
) -> None:
    pictures = images.read(todo)
    before = total - len(todo)
    done = 0
    while done < len(todo):
        found: list[NDArray[np.float32]] = []
        while sum(map(len, found)) < WRITE_EVERY:
            prepared = [extractor.prepare(picture) for picture in islice(pictures, batch)]
            if not prepared:
                break
            found.append(extractor.run(np.stack(prepared)))
            on_progress(before + done + sum(map(len, found)), total)
        if not found:
            raise DatasetError(f"{images.name} ended after {before + done} of {total} images; run the command again.")
        descriptors = np.concatenate(found)
        rows = todo[done : done + len(descriptors)]
        store.write(rows, descriptors, marks[rows])
        done += len(rows)
