"""Work one step ahead: the next item is made while the caller is busy with the one before."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import TypeVar

import cv2

try:
    import threadpoolctl
except ImportError:
    threadpoolctl = None

T = TypeVar("T")
R = TypeVar("R")

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


def done_ahead(items: Iterable[T], work: Callable[[T], R], *, steps: int = 1, threads: int = 1) -> Iterator[R]:
    """What comes of the items, in their order; other threads work on some while the caller is with an earlier one.

    The items themselves are drawn in the caller's thread, as readers of SQLite ask. Whatever working on an item raises
    is raised where its result would have come.

    Args:
        items: What is worked on.
        work: Called with one item after the other.
        steps: How many items it may be ahead; with 0 the two take turns.
        threads: How many work; with several, on several items at once.
    """
    # Even then in a thread of its own: glibc gives what the main one frees back to the system after each image, and
    # taking it again costs half of what SIFT does.
    with ThreadPoolExecutor(threads) as pool:
        yield from in_order(pool, items, work, steps=steps)


def in_order(pool: Executor, items: Iterable[T], work: Callable[[T], R], *, steps: int) -> Iterator[R]:
    """As :func:`done_ahead`, with threads that stay."""
    coming: deque[Future[R]] = deque()
    for item in items:
        coming.append(pool.submit(work, item))
        if len(coming) > steps:
            yield coming.popleft().result()
    while coming:
        yield coming.popleft().result()


def cores(threads: int) -> int:
    """Returns how many cores a number of threads asks for; 0 takes all that this process may use."""
    return threads or len(os.sched_getaffinity(0))


def share_cores(threads: int) -> int:
    """Divides the cores between the stages of the chain that overlap.

    OpenCV takes half of them for itself from now on, and numpy's BLAS one: shared among threads its small products take
    twice the processor time. FAISS is kept to one thread where a single image is searched. The inference
    runtime has its own number of threads.

    Args:
        threads: CPU threads of the whole chain; 0 takes all cores.

    Returns:
        How far frames may be prepared ahead: 1, or 0 where there is one thread only.
    """
    wanted = cores(threads)
    cv2.setNumThreads(max(1, wanted // 2))
    if threadpoolctl is not None:
        threadpoolctl.threadpool_limits(1, user_api="blas")
    return int(wanted > 1)
