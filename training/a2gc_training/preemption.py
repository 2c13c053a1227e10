"""SLURM's signal that a job is about to lose its machine, answered between two batches."""

from __future__ import annotations

import signal
from types import FrameType
from typing import Any

import pytorch_lightning as lightning


class Preemption(lightning.Callback):
    """Has Lightning save and requeue the job when the batch at hand is over.

    Lightning's handler runs where the signal meets the program: within a step of the optimizer it saves half a step,
    and within TensorBoard's writer, which cannot be closed while it writes, it waits for itself and never ends.
    """

    def __init__(self) -> None:
        super().__init__()
        self._handler: Any = None
        self._pending = False

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:  # noqa: ARG002
        """Puts itself before Lightning's handler, where there is one: only jobs of SLURM have it."""
        handler = signal.getsignal(signal.SIGUSR1)
        if callable(handler):
            self._handler = handler
            signal.signal(signal.SIGUSR1, self._note)

    def on_train_batch_end(self, *_: Any) -> None:
        """Answers the signal that came meanwhile."""
        if self._pending:
            self._pending = False
            self._handler(signal.SIGUSR1, None)

    def _note(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - what a handler is called with
        self._pending = True
