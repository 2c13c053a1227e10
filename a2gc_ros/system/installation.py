"""What to install where something that is needed is not there, cannot be loaded, or was built for another NumPy."""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import re
import shlex
from collections.abc import Iterator
from typing import Final

from a2gc_ros.errors import ConfigError

SYSTEM: Final[dict[str, tuple[str, str]]] = {
    "cv2": ("OpenCV", "python3-opencv"),
    "faiss": ("FAISS", ""),
    "filelock": ("filelock", "python3-filelock"),
    "matplotlib": ("matplotlib", "python3-matplotlib"),
    "numpy": ("NumPy", "python3-numpy"),
    "platformdirs": ("platformdirs", "python3-platformdirs"),
    "rich": ("rich", "python3-rich"),
    "rosbags": ("rosbags", ""),
    "typer": ("Typer", "python3-typer"),
    "yaml": ("PyYAML", "python3-yaml"),
}
"""Modules that everything or much needs: their names, and the packages of Debian and Ubuntu."""

FROM_PIP: Final[dict[str, str]] = {"cv2": "opencv-python-headless", "faiss": "faiss-cpu", "yaml": "PyYAML"}
"""Where a module's package on PyPI is not called like the module."""

FROM_ROS: Final = frozenset(
    {
        "action_msgs",
        "ament_index_python",
        "builtin_interfaces",
        "diagnostic_msgs",
        "geometry_msgs",
        "lifecycle_msgs",
        "nav_msgs",
        "rcl_interfaces",
        "rclpy",
        "rosgraph_msgs",
        "sensor_msgs",
        "std_msgs",
        "std_srvs",
        "visualization_msgs",
    }
)


BESIDE: Final[dict[str, str]] = {"a2gc_simulation": "simulation", "a2gc_training": "training"}
"""Packages of the same repository that a robot does not install, and their folders."""


def pip_install(extra: str) -> str:
    """Returns the command that installs an extra's packages, such as ``pip install 'gtsam>=4.3a1'``.

    It names the packages, since a2gc_ros itself is on no index. Where a2gc_ros runs without having been installed, or
    was installed before it had this extra, it says from where the extra can be.
    """
    try:
        packages = _requirements(extra)
    except importlib.metadata.PackageNotFoundError:
        packages = ()
    if not packages:
        return f"pip install '.[{extra}]' in a clone of a2gc_ros"
    return f"pip install {' '.join(shlex.quote(name) for name in packages)}"


def needs(what: str, package: str, extra: str) -> str:
    """Says that something needs a package that is not installed, and how to get it."""
    return f"{what} needs {package}, which is not installed; install it with: {pip_install(extra)}"


@contextlib.contextmanager
def needing(what: str, extra: str) -> Iterator[None]:
    """Says how to get an extra where an import inside fails for want of one of its packages.

    Raises:
        ConfigError: A package is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        name = str(error.name).partition(".")[0]
        if name == "a2gc_ros":
            raise
        known = what_is_missing(error) if name in {*SYSTEM, *BESIDE} else None
        raise ConfigError(known or needs(what, f"the Python package {name}", extra)) from error


def what_is_missing(error: ImportError) -> str | None:
    """Says in one sentence what stops an import, and what to do.

    Returns:
        None where this package does not know: then the traceback is worth more.
    """
    text = str(error)
    if "numpy" in text and ("multiarray" in text or "_ARRAY_API" in text or "compiled using NumPy 1" in text):
        return (
            f"a package was compiled for NumPy 1, and NumPy {_version('numpy')} is installed; that of ROS or of the "
            "system needs the older one: pip install 'numpy<2'"
        )
    module = (error.name or "").split(".")[0]
    if isinstance(error, ModuleNotFoundError):
        return _not_installed(module)
    if library := re.match(r"(\S+\.so\S*): cannot open shared object file", text):
        remedy = "apt install libgl1, or take opencv-python-headless" if "libGL" in library[1] else "install it"
        return f"the system's library {library[1]}, which a Python package needs, is not installed: {remedy}"
    return None


def _not_installed(module: str) -> str | None:
    if module == "a2gc_msgs":
        return (
            "the messages a2gc_msgs are not installed: build them (colcon build in the workspace, or make venv in a "
            "clone) and source what was built (source install/setup.bash)"
        )
    if module in FROM_ROS:
        return (
            f"the ROS package {module} is not installed or not sourced: source /opt/ros/<distribution>/setup.bash, or "
            "without ROS run make venv and make shell in a clone of a2gc_ros"
        )
    if module in BESIDE:
        return (
            f"the Python package {module}, which a robot's installation leaves out, is not installed: run pip install "
            f"./{BESIDE[module]} in a clone of a2gc_ros"
        )
    if module not in SYSTEM:
        return _of_an_extra(module)
    name, package = SYSTEM[module]
    ways = [f"apt install {package}"] * bool(package) + [f"pip install {FROM_PIP.get(module, module)}"]
    return f"{name} (the Python module {module}) is not installed: {', or '.join(ways)}"


def _of_an_extra(module: str) -> str | None:
    """What brings a module that only some commands need, and whose package is called like the module."""
    try:
        extras = importlib.metadata.metadata("a2gc_ros").get_all("Provides-Extra") or ()
    except importlib.metadata.PackageNotFoundError:
        return None
    for requirement in (one for extra in extras for one in _requirements(extra)):
        if re.split(r"[^\w-]", requirement)[0].replace("-", "_").lower() == module.lower():
            return f"the Python package {module} is not installed: pip install {shlex.quote(requirement)}"
    return None


@functools.cache
def _requirements(extra: str) -> tuple[str, ...]:
    pattern = re.compile(rf"\s*(.+?)\s*;.*\bextra\s*==\s*['\"]{re.escape(extra)}['\"]")
    found = (pattern.match(requirement) for requirement in importlib.metadata.requires("a2gc_ros") or ())
    return tuple(match[1].replace(" ", "") for match in found if match)


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "2"
