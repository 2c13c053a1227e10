"""What watches a training: recall on held-out sets after each epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytorch_lightning as lightning
from numpy.typing import NDArray
from torch import Tensor

from a2gc_ros.evaluation.recall import DEFAULT_KS, Recall
from a2gc_training.data.module import ValidationSet
from a2gc_training.evaluate import judge
from a2gc_training.module import gather

MEAN = "mean"
"""Name under which the mean over all validation sets is logged."""


class RecallWatch(lightning.Callback):
    """Logs ``SET/recall@K`` for every validation set, and their mean where there are several, over all processes.

    Args:
        sets: The validation sets, in the order of the loaders.

    Attributes:
        latest: The last recall of each set, by name.
    """

    def __init__(self, sets: Sequence[ValidationSet]) -> None:
        super().__init__()
        self._sets = list(sets)
        self._descriptors: list[NDArray[np.float32] | None] = []
        self.latest: dict[str, Recall] = {}

    def on_validation_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:  # noqa: ARG002
        """Forgets the last epoch's descriptors."""
        self._descriptors = [None] * len(self._sets)

    def on_validation_batch_end(
        self,
        trainer: lightning.Trainer,  # noqa: ARG002
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: dict[str, Tensor],
        batch_idx: int,  # noqa: ARG002
        dataloader_idx: int = 0,
    ) -> None:
        """Keeps a batch's descriptors by row; a row that two processes read is the same in both."""
        rows = gather(pl_module, batch["rows"])
        descriptors = gather(pl_module, outputs).float().cpu().numpy()
        kept = self._descriptors[dataloader_idx]
        if kept is None:
            kept = np.zeros((len(self._sets[dataloader_idx].images), descriptors.shape[1]), np.float32)
            self._descriptors[dataloader_idx] = kept
        kept[rows.cpu().numpy()] = descriptors

    def on_validation_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Searches and logs."""
        if trainer.sanity_checking:
            return
        for item, descriptors in zip(self._sets, self._descriptors, strict=True):
            if descriptors is not None:
                self.latest[item.name] = judge(descriptors, item.task)
        for k in DEFAULT_KS:
            values = {name: outcome.at(k) for name, outcome in self.latest.items()}
            if len(values) > 1:
                values[MEAN] = sum(values.values()) / len(values)
            for name, value in values.items():
                pl_module.log(f"{name}/recall@{k}", value, prog_bar=k == 1)
        self._descriptors = []
