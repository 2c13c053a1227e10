"""The Lightning module: it trains, and nothing else."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytorch_lightning as lightning
import torch
from pytorch_lightning.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from a2gc_ros.errors import ConfigError, TrainingError
from a2gc_ros.models.checkpoints import METADATA_KEY, metadata
from a2gc_ros.models.place_model import PlaceModel
from a2gc_training.augmentation import Augmentation
from a2gc_training.distillation import Distillation
from a2gc_training.losses import MetricLoss
from a2gc_training.recipe import Recipe


class PlaceTraining(lightning.LightningModule):
    """Trains a model on batches of places.

    With several processes the loss is taken over the descriptors of all of them, and gradients flow back to each, so
    that N processes with P places train as one with N·P.

    Args:
        model: The network.
        recipe: Its loss, optimizer, seed, and how many images pass the network together.
        augmentation: What happens to training images.

    Attributes:
        distillation: What keeps the model near a teacher, or None.

    Raises:
        ConfigError: Images are to pass in parts and a batch norm would see each part alone.
    """

    def __init__(self, model: PlaceModel, recipe: Recipe, augmentation: Augmentation) -> None:
        super().__init__()
        self._images_at_once = recipe.trainer.images_at_once
        if self._images_at_once is not None and _learns_statistics(model):
            raise ConfigError(
                "trainer.images_at_once: this model has batch norms that train, whose statistics are of all images "
                "that pass together, so passing them in parts is another training; leave it out, or train blocks "
                "without them (model.trainable_blocks)."
            )
        self._seed = recipe.seed
        self.model = model
        self.loss = MetricLoss(recipe.loss)
        # In a tuple it is no submodule, so what kornia keeps in it stays out of checkpoints.
        self._augmentation = (augmentation,)
        self.distillation: Distillation | None = None
        self._optimizer = recipe.optimizer

    @property
    def augmentation(self) -> Augmentation:
        """What happens to training images."""
        return self._augmentation[0]

    def on_fit_start(self) -> None:
        """Moves what is no submodule to the model's device."""
        self.augmentation.to(self.device)
        if self.distillation is not None:
            self.distillation.teacher.to(self.device)

    def on_after_batch_transfer(self, batch: dict[str, Tensor], dataloader_idx: int) -> dict[str, Tensor]:  # noqa: ARG002
        """Turns uint8 images (B, H, W, 3) into the network's input, augmented while training.

        Runs on the device and outside autocast.
        """
        if not self.trainer.training:
            return {**batch, "images": self.model.normalize(batch["images"])}
        # A step draws what it would in any run, so a resumed one goes on as if it had never stopped.
        drawn = np.random.SeedSequence([self._seed, self.trainer.global_step, self.trainer.global_rank])
        torch.manual_seed(int(drawn.generate_state(1)[0]))
        with torch.no_grad():
            seen = self.augmentation.viewpoint(batch["images"].permute(0, 3, 1, 2).float() / 255)
            images = self.augmentation.appearance(seen)
        ready = {**batch, "images": self.model.standardize(images)}
        if self.distillation is not None and self.distillation.section.teacher_sees != "original":
            ready["teacher_images"] = seen if self.distillation.section.teacher_sees == "viewpoint" else images
        return ready

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:  # noqa: ARG002
        """The loss of a batch."""
        maps, descriptors = self._pass(batch["images"])
        # Of all processes; the backward pass adds up what each process's loss says.
        everyone, places = gather(self, descriptors, sync_grads=True), gather(self, batch["places"])
        loss = self.loss(everyone, places)
        count = len(places)
        if self.distillation is not None:
            self.log("train/metric_loss", loss, batch_size=count)
            own, target = maps, self.distillation.teacher.target(batch)
            if self.distillation.section.compare != "features":
                own, target = everyone, gather(self, target)
            distance = self.distillation(own, target)
            self.log("train/distillation", distance, batch_size=count)
            loss = loss + self.distillation.section.weight * distance
        # Where descriptors are not finite a miner finds no pairs, and the loss is 0.
        if not (torch.isfinite(loss) & torch.isfinite(everyone).all()):
            raise TrainingError(
                f"The loss or a descriptor is not finite at step {self.trainer.global_step + 1} (the loss is "
                f"{loss.item()}), so training stops and keeps the checkpoints of earlier epochs; lower optimizer.lr, "
                "clip gradients (trainer.gradient_clip), or compute in 32-true."
            )
        self.log("train/loss", loss, prog_bar=True, on_step=True, on_epoch=True, batch_size=count)
        return loss

    def validation_step(self, batch: dict[str, Tensor], batch_idx: int, dataloader_idx: int = 0) -> Tensor:  # noqa: ARG002
        """Descriptors, float32 (B, D); a callback judges them."""
        return self.model(batch["images"]).float()

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """AdamW with one learning rate for the backbone and one for what follows, both falling linearly."""
        section = self._optimizer
        inside = {id(parameter) for parameter in self.model.backbone.parameters()}
        trainable = [parameter for parameter in self.parameters() if parameter.requires_grad]
        backbone = [parameter for parameter in trainable if id(parameter) in inside]
        rest = [parameter for parameter in trainable if id(parameter) not in inside]
        backbone_lr = section.lr if section.backbone_lr is None else section.backbone_lr
        groups = [
            {"params": rest, "lr": section.lr, "name": "head"},
            {"params": backbone, "lr": backbone_lr, "name": "backbone"},
        ]
        optimizer = torch.optim.AdamW([group for group in groups if group["params"]], weight_decay=section.weight_decay)
        total = section.total_iters or max(int(self.trainer.estimated_stepping_batches), 1)
        decay = LinearDecay(section.end_factor, total, section.warmup_iters)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, decay)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Adds what rebuilds the network from the checkpoint alone."""
        checkpoint[METADATA_KEY] = metadata(self.model)

    def _pass(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Feature maps and descriptors; in parts, of which each is computed again in the backward pass.

        The loss sees all descriptors at once, and its gradient is that of the whole batch, in the memory of a part.
        """
        if self._images_at_once is None or len(images) <= self._images_at_once:
            return self._describe(images)
        parts = [checkpoint(self._describe, part, use_reentrant=False) for part in images.split(self._images_at_once)]
        return torch.cat([maps for maps, _ in parts]), torch.cat([descriptors for _, descriptors in parts])

    def _describe(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = self.model.backbone(images)
        return features.map, self.model.aggregator(features.map, features.token)


def gather(module: lightning.LightningModule, tensor: Tensor, *, sync_grads: bool = False) -> Tensor:
    """Tensors (B, ...) of all processes, one after the other: (processes * B, ...)."""
    if module.trainer.world_size == 1:
        return tensor
    return cast(Tensor, module.all_gather(tensor, sync_grads=sync_grads)).flatten(0, 1)


def _learns_statistics(model: PlaceModel) -> bool:
    model.train()
    return any(isinstance(module, _BatchNorm) and module.training for module in model.modules())


class LinearDecay:
    """Share of the first learning rate at a step: linear from 1 to ``end_factor``, after a linear warm-up.

    Args:
        end_factor: Share from step ``total`` on.
        total: Steps over which it falls, warm-up included.
        warmup: Steps over which it first rises from a hundredth.
    """

    def __init__(self, end_factor: float, total: int, warmup: int) -> None:
        self._end_factor = end_factor
        self._total = total
        self._warmup = warmup

    def __call__(self, step: int) -> float:
        """The share at a step, counted from 0."""
        if step < self._warmup:
            return 0.01 + 0.99 * step / self._warmup
        done = min((step - self._warmup) / max(self._total - self._warmup, 1), 1.0)
        return 1 + (self._end_factor - 1) * done
