"""What every verb that draws checks first."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from a2gc_ros.errors import ConfigError
from a2gc_ros.system.installation import needs


def need_matplotlib() -> None:
    """Raises ConfigError, with what to install, where there is no matplotlib."""
    if importlib.util.find_spec("matplotlib") is None:
        raise ConfigError(needs("Drawing", "matplotlib", "viz"))


def make_folder(folder: Path) -> None:
    """Makes a folder for pictures.

    Raises:
        ConfigError: It cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"The folder {folder} cannot be made ({error.strerror}); name another with --out.") from None
