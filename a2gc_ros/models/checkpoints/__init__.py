"""Models in files: ours written and read, others' recognized by the names and shapes of their tensors."""

from a2gc_ros.models.checkpoints.files import (
    GEOMETRY,
    METADATA_KEY,
    UNSPECIFIED,
    in_our_words,
    load,
    load_tensors,
    metadata,
    read_metadata,
    read_tensors,
    restore,
    save,
    warm_start,
)
from a2gc_ros.models.checkpoints.layouts import LAYOUTS

__all__ = [
    "GEOMETRY",
    "LAYOUTS",
    "METADATA_KEY",
    "UNSPECIFIED",
    "in_our_words",
    "load",
    "load_tensors",
    "metadata",
    "read_metadata",
    "read_tensors",
    "restore",
    "save",
    "warm_start",
]
