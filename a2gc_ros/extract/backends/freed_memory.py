"""Memory that loading a model leaves behind."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

_DONTNEED = 4  # MADV_DONTNEED


def return_freed_memory() -> None:
    """Returns freed memory to the system, where the C library can (glibc); elsewhere nothing happens.

    A runtime reads, rewrites and packs a model's weights, and frees the earlier copies: these stay with the process
    otherwise. For MobileNetV2 they are 10 to 20 MB.
    """
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


def release_code(folder: Path) -> None:
    """Gives up the resident pages of the code of a folder's libraries, on Linux; what still runs is mapped again.

    Most of an inference runtime's code reads and compiles models, once. Pages of code are never written, so that they
    can be given up at any time: a call into one finds it in the system's cache of the file. OpenVINO's are 28 MB.
    """
    if sys.platform != "linux":
        return
    advise = ctypes.CDLL(None).madvise
    advise.argtypes = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
    for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines():
        span, permissions, *_, path = line.split(maxsplit=5)
        if permissions == "r-xp" and Path(path).is_relative_to(folder):
            start, end = (int(address, 16) for address in span.split("-"))
            advise(start, end - start, _DONTNEED)
