from __future__ import annotations

import os
import threading

import cv2
import pytest
import threadpoolctl

from a2gc_ros.images.ahead import done_ahead, one_ahead, share_cores


@pytest.mark.parametrize("count", [0, 1, 2, 7])
def test_items_come_in_order(count):
    assert list(one_ahead(range(count))) == list(range(count))


def test_the_next_item_is_made_while_the_caller_has_the_one_before():
    made = [threading.Event() for _ in range(3)]

    def items():
        for i, event in enumerate(made):
            event.set()
            yield i

    for i in one_ahead(items()):
        assert made[min(i + 1, 2)].wait(10)
        assert not any(event.is_set() for event in made[i + 2 :])


def test_an_error_comes_where_the_item_would_have():
    def items():
        yield 1
        yield 2
        raise ValueError("three")

    ahead = one_ahead(items())
    assert [next(ahead), next(ahead)] == [1, 2]
    with pytest.raises(ValueError, match="three"):
        next(ahead)


def test_who_stops_early_leaves_no_thread_behind():
    before = threading.active_count()
    ahead = one_ahead(iter(range(100)))
    assert next(ahead) == 0
    ahead.close()
    assert threading.active_count() == before


@pytest.mark.parametrize("steps", [0, 1, 3])
@pytest.mark.parametrize("count", [0, 1, 5])
def test_work_is_done_in_order(count: int, steps: int) -> None:
    assert list(done_ahead(range(count), lambda i: i * i, steps=steps)) == [i * i for i in range(count)]


@pytest.mark.parametrize("steps", [0, 1])
def test_work_is_done_in_one_other_thread(steps: int) -> None:
    threads = set(done_ahead(range(4), lambda _: threading.get_ident(), steps=steps))
    assert len(threads) == 1
    assert threading.get_ident() not in threads


def test_work_goes_on_meanwhile_in_another_thread_and_items_are_drawn_in_this_one() -> None:
    here = threading.get_ident()
    drawn, done = [], [threading.Event() for _ in range(3)]

    def items():
        for i in range(3):
            drawn.append(threading.get_ident())
            yield i

    def work(i: int) -> int:
        done[i].set()
        return threading.get_ident()

    for i, thread in enumerate(done_ahead(items(), work)):
        assert thread != here
        assert done[min(i + 1, 2)].wait(10)
        assert not any(event.is_set() for event in done[i + 2 :])
    assert drawn == [here] * 3


def test_an_error_of_the_work_comes_where_its_result_would_have() -> None:
    results = done_ahead([1, 0, 2], lambda i: 1 / i)
    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)


def blas_threads() -> set[int]:
    return {pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"}


def test_cores_are_divided() -> None:
    before = cv2.getNumThreads()
    try:
        with threadpoolctl.threadpool_limits(2, user_api="blas"):
            assert (share_cores(1), cv2.getNumThreads()) == (0, 1)
            assert blas_threads() == {1}
            assert (share_cores(4), cv2.getNumThreads()) == (1, 2)
            share_cores(0)
            assert 1 <= cv2.getNumThreads() <= max(1, len(os.sched_getaffinity(0)) // 2)
            assert blas_threads() == {1}
    finally:
        cv2.setNumThreads(before)
