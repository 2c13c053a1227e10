from __future__ import annotations

import threading
import time

import pytest

from a2gc_ros.nodes.inputs.stamped_buffers import DEPTH_IMAGES, DepthBuffer

MS = 1_000_000


def test_the_nearest_message_of_the_moment_is_found() -> None:
    buffer = DepthBuffer()
    for at in (0, 100, 200):
        buffer.add(at * MS, str(at).encode())
    assert buffer.message_at(110 * MS, 0.0) == b"100"
    assert buffer.message_at(185 * MS, 0.0) == b"200"
    assert buffer.message_at(150 * MS, 0.0) is None


def test_without_messages_there_is_none_at_once() -> None:
    begin = time.monotonic()
    assert DepthBuffer().message_at(0, 30.0) is None
    assert time.monotonic() - begin < 10


@pytest.mark.parametrize("closing", [False, True])
def test_a_message_on_its_way_is_waited_for(closing: bool) -> None:
    buffer = DepthBuffer()
    buffer.add(0, b"old")
    found: list[bytes | None] = []
    waiting = threading.Thread(target=lambda: found.append(buffer.message_at(500 * MS, 30.0)))
    waiting.start()
    if closing:
        buffer.close()
    else:
        buffer.add(501 * MS, b"new")
    waiting.join(20)
    assert found == [None if closing else b"new"]


def test_memory_is_bounded() -> None:
    buffer = DepthBuffer()
    for at in range(DEPTH_IMAGES + 3):
        buffer.add(at * 100 * MS, str(at).encode())
    assert buffer.message_at(200 * MS, 0.0) is None
    assert buffer.message_at(300 * MS, 0.0) == b"3"
