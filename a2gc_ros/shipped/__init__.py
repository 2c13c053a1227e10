"""Models that come with the package."""

from __future__ import annotations

import logging
from pathlib import Path

FOLDER = Path(__file__).resolve().parent

DEFAULT_MODEL = "a2gc-efficientnet-lite0"
"""The model that is taken where nobody names one."""

FORMER_NAMES = {"a2gc-mobilenetv2": "a2gc-efficientnet-lite0"}
"""Models that came with earlier versions, and the one that took their place."""

_log = logging.getLogger(__name__)


def shipped_models() -> dict[str, Path]:
    """Names and files of the models that come with the package."""
    return {path.stem: path for path in sorted(FOLDER.glob("*.onnx"))}


def shipped_file(name: str) -> Path | None:
    """The file of a model that comes with the package, or None where no such model does.

    A former name gives the model that took its place, and says so: maps of the former one have to be made again.
    """
    if name in FORMER_NAMES:
        _log.warning(
            "%s no longer comes with the package: %s takes its place. Their descriptors do not match; describe a map "
            "of the former anew with `a2gc map redescribe`.",
            name,
            FORMER_NAMES[name],
        )
    return shipped_models().get(FORMER_NAMES.get(name, name))
