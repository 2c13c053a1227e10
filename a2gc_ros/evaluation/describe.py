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

WRITE_EVERY = 128
"""Images between two writes: what a killed run may lose."""

Progress = Callable[[int, int], None]


def describe(
    images: ImageSet,
    extractor: Extractor,
    parent: Path,
    *,
    batch: int = 16,
    on_progress: Progress = lambda _done, _total: None,
) -> DescriptorStore:
    """Opens the store of an image set, and describes what it lacks or what has changed since.

    Args:
        images: The images.
        extractor: The model.
        parent: The folder that holds stores.
        batch: Images that run through the model at once.
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
    store = DescriptorStore(parent, key)
    try:
        todo = np.flatnonzero(np.asarray(store.marks) != marks).astype(np.int64)
        on_progress(len(marks) - len(todo), len(marks))
        _fill(store, images, marks, todo, extractor, batch, on_progress)
    except BaseException:
        store.close()
        raise
    return store


def _fill(
    store: DescriptorStore,
    images: ImageSet,
    marks: NDArray[np.int64],
    todo: NDArray[np.int64],
    extractor: Extractor,
    batch: int,
    on_progress: Progress,
) -> None:
    pictures = images.read(todo)
    before = len(marks) - len(todo)
    done = 0
    while done < len(todo):
        found: list[NDArray[np.float32]] = []
        while sum(map(len, found)) < WRITE_EVERY:
            prepared = [extractor.prepare(picture) for picture in islice(pictures, batch)]
            if not prepared:
                break
            found.append(extractor.run(np.stack(prepared)))
            on_progress(before + done + sum(map(len, found)), len(marks))
        if not found:
            raise DatasetError(
                f"{images.name} ended after {before + done} of {len(marks)} images; run the command again."
            )
        descriptors = np.concatenate(found)
        rows = todo[done : done + len(descriptors)]
        store.write(rows, descriptors, marks[rows])
        done += len(rows)
