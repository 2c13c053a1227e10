"""A thread that works without a pause lets others in; one that holds the lock may take it again."""

from __future__ import annotations

import threading
import time

from a2gc_ros.nodes.base.fair_lock import FairLock


def test_a_busy_thread_lets_others_in() -> None:
    lock, end, rounds = FairLock(), threading.Event(), [0]

    def work() -> None:
        while not end.is_set():
            with lock, lock:
                time.sleep(0.005)
                rounds[0] += 1

    worker = threading.Thread(target=work)
    worker.start()
    try:
        for _ in range(10):
            before = rounds[0]
            with lock:
                # The one in work, and at most one that was at the door already.
                assert rounds[0] <= before + 2
    finally:
        end.set()
        worker.join()


def test_only_one_thread_is_inside() -> None:
    lock, inside, most = FairLock(), [0], [0]

    def work() -> None:
        for _ in range(200):
            with lock:
                inside[0] += 1
                with lock:
                    most[0] = max(most[0], inside[0])
                inside[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most[0] == 1
