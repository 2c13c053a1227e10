from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from a2gc_ros.nodes.base.latest_mailbox import LatestMailbox, Offer

SECOND = 1_000_000_000


def test_the_newest_replaces_what_nobody_took():
    slot = LatestMailbox[str]()
    assert slot.offer(1, "a") is Offer.KEPT
    assert slot.offer(2, "b") is Offer.REPLACED_OLDER
    assert slot.take() == "b"


@pytest.mark.parametrize("stamp", [5, 4])
def test_a_stamp_that_is_not_newer_is_refused(stamp):
    slot = LatestMailbox[str]()
    slot.offer(5, "a")
    assert slot.offer(stamp, "b") is Offer.TOO_OLD
    assert slot.take() == "a"
    assert slot.offer(stamp, "b") is Offer.TOO_OLD


def test_a_clock_that_starts_anew_is_followed():
    slot = LatestMailbox[str]()
    slot.offer(10 * SECOND, "a")
    slot.take()
    assert slot.offer(1 * SECOND, "b") is Offer.KEPT


@pytest.mark.parametrize(
    ("camera_hz", "rate", "taken"),
    [(20, 0, 40), (20, 20, 40), (20, 10, 20), (20, 5, 10), (30, 10, 20), (30, 1, 2), (10, 50, 20)],
)
@pytest.mark.parametrize("jitter_ms", [0, 4])
def test_the_rate_holds_by_stamps(camera_hz, rate, taken, jitter_ms):
    slot = LatestMailbox[int](rate)
    count = 0
    for number in range(2 * camera_hz):
        stamp = round(number * SECOND / camera_hz) + (number % 2) * jitter_ms * 1_000_000
        if slot.offer(stamp, number) is Offer.KEPT:
            assert slot.take() == number
            count += 1
    assert count == pytest.approx(taken, abs=1)


def test_while_an_image_waits_a_newer_one_replaces_it_whatever_the_rate():
    slot = LatestMailbox[str](rate=1.0)
    slot.offer(0, "a")
    assert slot.offer(10, "b") is Offer.REPLACED_OLDER
    assert slot.take() == "b"
    assert slot.offer(20, "c") is Offer.TOO_SOON


@given(st.lists(st.tuples(st.integers(0, 10**6), st.booleans()), max_size=60))
def test_every_offer_is_accounted_for_and_stamps_only_grow(offers):
    slot = LatestMailbox[int]()
    outcomes, taken = [], []
    for stamp, take in offers:
        outcomes.append(slot.offer(stamp, stamp))
        if take and outcomes[-1] in (Offer.KEPT, Offer.REPLACED_OLDER):
            taken.append(slot.take())
    waiting = outcomes.count(Offer.KEPT) - len(taken)
    assert waiting in (0, 1)
    assert taken == sorted(set(taken))


def test_closing_wakes_the_worker_and_refuses_more():
    slot = LatestMailbox[str]()
    result: list[str | None] = ["untouched"]
    thread = threading.Thread(target=lambda: result.__setitem__(0, slot.take()))
    thread.start()
    slot.close()
    thread.join(5)
    assert result == [None]
    assert slot.offer(1, "a") is Offer.CLOSED
