"""Loading Python files that lie beside tests, or anywhere else outside the package."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType


def load(path: Path) -> ModuleType:
    """Returns a file as a module, loaded once and named by its path: pytest imports tests by path, too."""
    name = "loaded_" + "_".join(path.resolve().with_suffix("").parts[-3:])
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]
