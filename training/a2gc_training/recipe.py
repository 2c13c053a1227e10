"""What one YAML recipe may say: a model, its data, and how it is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from a2gc_ros.errors import ConfigError
from a2gc_ros.models import own_code
from a2gc_training import sections
from a2gc_training.config import from_mapping, override, read_yaml, require, require_each
from a2gc_training.data.benchmarks import BenchmarkSource
from a2gc_training.data.sources import Source
from a2gc_training.data.validation import Protocol

EXTENDS = "extends"


@dataclass(frozen=True)
class ValidationSection:
    """One held-out set on which recall is watched.

    Attributes:
        name: Its name in logs: ``NAME/recall@1``.
        source: Where its images come from; a benchmark brings its own protocol.
        protocol: What is a query, what is right, and what is left out of the search.
    """

    name: str
    source: Source | BenchmarkSource
    protocol: Protocol = field(default_factory=Protocol)

    def __post_init__(self) -> None:
        require(bool(self.name) and "/" not in self.name, "name must be a word without a slash, for use in logs.")
        require(
            not isinstance(self.source, BenchmarkSource) or self.protocol == Protocol(),
            "a benchmark has its own protocol; leave `protocol` out.",
        )


@dataclass(frozen=True)
class Recipe:
    """One training run.

    Attributes:
        name: Name of the run and of the model file it leaves.
        model: The network.
        train: The places to learn from; several sources are drawn from as one.
        seed: Seed of everything random.
        validation: The sets on which recall is watched.
    """

    name: str
    model: sections.ModelSection
    train: tuple[Source, ...]
    seed: int = 0
    validation: tuple[ValidationSection, ...] = ()
    initialize: sections.InitializeSection = field(default_factory=sections.InitializeSection)
    sampling: sections.SamplingSection = field(default_factory=sections.SamplingSection)
    augmentation: sections.AugmentationSection = field(default_factory=sections.AugmentationSection)
    loss: sections.LossSection = field(default_factory=sections.LossSection)
    distillation: sections.DistillationSection = field(default_factory=sections.DistillationSection)
    optimizer: sections.OptimizerSection = field(default_factory=sections.OptimizerSection)
    trainer: sections.TrainerSection = field(default_factory=sections.TrainerSection)

    def __post_init__(self) -> None:
        require(bool(self.train), "train lists no source; add at least one.")
        names = [section.name for section in self.validation]
        require(len(set(names)) == len(names), "two validation sets have the same name; rename one.")
        require_each(self, 0, "cannot be negative.", "seed")


def load_recipe(path: Path, assignments: Sequence[str] = ()) -> Recipe:
    """Reads a recipe.

    Args:
        path: The YAML file; with ``extends: other.yaml`` it says only what it changes in another.
        assignments: ``key=value`` entries that replace those of the file.

    Raises:
        ConfigError: The file cannot be read, or an entry is unknown, missing, of the wrong type or out of range.
    """
    own_code.look_in(path.parent)
    recipe = from_mapping(Recipe, override(read_extended(path), assignments))
    for part in (recipe.model.backbone, recipe.model.aggregator):
        if part is not None and own_code.is_dotted(part):
            own_code.declare(part)
    return recipe


def read_extended(path: Path) -> dict[str, Any]:
    """Reads a YAML mapping together with those it extends, and without its entry ``extends``.

    Mappings are merged entry by entry; lists and single values replace what they extend. ``extends`` is a path relative
    to the file's own folder.

    Raises:
        ConfigError: A file cannot be read, is no mapping, or extends itself in the end.
    """
    return _read(path, ())


def _read(path: Path, below: tuple[Path, ...]) -> dict[str, Any]:
    if path.resolve() in below:
        raise ConfigError(f"The recipe {path} extends itself in the end; take one `{EXTENDS}` out.")
    values = read_yaml(path)
    if EXTENDS not in values:
        return values
    base = values.pop(EXTENDS)
    if not isinstance(base, str):
        raise ConfigError(f"The entry `{EXTENDS}` of the recipe {path} must be the path of another recipe.")
    return _merged(_read(path.parent / base, (*below, path.resolve())), values)


def _merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for key, value in changes.items():
        old = result.get(key)
        result[key] = _merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return result
