from __future__ import annotations

import threading

from a2gc_ros.nodes.newest_slot import NewestSlot
from a2gc_ros.nodes.worker import Worker


def test_it_works_on_the_newest_only_and_outlives_an_exception():
    slot = NewestSlot[int]()
    begun, go_on = threading.Event(), threading.Event()
    done: list[int] = []
    errors: list[Exception] = []

    def work(item: int) -> None:
        begun.set()
        go_on.wait(5)
        if item == 3:
            raise ValueError("three")
        done.append(item)

    worker = Worker(slot, work, errors.append)
    slot.offer(1, 1)
    worker.start()
    begun.wait(5)
    for item in (2, 3):
        slot.offer(item, item)
    go_on.set()
    while not errors:
        pass
    slot.offer(4, 4)
    while len(done) < 2:
        pass
    worker.stop()
    assert done == [1, 4]
    assert [str(error) for error in errors] == ["three"]


def test_stopping_waits_for_the_item_in_work():
    slot = NewestSlot[int]()
    begun, finished = threading.Event(), threading.Event()

    def work(_: int) -> None:
        begun.set()
        threading.Event().wait(0.05)
        finished.set()

    worker = Worker(slot, work, lambda _: None)
    worker.start()
    slot.offer(1, 1)
    begun.wait(5)
    worker.stop()
    assert finished.is_set()
