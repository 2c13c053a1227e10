"""The folder of a run: its recipe, and the checkpoints that are kept."""

from __future__ import annotations

import os
from pathlib import Path

import yaml
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.utilities import rank_zero_only

from a2gc_ros.errors import ConfigError
from a2gc_ros.evaluation.recall import DEFAULT_KS
from a2gc_training.callbacks import MEAN
from a2gc_training.config import differences, read_yaml, to_mapping
from a2gc_training.recipe import Recipe

RECIPE_FILE = "recipe.yaml"

MAY_CHANGE_ON_RESUME = (
    *("trainer.epochs", "trainer.accelerator", "trainer.devices", "trainer.nodes", "trainer.strategy"),
    *("trainer.workers", "trainer.keep_images", "trainer.validation_batch", "trainer.log_every"),
    "trainer.images_at_once",
)


def begin(recipe: Recipe, out: Path, *, resume: bool) -> Path | None:
    """Writes the resolved recipe, unless the folder already holds a run that is not to be resumed.

    A job that SLURM has requeued resumes by itself, once it has come so far.

    Returns:
        The newest checkpoint, where there is something to resume.

    Raises:
        ConfigError: There is no run to resume, it was started with another recipe, or there is one in the way.
    """
    requeued = was_requeued(out)
    last = None
    if resume or (requeued and _checkpoints(out)):
        last = _resumable(recipe, out)
    _write_recipe(recipe, out, resume=resume or requeued)
    return last


def _resumable(recipe: Recipe, out: Path) -> Path:
    known = _checkpoints(out)
    if not known:
        raise ConfigError(
            f"There is no run to resume in {out}: {out / 'checkpoints' / 'last.ckpt'} is missing; leave out --resume."
        )
    changed = [
        name
        for name in differences(read_yaml(out / RECIPE_FILE), to_mapping(recipe))
        if name not in MAY_CHANGE_ON_RESUME
    ]
    if changed:
        raise ConfigError(
            f"The run in {out} was started with another `{changed[0]}`; resume it with the same recipe, or begin a new "
            "one with --out."
        )
    return max(known, key=lambda path: path.stat().st_mtime)


def was_requeued(out: Path) -> bool:
    """Whether SLURM has started this very job before, so that what is in the folder is its own."""
    return int(os.environ.get("SLURM_RESTART_COUNT") or 0) > 0 and (out / RECIPE_FILE).is_file()


def forget_requeues(out: Path) -> None:
    """Removes what Lightning saved when SLURM took the machine away, once the run is at its end."""
    for path in _left_by_slurm(out):
        path.unlink()


def _left_by_slurm(out: Path) -> list[Path]:
    return sorted(out.glob("hpc_ckpt_*.ckpt"))


def _checkpoints(out: Path) -> list[Path]:
    return [path for path in (out / "checkpoints" / "last.ckpt", *_left_by_slurm(out)) if path.is_file()]


@rank_zero_only
def _write_recipe(recipe: Recipe, out: Path, *, resume: bool) -> None:
    if not resume and (out / "checkpoints").exists():
        raise ConfigError(f"{out} already holds a run; continue it with --resume, or choose another --out.")
    out.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(to_mapping(recipe), sort_keys=False)
    (out / RECIPE_FILE).write_text(text, encoding="utf-8")


def checkpoint_keepers(recipe: Recipe, out: Path) -> list[ModelCheckpoint]:
    """What writes checkpoints: the one whose file becomes the model first, then the one to resume from.

    Raises:
        ConfigError: ``trainer.monitor`` names no recall of this recipe.
    """
    folder = out / "checkpoints"
    last = ModelCheckpoint(folder, filename="last", enable_version_counter=False)
    names = [section.name for section in recipe.validation]
    known = [f"{name}/recall@{k}" for name in [*names, *([MEAN] if len(names) > 1 else [])] for k in DEFAULT_KS]
    monitor = recipe.trainer.monitor or (known[0] if known else None)
    if monitor is None:
        return [last]
    if monitor not in known:
        allowed = ", ".join(known) or "none"
        raise ConfigError(f"The recipe entry `trainer.monitor` is {monitor!r}; choose from {allowed}.")
    best = ModelCheckpoint(folder, filename="best", monitor=monitor, mode="max", enable_version_counter=False)
    return [best, last]
