"""Hard negatives: places that look alike though they are different ones."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytorch_lightning as lightning
from numpy.typing import NDArray
from torch.utils.data import Subset

from a2gc_training.data.module import PlacesDataModule
from a2gc_training.data.rules import Places
from a2gc_training.evaluate import describe
from a2gc_training.module import PlaceTraining
from a2gc_training.recipe import Recipe

SPARE = 4
"""How many times the look-alikes wanted are found: some were drawn before, or conflict with others in the batch."""

IMAGES_PER_PLACE = 4
"""Images of a place that are looked at, evenly over its rows."""


class LookAlikes(lightning.Callback):
    """Finds, before the first epoch and after each, which places look most alike to the model as it is then."""

    def __init__(self, data: PlacesDataModule, recipe: Recipe) -> None:
        super().__init__()
        self._data = data
        self._recipe = recipe

    def on_fit_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Before the first epoch, or the first after a resume."""
        self._find(trainer, pl_module)

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """For the next epoch."""
        if trainer.current_epoch + 1 < (trainer.max_epochs or 0):
            self._find(trainer, pl_module)

    def _find(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        found: list[NDArray[np.int64]] = []
        if trainer.is_global_zero:
            section, reading = self._recipe.sampling, self._recipe.trainer
            model = cast(PlaceTraining, pl_module).model
            training = self._data.training
            rows = _looked_at(training.places)
            images = Subset(training.images, np.concatenate(rows).tolist())
            descriptors = describe(
                model, images, batch=reading.validation_batch, workers=reading.workers, device=pl_module.device
            )
            model.train()
            sessions = None if section.across is None else training.codes(section.across)
            found = look_alikes(descriptors, rows, training.places, SPARE * section.look_alikes, sessions)
        self._data.put_together(trainer.strategy.broadcast(found))


def _looked_at(places: Places) -> list[NDArray[np.int64]]:
    """The rows of each place that stand for it."""
    chosen = []
    for rows in places.members:
        evenly = np.linspace(0, len(rows) - 1, min(IMAGES_PER_PLACE, len(rows)))
        chosen.append(rows[evenly.round().astype(np.int64)])
    return chosen


def look_alikes(
    descriptors: NDArray[np.float32],
    rows: list[NDArray[np.int64]],
    places: Places,
    count: int,
    sessions: NDArray[Any] | None = None,
) -> list[NDArray[np.int64]]:
    """The places most like each place, by the likest pair of their images.

    Args:
        descriptors: float32 (N, D), L2-normalized, of the images in ``rows``, one place after the other.
        rows: Rows of each place that were described.
        places: The places; those that conflict are left out.
        count: How many at most.
        sessions: Session of every row of the training set; when given, only pairs from different sessions count, so
            that what is found alike is so under another light, too.

    Returns:
        For each place, numbers of others, the likest first.
    """
    place_of = np.repeat(np.arange(len(rows)), [len(chosen) for chosen in rows])
    session_of = None if sessions is None else sessions[np.concatenate(rows)]
    found = []
    for place in range(len(rows)):
        own = place_of == place
        similarity = descriptors[own] @ descriptors.T
        if session_of is not None:
            similarity[session_of[own][:, None] == session_of[None, :]] = -np.inf
        by_place = np.full(len(rows), -np.inf, np.float32)
        np.maximum.at(by_place, place_of, similarity.max(axis=0))
        by_place[place] = -np.inf
        by_place[places.conflicts[place]] = -np.inf
        order = np.argsort(-by_place, kind="stable")[:count]
        found.append(order[np.isfinite(by_place[order])].astype(np.int64))
    return found
