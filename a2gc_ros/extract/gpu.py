"""What an NVIDIA GPU's driver tells without a package: whether there is a GPU, and how full its memory is."""

from __future__ import annotations

import ctypes
import re
from dataclasses import dataclass
from functools import cache

OUT_OF_MEMORY = "the GPU's memory is full; end what else runs on the GPU, or use a smaller model or half precision"

_FULL = re.compile("out ?of ?memory|failed to allocate memory|CUBLAS failure 3:", re.IGNORECASE)
"""What runtimes say then; cuBLAS's third status is a failed allocation."""


@dataclass(frozen=True)
class Gpu:
    """What an engine is built for: a name such as ``Orin``, as the driver gives it, and capability such as ``8.7``."""

    name: str
    compute_capability: str


def says_full(said: str) -> bool:
    """Whether a runtime's message says that the GPU's memory is full."""
    return _FULL.search(said) is not None


@cache
def has_gpu() -> bool:
    """Whether the driver finds a GPU that this process may use."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    count = ctypes.c_int(0)
    return driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0 and count.value > 0


def memory_mb() -> tuple[float, float] | None:
    """Memory of the first GPU in use, by all processes, and in total, in 10^6 bytes; None where nobody tells."""
    if not has_gpu():
        return None
    driver = ctypes.CDLL("libcuda.so.1")
    device, context = ctypes.c_int(0), ctypes.c_void_p()
    free, total = ctypes.c_size_t(0), ctypes.c_size_t(0)
    # The context that the runtimes of this process share: a thread that does not use it yet must take it first.
    if driver.cuDeviceGet(ctypes.byref(device), 0) or driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), device):
        return None
    try:
        if driver.cuCtxPushCurrent_v2(context):
            return None
        failed = driver.cuMemGetInfo_v2(ctypes.byref(free), ctypes.byref(total))
        driver.cuCtxPopCurrent_v2(ctypes.byref(ctypes.c_void_p()))
    finally:
        driver.cuDevicePrimaryCtxRelease_v2(device)
    return None if failed else ((total.value - free.value) / 1e6, total.value / 1e6)
