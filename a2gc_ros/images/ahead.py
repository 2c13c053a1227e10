"""Work one step ahead: the next item is made while the caller is busy with the one before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

_END = object()


def one_ahead(items: Iterable[T]) -> Iterator[T]:
    """The items in their order, each made by a second thread while the caller works on the one before.

    Decoding and resizing leave Python's lock alone, and so does inference: the two then share the cores. Whatever
    making an item raises is raised where that item would have come.
    """
    iterator = iter(items)
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, iterator, _END)
        while (item := coming.result()) is not _END:
            coming = pool.submit(next, iterator, _END)
            yield item  # type: ignore[misc]  # the end mark is not among the items
