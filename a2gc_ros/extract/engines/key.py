"""What an engine was built of and for; one that differs in anything is built anew."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from a2gc_ros.errors import ConfigError
from a2gc_ros.extract.runtime import Precision

RECIPE = 1
"""Version of how this package builds engines; raise it where the same key should give another engine."""

ON_GPU = -1
"""In place of a DLA core's number: the engine runs on the GPU."""

MOST_IMAGES = 16
"""Images in one batch of an engine; larger batches are split."""


@dataclass(frozen=True)
class EngineOptions:
    """How engines are built and where they are kept.

    Attributes:
        folder: The cache; None for ``a2gc_ros/engines`` in the user's cache folder.
        workspace_mb: Most memory the builder may use for a layer's scratch space, in MiB; 0 sets no limit.
        dla_core: Deep-learning accelerator of a Jetson to run on, or -1 for the GPU.
    """

    folder: Path | None = None
    workspace_mb: int = 0
    dla_core: int = ON_GPU

    def __post_init__(self) -> None:
        if self.workspace_mb < 0:
            raise ConfigError(f"workspace_mb is {self.workspace_mb}; give MiB, or 0 for no limit.")
        if self.dla_core < ON_GPU:
            raise ConfigError(f"dla_core is {self.dla_core}; give a core's number from 0, or -1 for the GPU.")


@dataclass(frozen=True)
class EngineKey:
    """Everything an engine depends on.

    Attributes:
        model: Name of the model.
        fingerprint: Of the model.
        precision: What the engine computes in.
        runtime: ``tensorrt`` or ``tensorrt-rtx``.
        version: Of the runtime.
        gpu: Name of the GPU, or of the family where the runtime's engines run on all of it.
        compute_capability: Of the GPU.
        dla_core: Accelerator it runs on, or -1 for the GPU.
        workspace_mb: Limit it was built under, in MiB; 0 for none.
        most_images: Largest batch.
        recipe: Version of how this package builds engines.
    """

    model: str
    fingerprint: str
    precision: Precision
    runtime: str
    version: str
    gpu: str
    compute_capability: str
    dla_core: int = ON_GPU
    workspace_mb: int = 0
    most_images: int = MOST_IMAGES
    recipe: int = RECIPE

    @property
    def stem(self) -> str:
        """File name without suffix; engines that replace each other share it."""
        parts = [self.model, self.fingerprint[:12], self.precision, self.runtime, self.gpu]
        if self.dla_core != ON_GPU:
            parts.append(f"dla{self.dla_core}")
        return "-".join(re.sub(r"[^a-z0-9]+", "-", part.lower()).strip("-") for part in parts)

    def difference(self, wanted: EngineKey) -> str | None:
        """What makes an engine of this key useless where another is wanted, in words; None if nothing does."""
        mine, theirs = asdict(self), asdict(wanted)
        found = [f"{_WORDS[n]} {mine[n]} and not {theirs[n]}" for n in mine if mine[n] != theirs[n]]
        return f"it was built {', '.join(found)}" if found else None

    @classmethod
    def from_dict(cls, entries: Mapping[str, Any]) -> EngineKey:
        """Reads what ``dataclasses.asdict`` gave.

        Raises:
            ValueError: Entries are missing, surplus or of another type.
        """
        kinds = {field.name: int if field.type == "int" else str for field in fields(cls)}
        if set(entries) != set(kinds) or any(type(entries[name]) is not kind for name, kind in kinds.items()):
            raise ValueError("its description is not one of an engine")
        return cls(**entries)


_WORDS = {
    "model": "for the model",
    "fingerprint": "for the fingerprint",
    "precision": "in",
    "runtime": "by",
    "version": "by version",
    "gpu": "for the GPU",
    "compute_capability": "for compute capability",
    "dla_core": "for the accelerator",
    "workspace_mb": "with a workspace in MiB of",
    "most_images": "for batches of at most",
    "recipe": "by this package's recipe",
}
