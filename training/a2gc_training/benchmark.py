"""A table of images with a protocol, as recipes write it for validation, as a data set for ``a2gc eval``."""

from __future__ import annotations

from pathlib import Path

from a2gc_ros.errors import ConfigError
from a2gc_ros.evaluation.dataset import Dataset, Subset
from a2gc_ros.evaluation.ground_truth import ListedTruth
from a2gc_ros.evaluation.images import FileImages
from a2gc_training.config import from_mapping, read_yaml
from a2gc_training.data.benchmarks import BenchmarkSource
from a2gc_training.data.sources import load_table
from a2gc_training.data.tables import FileReader
from a2gc_training.data.validation import build_task
from a2gc_training.recipe import ValidationSection


def read_task(path: Path, group_by: str | None = None) -> Dataset:
    """Reads a data set from a YAML file, whose entries are those of one of a recipe's ``validation`` sets.

    Args:
        path: The file.
        group_by: Column of the table whose values tell which queries resemble each other (a clip, a drive).

    Raises:
        ConfigError: The file is no such mapping, or its images are not files.
        DatasetError: The table is damaged, or leaves no query or no right image.
    """
    section = from_mapping(ValidationSection, read_yaml(path))
    if isinstance(section.source, BenchmarkSource):
        raise ConfigError(f"{path} names the benchmark {section.source.name}; give that name to --datasets.")
    table = load_table(section.source)
    if not isinstance(table.reader, FileReader):
        raise ConfigError(f"{path}: only images in files can be evaluated; choose a source of kind csv or folder.")
    task = build_task(table, section.protocol)
    images = FileImages(section.name, table.reader.root, list(table.images))
    return Dataset(
        name=section.name,
        protocol=f"as {path.name} says; every query counts, those without a right image as misses",
        layout="a table of images",
        database=Subset(images, task.database if task.database.size < len(table) else None),
        queries=Subset(images, task.queries if task.queries.size < len(table) else None),
        truth=ListedTruth(task.positives),
        ignored=task.ignored,
        groups=None if group_by is None else table.codes([group_by])[task.queries],
    )
