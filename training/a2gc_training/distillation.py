"""Distillation: what keeps a student near a teacher."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import ConcatDataset

from a2gc_ros.errors import ConfigError, ModelError
from a2gc_ros.models.place_model import PlaceModel
from a2gc_training.sections import DistillationSection

PROJECTION_SAMPLES = 2048
"""Descriptors that a projection is found from."""


class Teacher(Protocol):
    """Says what the student's output should be like."""

    def target(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Float32 targets of a batch: descriptors (B, D), or local features (B, C, H', W')."""

    def to(self, device: torch.device) -> None:
        """Moves to the student's device."""


class Distillation(nn.Module):
    """How far a student is from a teacher, which is no submodule: it is neither trained nor written to checkpoints."""

    def __init__(self, section: DistillationSection, teacher: Teacher) -> None:
        super().__init__()
        self.section = section
        self._teacher = (teacher,)

    @property
    def teacher(self) -> Teacher:
        """The frozen teacher."""
        return self._teacher[0]

    def forward(self, own: Tensor, target: Tensor) -> Tensor:
        """Scalar float32 distance.

        Args:
            own: The student's local features (B, C, H', W') where ``features`` are compared, else its descriptors
                (B, D), L2-normalized.
            target: The teacher's of the same images.

        Raises:
            ModelError: The two differ in shape where they must not.
        """
        with torch.autocast(own.device.type, enabled=False):
            own, target = own.float(), target.float()
            if self.section.compare == "similarities":
                return functional.mse_loss(own @ own.T, target @ target.T)
            if target.shape != own.shape:
                raise ModelError(
                    f"The teacher's {self.section.compare} are {tuple(target.shape[1:])} and the student's "
                    f"{tuple(own.shape[1:])}; set `distillation.compare` to `similarities`."
                )
            return 1 - functional.cosine_similarity(own, target, dim=1).mean()


class LiveTeacher:
    """A frozen model that looks at every batch; its target is its local ``features``, or else its descriptors."""

    def __init__(self, model: PlaceModel, *, features: bool) -> None:
        self.model = model.eval().requires_grad_(False)
        self._features = features

    @torch.no_grad()
    def target(self, batch: Mapping[str, Tensor]) -> Tensor:
        """What it makes of ``teacher_images``, float (B, 3, H, W) in [0, 1]."""
        images, size = batch["teacher_images"], (self.model.preprocessing.height, self.model.preprocessing.width)
        if images.shape[-2:] != size:
            images = functional.interpolate(images, size, mode="bilinear", antialias=True)
        ready = self.model.standardize(images)
        return (self.model.backbone(ready).map if self._features else self.model(ready)).float()

    def to(self, device: torch.device) -> None:
        """Moves to the student's device."""
        self.model.to(device)


class StoredTeacher:
    """A teacher that described every training image once, before the training.

    Args:
        tables: Descriptors of the images of each training table, in order, float (rows, D), L2-normalized.
        dim: Dimension of the targets; with fewer than D they are projected on the principal directions of all
            descriptors, which keeps their similarities best. None keeps D.

    Raises:
        ConfigError: The targets would have more dimensions than the teacher has.
    """

    def __init__(self, tables: Sequence[NDArray[np.floating]], dim: int | None = None) -> None:
        self._rows: ConcatDataset[NDArray[np.floating]] = ConcatDataset(tables)  # type: ignore[arg-type]
        self._projection = None if dim is None else _principal_directions(tables, dim)

    def target(self, batch: Mapping[str, Tensor]) -> Tensor:
        """The descriptors of the images in ``rows``, int64 (B,), numbered through over all tables."""
        found = np.stack([self._rows[row] for row in batch["rows"].tolist()])
        descriptors = torch.from_numpy(found.astype(np.float32))
        if self._projection is not None:
            descriptors = functional.normalize(descriptors @ self._projection, dim=1)
        return descriptors.to(batch["rows"].device)

    def to(self, device: torch.device) -> None:
        """Stays where it is: few descriptors are wanted at a time."""


def _principal_directions(tables: Sequence[NDArray[np.floating]], dim: int) -> Tensor:
    """Orthonormal directions (D, dim) in which descriptors have most energy; not centered, so cosines are kept."""
    every = sum(len(table) for table in tables) // PROJECTION_SAMPLES + 1
    samples = torch.from_numpy(np.concatenate([table[::every] for table in tables]).astype(np.float32))
    if dim > min(samples.shape):
        raise ConfigError(
            f"The student's {dim} dimensions cannot follow {len(samples)} descriptors of {samples.shape[1]} by the "
            "teacher one to one; set `distillation.compare` to `similarities`."
        )
    return torch.linalg.svd(samples, full_matrices=False).Vh[:dim].T.contiguous()
