from __future__ import annotations

import threading

import pytest

from a2gc_ros.images.ahead import one_ahead


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
