"""Descriptors of a table of images and the recall they reach, without a trainer."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from a2gc_ros.evaluation.recall import DEFAULT_KS, Recall, recall
from a2gc_ros.evaluation.search import search
from a2gc_ros.models.place_model import PlaceModel
from a2gc_ros.system.progress import progress_over
from a2gc_training.data.places import collate_images, make_safe_to_fork
from a2gc_training.data.validation import RetrievalTask


@torch.no_grad()
def describe(
    model: PlaceModel, images: Dataset[Any], *, batch: int = 32, workers: int = 0, device: torch.device | str = "cpu"
) -> NDArray[np.float32]:
    """Descriptors of images, in order.

    Args:
        model: The model; it is left on ``device`` in evaluation mode.
        images: Gives (uint8 (height, width, 3), row), as ``ImagesDataset``.
        batch: Images at a time.
        workers: Processes that read images.
        device: Where the model runs.

    Returns:
        float32 (N, D), L2-normalized.
    """
    if workers > 0:
        make_safe_to_fork()
    model.eval().to(device)
    loader = DataLoader(images, batch_size=batch, collate_fn=collate_images, num_workers=workers)
    found = [
        model(model.normalize(item["images"].to(device))).float().cpu().numpy()
        for item in progress_over(loader, "Describing images", unit="batches")
    ]
    return np.concatenate(found)


def judge(descriptors: NDArray[np.float32], task: RetrievalTask) -> Recall:
    """Recall of a table's descriptors, float32 (rows, D), on a task over its rows."""
    found = search(descriptors[task.queries], descriptors[task.database], max(DEFAULT_KS), task.ignored)
    return recall(found.rows, task.positives, DEFAULT_KS)
