"""What every inference runtime offers an extractor."""

from __future__ import annotations

from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Precision = Literal["fp32", "bf16", "fp16", "int8"]


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
