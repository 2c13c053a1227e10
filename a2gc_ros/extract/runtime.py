"""What every inference runtime offers an extractor."""

from __future__ import annotations

from typing import Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Precision = Literal["fp32", "bf16", "fp16", "int8", "int8-bf16"]
"""What a model is computed in."""

QUANTIZED = ("int8", "int8-bf16")
"""Those that run a quantized file, and no other; they differ in what its float parts are computed in."""


class Runtime(Protocol):
    """A loaded model.

    Attributes:
        name: The backend's name.
        precision: The precision it computes in.
    """

    name: str
    precision: Precision

    def __call__(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Descriptors (N, D) of prepared images (N, height, width, 3), RGB; N is at least one.

        Raises:
            BackendError: The runtime failed.
        """
        ...


@runtime_checkable
class OnGpu(Protocol):
    """A runtime that may run on a GPU and can tell how full it is."""

    def gpu_memory_mb(self) -> tuple[float, float] | None:
        """Memory of the GPU in use, by all processes, and in total, in 10^6 bytes; None where it runs on a CPU."""
        ...
