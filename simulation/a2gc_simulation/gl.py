"""Finds a way to draw without a screen: EGL or OSMesa, whichever works on this machine."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from typing import Any

from a2gc_ros.errors import BackendError
from a2gc_ros.system.installation import needs

BACKENDS = ("egl", "osmesa")
ADVICE = (
    "Drawing the town needs OpenGL without a screen, and neither EGL nor OSMesa works here; "
    "install one, on Debian or Ubuntu with: sudo apt-get install libegl1 libgl1-mesa-dri (or libosmesa6)"
)


def _environment(backend: str) -> dict[str, str]:
    return {"MUJOCO_GL": backend, "PYOPENGL_PLATFORM": backend}


@functools.cache
def find_backend() -> str:
    """Returns the name of the first backend that opens a context.

    Each is tried in a process of its own, for a driver that fails may take its process along and PyOpenGL
    can't change its mind once it is imported. MUJOCO_GL in the environment narrows the choice to what it names.

    Raises:
        BackendError: If MuJoCo is not installed or no backend works.
    """
    try:
        import mujoco  # noqa: F401
    except ImportError as error:
        raise BackendError(needs("The simulation", "MuJoCo", "sim")) from error
    wanted = os.environ.get("MUJOCO_GL", "").lower()
    for backend in (wanted,) if wanted in BACKENDS else BACKENDS:
        attempt = f"from mujoco.{backend} import GLContext; GLContext(8, 8).make_current()"
        try:
            done = subprocess.run(
                [sys.executable, "-c", attempt],
                env={**os.environ, **_environment(backend)},
                capture_output=True,
                timeout=60,
                check=False,
            )
        except subprocess.TimeoutExpired:
            continue
        if done.returncode == 0:
            return backend
    raise BackendError(f"{ADVICE}.")


def open_context(width: int, height: int) -> Any:
    """Opens an OpenGL context for pictures of the given size in pixels and makes it current.

    Raises:
        BackendError: If no backend works.
    """
    backend = find_backend()
    os.environ.update(_environment(backend))
    if backend == "egl":
        from mujoco.egl import GLContext
    else:
        from mujoco.osmesa import GLContext
    context = GLContext(width, height)
    context.make_current()
    return context
