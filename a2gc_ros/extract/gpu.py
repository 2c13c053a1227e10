"""Whether this machine has an NVIDIA GPU, asked of its driver: no package is needed for that."""

from __future__ import annotations

import ctypes
from functools import cache

OUT_OF_MEMORY = "the GPU's memory is full; end what else runs on the GPU, or use a smaller model or half precision"


@cache
def has_gpu() -> bool:
    """Whether the driver finds a GPU that this process may use."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    count = ctypes.c_int(0)
    return driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0 and count.value > 0
