"""What memory this process takes, and giving back what it no longer needs."""

from __future__ import annotations

import ctypes
import resource
import sys
from pathlib import Path

_DONTNEED = 4  # MADV_DONTNEED


def resident() -> int:
    """Bytes of this process that lie in memory now; where the system does not tell, the most there ever were."""
    statm = Path("/proc/self/statm")
    if statm.is_file():
        return int(statm.read_text().split()[1]) * resource.getpagesize()
    return peak_resident()


def peak_resident() -> int:
    """Most bytes of this process that ever lay in memory at once."""
    # What getrusage tells a fresh process on Linux is at least what its parent had.
    if (told := kernel_tells("/proc/self/status", "VmHWM")) is not None:
        return told
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def kernel_tells(file: str, key: str) -> int | None:
    """Bytes that a file of /proc, such as /proc/meminfo, has under a key; None where the system does not tell."""
    try:
        lines = Path(file).read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    line = next((line for line in lines if line.startswith(f"{key}:")), None)
    return int(line.split()[1]) * 1024 if line else None


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
