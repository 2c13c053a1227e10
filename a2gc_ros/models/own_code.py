"""Backbones, aggregators, losses and data in a file of the user's own, by dotted path: ``my_parts.MeanPool``.

Only the user's word leads to code. A recipe names what lies in its own folder or in the one the command runs in; a
model file that was trained with such parts is rebuilt with the help of `VARIABLE`, which names modules. A file that
merely says that it needs some module runs nothing.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from a2gc_ros.errors import ConfigError

VARIABLE = "A2GC_MODULES"
"""Environment variable with the names of modules, commas between them, whose parts model files may name."""

_folders: list[Path] = []
_declared: dict[str, Any] = {}


def look_in(folder: Path) -> None:
    """Lets `declare` find modules in a folder."""
    if folder.resolve() not in _folders:
        _folders.append(folder.resolve())


def is_dotted(name: str) -> bool:
    """Whether a name is a dotted path, and no name of a registry."""
    return "." in name.strip(".") and all(part.isidentifier() for part in name.split("."))


def declare(dotted: str) -> Any:
    """What a dotted path names, from a module in one of the folders, the working folder, or `VARIABLE`.

    Raises:
        ConfigError: There is no such module or part, or it cannot be imported.
    """
    if dotted not in _declared:
        module_name, _, name = dotted.rpartition(".")
        module = _module(module_name)
        if not hasattr(module, name):
            there = ", ".join(sorted(key for key in vars(module) if not key.startswith("_"))) or "nothing"
            raise ConfigError(f"{module.__file__} has no {name!r}; it has {there}.")
        _declared[dotted] = getattr(module, name)
    return _declared[dotted]


def known(dotted: str) -> Any | None:
    """The same where the user has named it or its module; None where nobody has."""
    if dotted in _declared or dotted.rpartition(".")[0] in _named_modules():
        return declare(dotted)
    return None


def _named_modules() -> list[str]:
    return os.environ.get(VARIABLE, "").replace(",", " ").split()


def _module(name: str) -> Any:
    folders = [*_folders, Path.cwd()]
    relative = Path(*name.split("."))
    file = next(
        (
            path
            for folder in folders
            for path in (folder / relative.with_suffix(".py"), folder / relative / "__init__.py")
            if path.is_file()
        ),
        None,
    )
    if file is None and name not in _named_modules():
        where = " or ".join(map(str, dict.fromkeys(folders)))
        raise ConfigError(
            f"There is no {relative.with_suffix('.py')} in {where}; put the file there, or name a module that can be "
            f"imported in {VARIABLE}."
        )
    try:
        with _first_on_the_path(folders):
            module = importlib.import_module(name)
    # The user's own code runs here, which may raise anything.
    except Exception as error:
        raise ConfigError(
            f"{file or name} cannot be imported ({type(error).__name__}: {error}); correct it."
        ) from error
    if file is not None and Path(module.__file__ or "").resolve() != file.resolve():
        raise ConfigError(f"{file} bears the name of another module, {module.__file__}; give it another name.")
    return module


@contextmanager
def _first_on_the_path(folders: list[Path]) -> Iterator[None]:
    before = list(sys.path)
    sys.path[:0] = [str(folder) for folder in folders]
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path[:] = before
