"""A job's warning is answered between two batches, by whom it would have been answered."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

pytest.importorskip("pytorch_lightning")

from a2gc_training.preemption import Preemption


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    before = signal.getsignal(signal.SIGUSR1)
    yield
    signal.signal(signal.SIGUSR1, before)


def test_a_signal_within_a_batch_is_answered_after_it() -> None:
    answered: list[int] = []
    signal.signal(signal.SIGUSR1, lambda number, _: answered.append(number))
    callback = Preemption()
    callback.on_train_start(None, None)  # type: ignore[arg-type]
    callback.on_train_batch_end()
    os.kill(os.getpid(), signal.SIGUSR1)
    assert answered == []
    callback.on_train_batch_end()
    callback.on_train_batch_end()
    assert answered == [signal.SIGUSR1]


def test_where_nobody_answers_nothing_changes() -> None:
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    Preemption().on_train_start(None, None)  # type: ignore[arg-type]
    assert signal.getsignal(signal.SIGUSR1) == signal.SIG_IGN
