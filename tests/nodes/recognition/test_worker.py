from __future__ import annotations

import threading

from a2gc_ros.nodes.base.latest_mailbox import LatestMailbox
from a2gc_ros.nodes.recognition.worker import Worker


def test_it_works_on_the_newest_only_and_outlives_an_exception():
    mailbox = LatestMailbox[int]()
    begun, go_on = threading.Event(), threading.Event()
    done: list[int] = []
    errors: list[Exception] = []

    def work(item: int) -> None:
        begun.set()
        go_on.wait(5)
        if item == 3:
            raise ValueError("three")
        done.append(item)

    worker = Worker(mailbox, lambda item: item, work, errors.append, overlap=False)
    mailbox.offer(1, 1)
    worker.start()
    begun.wait(5)
    for item in (2, 3):
        mailbox.offer(item, item)
    go_on.set()
    while not errors:
        pass
    mailbox.offer(4, 4)
    while len(done) < 2:
        pass
    worker.stop()
    assert done == [1, 4]
    assert [str(error) for error in errors] == ["three"]


def test_stopping_waits_for_the_item_in_work():
    mailbox = LatestMailbox[int]()
    begun, finished = threading.Event(), threading.Event()

    def work(_: int) -> None:
        begun.set()
        threading.Event().wait(0.05)
        finished.set()

    worker = Worker(mailbox, lambda item: item, work, lambda _: None)
    worker.start()
    mailbox.offer(1, 1)
    begun.wait(5)
    worker.stop()
    assert finished.is_set()


def test_the_next_item_is_prepared_meanwhile_and_no_more_than_that():
    mailbox = LatestMailbox[int]()
    go_on, prepared_second = threading.Event(), threading.Event()
    prepared: list[int] = []
    done: list[int] = []

    def prepare(item: int) -> int:
        prepared.append(item)
        if len(prepared) == 2:
            prepared_second.set()
        return 10 * item

    def work(item: int) -> None:
        go_on.wait(5)
        done.append(item)

    worker = Worker(mailbox, prepare, work, lambda _: None)
    worker.start()
    mailbox.offer(1, 1)
    while len(prepared) < 1:
        pass
    mailbox.offer(2, 2)
    # The second is prepared while the first is worked on; whatever comes now waits in the mailbox, the newest only.
    assert prepared_second.wait(5)
    for item in (3, 4, 5):
        mailbox.offer(item, item)
    assert prepared == [1, 2]
    go_on.set()
    while len(done) < 3:
        pass
    worker.stop()
    assert done == [10, 20, 50]


def test_what_cannot_be_prepared_is_told_and_the_next_one_taken():
    mailbox = LatestMailbox[int]()
    errors: list[Exception] = []
    done: list[int] = []

    def prepare(item: int) -> int:
        if item < 5:
            raise ValueError(str(item))
        return item

    worker = Worker(mailbox, prepare, done.append, errors.append)
    worker.start()
    for item in range(1, 6):
        mailbox.offer(item, item)
        while len(errors) + len(done) < item:
            pass
    worker.stop()
    assert done == [5]
    assert [str(error) for error in errors] == ["1", "2", "3", "4"]
